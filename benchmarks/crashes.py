"""``kill -9`` at random moments of a store's life, on SQLite and on PostgreSQL, and whether it ends where it should.

One store lives through all of them. Each round brings a new edition of the shop's catalog, by ``vitrina index --sync``,
and writes over HTTP, after which a service compacts and rebuilds its index and saves a snapshot. Whatever was killed
is begun again as its user would: the same command, the same writes.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import numpy as np

from benchmarks.catalogs import Figure
from benchmarks.load import serving
from benchmarks.peer_indexes import postgres_address
from benchmarks.start import vitrina
from recipes.boutique.export import write_folder
from vitrina.search.encoders.registry import load_encoder
from vitrina.search.engine import SearchEngine
from vitrina.search.store.store import Store, StoreOptions
from vitrina.search.types.item import MODALITIES, StoredItem
from vitrina.search.types.models import Vectors
from vitrina.search.types.query import Query

N_KILLS = 100
N_PRODUCTS = 240
N_WRITES = 60
HALF_STEP = 2e-5
"""An approximate index keeps its rows in 16 bits, and the newest beside it in 32."""
IMAGE_PX = 96
SETTLING_S = 1.5
"""Within it a service has compacted, rebuilt and saved what a round's writes call for."""

QUERIES = ("striped shirt", "navy", "mug for coffee", "linen dress women", "round 1 lamp", "leather bag")
VECTOR_INDEX = "faiss-hnsw"
SETTINGS = {"VITRINA_RERANKER": "off", "VITRINA_VECTOR_INDEX": VECTOR_INDEX}
"""Reranking precomputes what can be computed again; an approximate index has more to lose than a flat one."""


@dataclass
class Life:
    """One store, the database of its catalog if that is a server's, and how often it was killed at what."""

    folder: Path
    catalog: Path
    chance: random.Random
    database: str = ""
    kills: dict[str, int] = field(default_factory=dict)

    @property
    def environment(self) -> Mapping[str, str]:
        return SETTINGS | ({"VITRINA_DATABASE": self.database} if self.database else {})

    def index(self, within_s: float | None = None) -> None:
        """Index the catalog's edition to the end, or until it is killed within some seconds."""
        command = vitrina("index", str(self.catalog), "--store", str(self.folder), "--sync", "--yes")
        process = subprocess.Popen(
            command, env={**os.environ, **self.environment}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        if within_s is not None:
            time.sleep(self.chance.uniform(0, within_s))
            self._count("indexing", process)
        told = process.communicate()[1].decode()
        if within_s is None and process.returncode:
            raise RuntimeError(f"vitrina index ended with {process.returncode}: {told}")

    def write(self, number: int, *, kill: bool) -> None:
        """Have a service take a round's writes, and let it settle, or kill it at any moment of that."""
        n_before_kill = self.chance.randrange(2 * N_WRITES) if kill else 2 * N_WRITES  # half of the kills come after
        with (
            serving(self.folder, environment=self.environment) as service,
            httpx.Client(base_url=service.url, timeout=60) as client,
        ):
            for at in range(min(n_before_kill, N_WRITES)):
                self._write_one(client, number, at)
            time.sleep(self.chance.uniform(0, SETTLING_S) if kill else SETTLING_S)
            if kill:
                self._count("writes" if n_before_kill < N_WRITES else "compaction and snapshots", service.process)

    @staticmethod
    def _write_one(client: httpx.Client, number: int, at: int) -> None:
        sku = f"w-{at}"
        if (at + number) % 4:
            client.put(f"/v1/items/{sku}", json={"title": f"Round {number} lamp {at}"}).raise_for_status()
        elif client.delete(f"/v1/items/{sku}").status_code not in (204, 404):
            raise RuntimeError(f"{sku} could not be deleted")

    def _count(self, activity: str, process: subprocess.Popen[bytes]) -> None:
        """Kill a process that is at some activity, and count it, if it was still running."""
        if process.poll() is None:
            self.kills[activity] = self.kills.get(activity, 0) + 1
        process.kill()
        process.wait()


def measure(n_kills: int = N_KILLS, n_products: int = N_PRODUCTS) -> Iterator[Figure]:
    """A life of SQLite, and one of PostgreSQL; each is compared with a store that had the last round alone."""
    with TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        rows = [json.loads(line) for line in drawn(folder / "shop", n_products).open(encoding="utf-8")]
        yield survival("SQLite", folder, rows, n_kills)
        server = postgres_address(folder, stack)
        yield survival("PostgreSQL", folder, rows, n_kills, server)


def drawn(folder: Path, n_products: int) -> Path:
    return write_folder(folder, n_products, size=IMAGE_PX)


def survival(name: str, folder: Path, rows: list[dict[str, Any]], n_kills: int, database: str = "") -> Figure:
    """What of a store that was killed again and again, and taken up by the next start, is as in one that was not."""
    catalog = folder / "shop" / "catalog.jsonl"
    life = Life(folder / f"killed-{name}", catalog, random.Random(0), database)
    number, started = 0, time.perf_counter()
    life.index()
    within_s = time.perf_counter() - started
    while sum(life.kills.values()) < n_kills:
        number += 1
        write_edition(catalog, rows, number)
        life.index(within_s)
        life.index(within_s)
        life.index()
        life.write(number, kill=True)
    life.write(number, kill=False)
    calm = Life(folder / f"calm-{name}", catalog, random.Random(0))
    calm.index()
    calm.write(number, kill=False)
    share = agreeing(calm, life)
    shutil.rmtree(calm.folder)
    counts = ", ".join(f"{n} while {activity}" for activity, n in life.kills.items())
    how = f"{len(rows)} rows, {number} editions, {N_WRITES} writes after each; killed at random moments: {counts}"
    return Figure(f"rows equal after kill -9, {name}", share, 1.0, how=how)


def write_edition(catalog: Path, rows: list[dict[str, Any]], number: int) -> None:
    """An edition of the catalog: a fifth of the rows left out, a third with other titles, a quarter with the image of
    another row."""
    edition = []
    for at, row in enumerate(rows):
        if (at + number) % 5:
            title = f"{row['title']}, edition {number}" if (at + number) % 3 == 0 else row["title"]
            image = rows[(at + number) % len(rows)]["image"] if at % 4 == 0 else row["image"]
            edition.append(json.dumps({**row, "title": title, "image": image}))
    catalog.write_text("\n".join(edition) + "\n", encoding="utf-8")


def agreeing(calm: Life, killed: Life) -> float:
    """The share of rows that are the same in both stores in every respect: fields, images, vectors, and findable by
    sku; 0 where either has a row that the other lacks, or words find others."""
    encoder = load_encoder(None)
    with ExitStack() as stack:
        stores = [
            stack.enter_context(closing(Store(each.folder, StoreOptions(VECTOR_INDEX, database=each.database or None))))
            for each in (calm, killed)
        ]
        engines = [SearchEngine.open(store, encoder) for store in stores]
        expected, got = ({stored.item.sku: stored for stored in store.catalog.all_items()} for store in stores)
        vectors = [vectors_by_sku(engine, rows) for engine, rows in zip(engines, (expected, got), strict=True)]
        found = [
            [held_words(engine, text, rows) for text in QUERIES]
            for engine, rows in zip(engines, (expected, got), strict=True)
        ]
        counts = [store.catalog.counts() for store in stores]
        same = [
            sku in got
            and (got[sku].item, got[sku].image_ids, got[sku].content_hash)
            == (stored.item, stored.image_ids, stored.content_hash)
            and np.allclose(vectors[0][sku], vectors[1][sku], atol=HALF_STEP)
            and engines[1].search(Query(text=sku, limit=1)).hits[0].stored.item.sku == sku
            for sku, stored in expected.items()
        ]
    return sum(same) / len(same) if counts[0] == counts[1] and found[0] == found[1] else 0.0


def vectors_by_sku(engine: SearchEngine, rows: Mapping[str, StoredItem]) -> dict[str, Vectors]:
    """The vectors of each item's images and text, in this order."""
    return {
        sku: np.concatenate(
            [engine.replica.indexes[modality].rows_of(np.array([stored.id])).vectors for modality in MODALITIES]
        )
        for sku, stored in rows.items()
    }


def held_words(engine: SearchEngine, text: str, rows: Mapping[str, StoredItem]) -> dict[str, float]:
    """The BM25 score of every item that holds a word of a text, by sku."""
    sku_of = {stored.id: sku for sku, stored in rows.items()}
    best = engine.replica.lexical.match(text).best(len(rows))
    return {
        sku_of[item_id]: round(float(score), 4)
        for item_id, score in zip(best.item_ids.tolist(), best.bm25, strict=True)
    }
