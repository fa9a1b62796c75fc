"""``kill -9`` at random moments while indexing, and whether the same command then ends where it should."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.figure import Figure
from boutique.export import write_folder
from search.encoders.openclip import load_encoder
from search.home import Home
from search.query import Query

N_KILLS = 20
N_PRODUCTS = 600
PICTURE_PX = 96


def measure(n_kills: int = N_KILLS, n_products: int = N_PRODUCTS) -> Iterator[Figure]:
    """Kill one run ``n_kills`` times, then let it end; compare with a run that nobody disturbed."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        catalog = write_folder(folder / "shop", n_products, size=PICTURE_PX)
        started = time.perf_counter()
        index(catalog, folder / "calm").wait()
        calm_s = time.perf_counter() - started
        n_killed = sum(kill_once(catalog, folder / "killed", calm_s, seed) for seed in range(n_kills))
        if index(catalog, folder / "killed").wait() != 0:
            raise RuntimeError("the run after the last kill failed")
        agreement = agreeing(folder / "calm", folder / "killed")
    how = f"{n_products} rows; killed {n_killed} times mid-run of {n_kills} tries"
    yield Figure("rows equal after kill -9", agreement, 1.0, how=how)


def index(catalog: Path, home: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "api.cli", "index", str(catalog), "--home", str(home)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def kill_once(catalog: Path, home: Path, calm_s: float, seed: int) -> bool:
    """Start a run and kill it at a random moment of its length; whether it was still running."""
    process = index(catalog, home)
    time.sleep(random.Random(seed).uniform(0.3, 1.0) * calm_s)
    killed = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    return killed


def agreeing(calm: Path, killed: Path) -> float:
    """The share of rows that are the same in both homes in every respect: fields, pictures, vectors, and findable."""
    homes = Home(calm), Home(killed)
    expected, got = ({stored.item.sku: stored for stored in home.catalog.all_items()} for home in homes)
    vectors = [vectors_by_sku(home) for home in homes]
    engine = homes[1].open_engine(load_encoder(None))
    same = [
        sku in got
        and (got[sku].item, got[sku].image_ids, got[sku].content_hash)
        == (stored.item, stored.image_ids, stored.content_hash)
        and np.allclose(vectors[0][sku], vectors[1][sku], atol=1e-5)
        and engine.search(Query(text=sku, limit=1)).hits[0].stored.item.sku == sku
        for sku, stored in expected.items()
    ]
    if len(got) != len(expected) or homes[0].catalog.counts() != homes[1].catalog.counts():
        return 0.0
    return sum(same) / len(same)


def vectors_by_sku(home: Home) -> dict[str, np.ndarray]:
    view = home.open_view(load_encoder(None))
    return {
        stored.item.sku: np.concatenate(
            [view.indexes[modality].rows_of(np.array([stored.id])).vectors for modality in ("image", "text")]
        )
        for stored in home.catalog.all_items()
    }
