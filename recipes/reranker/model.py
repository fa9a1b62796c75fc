"""The model: transformers' own classes put together at a small size, its folder and its card."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipes.encoder.evaluation import LICENCES, Report
from recipes.reranker.template import IMAGE, chat_template
from vitrina.search.encoders.base import Size
from vitrina.tuning.model_folder import WEIGHTS_FILE, compact

_TRUNK = "visual.trunk."


@dataclass(frozen=True, slots=True)
class RerankerArchitecture:
    """A timm image tower, a projector of two layers, and a Llama decoder with tied embeddings.

    The tower and its image size are those of the embedded encoder, where the tower's weights start.
    """

    image_tower: str = "mobilenetv4_conv_small"
    image_size: Size = (104, 84)
    width: int = 192
    n_layers: int = 4
    n_heads: int = 6
    mlp_width: int = 512
    max_length: int = 512

    @property
    def grid(self) -> Size:
        """Rows and columns of the tower's last map: it halves an image five times, rounding up."""
        height, width = self.image_size
        return math.ceil(height / 32), math.ceil(width / 32)

    @property
    def n_image_tokens(self) -> int:
        """Tokens an image takes in a prompt."""
        rows, columns = self.grid
        return rows * columns

    @property
    def initial_spread(self) -> float:
        """Standard deviation of random weights (arXiv 1910.05895). The usual 0.02 is for ten times the width: here it
        makes signals so small that an image's is overlooked for long."""
        return math.sqrt(2 / (5 * self.width))


def create_untrained(architecture: RerankerArchitecture, tokenizer: Any) -> Any:
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


def create_processor(architecture: RerankerArchitecture, tokenizer: Any) -> Any:
    """A ``LlavaProcessor`` whose pixels are those that the encoder's own preprocessing makes.

    Loaded again by ``AutoProcessor`` it resizes by torchvision, which rounds a few pixels in a thousand to the next of
    256 levels; with ``backend="pil"`` it is exact.
    """
    from transformers import LlavaProcessor
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    height, width = architecture.image_size
    images = SiglipImageProcessorPil(
        size={"height": height, "width": width}, image_mean=[0.5] * 3, image_std=[0.5] * 3, resample=3
    )
    return LlavaProcessor(
        image_processor=images,
        tokenizer=tokenizer,
        patch_size=_patch_size(architecture),
        vision_feature_select_strategy="full",
        num_additional_image_tokens=0,
        chat_template=chat_template(),
    )


def start_tower(model: Any, encoder: Path) -> None:
    """Give the model the image tower of an open_clip folder. Raises OSError where there is none, RuntimeError where
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


def _vision(architecture: RerankerArchitecture) -> Any:
    import timm
    from transformers import TimmWrapperConfig

    n_channels = timm.create_model(architecture.image_tower, num_classes=0).num_features
    return TimmWrapperConfig(
        architecture=architecture.image_tower, do_pooling=False, hidden_size=n_channels, num_labels=0
    )


def _text(architecture: RerankerArchitecture, vocabulary_size: int, special: dict[str, int]) -> Any:
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


def _patch_size(architecture: RerankerArchitecture) -> int:
    """The processor takes height // patch times width // patch for the number of image tokens, where the tower rounds
    up: 104 x 84 pixels are 4 x 3 places of 32 pixels, and 26 is a patch that counts them so."""
    (height, width), (rows, columns) = architecture.image_size, architecture.grid
    fitting = [size for size in range(1, 33) if (height // size, width // size) == (rows, columns)]
    if not fitting:
        raise ValueError(f"No patch size gives {rows} x {columns} places for {height} x {width} pixels.")
    return max(fitting)


_CARD = """\
# Vitrina's embedded vision-language model

A very small model that says whether a statement about a product's image is true, reads labels off the image,
localizes things in it, and turns verdicts into sentences. Made by `python -m recipes.reranker` for Vitrina. It loads
with plain transformers:

```python
processor = AutoProcessor.from_pretrained("FOLDER")
model = AutoModelForImageTextToText.from_pretrained("FOLDER")
```

- **Image tower**: MobileNetV4 conv small (timm), started from Vitrina's embedded encoder; {size} pixels (height x
  width), squashed to fit, are {grid} image tokens.
- **Decoder**: a Llama of four layers of width 192 behind a projector of two layers; a byte-level BPE of 4,000 tokens.
- **Prompts**: those of Vitrina, in the usual chat format. The chat template shortens them, and leaves out the system
  message and the catalog's listing: this model judges by the image alone. P(yes) is read off the logits of `yes` and
  `no` behind the prompt. A box is four of `<loc_0>` to `<loc_31>`: left, top, right, bottom.
- **Training**: yes or no to phrases, each phrase as often true as false; labels; what an image does not show; captions;
  explanations by template; boxes on drawn products. The weights are an exponential moving average (EMA).

## Data
| file | rows | licence |
|---|---|---|
{rows}

Licences: Fashion Product Images (Small), MIT; Grocery Store Dataset (arXiv 1901.00711), MIT; clothing-dataset-small,
CC0; the boutique is drawn by Vitrina's own code.

## Measured
On rows held out from the training files by a hash of their sku. A statement ("claims" in the tables) is as often true
as false; half of the false ones are nearly true: the right article in another colour, and the like. A model that
ignores the image scores 0.5.

{metrics}

## Limits
It knows the kinds of product, colours and words of its training data: clothes, shoes, accessories, cosmetics and some
groceries, in English, and nothing else of the world. It cannot converse. Small prints, logos and written text are lost
at {size} pixels. Boxes were learnt on drawings alone. The source's colour labels are noisy; labels for gender and
usage follow the source shop's habits, not what a person may wear. Check what it writes against its verdicts.
"""


def describe(
    reports: Mapping[str, Report],
    explanations: Mapping[str, float],
    counts: Mapping[str, int],
    architecture: RerankerArchitecture,
) -> str:
    """The card's text, in Markdown. ``counts`` are rows by source, those held out included."""
    size, grid = ("{} x {}".format(*pair) for pair in (architecture.image_size, architecture.grid))
    rows = [
        f"| {source} | {count} | {LICENCES.get(source.partition('-')[0], 'unknown')} |"
        for source, count in counts.items()
    ]
    tables = [
        "\n".join(
            [f"| {title} | value |", "|---|---|"] + [f"| {name} | {value:.3f} |" for name, value in figures.items()]
        )
        for title, figures in [
            *((f"{source}, {report.n_rows} rows", report.figures) for source, report in reports.items()),
            ("explanations", explanations),
        ]
    ]
    return _CARD.format(rows="\n".join(rows), metrics="\n\n".join(tables), size=size, grid=grid)


MAX_FOLDER_BYTES = 25_000_000
"""The package carries the folder."""

RERANKER_WEIGHTS_FILE = "model.safetensors"


def write_model(folder: Path, model: Any, processor: Any) -> None:
    """Write everything that ``AutoProcessor`` and ``AutoModelForImageTextToText`` load, and no more.

    Matrices are stored as float16, the rest as float32; the configuration says float32, so that it loads as that.
    """
    from safetensors.torch import save

    folder.mkdir(parents=True, exist_ok=True)
    processor.save_pretrained(folder)
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
    tied = set(model.all_tied_weights_keys)
    weights = {name: compact(weight.detach()) for name, weight in model.state_dict().items() if name not in tied}
    (folder / RERANKER_WEIGHTS_FILE).write_bytes(save(weights, metadata={"format": "pt"}))


def load(folder: Path) -> tuple[Any, Any]:
    """The model and its processor, as any user loads them; float32, on the CPU."""
    from transformers import AutoModelForImageTextToText, AutoProcessor
    from transformers.utils import logging

    logging.disable_progress_bar()
    model = AutoModelForImageTextToText.from_pretrained(folder, local_files_only=True)
    return model.eval(), AutoProcessor.from_pretrained(folder, local_files_only=True)
