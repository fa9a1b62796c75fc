"""Bulk indexing: a catalog's rows through bounded stages into committed transactions.

::

    read and compare | prepare, several threads | encode | commit
       a thread           a thread pool          a thread   the caller

Stages are joined by bounded queues, so memory does not grow with the catalog, and rows keep the source's order. A row
whose content hash is in the catalog already is skipped, which is also how a run that was killed goes on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from indexer.deadletter import DeadLetters
from indexer.embedding import BATCH_ROWS, embed
from indexer.fetch import Fetcher
from indexer.preparation import Prepared, Preparer
from indexer.record import Record, Rejection
from indexer.seen import SeenSkus
from indexer.sources import Source
from indexer.stages import batched, parallel_map, prefetch
from search.catalog.entry import Entry, StoredItem
from search.encoders.base import Encoder
from search.errors import EncoderReplacedError, InputError
from search.home import Home

ROWS_A_LOOKUP = 128
"""Rows whose content hashes are compared in one query; also how far reading runs ahead."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A record that is new or changed, not yet prepared."""

    record: Record
    content_hash: str
    is_new: bool


@dataclass(frozen=True, slots=True)
class Unchanged:
    """A record that is in the catalog as it is."""


Outcome = Prepared | Rejection | Unchanged


@dataclass(frozen=True, slots=True)
class Progress:
    """What a run has done so far. ``n_rows`` is the source's size, None where nobody knows it beforehand."""

    n_rows: int | None
    n_added: int = 0
    n_updated: int = 0
    n_unchanged: int = 0
    n_rejected: int = 0
    n_images: int = 0
    n_image_failures: int = 0
    seconds: float = 0.0
    dead_letters: Path | None = None

    @property
    def n_done(self) -> int:
        return self.n_added + self.n_updated + self.n_unchanged + self.n_rejected


OnProgress = Callable[[Progress], None]


@dataclass(slots=True)
class Batch:
    """What one turn of the pipeline hands on to be committed."""

    entries: list[Entry] = field(default_factory=list)
    pictures: list[bytes] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    n_added: int = 0
    n_unchanged: int = 0
    n_rejected: int = 0


class Indexer:
    """Indexes catalogs, and single items, into one home with one encoder.

    Raises EncoderError where the home's catalog was embedded with another.
    """

    def __init__(self, home: Home, encoder: Encoder, fetcher: Fetcher) -> None:
        self.home = home
        self.encoder = encoder
        self.space_id = home.open_space(encoder)
        self.preparer = Preparer(encoder, fetcher)

    def run(self, source: Source, on_progress: OnProgress = lambda _: None) -> Progress:
        """Index a whole source; what fails goes to the dead-letter file and the run goes on. Blocks until done.

        Raises SourceError where the source cannot be read on and StorageError where the disk refuses; all that was
        committed stays, and the same call goes on from there.
        """
        started, done = time.perf_counter(), Progress(source.n_rows)
        with DeadLetters(self.home.dead_letters) as letters, closing(prefetch(self.batches(source), 2)) as batches:
            for batch in batches:
                for rejection in batch.rejections:
                    letters.add(rejection)
                self.commit(batch)
                done = replace(
                    add(done, batch),
                    seconds=time.perf_counter() - started,
                    dead_letters=letters.path if letters.n_rejections else None,
                )
                on_progress(done)
        if done.n_added or done.n_updated:
            with suppress(EncoderReplacedError):  # since the last commit, with all that was committed
                self.home.view_of(self.encoder.identity, self.space_id).save()
        return replace(done, seconds=time.perf_counter() - started)

    def plan(self, source: Source, on_progress: OnProgress = lambda _: None) -> Progress:
        """What ``run`` would do, counted; pictures are not decoded and URLs not fetched. Writes nothing."""
        started, done = time.perf_counter(), Progress(source.n_rows)
        for pending in self.compare(source):
            match pending:
                case Pending(is_new=True):
                    done = replace(done, n_added=done.n_added + 1)
                case Pending():
                    done = replace(done, n_updated=done.n_updated + 1)
                case Unchanged():
                    done = replace(done, n_unchanged=done.n_unchanged + 1)
                case Rejection():
                    done = replace(done, n_rejected=done.n_rejected + 1)
            done = replace(done, seconds=time.perf_counter() - started)
            on_progress(done)
        return done

    def put(self, record: Record) -> StoredItem:
        """Index one item now. Raises InputError with the reason where it would be a dead letter. Blocks."""
        is_new = not self.home.catalog.content_hashes([record.item.sku])
        prepared = self.preparer.prepare(record, self.preparer.digest(record), is_new=is_new)
        failures = [prepared] if isinstance(prepared, Rejection) else prepared.complaints
        if failures or isinstance(prepared, Rejection):
            raise InputError(failures[0].reason, remedy=failures[0].remedy, details={"sku": record.item.sku})
        self.commit(self.encode([prepared]))
        return self.home.catalog.item(record.item.sku)

    def batches(self, source: Source) -> Generator[Batch, None, None]:
        n_threads = os.cpu_count() or 2
        compared = prefetch(self.compare(source), ROWS_A_LOOKUP)
        prepared = parallel_map(self.prepare, compared, n_threads, depth=BATCH_ROWS)
        with closing(batched(prefetch(prepared, BATCH_ROWS), BATCH_ROWS)) as batches:
            for outcomes in batches:
                yield self.encode(outcomes)

    def compare(self, source: Source) -> Generator[Pending | Rejection | Unchanged, None, None]:
        """The source's rows, each told apart: new or changed, bad, or known."""
        with closing(SeenSkus()) as seen, closing(batched(source.rows(), ROWS_A_LOOKUP)) as batches:
            for rows in batches:
                records = [row for row in rows if isinstance(row, Record)]
                known = self.home.catalog.content_hashes([record.item.sku for record in records])
                for row in rows:
                    yield self.compare_row(row, known, seen)

    def compare_row(
        self, row: Record | Rejection, known: dict[str, str], seen: SeenSkus
    ) -> Pending | Rejection | Unchanged:
        if isinstance(row, Rejection):
            return row
        sku = row.item.sku
        if (first := seen.first_origin(sku, row.origin)) is not None:
            return Rejection(row.origin, f"The sku {sku!r} stood at {first} already.", "Keep one row a sku.", sku)
        digest = self.preparer.digest(row)
        return Unchanged() if known.get(sku) == digest else Pending(row, digest, is_new=sku not in known)

    def prepare(self, pending: Pending | Rejection | Unchanged) -> Outcome:
        if isinstance(pending, Pending):
            return self.preparer.prepare(pending.record, pending.content_hash, is_new=pending.is_new)
        return pending

    def encode(self, outcomes: Sequence[Outcome]) -> Batch:
        prepared = [outcome for outcome in outcomes if isinstance(outcome, Prepared)]
        rejected = [outcome for outcome in outcomes if isinstance(outcome, Rejection)]
        return Batch(
            entries=embed(self.encoder, prepared) if prepared else [],
            pictures=[picture for each in prepared for picture in each.kept],
            rejections=[complaint for each in prepared for complaint in each.complaints] + rejected,
            n_added=sum(each.is_new for each in prepared),
            n_unchanged=sum(isinstance(outcome, Unchanged) for outcome in outcomes),
            n_rejected=len(rejected),
        )

    def commit(self, batch: Batch) -> None:
        """Keep a batch's pictures, then commit its items: no item is there before its pictures are."""
        self.home.images.put_all(batch.pictures)
        if batch.entries:
            self.home.catalog.commit(self.space_id, batch.entries)


def add(done: Progress, batch: Batch) -> Progress:
    return replace(
        done,
        n_added=done.n_added + batch.n_added,
        n_updated=done.n_updated + len(batch.entries) - batch.n_added,
        n_unchanged=done.n_unchanged + batch.n_unchanged,
        n_rejected=done.n_rejected + batch.n_rejected,
        n_images=done.n_images + sum(len(entry.image_ids) for entry in batch.entries),
        n_image_failures=done.n_image_failures + len(batch.rejections) - batch.n_rejected,
    )
