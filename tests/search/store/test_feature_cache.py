"""Features of images on disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection

from vitrina.search.store.feature_cache import FeatureCache
from vitrina.search.store.store import Store
from vitrina.search.types.errors import StorageError
from vitrina.search.types.models import RerankerIdentity


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[FeatureCache]:
    cache = FeatureCache(tmp_path / "features" / "model.db")
    yield cache
    cache.close()


def test_what_is_kept_is_found_again_by_another_store(cache: FeatureCache) -> None:
    cache.put({"a": b"first", "b": b"", "ü": b"\0\xff"})
    other = FeatureCache(cache.path)
    assert other.get(["ü", "a", "gone", "b"]) == {"a": b"first", "b": b"", "ü": b"\0\xff"}
    assert other.missing(["gone", "a", "c", "gone"]) == ["gone", "c"]
    other.put({"a": b"second"})
    assert cache.get(["a"]) == {"a": b"second"}
    other.close()


def test_nothing_is_made_before_something_is_kept(cache: FeatureCache) -> None:
    assert cache.get(["a"]) == {}
    assert cache.missing(["b", "a", "b"]) == ["b", "a"]
    cache.put({})
    assert not cache.path.parent.exists()


def test_a_store_that_another_makes_meanwhile_is_found(cache: FeatureCache) -> None:
    assert cache.get(["a"]) == {}
    other = FeatureCache(cache.path)
    other.put({"a": b"first"})
    other.close()
    assert cache.get(["a"]) == {"a": b"first"}


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    nowhere = FeatureCache(tmp_path / "no home" / "features" / "model.db")
    with pytest.raises(StorageError, match="cannot be made"):
        nowhere.put({"a": b"first"})
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_is_a_storage_error_that_says_to_delete_it(cache: FeatureCache) -> None:
    cache.path.parent.mkdir()
    cache.path.write_bytes(b"no database at all, only some words" * 300)
    for use in (lambda: cache.get(["a"]), lambda: cache.missing(["a"]), lambda: cache.put({"a": b"first"})):
        with pytest.raises(StorageError) as caught:
            use()
        assert "delete it" in caught.value.remedy


def test_a_full_disk_is_a_storage_error_and_loses_nothing(cache: FeatureCache) -> None:
    def no_more(connection: DBAPIConnection, *_: object) -> None:
        assert isinstance(connection, sqlite3.Connection)
        connection.execute("PRAGMA max_page_count = 1")

    cache.put({"a": b"first"})
    cache.close()
    event.listen(cache._file.engine, "connect", no_more)
    with pytest.raises(StorageError, match="full"):
        cache.put({"b": b"second" * 10_000, "c": b"third"})
    assert cache.get(["a", "b", "c"]) == {"a": b"first"}


def test_who_holds_the_file_stops_who_writes_and_not_who_reads(cache: FeatureCache) -> None:
    cache.put({"a": b"first"})
    holder = sqlite3.connect(cache.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match="locked"):
        cache.put({"b": b"second"})
    assert cache.get(["a", "b"]) == {"a": b"first"}
    holder.close()
    cache.put({"b": b"second"})
    assert cache.missing(["a", "b"]) == []


def test_many_may_use_it_at_once(cache: FeatureCache) -> None:
    others = [FeatureCache(cache.path) for _ in range(4)]

    def work(number: int) -> None:
        own = others[number % 4]
        own.put({f"{number}": b"%d" % number, "shared": b"same"})
        assert own.get([f"{number}", "shared"]) == {f"{number}": b"%d" % number, "shared": b"same"}

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(64)))
    assert cache.missing([f"{number}" for number in range(64)]) == []
    for other in others:
        other.close()


def test_models_do_not_share_a_file_and_the_others_are_dropped_when_asked(store: Store) -> None:
    mine, other = RerankerIdentity("model", "1" * 64), RerankerIdentity("model", "2" * 64)
    for identity in (mine, other):
        cache = store.feature_cache(identity)
        cache.put({"a": identity.fingerprint.encode()})
        cache.close()
    assert [path.name for path in sorted(store.features.iterdir())] == [f"{'1' * 16}.db", f"{'2' * 16}.db"]
    store.discard_other_features(mine)
    for identity, expected in ((mine, {"a": b"1" * 64}), (other, {})):
        cache = store.feature_cache(identity)
        assert cache.get(["a"]) == expected
        cache.close()


def test_with_nothing_kept_there_is_nothing_to_drop(store: Store) -> None:
    store.discard_other_features(RerankerIdentity("model", "1" * 64))
    assert not store.features.exists()
