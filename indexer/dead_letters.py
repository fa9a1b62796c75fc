"""The dead-letter file: every row that could not be indexed, with its reason and its remedy, as JSON lines."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TextIO

from vitrina.indexer.sources.base import Rejection
from vitrina.search.types.errors import StorageError


class DeadLetters:
    """Appends rejections to a file of JSON lines, created with the first one. For one thread at a time."""

    def __init__(self, folder: Path) -> None:
        started = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
        self.path = folder / f"{started}.jsonl"
        self.n_rejections = 0
        self._file: TextIO | None = None

    def __enter__(self) -> DeadLetters:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._file is not None:
            with suppress(OSError):  # every line was flushed, or its failure raised, when it was added
                self._file.close()

    def add(self, rejection: Rejection) -> None:
        """Write and flush one line. Raises StorageError if the disk refuses."""
        try:
            self._write(json.dumps(asdict(rejection), ensure_ascii=False) + "\n")
        except OSError as error:
            raise StorageError(
                f"The dead-letter file {self.path} cannot be written: {error.strerror or error}.",
                remedy="Free some space and run the same command again; what was committed before is kept.",
            ) from error
        self.n_rejections += 1

    def _write(self, line: str) -> None:
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("w", encoding="utf-8", errors="backslashreplace")
        self._file.write(line)
        self._file.flush()
