"""Indexes a catalog with a slow fake encoder and reports each commit, for a test to kill."""

from __future__ import annotations

import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from tests.fakes import FakeEncoder
from vitrina.indexer import rows
from vitrina.indexer.fetch import Fetcher
from vitrina.indexer.pipeline import Indexer, IndexingProgress
from vitrina.indexer.sources import open_source
from vitrina.search.store.store import Store
from vitrina.search.types.models import Pixels, Vectors

BATCH_ROWS = 8
SECONDS_A_BATCH = 0.15


class SlowEncoder(FakeEncoder):
    """Takes its time over images, so that batches are read, encoded and committed at the same time."""

    def __init__(self, seconds_a_batch: float) -> None:
        self._seconds_a_batch = seconds_a_batch
        super().__init__()

    def encode_pixels(self, batch: Sequence[Pixels]) -> Vectors:
        if batch:  # a query in words has no images
            time.sleep(self._seconds_a_batch)
        return super().encode_pixels(batch)


def index_slowly(catalog: Path, store: Path, committed: Connection, seconds_a_batch: float = SECONDS_A_BATCH) -> None:
    """Index ``catalog`` into ``store``; sends the number of items that were added, after each commit that adds some."""
    vars(rows).update(MIN_BATCH_ROWS=BATCH_ROWS // 2, MAX_BATCH_ROWS=BATCH_ROWS)
    n_added = 0

    def report(progress: IndexingProgress) -> None:
        nonlocal n_added
        if progress.n_added > n_added:
            n_added = progress.n_added
            committed.send(n_added)

    Indexer(Store(store), SlowEncoder(seconds_a_batch), Fetcher()).run(open_source(str(catalog), {}), report)
