"""The folder that holds a catalog with all that is derived from it."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import pytest

from tests.fakes import FakeEncoder, make_entry, make_image, open_replica, png
from vitrina.search.encoders.base import Encoder, LoadEncoder
from vitrina.search.encoders.registry import load_catalog_encoder, open_index_version
from vitrina.search.engine import SearchEngine
from vitrina.search.store.store import Store
from vitrina.search.types.errors import EncoderError, NotFoundError, StorageError
from vitrina.search.types.filters import parse_filters
from vitrina.search.types.query import Query


def test_a_new_store_is_made_on_demand_and_takes_the_encoder_as_its_own(tmp_path: Path, encoder: FakeEncoder) -> None:
    folder = tmp_path / "some" / "where"
    store = Store(folder)
    assert store.catalog.active_encoder() is None
    assert len(open_replica(store, encoder)) == 0
    assert store.catalog.active_encoder() == encoder.identity
    store.close()
    again = Store.existing(folder)
    assert again.catalog.active_encoder() == encoder.identity
    again.close()


def test_a_store_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="Nothing is indexed") as caught:
        Store.existing(tmp_path)
    assert "vitrina index" in caught.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for folder in (tmp_path / "file", tmp_path / "file" / "home"):
        with pytest.raises(StorageError, match="cannot be made") as caught:
            Store(folder)
        assert "--store" in caught.value.remedy


def test_another_encoder_of_the_same_name_is_refused(store: Store) -> None:
    open_index_version(store, FakeEncoder("mine", seed=1))
    with pytest.raises(EncoderError, match="'mine'"):
        SearchEngine.open(store, FakeEncoder("mine", seed=2))


def loader(*encoders: FakeEncoder) -> LoadEncoder:
    """Loads the encoders given, by name."""

    def load(name: str, *, known_as: str | None = None) -> Encoder:
        for encoder in encoders:
            if encoder.identity.name == name:
                return encoder
        raise EncoderError(f"There is no encoder {name}.", remedy="Bring it.")

    return load


def test_a_store_remembers_its_encoder(store: Store) -> None:
    embedded, mine = FakeEncoder("embedded"), FakeEncoder("mine", seed=1)
    load = loader(embedded, mine)
    assert load_catalog_encoder(store, load) is embedded
    open_index_version(store, mine)
    assert load_catalog_encoder(store, load) is mine
    assert load_catalog_encoder(store, load, "embedded") is embedded


def test_an_encoder_is_named_by_its_fingerprint_too(store: Store) -> None:
    first, second = FakeEncoder("mine", seed=1), FakeEncoder("mine", seed=2)
    open_index_version(store, first)
    store.catalog.open_index_version(second.identity, active=False)
    assert load_catalog_encoder(store, loader(first), first.identity.fingerprint[:12]) is first
    with pytest.raises(EncoderError, match="not the one"):
        load_catalog_encoder(store, loader(first), second.identity.fingerprint[:12])
    with pytest.raises(EncoderError, match="no encoder"):
        load_catalog_encoder(store, loader(first), first.identity.fingerprint[:3])


def test_an_encoder_of_the_store_that_is_gone_or_changed_names_the_remedy(store: Store) -> None:
    open_index_version(store, FakeEncoder("mine", seed=1))
    for load, says in ((loader(), "cannot be loaded"), (loader(FakeEncoder("mine", seed=2)), "not the one")):
        with pytest.raises(EncoderError, match=says) as caught:
            load_catalog_encoder(store, load)
        assert "vitrina encoder use" in caught.value.remedy


def test_the_folder_of_snapshots_may_be_deleted_at_any_time(store: Store, encoder: FakeEncoder) -> None:
    store.catalog.commit(open_index_version(store, encoder), [make_entry(encoder, "a", "shirt")])
    replica = open_replica(store, encoder)
    replica.save(force=True)
    shutil.rmtree(replica.path.parent)
    assert SearchEngine.open(store, encoder).search(Query("shirt")).hits[0].stored.item.sku == "a"
    replica.save(force=True)
    assert replica.path.is_file()


def test_a_store_that_must_not_be_written_can_be_searched(
    store: Store, encoder: FakeEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = store.catalog.open_index_version(encoder.identity, active=True)
    red = make_image("red", noise=1)
    store.catalog.commit(version, [make_entry(encoder, "m", "Red mug", images=[red])])
    store.images.put(png(red))
    store.close()
    monkeypatch.setattr("vitrina.search.store.sqlite_file.is_writable", lambda _: False)
    before = {path: path.stat().st_mtime_ns for path in store.folder.rglob("*")}
    with closing(Store.existing(store.folder)) as read:
        assert read.catalog.database.is_read_only
        engine = SearchEngine.open(read, encoder)
        for query in (Query("mug"), Query(images=(red,)), Query(filters=parse_filters({"sku": "m"}))):
            assert [hit.item.sku for hit in engine.search(query).hits] == ["m"]
        with pytest.raises(StorageError, match="readonly") as caught:
            read.catalog.delete(["m"])
        assert "searched as it is" in caught.value.remedy
    assert {path: path.stat().st_mtime_ns for path in store.folder.rglob("*")} == before
