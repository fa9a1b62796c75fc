"""The folder a model ships in: configuration, weights, what was measured, and its card."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from vitrina.search.encoders.base import HUB_PREFIX, encoder_folder
from vitrina.search.encoders.late_interaction import HEAD_FILE
from vitrina.search.encoders.open_clip import OpenClipEncoder

WEIGHTS_FILE = "open_clip_model.safetensors"


def write_weights(folder: Path, model: torch.nn.Module, in_8_bits: AbstractSet[str] = frozenset()) -> None:
    """Write the weights: matrices as float16, those named in ``in_8_bits`` as float8 (e4m3, whose steps are an eighth
    of a number, and 1/512 of small ones), the small rest (norms, biases, statistics) as float32."""
    state = {name: compact(tensor.detach().cpu()) for name, tensor in model.state_dict().items()}
    state |= {name: state[name].to(torch.float8_e4m3fn) for name in in_8_bits}
    (folder / WEIGHTS_FILE).write_bytes(save(state, metadata={"format": "pt"}))


def write_card(folder: Path, card: Mapping[str, object], text: str) -> None:
    """Write ``vitrina.json``, which the encoder reads, and ``README.md``, which people read."""
    write_json(folder / "vitrina.json", card)
    (folder / "README.md").write_text(text, encoding="utf-8")


def compact(tensor: torch.Tensor) -> torch.Tensor:
    """A weight as it is stored: a matrix as float16, anything smaller as it is."""
    # running variances overflow or vanish in float16, and together they are 2% of the bytes
    small = tensor.ndim < 2 or not tensor.is_floating_point()
    return (tensor if small else tensor.half()).contiguous().clone()


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Write a configuration as indented JSON. Raises OSError."""
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


CONFIGURATION = "open_clip_config.json"

KEPT_PATTERNS = ("*token*.json", "vocab*", "merges.txt", "*.model", "config.json", HEAD_FILE)
"""What tokenizers of transformers, and the architecture of a text tower of transformers, are kept in, and the head for
word pieces. Exports, weights and cards of the model before stay behind."""


def write_model(folder: Path, base: OpenClipEncoder, source: str) -> None:
    """Write the tuned model of ``base``, which was loaded from ``source``, as an open_clip folder.

    A tokenizer of transformers is saved with it; open_clip's own needs no file. A text tower of transformers
    (``hf_model_name``) still takes its architecture from the hub's cache: open_clip has no other way.
    """
    folder.mkdir(parents=True)
    configuration = configuration_of(source, base)
    origin = encoder_folder(source)
    if origin is not None:
        for pattern in KEPT_PATTERNS:
            for path in origin.glob(pattern):
                shutil.copy(path, folder)
    elif hasattr(base.tokenizer, "save_pretrained"):
        base.tokenizer.save_pretrained(str(folder))
        configuration["model_cfg"]["text_cfg"].setdefault("hf_tokenizer_name", "tokenizer.json")
    write_json(folder / CONFIGURATION, configuration)
    write_weights(folder, base.model)


def configuration_of(source: str, base: OpenClipEncoder) -> dict[str, Any]:
    """What ``open_clip_config.json`` has to say for the model, wherever it came from."""
    origin = encoder_folder(source)
    if origin is not None:
        found: dict[str, Any] = json.loads((origin / CONFIGURATION).read_text(encoding="utf-8"))
        return found
    import open_clip

    name = source if source.startswith(HUB_PREFIX) else source.rpartition("/")[0] or source
    return {"model_cfg": open_clip.get_model_config(name), "preprocess_cfg": dict(base.model.visual.preprocess_cfg)}
