"""Models: identities of encoders and rerankers, arrays of pixels and vectors, and the JSON card beside a model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from vitrina.search.types.errors import StateError, StorageError

Vectors = NDArray[np.float32]
"""Embeddings, shape (n, dimension), one unit vector per row."""

Pixels = NDArray[np.uint8] | NDArray[np.float32]
"""One prepared image, shape (3, height, width), normalised as the encoder's image tower expects."""

LOCAL_PREFIX = "local-dir:"
"""The prefix of names of models in a folder: open_clip's own convention."""


@dataclass(frozen=True, slots=True)
class EncoderIdentity:
    """Identifies an encoder: vectors can be compared only where name, fingerprint and dimension are equal.

    ``fingerprint`` is a SHA-256 (hex) over the weights and the preprocessing, so that a retrained model under an old
    name is noticed.
    """

    name: str
    fingerprint: str
    dimension: int

    @property
    def key(self) -> str:
        """What this encoder's files in a store are named after: the first 16 hex digits of the fingerprint."""
        return self.fingerprint[:16]


@dataclass(frozen=True, slots=True)
class RerankerIdentity:
    """Identifies a reranker: probabilities of two models never mix. ``fingerprint`` is a SHA-256 (hex) over weights and
    prompts, or over what is known of a remote model."""

    name: str
    fingerprint: str

    @property
    def key(self) -> str:
        """What this reranker's files in a store are named after: the first 16 hex digits of the fingerprint."""
        return self.fingerprint[:16]


EntryT = TypeVar("EntryT")


def read_entry(path: Path, name: str, adapter: TypeAdapter[EntryT], error: type[StateError]) -> EntryT | None:
    """The entry of that name, or None if the file or the entry is missing. Raises ``error`` if it is damaged."""
    if not path.is_file():
        return None
    try:
        entry = json.loads(path.read_text(encoding="utf-8")).get(name)
        return None if entry is None else adapter.validate_python(entry)
    except (ValueError, AttributeError, OSError) as reason:
        raise error(f"{path} is damaged: {reason}", remedy=f"Correct its {name} or remove the file.") from reason


def write_entry(path: Path, name: str, adapter: TypeAdapter[EntryT], entry: EntryT) -> None:
    """Write an entry into the file atomically; other entries stay. Raises StorageError."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        entries[name] = adapter.dump_python(entry, mode="json")
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{uuid4().hex}.partial")
        partial.write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise StorageError(
            f"The {name} cannot be written to {path}: {error.strerror}.", remedy="Make the folder writable."
        ) from error
