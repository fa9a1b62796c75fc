"""``kill -9`` while indexing: the same command again ends with exactly the rows of an undisturbed run."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import numpy as np

from recipes.boutique.export import write_folder
from tests.e2e.index_slowly import BATCH_ROWS
from tests.fakes import FakeEncoder
from vitrina.search.engine import SearchEngine
from vitrina.search.store.store import Store
from vitrina.search.types.item import StoredItem
from vitrina.search.types.query import Query

N_PRODUCTS = 160
N_KILLS = 4
N_BATCHES = N_PRODUCTS // BATCH_ROWS


def index(catalog: Path, store: Path, n_batches: int = N_BATCHES) -> subprocess.Popen[bytes]:
    """Start a run; returns when it has begun that many batches, or all that were left."""
    command = [sys.executable, "-m", "tests.e2e.index_slowly", str(catalog), str(store)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    for _ in range(n_batches):
        if not process.stdout.readline():
            break
    return process


def finish(process: subprocess.Popen[bytes]) -> int:
    with process:
        return process.wait()


def rows(store: Store) -> dict[str, StoredItem]:
    return {stored.item.sku: stored for stored in store.catalog.all_items()}


def test_kill_9_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    catalog = write_folder(tmp_path / "shop", N_PRODUCTS, size=32)
    assert finish(index(catalog, tmp_path / "calm")) == 0
    chance, counts = random.Random(0), []
    for _ in range(N_KILLS):
        process = index(catalog, tmp_path / "killed", n_batches=chance.randint(1, N_BATCHES // N_KILLS + 3))
        process.kill()
        finish(process)
        store = Store(tmp_path / "killed")
        counts.append(store.catalog.counts()["items"])
        store.close()
    assert finish(index(catalog, tmp_path / "killed")) == 0

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
