from pathlib import Path

import pytest
import torch

from search.calibration import write_calibration
from search.encoders.openclip import create_untrained
from tests.fakes import CALIBRATION
from training.folder import Architecture, write_card, write_configuration, write_weights
from training.vocabulary import train_vocabulary

TINY = Architecture(
    "mobilenetv4_conv_small_050",
    picture_size=(32, 32),
    dimension=16,
    text_width=16,
    text_heads=2,
    text_layers=1,
    context_length=12,
)


def write_tiny_encoder(folder: Path, seed: int = 0) -> None:
    """An open_clip folder with random weights, its text tower causal as the embedded one's."""
    size = train_vocabulary(["navy linen shirt", "red mug"] * 4, folder, context_length=TINY.context_length, size=300)
    write_configuration(folder, TINY, size)
    torch.manual_seed(seed)
    write_weights(folder, create_untrained(folder))
    write_card(folder, {"schedule": {}}, "# Tiny\n")
    write_calibration(folder / "vitrina.json", CALIBRATION)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoders") / "tiny"
    write_tiny_encoder(folder)
    return folder
