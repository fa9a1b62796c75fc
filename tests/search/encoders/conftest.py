from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from tests.fakes import CALIBRATION
from vitrina.search.encoders.base import Size
from vitrina.search.encoders.open_clip import create_untrained
from vitrina.search.types.calibration import write_calibration
from vitrina.tuning.model_folder import write_card, write_json, write_weights


@dataclass(frozen=True, slots=True)
class EncoderArchitecture:
    """The towers of a tiny encoder: a timm image tower and a small text transformer."""

    image_tower: str = "mobilenetv4_conv_small_050"
    image_size: Size = (32, 32)
    dimension: int = 16
    text_width: int = 16
    text_heads: int = 2
    text_layers: int = 1
    context_length: int = 12


TINY = EncoderArchitecture()
PAD, START, END = "<pad>", "<start_of_text>", "<end_of_text>"


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


def write_configuration(folder: Path, architecture: EncoderArchitecture, vocabulary_size: int) -> None:
    """Write ``open_clip_config.json``: the towers, and the preprocessing (squashed to the tower's size)."""
    configuration = {
        "model_cfg": {
            "embed_dim": architecture.dimension,
            "custom_text": True,
            "vision_cfg": {
                "timm_model_name": architecture.image_tower,
                "timm_model_pretrained": False,
                "timm_pool": "avg",
                "timm_proj": "",
                "image_size": list(architecture.image_size),
            },
            "text_cfg": {
                "context_length": architecture.context_length,
                "vocab_size": vocabulary_size,
                "hf_tokenizer_name": "tokenizer.json",
                "width": architecture.text_width,
                "heads": architecture.text_heads,
                "layers": architecture.text_layers,
            },
        },
        "preprocess_cfg": {
            "size": list(architecture.image_size),
            "mode": "RGB",
            "mean": [0.5, 0.5, 0.5],
            "std": [0.5, 0.5, 0.5],
            "interpolation": "bicubic",
            "resize_mode": "squash",
        },
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "open_clip_config.json", configuration)


def train_vocabulary(texts: Iterable[str], folder: Path, *, context_length: int, size: int) -> int:
    """Learn a BPE of at most ``size`` tokens, write ``tokenizer.json`` and its configuration; return its exact size.

    Texts are lowercased and stripped of accents. The end token has the highest id, because open_clip's text tower
    pools at the highest id it sees.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=False), pre_tokenizers.ByteLevel(add_prefix_space=True)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size - 1,
        min_frequency=2,
        special_tokens=[PAD, START],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens([AddedToken(END, special=True)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (START, END)],
    )
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    write_tokenizer_configuration(folder, context_length)
    return int(tokenizer.get_vocab_size())


def write_tokenizer_configuration(folder: Path, context_length: int) -> None:
    configuration = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": context_length,
        "pad_token": PAD,
        "bos_token": START,
        "eos_token": END,
    }
    write_json(folder / "tokenizer_config.json", configuration)
