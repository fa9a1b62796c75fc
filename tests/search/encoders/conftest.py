from pathlib import Path

import pytest
import torch

from recipes.encoder.facts import train_vocabulary
from tests.fakes import CALIBRATION
from vitrina.search.encoders.open_clip import create_untrained
from vitrina.search.types.calibration import write_calibration
from vitrina.tuning.model_folder import EncoderArchitecture, write_card, write_configuration, write_weights

TINY = EncoderArchitecture(
    "mobilenetv4_conv_small_050",
    image_size=(32, 32),
    dimension=16,
    text_width=16,
    text_heads=2,
    text_layers=1,
    context_length=12,
)


def write_tiny_encoder(folder: Path, seed: int = 0, architecture: EncoderArchitecture = TINY) -> None:
    """An open_clip folder with random weights, its text tower causal as the embedded one's."""
    texts = ["navy linen shirt", "red mug"] * 4
    size = train_vocabulary(texts, folder, context_length=architecture.context_length, size=300)
    write_configuration(folder, architecture, size)
    torch.manual_seed(seed)
    write_weights(folder, create_untrained(folder))
    write_card(folder, {"schedule": {}}, "# Tiny\n")
    write_calibration(folder / "vitrina.json", CALIBRATION)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoders") / "tiny"
    write_tiny_encoder(folder)
    return folder
