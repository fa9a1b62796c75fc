"""Index a catalog with a slow fake encoder: ``python -m tests.e2e.index_slowly SOURCE STORE``, for a test to kill."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.fakes import FakeEncoder
from vitrina.indexer import pipeline
from vitrina.indexer.fetch import Fetcher
from vitrina.indexer.pipeline import Indexer
from vitrina.indexer.sources import open_source
from vitrina.search.store.store import Store
from vitrina.search.types.models import Pixels, Vectors

BATCH_ROWS = 8
SECONDS_A_BATCH = 0.05


class SlowEncoder(FakeEncoder):
    """Takes its time over images, and says so when it begins a batch."""

    def encode_pixels(self, batch: Sequence[Pixels]) -> Vectors:
        sys.stdout.write("batch\n")
        sys.stdout.flush()
        time.sleep(SECONDS_A_BATCH)
        return super().encode_pixels(batch)


def main(source: str, store: str) -> None:
    vars(pipeline)["BATCH_ROWS"] = BATCH_ROWS
    indexer = Indexer(Store(Path(store)), SlowEncoder(), Fetcher())
    indexer.run(open_source(source, {}))


if __name__ == "__main__":
    main(*sys.argv[1:])
