"""The folder of a tuned model: everything that open_clip needs to load it, offline where it can."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from search.encoders.openclip import HUB_PREFIX, OpenClipEncoder, encoder_folder
from training.folder import write_weights

CONFIGURATION = "open_clip_config.json"

TOKENIZER_PATTERNS = ("*token*.json", "vocab*", "merges.txt", "*.model")
"""What tokenizers of transformers are kept in. Exports, weights and cards of the model before stay behind."""


def write_model(folder: Path, base: OpenClipEncoder, source: str) -> None:
    """Write the tuned model of ``base``, which was loaded from ``source``, as an open_clip folder.

    A tokenizer of transformers is saved with it; open_clip's own needs no file. A text tower of transformers
    (``hf_model_name``) still takes its architecture from the hub's cache: open_clip has no other way.
    """
    folder.mkdir(parents=True)
    configuration = configuration_of(source, base)
    origin = encoder_folder(source)
    if origin is not None:
        for pattern in TOKENIZER_PATTERNS:
            for path in origin.glob(pattern):
                shutil.copy(path, folder)
    elif hasattr(base.tokenizer, "save_pretrained"):
        base.tokenizer.save_pretrained(str(folder))
        configuration["model_cfg"]["text_cfg"].setdefault("hf_tokenizer_name", "tokenizer.json")
    (folder / CONFIGURATION).write_text(json.dumps(configuration, indent=1) + "\n", encoding="utf-8")
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
