"""Dead letters: what a run left out, one JSON line each, and trying those rows again."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TextIO

from pydantic import TypeAdapter, ValidationError

from vitrina.indexer.sources.base import Record, Rejection
from vitrina.search.types.errors import SourceError, StorageError


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """How ``vitrina index`` opened a source: its absolute path, the name that its items have, and the options."""

    location: str
    name: str
    mapping: Mapping[str, str] = field(default_factory=dict)
    dialect: str | None = None
    images: str | None = None
    encoding: str | None = None
    shown_only: bool = False


OPENED: Final = "opened"
"""The key under which the first line of a file has the ``SourceOptions`` of its run."""

_OPTIONS = TypeAdapter(SourceOptions)

Key = tuple[str, str | None]
"""``sku`` or ``origin``, and which one."""


class DeadLetters:
    """Appends rejections to a file of JSON lines, created with the first one. For one thread at a time.

    With ``retried`` they take its file's place once all went well, and what of it the source no longer has stays; where
    nothing is left the file is removed. Otherwise the file has a name of its own, in ``folder``.
    """

    def __init__(
        self, folder: Path, options: SourceOptions | None = None, retried: RetriedLetters | None = None
    ) -> None:
        started = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
        self.path = folder / f"{started}.jsonl" if retried is None else retried.path
        self.n_rejections = 0
        self._options = options
        self._retried = retried
        self._written = self.path if retried is None else self.path.with_name(f"{self.path.name}.part")
        self._file: TextIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if error is None and self._retried is not None:
                self._replace(self._retried)
        finally:
            if self._file is not None:
                with suppress(OSError):  # every line was flushed, or its failure raised, when it was added
                    self._file.close()

    def add(self, rejection: Rejection) -> None:
        """Write and flush one line. Raises StorageError if the disk refuses."""
        fields = asdict(rejection)
        if rejection.n_rows == 1:
            del fields["n_rows"]
        self._add(fields)

    def _add(self, fields: Mapping[str, Any]) -> None:
        if self._options is not None and not self.n_rejections:
            fields = {**fields, OPENED: asdict(self._options)}
        try:
            self._write(json.dumps(fields, ensure_ascii=False) + "\n")
        except OSError as error:
            raise self._refused(error) from error
        self.n_rejections += 1

    def _write(self, line: str) -> None:
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._written.open("w", encoding="utf-8", errors="backslashreplace")
        self._file.write(line)
        self._file.flush()

    def _replace(self, retried: RetriedLetters) -> None:
        for fields in retried.not_met():
            self._add({key: value for key, value in fields.items() if key != OPENED})
        try:
            if self.n_rejections:
                os.replace(self._written, self.path)
            else:
                self.path.unlink(missing_ok=True)
        except OSError as error:
            raise self._refused(error) from error

    def _refused(self, error: OSError) -> StorageError:
        return StorageError(
            f"The dead-letter file {self.path} cannot be written: {error.strerror or error}.",
            remedy="Free some space and run the same command again; what was committed before is kept.",
        )


class RetriedLetters:
    """The dead letters of an earlier run, whose rows are tried again.

    A row is one of them by its sku or by its place in the source: either may have been mended. ``options`` say how the
    source was opened, if the file tells. Its memory grows with the letters. For one thread at a time.
    """

    def __init__(self, path: Path, letters: Sequence[Mapping[str, Any]], options: SourceOptions | None) -> None:
        self.path = path
        self.options = options
        self._letters = letters
        self._keys = {key for letter in letters for key in keys_of(letter)}
        self._met: set[Key] = set()

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a dead-letter file. Raises SourceError if it is none."""
        remedy = "Give a file of dead letters, as vitrina index names it at its end."
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeError) as error:
            raise SourceError(f"{path} cannot be read: {error}.", remedy=remedy) from error
        try:
            letters = [{"sku": None, **json.loads(line)} for line in lines if line.strip()]
            opened = next((letter[OPENED] for letter in letters if OPENED in letter), None)
            options = None if opened is None else _OPTIONS.validate_python(opened)
            if not all(isinstance(letter["origin"], str) for letter in letters):
                raise TypeError("an origin is no text")
        except (ValueError, TypeError, KeyError, ValidationError) as error:
            raise SourceError(f"{path} is no dead-letter file: {str(error)[:200]}.", remedy=remedy) from error
        return cls(path, letters, options)

    def __len__(self) -> int:
        return len(self._letters)

    def among(self, rows: Iterable[Record | Rejection]) -> Iterator[tuple[Record | Rejection, bool]]:
        """Each row, and whether it is one of those to be tried again."""
        for row in rows:
            sku = row.sku if isinstance(row, Rejection) else row.item.sku
            found = self._keys.intersection([("sku", sku), ("origin", row.origin)])
            self._met |= found
            yield row, bool(found)

    def not_met(self) -> list[Mapping[str, Any]]:
        """The letters whose rows the source did not have, once it is read."""
        return [letter for letter in self._letters if self._met.isdisjoint(keys_of(letter))]


def keys_of(letter: Mapping[str, Any]) -> list[Key]:
    """What the rows of a letter may be known by: its sku, and their places, several where a part of a file could not be
    read."""
    origin, n_rows = str(letter["origin"]), int(letter.get("n_rows", 1))
    name, _, number = origin.rpartition(":")
    keys: list[Key] = [] if letter["sku"] is None else [("sku", str(letter["sku"]))]
    if n_rows == 1 or not number.isdecimal():
        return [*keys, ("origin", origin)]
    return [*keys, *(("origin", f"{name}:{at}") for at in range(int(number), int(number) + n_rows))]
