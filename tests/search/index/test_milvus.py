"""Replicas that share the vectors in Milvus, and what goes wrong with it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
import pytest
from tenacity import Retrying, stop_after_delay, wait_fixed

from tests.fakes import FakeEncoder, make_entry, make_image, open_replica
from tests.search.index.brute_force import DIMENSION, NO_ITEMS, BruteForce, Engine, assert_same, filled, rows
from vitrina.search.index import milvus_rows
from vitrina.search.index.milvus import MilvusIndex, tuning_queries
from vitrina.search.index.milvus_server import N_LISTS, MilvusServer, parse_address
from vitrina.search.index.replica import IndexReplica
from vitrina.search.index.snapshot import read_snapshot
from vitrina.search.store.store import Store, StoreOptions
from vitrina.search.types.errors import EncoderReplacedError, MissingDependencyError, StateError, StorageError
from vitrina.search.types.item import MODALITIES, EmbeddingRows

OpenStore = Callable[[], Store]


@pytest.fixture
def open_store(milvus_file: str, tmp_path: Path) -> Iterator[OpenStore]:
    """Opens the same store again, as another service does."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(closing(Store(tmp_path / "store", StoreOptions(vectors=milvus_file))))


def add(store: Store, encoder: FakeEncoder, *skus: str, n_images: int = 1) -> None:
    version = store.catalog.open_index_version(encoder.identity, active=True)
    images = [make_image("red", noise=number) for number in range(n_images)]
    store.catalog.commit(version, [make_entry(encoder, sku, f"shirt {sku}", images=images) for sku in skus])


def held(replica: IndexReplica) -> list[tuple[str, int, int, bytes]]:
    return [
        (modality, int(row_id), int(item_id), vector.tobytes())
        for modality in MODALITIES
        for rows in [replica.indexes[modality].rows()]
        for row_id, item_id, vector in zip(rows.row_ids, rows.item_ids, rows.vectors, strict=True)
    ]


def in_memory(store: Store, encoder: FakeEncoder, folder: Path) -> IndexReplica:
    """What FAISS has of the same catalog."""
    version = store.catalog.open_index_version(encoder.identity, active=True)
    return IndexReplica(store.catalog, encoder.identity, version, folder / "other.snapshot")


def test_what_one_service_writes_another_finds(open_store: OpenStore, encoder: FakeEncoder, tmp_path: Path) -> None:
    one, two = open_store(), open_store()
    add(one, encoder, "a", "b", "c", n_images=2)
    first, second = open_replica(one, encoder), open_replica(two, encoder)
    assert len(first) == len(second) == 9
    add(two, encoder, "b")
    one.catalog.delete(["a"])
    assert second.catch_up()
    assert first.catch_up()
    assert not first.catch_up()
    assert first.sequence == second.sequence == one.catalog.sequence()
    assert held(first) == held(second) == held(in_memory(one, encoder, tmp_path))
    assert len(first) == len(second) == 2 + 3
    np.testing.assert_array_equal(first.indexes["image"].sample(3), second.indexes["image"].sample(3))


def test_a_change_is_written_by_one_service_alone(
    open_store: OpenStore, encoder: FakeEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (open_replica(open_store(), encoder) for _ in range(2))
    applied: list[int] = []
    apply = MilvusIndex.apply

    def counted(self: MilvusIndex, touched_items: milvus_rows.Ids, rows: EmbeddingRows) -> None:
        applied.append(len(rows))
        apply(self, touched_items, rows)

    monkeypatch.setattr(MilvusIndex, "apply", counted)
    add(open_store(), encoder, "a", "b")
    assert first.catch_up()
    assert second.catch_up()
    assert applied == [2, 2]


def test_a_restart_finds_the_rows_and_writes_what_is_new(open_store: OpenStore, encoder: FakeEncoder) -> None:
    store = open_store()
    add(store, encoder, "a", "b")
    before = open_replica(store, encoder)
    before.save(force=True)
    assert not [name for name in read_snapshot(before.path).arrays if "vectors" in name]
    add(store, encoder, "c")
    after = open_replica(open_store(), encoder)
    assert len(after) == 6
    assert [len(after.indexes[modality].rows()) for modality in MODALITIES] == [3, 3]
    assert not before.indexes["text"].rows_of(np.array([999])).row_ids.tolist()


def test_what_a_killed_process_had_begun_is_done_again(
    open_store: OpenStore, encoder: FakeEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store()
    add(store, encoder, "a", "b", n_images=2)
    replica = open_replica(store, encoder)
    add(store, encoder, "a", "c", n_images=3)
    with monkeypatch.context() as patched:
        patched.setattr(MilvusServer, "delete", lambda *_: pytest.fail("The process is killed."))
        with pytest.raises(pytest.fail.Exception):
            replica.catch_up()
    assert len(replica.indexes["image"].search(np.ones(encoder.identity.dimension, np.float32), 50)) == 4  # as before
    store.catalog.delete(["c"])
    again = open_replica(open_store(), encoder)
    assert held(again) == held(in_memory(store, encoder, tmp_path))
    assert replica.catch_up()
    assert held(replica) == held(again)
    assert len(replica.indexes["image"].search(np.ones(encoder.identity.dimension, np.float32), 50)) == 5


def test_a_service_goes_on_while_another_writes(open_store: OpenStore, encoder: FakeEncoder) -> None:
    store = open_store()
    add(store, encoder, "a")
    replica = open_replica(store, encoder)
    lock = open_store().vectors_lock()
    lock.acquire()
    add(store, encoder, "b")
    assert not replica.catch_up()
    assert len(replica) == 2
    lock.release()
    assert replica.catch_up()
    assert len(replica) == 4


@pytest.mark.parametrize("restarted", [False, True])
def test_rows_that_milvus_lost_are_written_again(
    open_store: OpenStore, encoder: FakeEncoder, milvus_file: str, monkeypatch: pytest.MonkeyPatch, restarted: bool
) -> None:
    monkeypatch.setattr("vitrina.search.index.shared.CHECK_EVERY_S", 0)
    add(store := open_store(), encoder, "a", "b")
    replica = open_replica(store, encoder)
    index = replica.indexes["image"]
    assert isinstance(index, MilvusIndex)
    before = held(replica)
    MilvusServer(milvus_file).drop(index.collection)
    assert replica.reports()["image"].n_rows == 2
    if restarted:
        replica = open_replica(open_store(), encoder)
    replica.catch_up()
    assert held(replica) == before


def test_a_catalog_that_has_gone_back_is_followed_from_there(open_store: OpenStore, encoder: FakeEncoder) -> None:
    add(store := open_store(), encoder, "a", "b")
    replica = open_replica(store, encoder)
    before = held(replica)
    shared = replica._shared
    assert shared is not None
    shared._server.keep_sequence(shared._name, 99)
    add(store, encoder, "c")
    assert replica.catch_up()
    assert replica.sequence == store.catalog.sequence()
    assert set(before) < set(held(replica))


def test_rebuilding_writes_all_rows_again(open_store: OpenStore, encoder: FakeEncoder) -> None:
    add(store := open_store(), encoder, "a", "b")
    replica = open_replica(store, encoder)
    before = held(replica)
    replica.indexes["image"].apply(np.array([1, 2]), replica.indexes["image"].rows_of(NO_ITEMS))
    assert held(replica) != before
    replica.rebuild()
    assert held(replica) == before


def test_collections_of_dropped_index_versions_are_dropped(open_store: OpenStore, encoder: FakeEncoder) -> None:
    store = open_store()
    old = open_replica(store, encoder)
    index = old.indexes["image"]
    assert isinstance(index, MilvusIndex)
    catalog, identity = store.catalog, FakeEncoder(seed=3).identity
    assert catalog.promote(catalog.open_index_version(identity, active=False))
    catalog.drop_index_version(old.version_id)
    assert index.collection in index.server.collections()
    new = IndexReplica.open(store, identity, catalog.open_index_version(identity, active=True))
    assert index.collection not in index.server.collections()
    with pytest.raises(EncoderReplacedError):
        old.catch_up()
    assert not new.catch_up()


@pytest.mark.parametrize("share", [0.9, 0.3, 0.05])
def test_filters_of_many_items_are_exact(milvus: Engine, share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(milvus_rows, "MAX_IDS", 40)
    monkeypatch.setattr(milvus_rows, "MAX_FOUND", 300)
    index, plain, rng = filled(milvus, 500)
    query = rng.normal(size=DIMENSION).astype(np.float32)
    within = np.sort(rng.choice(np.arange(1, 501), int(500 * share), replace=False))
    for k in (1, 50, 290):
        assert_same(index.search(query, k, within=within), plain.search(query, k, within))


def test_more_rows_than_one_search_gives(milvus: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(milvus_rows, "MAX_FOUND", 100)
    index, plain, rng = filled(milvus, 300)
    query = rng.normal(size=DIMENSION).astype(np.float32)
    within = np.arange(1, 301, 2)
    for k in (99, 100, 101, 350, 5000):
        assert_same(index.search(query, k), plain.search(query, k))
        assert_same(index.search(query, k, within=within), plain.search(query, k, within))


def test_a_sample_is_spread_evenly_and_nearly_the_same_after_changes(milvus: Engine) -> None:
    index, plain, rng = filled(milvus, 600)
    order = {vector.tobytes(): position for position, (_, (_, vector)) in enumerate(sorted(plain.rows.items()))}
    sample = index.sample(100)
    positions = [order[vector.tobytes()] for vector in sample]
    assert positions == sorted(set(positions))
    assert len(positions) == 100
    assert max(np.diff(positions)) <= 40  # of 1,029 rows: every tenth, were they at equal distances
    np.testing.assert_array_equal(sample, milvus.again(index).sample(100))
    index.apply(np.array([3, 4]), rows(rng, 9000, np.array([3, 4])))
    after = {vector.tobytes() for vector in index.sample(100)}
    assert len(after & {vector.tobytes() for vector in sample}) >= 95
    assert index.sample(10**6).shape == (len(index), DIMENSION)


def test_a_large_index_searches_as_many_lists_as_its_recall_asks_for(
    milvus: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, plain, rng = filled(milvus, 300)
    assert isinstance(index, MilvusIndex)
    assert not index.is_due()
    assert "exact" in str(index.report())
    monkeypatch.setattr("vitrina.search.index.milvus.FLAT_ROWS", 100)
    asked: list[int] = []
    search = MilvusServer.search

    def with_lists(self: MilvusServer, collection: str, query: object, limit: int, condition: str, n: int) -> object:
        asked.append(n)
        if n < 40:  # as if some were missed
            condition = "id > 60"
        return search(self, collection, query, limit, condition, n)

    monkeypatch.setattr(MilvusServer, "search", with_lists)
    query = rng.normal(size=DIMENSION).astype(np.float32)
    assert_same(index.search(query, 10), plain.search(query, 10))
    assert asked == [N_LISTS]
    assert index.is_due()
    assert index.maintain()
    assert not index.is_due()
    index.search(query, 10)
    index.search(query, 900)
    index.search(query, 10, within=np.arange(1, 3))
    low, deep, filtered = asked[-3:]
    assert 1 <= low <= deep <= N_LISTS
    assert filtered == deep
    again = milvus.again(index)
    assert isinstance(again, MilvusIndex)
    again.restore(index.state())
    assert not again.is_due()
    assert again.report() == index.report()
    assert "tuned at" in str(again.report())


def test_lists_that_milvus_has_built_find_what_they_should(milvus: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vitrina.search.index.milvus.FLAT_ROWS", 100)
    rng, index, plain = np.random.default_rng(5), milvus.new(), BruteForce()
    assert isinstance(index, MilvusIndex)
    held = rows(rng, 1, np.arange(1, 2001))
    for each in (index, plain):
        each.apply(NO_ITEMS, held)
    client = index.server._client
    client.flush(index.collection)
    client.release_collection(index.collection)
    for attempt in Retrying(stop=stop_after_delay(30), wait=wait_fixed(0.2), reraise=True):
        with attempt:  # Milvus Lite writes its lists in the background, and refuses a file that is not yet written
            client.load_collection(index.collection)
    assert index.maintain()
    assert index.report().searched[10] < N_LISTS / 2
    found = []
    for query in tuning_queries(held.vectors):
        best = {row_id for row_id, _, _ in plain.search(query, 10)}
        found.append(len(best & set(index.search(query, 10).row_ids.tolist())) / 10)
    assert np.mean(found) >= 0.9


@pytest.mark.parametrize(
    ("address", "options"),
    [
        ("http://milvus:19530", {"uri": "http://milvus:19530"}),
        ("/data/vectors.db", {"uri": "/data/vectors.db"}),
        (
            "https://shop:s%40cret@milvus.example:443/catalog",
            {"uri": "https://milvus.example:443", "token": "shop:s@cret", "db_name": "catalog"},
        ),
    ],
)
def test_addresses(address: str, options: dict[str, str]) -> None:
    assert parse_address(address) == options


@pytest.mark.parametrize("address", ["milvus:19530", "postgresql://milvus/shop", "/data/vectors", "", "http://"])
def test_other_addresses_are_refused(address: str) -> None:
    with pytest.raises(StateError, match="VITRINA_VECTORS") as caught:
        MilvusServer(address)
    assert "http://HOST:19530" in caught.value.remedy


def test_a_server_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vitrina.search.index.milvus_server.CONNECT_S", 0.3)
    with pytest.raises(StorageError, match="Milvus at") as caught:
        MilvusServer("http://shop:secret@127.0.0.1:9")
    assert "VITRINA_VECTORS" in caught.value.remedy
    assert "secret" not in str(caught.value)


def test_a_client_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pymilvus", None)
    for name in ("milvus", "milvus_rows", "milvus_server"):
        monkeypatch.delitem(sys.modules, f"vitrina.search.index.{name}")
    encoder = FakeEncoder()
    with closing(Store(tmp_path, StoreOptions(vectors="http://milvus:19530"))) as store:
        with pytest.raises(MissingDependencyError, match="not installed") as caught:
            open_replica(store, encoder)
        assert "vitrina[milvus]" in caught.value.remedy
