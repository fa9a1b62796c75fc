"""``kill -9`` while indexing: the same command again ends with exactly the rows of an undisturbed run."""

from __future__ import annotations

import random
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest

from recipes.boutique import export
from tests.e2e.index_slowly import BATCH_ROWS, SECONDS_A_BATCH, index_slowly
from tests.e2e.processes import PROCESSES
from tests.fakes import FakeEncoder
from vitrina.search.engine import SearchEngine
from vitrina.search.store.store import Store
from vitrina.search.types.item import StoredItem
from vitrina.search.types.query import Query

N_PRODUCTS = 160
N_KILLS = 4
MAX_COMMITS = N_PRODUCTS // BATCH_ROWS // N_KILLS // 2
"""Of one run before it is killed, so that the four leave something to do for the last one."""


def index(catalog: Path, store: Path, seconds_a_batch: float) -> tuple[BaseProcess, Connection]:
    """Start a run in a process of its own; the connection gets a message after each commit."""
    receiver, sender = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=index_slowly, args=(catalog, store, sender, seconds_a_batch))
    process.start()
    sender.close()
    return process, receiver


def finish(catalog: Path, store: Path) -> int | None:
    """Index all there is, as fast as it goes."""
    process, committed = index(catalog, store, 0)
    process.join()
    committed.close()
    return process.exitcode


def kill(catalog: Path, store: Path, n_commits: int, delay_s: float) -> None:
    """Start a run, and end it with ``kill -9`` that long after so many commits."""
    process, committed = index(catalog, store, SECONDS_A_BATCH)
    with committed, suppress(EOFError):  # where it was done before
        for _ in range(n_commits):
            committed.recv()
        time.sleep(delay_s)
    process.kill()
    process.join()


def rows(store: Store) -> dict[str, StoredItem]:
    return {stored.item.sku: stored for stored in store.catalog.all_items()}


def test_kill_9_loses_nothing_and_doubles_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "POOL_FROM", N_PRODUCTS + 1)  # the images are small
    catalog = export.write_folder(tmp_path / "shop", N_PRODUCTS, size=32)
    assert finish(catalog, tmp_path / "calm") == 0
    rng, counts = random.Random(0), []
    for _ in range(N_KILLS):
        kill(catalog, tmp_path / "killed", rng.randint(1, MAX_COMMITS), rng.uniform(0, SECONDS_A_BATCH))
        store = Store(tmp_path / "killed")
        counts.append(store.catalog.count("items"))
        store.close()
    assert finish(catalog, tmp_path / "killed") == 0

    assert counts == sorted(counts)
    assert any(0 < count < N_PRODUCTS for count in counts), counts
    calm, killed = Store(tmp_path / "calm"), Store(tmp_path / "killed")
    assert killed.catalog.counts() == calm.catalog.counts()
    expected, got = rows(calm), rows(killed)
    assert got.keys() == expected.keys()
    engines = SearchEngine.open(calm, FakeEncoder()), SearchEngine.open(killed, FakeEncoder())
    for sku, stored in expected.items():
        assert (got[sku].item, got[sku].image_ids) == (stored.item, stored.image_ids)
        for modality in ("image", "text"):
            indexes = [engine.replica.indexes[modality] for engine in engines]
            vectors = [
                index.rows_of(np.array([row.id])).vectors
                for index, row in zip(indexes, (stored, got[sku]), strict=True)
            ]
            np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-6)
    for sku in list(expected)[::20]:
        assert engines[1].search(Query(text=sku, limit=1)).hits[0].stored.item.sku == sku
    calm.close()
    killed.close()
