"""One entry of a JSON file whose other entries are somebody else's, as in the ``vitrina.json`` beside a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter

from vitrina.search.types.errors import StateError, StorageError

EntryT = TypeVar("EntryT")


def read_entry(path: Path, name: str, adapter: TypeAdapter[EntryT], error: type[StateError]) -> EntryT | None:
    """The entry of that name, or None where file or entry is missing. Raises ``error`` where it is damaged."""
    if not path.is_file():
        return None
    try:
        entry = json.loads(path.read_text(encoding="utf-8")).get(name)
        return None if entry is None else adapter.validate_python(entry)
    except (ValueError, AttributeError, OSError) as reason:
        raise error(f"{path} is damaged: {reason}", remedy=f"Mend its {name} or remove the file.") from reason


def write_entry(path: Path, name: str, adapter: TypeAdapter[EntryT], entry: EntryT) -> None:
    """Put an entry into the file, in one piece. Raises StorageError where the disk refuses."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        entries[name] = adapter.dump_python(entry, mode="json")
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise StorageError(
            f"The {name} cannot be written to {path}: {error.strerror}.", remedy="Make the folder writable."
        ) from error
