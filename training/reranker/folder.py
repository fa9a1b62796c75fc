"""The folder that the model ships in: what transformers loads, what was measured, and its card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from training.folder import compact

MAX_FOLDER_BYTES = 25_000_000
"""The package carries the folder."""

WEIGHTS_FILE = "model.safetensors"


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
    (folder / WEIGHTS_FILE).write_bytes(save(weights, metadata={"format": "pt"}))


def load(folder: Path) -> tuple[Any, Any]:
    """The model and its processor, as anybody loads them; float32, on the CPU."""
    from transformers import AutoModelForImageTextToText, AutoProcessor
    from transformers.utils import logging

    logging.disable_progress_bar()
    model = AutoModelForImageTextToText.from_pretrained(folder, local_files_only=True)
    return model.eval(), AutoProcessor.from_pretrained(folder, local_files_only=True)
