"""``kill -9`` at random moments while indexing, and whether the same command then ends where it should."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.catalogs import Figure
from recipes.boutique.export import write_folder
from vitrina.search.encoders.registry import load_encoder, open_index_version
from vitrina.search.engine import SearchEngine
from vitrina.search.index.replica import IndexReplica
from vitrina.search.store.store import Store
from vitrina.search.types.query import Query

N_KILLS = 20
N_PRODUCTS = 600
IMAGE_PX = 96


def measure(n_kills: int = N_KILLS, n_products: int = N_PRODUCTS) -> Iterator[Figure]:
    """Kill a run at a random moment, run the same command again, and compare with an undisturbed run."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        catalog = write_folder(folder / "shop", n_products, size=IMAGE_PX)
        started = time.perf_counter()
        index(catalog, folder / "calm").wait()
        calm_s = time.perf_counter() - started
        chance, agreements = random.Random(0), list[float]()
        while len(agreements) < n_kills:
            store = folder / f"killed-{len(agreements)}"
            if kill(index(catalog, store), chance.uniform(0.3, 1.0) * calm_s) and store.exists():
                index(catalog, store).wait()
                agreements.append(agreeing(folder / "calm", store))
            shutil.rmtree(store, ignore_errors=True)
    how = f"{n_products} rows; {n_kills} runs killed at a random moment, then run again; the worst of them"
    yield Figure("rows equal after kill -9", min(agreements), 1.0, how=how)


def index(catalog: Path, store: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "vitrina.api.cli", "index", str(catalog), "--store", str(store)]
    environment = {**os.environ, "VITRINA_RERANKER": "off"}  # of what is killed, indexing is what must not be lost
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def kill(process: subprocess.Popen[bytes], after_s: float) -> bool:
    """Kill a process after a while; whether it was still running."""
    time.sleep(after_s)
    was_running = process.poll() is None
    process.kill()
    process.wait()
    return was_running


def agreeing(calm: Path, killed: Path) -> float:
    """The share of rows that are the same in both stores in every respect: fields, images, vectors, and findable."""
    stores = Store(calm), Store(killed)
    expected, got = ({stored.item.sku: stored for stored in store.catalog.all_items()} for store in stores)
    vectors = [vectors_by_sku(store) for store in stores]
    engine = SearchEngine.open(stores[1], load_encoder(None))
    same = [
        sku in got
        and (got[sku].item, got[sku].image_ids, got[sku].content_hash)
        == (stored.item, stored.image_ids, stored.content_hash)
        and np.allclose(vectors[0][sku], vectors[1][sku], atol=1e-5)
        and engine.search(Query(text=sku, limit=1)).hits[0].stored.item.sku == sku
        for sku, stored in expected.items()
    ]
    counts = [store.catalog.counts() for store in stores]
    for store in stores:
        store.close()
    return sum(same) / len(same) if counts[0] == counts[1] else 0.0


def vectors_by_sku(store: Store) -> dict[str, np.ndarray]:
    encoder = load_encoder(None)
    replica = IndexReplica.open(store, encoder.identity, open_index_version(store, encoder))
    return {
        stored.item.sku: np.concatenate(
            [replica.indexes[modality].rows_of(np.array([stored.id])).vectors for modality in ("image", "text")]
        )
        for stored in store.catalog.all_items()
    }
