"""Catalogs that may only be read, that are empty, and that several processes make at once."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from tests.fakes import FakeEncoder, make_entry, make_image, png
from vitrina.search.encoders.registry import open_index_version
from vitrina.search.engine import SearchEngine
from vitrina.search.store import store as store_module
from vitrina.search.store.database import Database
from vitrina.search.store.sqlite_file import SqliteFile, use_wal
from vitrina.search.store.store import ModelStore, Store
from vitrina.search.types.errors import StateError, StorageError
from vitrina.search.types.models import EncoderIdentity
from vitrina.search.types.query import Query

FORKED = multiprocessing.get_context("fork")
N_PROCESSES = 4
NO_RIGHTS = 65534


@pytest.fixture
def shared_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that a process without rights reaches, too."""
    folder = tmp_path / "home"
    folder.mkdir()
    above = [each for each in folder.parents if each.stat().st_uid == os.getuid() and each != Path("/")]
    modes = {each: each.stat().st_mode for each in above}
    for each in above:
        each.chmod(modes[each] | 0o055)
    yield folder
    folder.chmod(0o755)
    for each, mode in modes.items():
        each.chmod(mode)


def is_open_to_others(path: Path) -> bool:
    """Whether somebody without rights may read a file, in all the folders above it."""
    return all(folder.stat().st_mode & 0o001 for folder in path.resolve().parents)


def in_a_process(work: Callable[[], None]) -> None:
    """Do it in a process that may not write what others own. Skips where it could not even read the code."""
    if os.getuid() == 0 and not is_open_to_others(Path(store_module.__file__)):
        pytest.skip("The code lies in a folder that is closed to others.")

    def run() -> None:
        if os.getuid() == 0:
            os.setgroups([])
            os.setgid(NO_RIGHTS)
            os.setuid(NO_RIGHTS)
        work()

    process = FORKED.Process(target=run)
    process.start()
    process.join(60)
    assert process.exitcode == 0


def filled(folder: Path, encoder: FakeEncoder) -> None:
    store = Store(folder)
    image = make_image("red", size=(800, 800))
    store.images.put(png(image))
    store.catalog.commit(open_index_version(store, encoder), [make_entry(encoder, "a", "red mug", images=[image])])
    SearchEngine.open(store, encoder).search(Query("mug"))  # loads what a process without rights could not read
    store.close()


def test_a_store_that_may_only_be_read_is_searched(shared_folder: Path, encoder: FakeEncoder) -> None:
    filled(shared_folder, encoder)
    for path in (shared_folder, *shared_folder.iterdir()):
        path.chmod(0o555 if path.is_dir() else 0o444)

    def search() -> None:
        store = Store.existing(shared_folder)
        engine = SearchEngine.open(store, encoder)
        hit = engine.search(Query("mug")).hits[0]
        assert hit.item.sku == "a"
        assert store.images.thumbnail(hit.stored.image_ids[0], 100)
        with pytest.raises(StorageError, match="readonly"):
            store.catalog.delete(["a"])
        store.close()

    in_a_process(search)
    assert not list(shared_folder.glob("*-wal"))


def test_an_older_catalog_that_may_only_be_read_says_so(shared_folder: Path) -> None:
    path = shared_folder / "catalog.db"
    Database(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    connection.close()
    path.chmod(0o444)
    shared_folder.chmod(0o555)

    def open_it() -> None:
        with pytest.raises(StateError, match="older"):
            Database(path)

    in_a_process(open_it)


def test_a_catalog_of_no_bytes_is_damaged_and_not_new(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    path.touch()
    with pytest.raises(StorageError, match="0 bytes") as caught:
        Store(tmp_path)
    assert "backup" in caught.value.remedy
    assert path.stat().st_size == 0


def test_several_processes_make_one_store(tmp_path: Path) -> None:
    together = FORKED.Barrier(N_PROCESSES)
    encoder_folder = tmp_path / "encoder"
    encoder_folder.mkdir()
    (encoder_folder / "weights.bin").write_bytes(b"w" * 2_000_000)
    identity = EncoderIdentity("local-dir:encoder", "f" * 64, 32)

    def make(together: Barrier) -> None:
        together.wait(60)
        store = Store(tmp_path / "home")
        store.models.keep(identity, encoder_folder)
        store.open_index_version(identity)
        store.close()

    processes = [FORKED.Process(target=make, args=(together,)) for _ in range(N_PROCESSES)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * N_PROCESSES
    store = Store(tmp_path / "home")
    assert len(store.catalog.index_versions()) == 1
    assert [path.name for path in (store.models.folder / identity.key).iterdir()] == ["weights.bin"]
    store.close()
    assert not list((tmp_path / "home").glob("*.new*"))


def test_a_copy_that_fails_leaves_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "encoder").mkdir()
    (tmp_path / "encoder" / "weights.bin").write_bytes(b"w")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    identity = EncoderIdentity("local-dir:encoder", "f" * 64, 32)
    with pytest.raises(StorageError, match="No space"):
        ModelStore(tmp_path / "copies").keep(identity, tmp_path / "encoder")
    assert not list((tmp_path / "copies" / identity.key).iterdir())


def test_waiting_for_the_mode_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    writer = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    writer.execute("CREATE TABLE t (a)")
    writer.execute("BEGIN IMMEDIATE")
    other = sqlite3.connect(path, isolation_level=None, timeout=0.01)

    timer = threading.Timer(0.2, writer.execute, ["COMMIT"])
    timer.start()
    use_wal(other)
    timer.join()
    assert other.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    other.close()
    writer.close()


@pytest.mark.parametrize("is_replaced", [False, True])
def test_nothing_is_written_into_a_file_that_was_deleted_or_replaced(tmp_path: Path, is_replaced: bool) -> None:
    file = SqliteFile(tmp_path / "a.db")
    with file.write() as connection:
        connection.exec_driver_sql("CREATE TABLE kept (id)")
    (tmp_path / "a.db").rename(tmp_path / "moved.db")
    if is_replaced:
        (tmp_path / "a.db").touch()
    with pytest.raises(StorageError, match="deleted or replaced"), file.write():
        pytest.fail("It can be written.")
    file.engine.dispose()
    with pytest.raises(StorageError, match="deleted or replaced"), file.read():
        pytest.fail("A new connection makes a new file.")
    (tmp_path / "moved.db").rename(tmp_path / "a.db")
    with file.write() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM kept").scalar() == 0
    file.close()
