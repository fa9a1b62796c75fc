"""The folder of a tuned model: everything that transformers needs to load it, as plain as the one it began as."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from search.reranking.backends.transformers.dialects import Dialect
from search.reranking.backends.transformers.loading import silently
from search.reranking.blend import CARD_FILE

COPIED = ("*.json", "*.jinja", "*.txt", "*.model", "LICENSE*", "NOTICE*")
"""Tokenizer, processor, templates, generation settings and licences stay as they are."""

ITS_OWN = ("config.json", CARD_FILE)
"""What the new folder has of its own; so has it the index of its weights."""


def write_model(folder: Path, model: Any, base: Path, dialect: Dialect) -> None:
    """Write the model, whose adapters are merged, in its own precision; the rest comes from the folder ``base``.

    The card says for now which dialect the model was tuned in: no folder's name may tell another. Raises OSError.
    """
    folder.mkdir(parents=True)
    with silently():
        model.save_pretrained(folder)
    for pattern in COPIED:
        for path in base.rglob(pattern):
            if path.name not in ITS_OWN and not path.name.endswith(".index.json"):
                target = folder / path.relative_to(base)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
    (folder / CARD_FILE).write_text(json.dumps({"dialect": dialect.name}) + "\n", encoding="utf-8")
