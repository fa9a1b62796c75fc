"""The architecture: transformers' own classes, put together at a small size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.encoders.preprocessing import Size
from training.folder import WEIGHTS_FILE
from training.reranker.template import IMAGE, chat_template

_TRUNK = "visual.trunk."


@dataclass(frozen=True, slots=True)
class Architecture:
    """A timm picture tower, a projector of two layers, and a Llama decoder with tied embeddings.

    The tower and its picture size are those of the embedded encoder, where the tower's weights start.
    """

    picture_tower: str = "mobilenetv4_conv_small"
    picture_size: Size = (104, 84)
    width: int = 192
    n_layers: int = 4
    n_heads: int = 6
    mlp_width: int = 512
    max_length: int = 512

    @property
    def grid(self) -> Size:
        """Rows and columns of the tower's last map: it halves a picture five times, rounding up."""
        height, width = self.picture_size
        return math.ceil(height / 32), math.ceil(width / 32)

    @property
    def n_image_tokens(self) -> int:
        """Tokens a picture takes in a prompt."""
        rows, columns = self.grid
        return rows * columns

    @property
    def initial_spread(self) -> float:
        """Standard deviation of random weights (arXiv 1910.05895). The usual 0.02 is for ten times the width: here it
        makes signals so small that a picture's is overlooked for long."""
        return math.sqrt(2 / (5 * self.width))


def create_untrained(architecture: Architecture, tokenizer: Any) -> Any:
    """A ``FastVlmForConditionalGeneration`` with random weights, float32."""
    from transformers import FastVlmConfig, FastVlmForConditionalGeneration, GenerationConfig

    special = {
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    config = FastVlmConfig(
        vision_config=_vision(architecture),
        text_config=_text(architecture, len(tokenizer), special),
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE),
        image_seq_length=architecture.n_image_tokens,
        tie_word_embeddings=True,
        initializer_range=architecture.initial_spread,
        dtype="float32",  # what the weights are computed in, though they are stored smaller
        **special,
    )
    model = FastVlmForConditionalGeneration(config)
    model.generation_config = GenerationConfig(**special, do_sample=False)
    return model


def create_processor(architecture: Architecture, tokenizer: Any) -> Any:
    """A ``LlavaProcessor`` whose pixels are those that the encoder's own preprocessing makes.

    Loaded again by ``AutoProcessor`` it resizes by torchvision, which rounds a few pixels in a thousand to the next of
    256 levels; with ``backend="pil"`` it is exact.
    """
    from transformers import LlavaProcessor
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    height, width = architecture.picture_size
    pictures = SiglipImageProcessorPil(
        size={"height": height, "width": width}, image_mean=[0.5] * 3, image_std=[0.5] * 3, resample=3
    )
    return LlavaProcessor(
        image_processor=pictures,
        tokenizer=tokenizer,
        patch_size=_patch_size(architecture),
        vision_feature_select_strategy="full",
        num_additional_image_tokens=0,
        chat_template=chat_template(),
    )


def start_tower(model: Any, encoder: Path) -> None:
    """Give the model the picture tower of an open_clip folder. Raises OSError where there is none, RuntimeError where
    it is another tower."""
    from safetensors.torch import load_file

    weights = load_file(encoder / WEIGHTS_FILE)
    trunk = {name.removeprefix(_TRUNK): weight for name, weight in weights.items() if name.startswith(_TRUNK)}
    trunk = {name: weight.float() for name, weight in trunk.items() if not name.startswith("classifier.")}
    counters = {name: value for name, value in tower_of(model).state_dict().items() if value.ndim == 0}
    tower_of(model).load_state_dict({**counters, **trunk})


def tower_of(model: Any) -> Any:
    """The timm model inside a ``FastVlmForConditionalGeneration``."""
    return model.model.vision_tower.timm_model


def _vision(architecture: Architecture) -> Any:
    import timm
    from transformers import TimmWrapperConfig

    n_channels = timm.create_model(architecture.picture_tower, num_classes=0).num_features
    return TimmWrapperConfig(
        architecture=architecture.picture_tower, do_pooling=False, hidden_size=n_channels, num_labels=0
    )


def _text(architecture: Architecture, vocabulary_size: int, special: dict[str, int]) -> Any:
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=vocabulary_size,
        hidden_size=architecture.width,
        intermediate_size=architecture.mlp_width,
        num_hidden_layers=architecture.n_layers,
        num_attention_heads=architecture.n_heads,
        max_position_embeddings=architecture.max_length,
        tie_word_embeddings=True,
        initializer_range=architecture.initial_spread,
        **special,
    )


def _patch_size(architecture: Architecture) -> int:
    """The processor takes height // patch times width // patch for the number of image tokens, where the tower rounds
    up: 104 x 84 pixels are 4 x 3 places of 32 pixels, and 26 is a patch that counts them so."""
    (height, width), (rows, columns) = architecture.picture_size, architecture.grid
    fitting = [size for size in range(1, 33) if (height // size, width // size) == (rows, columns)]
    if not fitting:
        raise ValueError(f"No patch size gives {rows} x {columns} places for {height} x {width} pixels.")
    return max(fitting)
