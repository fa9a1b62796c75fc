"""The catalog in step with its sources: which items are no longer in the source that they came from."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from vitrina.indexer.sources.base import Record, Rejection
from vitrina.search.store.catalog import Catalog
from vitrina.search.store.sources import KnownItem

MIN_SHARE_REPLACED = 0.5
"""A source that gives at least this share of an earlier one's items takes its place: the same catalog under another
file name. One that shares less with it stands beside it."""

MAX_SHARE_GONE = 0.2
"""More than this share of a source's items is not deleted without being asked: the file may be cut or the wrong one. A
single item may always go."""


@dataclass(frozen=True, slots=True)
class GoneItems:
    """How many of a source's items it no longer has, of how many that came from it."""

    n_gone: int
    n_before: int

    @property
    def is_doubtful(self) -> bool:
        """Whether there are so many that the source may be the wrong one."""
        return self.n_gone > 1 and self.n_gone > MAX_SHARE_GONE * self.n_before


NONE_GONE = GoneItems(0, 0)

OnGone = Callable[[GoneItems], bool]
"""Decides whether items that are gone from their source are deleted."""


class KnownSkus:
    """The skus of a source with the origin and a digest of each. They live in a private temporary database that SQLite
    moves to disk when it grows, so memory does not grow with the catalog. For one thread at a time."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("CREATE TABLE skus (sku TEXT PRIMARY KEY, origin TEXT, digest BLOB) WITHOUT ROWID")
        self._database.execute("BEGIN")

    def first_origin(self, sku: str, origin: str, digest: bytes = b"") -> str | None:
        """Add a sku; if it is known already, return the origin it was first added with."""
        cursor = self._database.execute("INSERT OR IGNORE INTO skus VALUES (?, ?, ?)", (sku, origin, digest))
        if cursor.rowcount:
            return None
        row = self._database.execute("SELECT origin FROM skus WHERE sku = ?", (sku,)).fetchone()
        return str(row[0])

    def has(self, sku: str, digest: bytes) -> bool:
        """Whether a sku was added with this digest."""
        row = self._database.execute("SELECT digest FROM skus WHERE sku = ?", (sku,)).fetchone()
        return row is not None and row[0] == digest

    def __contains__(self, sku: str) -> bool:
        return self._database.execute("SELECT 1 FROM skus WHERE sku = ?", (sku,)).fetchone() is not None

    def close(self) -> None:
        """Drop the database."""
        self._database.close()


def file_name(source: str) -> str:
    """The name of a source without the folders before it."""
    return re.split(r"[/\\]", source.rstrip("/\\"))[-1]


def digest_of(record: Record) -> bytes:
    """What records have in common that say the same of one item, wherever they stand."""
    images = [image.path or image.url or hash(image.data) for image in record.images]
    return hashlib.blake2b(repr((record.item, images)).encode("utf-8", "surrogatepass"), digest_size=12).digest()


class SourceRun:
    """One run over a source: the skus that it has, and what the catalog has from it and from those whose place it
    takes. Close it. For one thread at a time."""

    def __init__(self, catalog: Catalog, name: str, *, make: bool = True) -> None:
        """``make`` false changes nothing in the catalog, and knows no source that is new."""
        self.skus = KnownSkus()
        self.rejected = KnownSkus()
        self.source_id = catalog.source_id(name, make=make)
        self._catalog = catalog
        self._name = name
        self._before = catalog.source_counts()
        self._taken: Counter[int] = Counter()

    def close(self) -> None:
        """Drop what was noted."""
        self.skus.close()
        self.rejected.close()

    def note(self, known: KnownItem | None) -> bool:
        """Count an item that the source has, by the source it came from; returns whether that is another one."""
        if known is None or known.source_id == self.source_id:
            return False
        if known.source_id is not None:
            self._taken[known.source_id] += 1
        return True

    def noting_others(self, rows: Iterable[tuple[Record | Rejection, bool]]) -> list[Record | Rejection]:
        """Those of the rows that are wanted; of the others the skus are noted, which no later row may have."""
        wanted = []
        for row, is_wanted in rows:
            if is_wanted:
                wanted.append(row)
            elif isinstance(row, Record):
                self.skus.first_origin(row.item.sku, row.origin)
        return wanted

    def assign(self, skus: Sequence[str]) -> None:
        """Make unchanged items of another source this one's."""
        if self.source_id is not None:
            self._catalog.assign(self.source_id, skus)

    def gone(self) -> GoneItems:
        """How many items are gone from the source."""
        n_before = sum(self._before.get(source_id, 0) for source_id in self._replaced())
        return GoneItems(sum(map(len, self._pages())), n_before)

    def beside(self) -> dict[str, int]:
        """The other sources of the same file name that have items which stay theirs, as an upload and the file that was
        uploaded, and how many each."""
        replaced, left = self._replaced(), {}
        for name in self._catalog.source_names():
            source_id = self._catalog.source_id(name, make=False)
            if name == self._name or file_name(name) != file_name(self._name) or source_id is None:
                continue
            n_left = self._before.get(source_id, 0) - self._taken[source_id]
            if source_id not in replaced and n_left > 0:
                left[name] = n_left
        return left

    def inherit(self) -> None:
        """Make this source's own what is gone from it and came from those whose place it takes, so that a later run
        knows of it, too."""
        if self.source_id is not None:
            self._catalog.move_items([each for each in self._replaced() if each != self.source_id], self.source_id)

    def delete_gone(self) -> int:
        """Delete the items that are gone from the source; returns how many."""
        return sum(len(self._catalog.delete(skus)) for skus in self._pages())

    def _pages(self) -> Iterator[list[str]]:
        replaced = self._replaced()
        for page in self._catalog.skus_of(replaced) if replaced else ():
            yield [sku for sku in page if sku not in self.skus and sku not in self.rejected]

    def _replaced(self) -> list[int]:
        """The source itself, and those whose place it takes."""
        taken = (each for each, n in self._taken.items() if n >= MIN_SHARE_REPLACED * self._before.get(each, 0))
        return [*taken] if self.source_id is None else [self.source_id, *taken]
