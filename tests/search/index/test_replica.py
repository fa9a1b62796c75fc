"""A replica has the same rows as the catalog, whatever happened to either."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import FakeEncoder, make_entry, make_image, new_catalog, open_replica, path_of
from vitrina.search.index.replica import IndexReplica
from vitrina.search.index.snapshot import read_snapshot, write_snapshot
from vitrina.search.store.catalog import Catalog
from vitrina.search.store.store import Store
from vitrina.search.types.errors import EncoderReplacedError, StorageError
from vitrina.search.types.item import MODALITIES, Changes


def make_replica(catalog: Catalog, encoder: FakeEncoder, folder: Path) -> IndexReplica:
    return IndexReplica(
        catalog, encoder.identity, catalog.open_index_version(encoder.identity, active=True), folder / "index.snapshot"
    )


def add(catalog: Catalog, encoder: FakeEncoder, *skus: str, n_images: int = 1) -> None:
    version = catalog.open_index_version(encoder.identity, active=True)
    images = [make_image("red", noise=number) for number in range(n_images)]
    catalog.commit(version, [make_entry(encoder, sku, f"shirt {sku}", images=images) for sku in skus])


def rows(replica: IndexReplica) -> list[tuple[str, int, int, bytes]]:
    return [
        (modality, int(row_id), int(item_id), vector.tobytes())
        for modality in MODALITIES
        for held in [replica.indexes[modality].rows()]
        for row_id, item_id, vector in zip(held.row_ids, held.item_ids, held.vectors, strict=True)
    ]


def test_a_replica_of_an_empty_catalog(catalog: Catalog, encoder: FakeEncoder, tmp_path: Path) -> None:
    replica = make_replica(catalog, encoder, tmp_path)
    assert len(replica) == 0
    assert not replica.catch_up()
    assert not replica.save()
    add(catalog, encoder, "a")
    assert replica.catch_up()
    assert len(replica) == 2
    assert replica.sequence == catalog.sequence()


def test_a_replica_follows_commits_updates_and_deletes(catalog: Catalog, encoder: FakeEncoder, tmp_path: Path) -> None:
    replica = make_replica(catalog, encoder, tmp_path)
    add(catalog, encoder, "a", "b", "c", n_images=3)
    replica.catch_up()
    add(catalog, encoder, "b")
    catalog.delete(["a"])
    assert replica.catch_up()
    assert not replica.catch_up()
    assert rows(replica) == rows(make_replica(catalog, encoder, tmp_path / "other"))
    assert len(replica) == 2 + 4


def test_a_snapshot_spares_reading_the_catalog_again(
    catalog: Catalog, encoder: FakeEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(catalog, encoder, "a", "b")
    first = make_replica(catalog, encoder, tmp_path)
    assert first.save()
    assert not first.save()
    asked: list[int] = []
    changes = catalog.changes

    def asked_for(version_id: int, since: int) -> Changes:
        asked.append(since)
        return changes(version_id, since)

    monkeypatch.setattr(catalog, "changes", asked_for)
    assert rows(make_replica(catalog, encoder, tmp_path)) == rows(first)
    assert asked == []
    add(catalog, encoder, "c")
    assert len(make_replica(catalog, encoder, tmp_path)) == 6
    assert asked == [1]


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def of_another_layout(path: Path) -> None:
    write_snapshot(path, {"something": np.arange(3)})


def of_another_dimension(path: Path) -> None:
    arrays = read_snapshot(path).arrays
    write_snapshot(path, {**arrays} | {"image_vectors": arrays["image_vectors"][:, :5]})


def of_rows_that_do_not_fit(path: Path) -> None:
    arrays = read_snapshot(path).arrays
    write_snapshot(path, {**arrays} | {"text_item_ids": arrays["text_item_ids"][:-1]})


def of_a_later_state(path: Path) -> None:
    write_snapshot(path, {**read_snapshot(path).arrays} | {"sequence": np.array(99)})


def of_another_catalog(path: Path) -> None:
    write_snapshot(path, {**read_snapshot(path).arrays} | {"catalog": np.array("another")})


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    "damage",
    [
        flip_a_bit,
        cut_short,
        empty,
        of_another_layout,
        of_another_dimension,
        of_rows_that_do_not_fit,
        of_a_later_state,
        of_another_catalog,
        a_folder,
    ],
)
def test_a_snapshot_that_is_no_good_is_rebuilt_from_the_catalog(
    catalog: Catalog,
    encoder: FakeEncoder,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    damage: object,
) -> None:
    add(catalog, encoder, "a", "b", "c")
    before = make_replica(catalog, encoder, tmp_path)
    before.save()
    assert callable(damage)
    damage(before.path)
    with caplog.at_level(logging.WARNING):
        after = make_replica(catalog, encoder, tmp_path)
    assert rows(after) == rows(before)
    assert "rebuilding" in caplog.text


def test_damage_in_a_mapped_part_is_mended_while_it_answers(
    catalog: Catalog, encoder: FakeEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vitrina.search.index.replica.MAPPED_BYTES", 64)
    add(catalog, encoder, *(f"sku-{number}" for number in range(40)))
    before = make_replica(catalog, encoder, tmp_path)
    before.save()
    assert rows(make_replica(catalog, encoder, tmp_path)) == rows(before)
    content = before.path.read_bytes()
    at = content.index(before.indexes["text"].rows().vectors.tobytes()[:64])
    before.path.write_bytes(content[:at] + bytes(64) + content[at + 64 :])
    after = make_replica(catalog, encoder, tmp_path)
    end = time.monotonic() + 10
    while rows(after) != rows(before) and time.monotonic() < end:
        time.sleep(0.02)
    assert rows(after) == rows(before)
    assert (
        after.lexical.match("shirt").best(100).item_ids.tolist()
        == before.lexical.match("shirt").best(100).item_ids.tolist()
    )


def test_indexes_are_maintained_beside_the_changes(
    catalog: Catalog, encoder: FakeEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vitrina.search.index.kinds.FLAT_ROWS", 50)
    replica = make_replica(catalog, encoder, tmp_path)
    add(catalog, encoder, *(f"sku-{number}" for number in range(80)))
    assert replica.catch_up()
    end = time.monotonic() + 10
    while replica.reports()["text"].kind == "flat" and time.monotonic() < end:
        replica.catch_up()
        time.sleep(0.02)
    assert {report.kind for report in replica.reports().values()} == {"ivf-sq8"}
    while not replica.save() and time.monotonic() < end:  # what was built is worth a snapshot
        time.sleep(0.02)
    again = make_replica(catalog, encoder, tmp_path)
    assert again.reports()["image"].kind == "ivf-sq8"
    assert [row[:3] for row in rows(again)] == [row[:3] for row in rows(replica)]


def test_rebuilding_replaces_the_indexes_and_the_snapshot(
    catalog: Catalog, encoder: FakeEncoder, tmp_path: Path
) -> None:
    add(catalog, encoder, "a", "b")
    replica = make_replica(catalog, encoder, tmp_path)
    before = rows(replica)
    replica.indexes["image"].apply(np.array([1, 2]), catalog.changes(replica.version_id, 99).rows["image"])
    assert rows(replica) != before
    replica.rebuild()
    assert rows(replica) == before
    assert rows(make_replica(catalog, encoder, tmp_path)) == before


def test_replicas_of_two_encoders_do_not_share_a_snapshot(store: Store, encoder: FakeEncoder) -> None:
    add(store.catalog, encoder, "a")
    first = open_replica(store, encoder)
    first.save()
    identity = FakeEncoder(seed=3, dimension=7).identity
    other = IndexReplica.open(store, identity, store.catalog.open_index_version(identity, active=False))
    assert len(other) == 0
    assert other.path != first.path


def test_snapshots_are_written_when_a_tenth_has_changed(catalog: Catalog, encoder: FakeEncoder, tmp_path: Path) -> None:
    add(catalog, encoder, *(str(number) for number in range(60)))
    replica = make_replica(catalog, encoder, tmp_path)
    assert replica.save()
    add(catalog, encoder, "3")
    replica.catch_up()
    assert not replica.save()
    assert replica.save(force=True)
    catalog.delete([str(number) for number in range(30)])
    replica.catch_up()
    assert replica.save()


def test_a_replica_that_cannot_be_saved_goes_on_answering(
    catalog: Catalog, encoder: FakeEncoder, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    add(catalog, encoder, "a")
    replica = make_replica(catalog, encoder, tmp_path / "file")
    with pytest.raises(StorageError):
        replica.save()
    add(catalog, encoder, "b")
    assert replica.catch_up()
    assert len(replica) == 4


def test_a_replica_of_a_dropped_version_says_so(catalog: Catalog, encoder: FakeEncoder, tmp_path: Path) -> None:
    replica = make_replica(catalog, encoder, tmp_path)
    assert catalog.promote(catalog.open_index_version(FakeEncoder(seed=3).identity, active=False))
    assert replica.catch_up()  # the version before is kept
    catalog.drop_index_version(replica.version_id)
    catalog.delete(["a"])
    assert catalog.promote(catalog.open_index_version(FakeEncoder(seed=4).identity, active=False))
    with pytest.raises(EncoderReplacedError, match="another encoder"):
        replica.catch_up()


def test_a_catalog_restored_from_a_backup_is_followed_from_there(
    catalog: Catalog, encoder: FakeEncoder, tmp_path: Path
) -> None:
    add(catalog, encoder, "a", "b")
    with (
        closing(sqlite3.connect(path_of(catalog))) as now,
        closing(sqlite3.connect(tmp_path / "backup.db")) as backup,
    ):
        now.backup(backup)
        add(catalog, encoder, "c", "d")
        add(catalog, encoder, "e")
        replica = make_replica(catalog, encoder, tmp_path)
        backup.backup(now)
    assert replica.catch_up()
    assert len(replica) == 4
    add(catalog, encoder, "f", "g")
    assert replica.catch_up()
    assert rows(replica) == rows(make_replica(catalog, encoder, tmp_path / "other"))


def test_catching_up_from_several_threads_applies_each_change_once(
    catalog: Catalog, encoder: FakeEncoder, tmp_path: Path
) -> None:
    replica = make_replica(catalog, encoder, tmp_path)
    stop, failures = threading.Event(), list[Exception]()

    def follow() -> None:
        while not stop.is_set():
            try:
                replica.catch_up()
            except (ValueError, StorageError) as error:
                failures.append(error)

    threads = [threading.Thread(target=follow) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(25):
        add(catalog, encoder, str(number % 10), n_images=number % 3)
        if number % 4 == 0:
            catalog.delete([str((number + 3) % 10)])
    stop.set()
    for thread in threads:
        thread.join()
    replica.catch_up()
    assert failures == []
    assert rows(replica) == rows(make_replica(catalog, encoder, tmp_path / "other"))


Step = tuple[str, list[int]]


@given(
    history=st.lists(
        st.tuples(
            st.sampled_from(["commit", "commit", "delete", "catch up", "save and reload"]),
            st.lists(st.integers(0, 7), min_size=1, max_size=4, unique=True),
        ),
        max_size=14,
    )
)
def test_any_history_leads_every_replica_to_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory, encoder: FakeEncoder, history: list[Step]
) -> None:
    folder = tmp_path_factory.mktemp("history")
    catalog = new_catalog(folder / "catalog.db")
    replica = make_replica(catalog, encoder, folder)
    expected: dict[str, int] = {}
    for number, (step, keys) in enumerate(history):
        skus = [str(key) for key in keys]
        if step == "commit":
            add(catalog, encoder, *skus, n_images=number % 3)
            expected |= dict.fromkeys(skus, number % 3 + 1)
        elif step == "delete":
            catalog.delete(skus)
            expected = {sku: n_rows for sku, n_rows in expected.items() if sku not in skus}
        elif step == "catch up":
            replica.catch_up()
        else:
            replica.save(force=True)
            replica = make_replica(catalog, encoder, folder)
    replica.catch_up()
    assert rows(replica) == rows(make_replica(catalog, encoder, folder / "fresh"))
    assert len(replica) == sum(expected.values())
    catalog.close()
