"""Indexing on a real Ray cluster, of two cores on this machine: the same catalog, whatever dies on the way."""

from __future__ import annotations

import json
import os
import signal
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from recipes.boutique.export import write_folder
from tests.api.conftest import run_vitrina
from tests.fakes import FakeEncoder, MemorySource, make_image, make_record, open_replica, png
from tests.indexer.ray_tools import load_fake, prepare_dying, prepare_once_dying
from tests.indexer.test_web_images import record
from tests.indexer.web_server import make_fetcher, serving
from vitrina.indexer.fetch import Fetcher
from vitrina.indexer.pipeline import Indexer, IndexingProgress
from vitrina.indexer.ray_engine import CHUNK_ROWS, ActorPlan, RayEngine, connected
from vitrina.indexer.ray_workers import worker_tools
from vitrina.indexer.sources.base import Record
from vitrina.search.encoders.base import Encoder
from vitrina.search.encoders.registry import load_encoder
from vitrina.search.store.store import Store
from vitrina.search.types.errors import EncoderError, MissingDependencyError, StateError
from vitrina.search.types.item import StoredItem
from vitrina.search.types.models import Vectors

N_PRODUCTS = 12
N_ROWS = 5 * CHUNK_ROWS
BROKEN = b"\xff\xd8\xff\xe0 this is no picture"


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """Ray on this machine, for all tests: it takes seconds to start."""
    short = tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True)  # sockets lie in it
    with pytest.MonkeyPatch.context() as patch, short as folder:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        import ray

        ray.init(
            "local",
            num_cpus=2,
            object_store_memory=100 << 20,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
            _temp_dir=folder,
        )
        yield
        ray.shutdown()


def rows(n: int) -> list[Record]:
    return [make_record(f"sku-{at}", f"shirt {at}", images=[make_image("red", noise=at % 50)]) for at in range(n)]


def vectors(store: Store, encoder: Encoder, items: Sequence[StoredItem]) -> dict[str, Vectors]:
    indexes = open_replica(store, encoder).indexes
    return {name: index.rows_of(np.array([item.id for item in items])).vectors for name, index in indexes.items()}


def assert_same_catalog(one: Store, other: Store, encoder: Encoder) -> None:
    items, others = list(one.catalog.all_items()), list(other.catalog.all_items())
    assert [replace(item, sequence=0) for item in items] == [replace(item, sequence=0) for item in others]
    of_one, of_other = vectors(one, encoder, items), vectors(other, encoder, others)
    for name, found in of_one.items():
        np.testing.assert_allclose(found, of_other[name], atol=1e-5)
    image_ids = [image_id for item in items for image_id in item.image_ids]
    assert [one.images.read(each) for each in image_ids] == [other.images.read(each) for each in image_ids]
    assert one.catalog.counts() == other.catalog.counts()
    ids, bits = one.fingerprints.of(image_ids)
    known, others_bits = other.fingerprints.of(image_ids)
    assert dict(zip(ids, bits.tolist(), strict=True)) == dict(zip(known, others_bits.tolist(), strict=True))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A boutique's catalog with bad rows in it: one without a sku, one twice, two without an image that can be used."""
    catalog = write_folder(tmp_path_factory.mktemp("shop"), N_PRODUCTS, size=64)
    lines = catalog.read_text("utf-8").splitlines()
    first = json.loads(lines[0])
    (catalog.parent / "broken.jpg").write_bytes(BROKEN)
    without_image = ({"sku": name, "image": f"{name}.jpg"} for name in ("broken", "absent"))
    bad = [{**first, "sku": ""}, {**first, "title": "Another"}, *without_image]
    mixed = {**first, "sku": "mixed", "image": [first["image"], "broken.jpg"]}
    catalog.write_text("\n".join([*lines, *map(json.dumps, [*bad, mixed])]), "utf-8")
    return catalog


def test_a_shop_becomes_the_same_catalog_as_with_the_local_engine(shop: Path, tmp_path: Path) -> None:
    printed, found, statuses = {}, {}, {}
    for engine in ("local", "ray"):
        folder = tmp_path / engine
        status, printed[engine], _ = run_vitrina("index", str(shop), "--store", str(folder), "--engine", engine)
        statuses[engine] = status
        (file,) = (folder / "dead-letters").glob("*.jsonl")
        found[engine] = file.read_text("utf-8")
    assert statuses == {"local": 3, "ray": 3}
    assert found["local"] == found["ray"]
    assert len(found["ray"].splitlines()) == 5
    local, on_ray = Store(tmp_path / "local"), Store(tmp_path / "ray")
    with closing(local), closing(on_ray):
        assert local.catalog.count("items") == N_PRODUCTS + 1
        assert_same_catalog(local, on_ray, load_encoder(None))
    assert f"{N_PRODUCTS + 1} added" in printed["ray"]
    again = run_vitrina("index", str(shop), "--store", str(tmp_path / "ray"), "--engine", "local")[1]
    assert f"{N_PRODUCTS} unchanged" in again


def test_a_row_that_kills_every_worker_ends_the_run(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vitrina.indexer.ray_engine.N_RETRIES", 0)
    tools = replace(worker_tools(FakeEncoder(), load_fake), prepare=prepare_dying)
    with closing(RayEngine(tools)) as engine:
        indexer = Indexer(store, FakeEncoder(), Fetcher(), engine=engine)
        with pytest.raises(StateError, match="Ray gave up on a part of the catalog"):
            indexer.run(MemorySource(rows(3)))
    assert store.catalog.count("items") == 0


def test_workers_with_another_encoder_are_refused() -> None:
    with pytest.raises(EncoderError, match="A worker's encoder 'fake' is"):
        RayEngine(worker_tools(FakeEncoder(), partial(load_fake, seed=1)))


def connect(address: str | None = None) -> None:
    with connected(address):
        pass


def test_without_ray_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingDependencyError, match=r"vitrina\[ray\]"):
        connect()


def test_a_cluster_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def init(*_: object, **__: object) -> None:
        raise ConnectionError("no such host")

    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.init", init)
    with pytest.raises(StateError, match=r"nowhere:6379: no such host. Start one"):
        connect("nowhere:6379")


@pytest.mark.parametrize(
    ("nodes", "plan"),
    [
        ([{"CPU": 1}], (1, 1, 0)),
        ([{"CPU": 2}], (1, 1, 0)),
        ([{"CPU": 16}], (3, 4, 0)),
        ([{"CPU": 8}, {"CPU": 2}], (7, 1, 0)),
        ([{"CPU": 16, "GPU": 2}, {"CPU": 16}], (2, 0, 1)),
        ([{"CPU": 2, "GPU": 2}], (2, 0, 1)),
    ],
)
def test_encoders_leave_cores_to_the_tasks(nodes: list[dict[str, float]], plan: tuple[int, int, int]) -> None:
    assert ActorPlan.of(nodes) == ActorPlan(*plan)


@pytest.fixture(scope="module")
def marker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that is there once a task was killed."""
    return tmp_path_factory.mktemp("ray") / "killed"


@pytest.fixture(scope="module")
def engine(marker: Path) -> Iterator[RayEngine]:
    """Workers, the first of whose tasks is killed."""
    tools = worker_tools(FakeEncoder(), load_fake)
    tools = replace(tools, prepare=partial(prepare_once_dying, marker), make_fetcher=make_fetcher)
    with closing(RayEngine(tools)) as engine:
        yield engine


def test_workers_that_are_killed_cost_no_row(store: Store, tmp_path: Path, engine: RayEngine, marker: Path) -> None:
    killed: list[int] = []

    def kill(_: IndexingProgress) -> None:
        if not killed:
            killed.extend(engine.pids())
            for pid in killed:
                os.kill(pid, signal.SIGKILL)

    done = Indexer(store, FakeEncoder(), Fetcher(), engine=engine).run(MemorySource(rows(N_ROWS)), kill)
    assert (done.n_added, done.n_rejected, done.n_done) == (N_ROWS, 0, N_ROWS)
    assert marker.exists()  # a task's process was killed
    assert killed
    assert not set(killed) & set(engine.pids())
    with closing(Store(tmp_path / "local")) as local:
        Indexer(local, FakeEncoder(), Fetcher()).run(MemorySource(rows(N_ROWS)))
        assert_same_catalog(local, store, FakeEncoder())


def test_images_that_have_not_changed_are_taken_from_the_store(store: Store, engine: RayEngine) -> None:
    encoder = FakeEncoder()
    with serving() as server, make_fetcher() as fetcher:
        indexer = Indexer(store, encoder, fetcher, engine=engine)
        server.files = {"a.png": png(make_image("red", noise=1)), "b.png": png(make_image("blue", noise=2))}
        first = indexer.run(MemorySource([record(server, "a.png", "b.png")]))
        assert (first.n_added, first.n_images, server.statuses) == (1, 2, [200, 200])
        before = vectors(store, encoder, [store.catalog.item("a")])["image"]
        second = indexer.run(MemorySource([record(server, "b.png", "a.png", title="cup")]))
        assert (second.n_updated, second.n_failed_images, server.statuses[2:]) == (1, 0, [304, 304])
        np.testing.assert_array_equal(vectors(store, encoder, [store.catalog.item("a")])["image"], before[::-1])
        assert indexer.run(MemorySource([record(server, "b.png", "a.png", title="cup")])).n_unchanged == 1
        server.files = {}
        third = indexer.run(MemorySource([record(server, "b.png", "c.png", title="jug")]))
        assert (third.n_updated, third.n_failed_images) == (1, 2)
        assert store.catalog.item("a").item.title == "jug"
        assert len(store.catalog.item("a").image_ids) == 2
