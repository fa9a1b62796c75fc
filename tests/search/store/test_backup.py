"""Backups: everything comes back, as of one moment; cut, changed and hostile files leave nothing behind."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from tests.fakes import FakeEncoder, make_entry, make_image, open_replica, png
from vitrina.search.engine import SearchEngine
from vitrina.search.store.backup import CHECKSUMS, HEADER, back_up
from vitrina.search.store.restore import check_backup, restore
from vitrina.search.store.sqlite_file import SqliteFile
from vitrina.search.store.store import Store
from vitrina.search.types.errors import InputError, NotFoundError, StateError, StorageError, VitrinaError
from vitrina.search.types.models import RerankerIdentity
from vitrina.search.types.query import Query
from vitrina.search.types.trust import Trust

COLOURS = ("red", "blue", "green", "yellow", "black")
RERANKER = RerankerIdentity("eyes", "f" * 64)


@pytest.fixture
def filled(store: Store, encoder: FakeEncoder) -> Store:
    """A bit of everything: items with images, synonyms, an encoder's copy, features, dead letters, a snapshot."""
    images = [make_image(colour) for colour in COLOURS]
    store.images.put_all([png(image) for image in images])
    entries = [
        make_entry(encoder, f"{noun}-{colour}", f"{colour} {noun}", images=[image], attributes={"colour": colour})
        for noun in ("mug", "shirt")
        for colour, image in zip(COLOURS, images, strict=True)
    ]
    store.catalog.commit(store.open_index_version(encoder.identity), entries)
    store.catalog.delete(["shirt-black"])
    store.catalog.keep_synonyms("cup, mug\n")
    weights = store.models.folder / encoder.identity.key / "onnx" / "weights.bin"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(os.urandom(200_000))
    store.keep_trust(encoder.identity, Trust({"all": 0.5}, 3, 9))
    with closing(store.feature_cache(RERANKER)) as cache:
        cache.put({"an image": b"its features"})
    store.dead_letters.mkdir()
    (store.dead_letters / "run.jsonl").write_text("{}\n")
    open_replica(store, encoder).save(force=True)
    return store


@pytest.fixture
def saved(filled: Store, tmp_path: Path) -> Path:
    back_up(filled, tmp_path / "shop.tar")
    return tmp_path / "shop.tar"


def tables(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every row of a database, but for the catalog's name."""
    with closing(sqlite3.connect(path)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = {name: sorted(connection.execute(f"SELECT * FROM {name}"), key=repr) for name in names}
    rows["clock"] = [row[:2] for row in rows.get("clock", [])]
    return rows


def plain_files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in (".db", ".lock", ".snapshot") and "-" not in path.suffix
    }


def test_everything_comes_back(filled: Store, saved: Path, tmp_path: Path, encoder: FakeEncoder) -> None:
    header = restore(saved, tmp_path / "new" / "shop")
    assert (header.n_items, header.sequence) == (9, filled.catalog.sequence())
    with closing(Store.existing(tmp_path / "new" / "shop")) as restored:
        assert plain_files(restored.folder) == plain_files(filled.folder)
        for name in ("catalog.db", "pictures.db", f"features/{RERANKER.key}.db"):
            assert tables(restored.folder / name) == tables(filled.folder / name), name
        assert restored.catalog.name != filled.catalog.name
        assert not restored.snapshots.exists()
        assert restored.trust(encoder.identity) == Trust({"all": 0.5}, 3, 9)
        engines = [SearchEngine.open(each, encoder) for each in (filled, restored)]
        photo = make_image("green")
        queries = [Query(text="red cup"), Query(images=(photo,)), Query(text="shirt", without="blue"), Query()]
        for query in queries:
            before, after = (engine.search(query) for engine in engines)
            assert [hit.stored for hit in after.hits] == [hit.stored for hit in before.hits]
            np.testing.assert_allclose([hit.score for hit in after.hits], [hit.score for hit in before.hits])
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["shop"]


def test_a_restored_store_goes_on_by_itself(filled: Store, saved: Path, tmp_path: Path, encoder: FakeEncoder) -> None:
    restore(saved, tmp_path / "shop")
    with closing(Store.existing(tmp_path / "shop")) as restored:
        version = restored.open_index_version(encoder.identity)
        restored.catalog.commit(version, [make_entry(encoder, "new", "white mug")])
        assert restored.catalog.count("items") == 10
        hits = SearchEngine.open(restored, encoder).search(Query(text="white mug", limit=1)).hits
        assert hits[0].stored.item.sku == "new"
    assert filled.catalog.count("items") == 9


def test_what_others_write_meanwhile_does_not_get_in(
    filled: Store, tmp_path: Path, encoder: FakeEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the copy of the catalog and those of the other files an import goes on."""
    copy_to = SqliteFile.copy_to

    def copy_then_write(file: SqliteFile, path: Path) -> None:
        copy_to(file, path)
        sku, image = f"late-{filled.catalog.sequence()}", make_image("white")
        filled.images.put(png(image))
        filled.catalog.commit(filled.open_index_version(encoder.identity), [make_entry(encoder, sku, images=[image])])

    monkeypatch.setattr(SqliteFile, "copy_to", copy_then_write)
    back_up(filled, tmp_path / "shop.tar")
    restore(tmp_path / "shop.tar", tmp_path / "shop")
    with closing(Store.existing(tmp_path / "shop")) as restored:
        assert restored.catalog.count("items") == 9
        for stored in restored.catalog.all_items():
            assert all(map(restored.images.read, stored.image_ids))
    assert filled.catalog.count("items") > 9


def test_progress_ends_with_everything(filled: Store, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    back_up(filled, tmp_path / "shop.tar", on_bytes=lambda done, total: calls.append((done, total)))
    assert calls[-1][0] >= 200_000
    assert all(done <= total for done, total in calls)
    calls.clear()
    restore(tmp_path / "shop.tar", tmp_path / "shop", on_bytes=lambda done, total: calls.append((done, total)))
    assert calls[-1][0] >= 0.9 * calls[-1][1]


def test_a_file_that_is_there_stays_unless_told(filled: Store, saved: Path) -> None:
    before = saved.read_bytes()
    with pytest.raises(InputError, match="exists") as caught:
        back_up(filled, saved)
    assert "--overwrite" in caught.value.remedy
    assert saved.read_bytes() == before
    filled.catalog.delete(["mug-red"])
    assert back_up(filled, saved, overwrite=True).n_items == 8
    assert check_backup(saved).n_items == 8
    assert saved.stat().st_mode & 0o077 == 0  # nobody else may read what may hold keys


def test_a_store_that_is_there_stays_unless_told(filled: Store, saved: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    with closing(Store(other)) as store:
        store.catalog.keep_synonyms("a, b\n")
    (other / ".cache").mkdir()
    with pytest.raises(InputError, match="not empty") as caught:
        restore(saved, other)
    assert "--overwrite" in caught.value.remedy
    with closing(Store(other)) as store:
        assert store.catalog.text_settings().synonyms == "a, b\n"
    restore(saved, other, overwrite=True)
    with closing(Store(other)) as store:
        assert store.catalog.text_settings().synonyms == "cup, mug\n"
    assert (other / ".cache").is_dir()
    assert not list(other.glob(".restoring-*"))


def test_a_mounted_disk_is_restored_to(saved: Path, tmp_path: Path) -> None:
    """Its folder cannot be renamed, and has what its file system brings."""
    (tmp_path / "disk" / "lost+found").mkdir(parents=True)
    restore(saved, tmp_path / "disk")
    with closing(Store.existing(tmp_path / "disk")) as restored:
        assert restored.catalog.count("items") == 9


@pytest.mark.parametrize("n_moves", range(1, 8))
def test_a_disk_that_refuses_leaves_the_old_store(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_moves: int
) -> None:
    other = tmp_path / "other"
    with closing(Store(other)) as store:
        store.catalog.keep_synonyms("a, b\n")
    before = sorted(path.name for path in other.iterdir())
    rename, moved = Path.rename, iter(range(n_moves))

    def refuse(path: Path, target: Path) -> Path:
        if "restoring" in f"{path}{target}" and next(moved, None) == n_moves - 1:
            raise OSError(errno.EIO, "the disk refuses")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(StorageError, match="the disk refuses"):
        restore(saved, other, overwrite=True)
    assert sorted(path.name for path in other.iterdir()) == before
    with closing(Store(other)) as store:
        assert store.catalog.text_settings().synonyms == "a, b\n"


def test_a_full_disk_leaves_no_backup(filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(StorageError, match="No space left"):
        back_up(filled, tmp_path / "shop.tar")
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_too_little_room_is_said_at_once(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 1_000})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(StorageError, match="0 MB left"):
        restore(saved, tmp_path / "shop")
    assert not (tmp_path / "shop").exists()


def test_a_damaged_database_is_not_backed_up(filled: Store, tmp_path: Path) -> None:
    filled.close()
    image_file = filled.folder / "pictures.db"
    data = bytearray(image_file.read_bytes())
    data[4096 * 2 : 4096 * 4] = b"\xff" * 8192
    image_file.write_bytes(data)
    with closing(Store(filled.folder)) as again, pytest.raises(StorageError, match=r"pictures\.db"):
        back_up(again, tmp_path / "shop.tar")
    assert not (tmp_path / "shop.tar").exists()


def refused(file: Path, folder: Path) -> VitrinaError:
    """The error of a restore, which must leave nothing, and of a check."""
    with pytest.raises(VitrinaError) as caught:
        restore(file, folder)
    assert not folder.exists()
    return caught.value


def test_a_cut_file_is_refused_wherever_it_is_cut(saved: Path, tmp_path: Path) -> None:
    whole = saved.read_bytes()
    end = whole.rindex(CHECKSUMS.encode())  # from there on: checksums, then the zeros at the end of a tar
    for n_bytes in (0, 1, 511, 512, 2_000, len(whole) // 2, end, end + 300, end + 1_024):
        saved.write_bytes(whole[:n_bytes])
        assert isinstance(refused(saved, tmp_path / "shop"), InputError), n_bytes
        with pytest.raises(InputError):
            check_backup(saved)


def test_any_changed_byte_is_found(saved: Path, tmp_path: Path) -> None:
    whole = saved.read_bytes()
    rng = np.random.default_rng(0)
    for position in sorted(rng.integers(0, whole.rindex(b"}"), 60).tolist()):
        changed = bytearray(whole)
        changed[position] ^= 0x41
        saved.write_bytes(changed)
        try:
            check_backup(saved)
        except VitrinaError:
            continue
        with tarfile.open(saved) as archive:  # what is left is what a tar says of owners and times, and its padding
            for name, content in {member.name: archive.extractfile(member) for member in archive}.items():
                assert content is not None
                assert content.read() in whole, name


Member = tuple[tarfile.TarInfo, bytes]


def plain(name: str, data: bytes = b"") -> Member:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    return member, data


def special(name: str, kind: bytes, target: str = "") -> Member:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member, b""


def rewritten(saved: Path, target: Path, change: Callable[[list[Member]], Sequence[Member]]) -> Path:
    """A backup with other members, its checksums right again."""
    with tarfile.open(saved) as archive:
        members = [(member, file.read()) for member in archive if (file := archive.extractfile(member))]
    changed = change(members[:-1])
    digests = {
        member.name: {"n_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for member, data in changed[1:]
    }
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
        for member, data in [*changed, plain(CHECKSUMS, json.dumps(digests).encode())]:
            archive.addfile(member, io.BytesIO(data))
    return target


@pytest.mark.parametrize(
    "member",
    [
        plain("../outside"),
        plain("/tmp/outside"),
        plain("encoders/../../outside"),
        plain("encoders/x/../../../outside"),
        plain("C:\\outside"),
        plain("encoders\\..\\..\\outside"),
        plain("catalog.db-wal", b"rows"),
        plain("snapshots/a.snapshot", b"vectors"),
        plain("CATALOG.DB", b"twice"),
        plain("encoders//x"),
        plain("./x"),
        plain(".hidden"),
        plain("new\nline"),
        plain("a/b/c/d/e/f/g/h/i"),
        plain("x" * 300),
        special("encoders", tarfile.SYMTYPE, "/etc"),
        special("passwords", tarfile.SYMTYPE, "../../etc/passwd"),
        special("hard", tarfile.LNKTYPE, "/etc/passwd"),
        special("pipe", tarfile.FIFOTYPE),
        special("disk", tarfile.BLKTYPE),
        special("folder", tarfile.DIRTYPE),
    ],
    ids=lambda member: repr(member[0].name[:24]),
)
def test_hostile_members_are_refused(saved: Path, tmp_path: Path, member: Member) -> None:
    for position in (1, 99):

        def change(members: list[Member], position: int = position) -> list[Member]:
            return [*members[:position], member, *members[position:]]

        hostile = rewritten(saved, tmp_path / "hostile.tar", change)
        assert isinstance(refused(hostile, tmp_path / "deep" / "shop"), InputError)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "home", "hostile.tar", "shop.tar"]


def database(*statements: str) -> bytes:
    with closing(sqlite3.connect(":memory:")) as connection:
        for statement in statements:
            connection.execute(statement)
        return connection.serialize()


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("catalog.db", b"SQLite format 3\0" + b"\xff" * 9_000, r"catalog\.db"),
        ("catalog.db", b"", r"catalog\.db"),
        ("pictures.db", database("CREATE TABLE a (b)", "CREATE VIEW pictures AS SELECT * FROM a"), "triggers or views"),
        (
            "extra.db",
            database("CREATE TABLE a (b)", "CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM a; END"),
            "triggers or views",
        ),
    ],
)
def test_hostile_databases_are_refused(saved: Path, tmp_path: Path, name: str, data: bytes, said: str) -> None:
    hostile = rewritten(
        saved, tmp_path / "hostile.tar", lambda each: [*(m for m in each if m[0].name != name), plain(name, data)]
    )
    with pytest.raises(VitrinaError, match=said):
        restore(hostile, tmp_path / "shop")
    assert not (tmp_path / "shop").exists()


def test_a_sparse_member_does_not_grow(saved: Path, tmp_path: Path) -> None:
    """A few bytes that say that they are 8 GB."""
    member, data = plain("sparse", b"1\n8000000000\n1\nx".ljust(512, b"\0"))
    member.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "8000000000"}
    hostile = rewritten(saved, tmp_path / "hostile.tar", lambda each: [*each, (member, data)])
    refused(hostile, tmp_path / "shop")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"format": 2}, StateError),
        ({"schema": "9999"}, StateError),
        ({"format": "one"}, InputError),
        ({"n_items": None}, InputError),
    ],
)
def test_other_versions_and_wrong_headers(
    saved: Path, tmp_path: Path, change: dict[str, object], error: type[Exception]
) -> None:
    def other(members: list[Member]) -> list[Member]:
        header = {**json.loads(members[0][1]), **change}
        return [plain(HEADER, json.dumps(header).encode()), *members[1:]]

    caught = refused(rewritten(saved, tmp_path / "other.tar", other), tmp_path / "shop")
    assert type(caught) is error
    assert ("newer Vitrina" in caught.message) == (error is StateError)


def test_files_that_are_no_backup(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello\n" * 1_000)
    with tarfile.open(tmp_path / "other.tar", "w") as archive:
        archive.addfile(plain("a.jpg")[0], io.BytesIO())
    for name, said in (("text", "not a whole"), ("other.tar", "not a backup"), (".", "is a folder")):
        with pytest.raises(InputError, match=said):
            restore(tmp_path / name, tmp_path / "shop")
    with pytest.raises(NotFoundError):
        restore(tmp_path / "none", tmp_path / "shop")
    assert not (tmp_path / "shop").exists()
