"""A store of every schema there ever was opens, keeps what it has, and can be searched; also if its upgrade was
interrupted. A newer one is refused and left as it is."""

from __future__ import annotations

import io
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import event
from sqlalchemy.engine import Engine

from tests.fakes import FakeEncoder, make_entry, make_image, png
from tests.search.store.test_database import migrate_to
from vitrina.search.engine import SearchEngine
from vitrina.search.store.backup import back_up
from vitrina.search.store.database import MIGRATIONS_FOLDER, newest_version, schema_version
from vitrina.search.store.images import image_id_of
from vitrina.search.store.restore import restore
from vitrina.search.store.store import Store
from vitrina.search.types.errors import StateError
from vitrina.search.types.filters import parse_filters
from vitrina.search.types.identifiers import identifiers
from vitrina.search.types.item import Item
from vitrina.search.types.query import Query

REVISIONS = sorted(path.name[1:5] for path in (MIGRATIONS_FOLDER / "versions").glob("v*.py"))
COLOURS = ("red", "green", "blue", "yellow", "black", "white")


def insert(connection: sqlite3.Connection, table: str, row: Mapping[str, object]) -> None:
    """Insert what the table has columns for, under the names of any revision."""
    columns = {name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")}
    known = {name: value for name, value in row.items() if name in columns}
    if known:
        places = ", ".join("?" * len(known))
        connection.execute(f"INSERT INTO {table} ({', '.join(known)}) VALUES ({places})", tuple(known.values()))


def make_old_store(folder: Path, revision: str, encoder: FakeEncoder) -> None:
    """A store of six mugs with photos, as a Vitrina with that schema wrote it."""
    folder.mkdir()
    migrate_to(folder / "catalog.db", revision)
    photos = [png(make_image(colour)) for colour in COLOURS]
    with closing(sqlite3.connect(folder / "pictures.db")) as images, images:
        images.execute("CREATE TABLE pictures (id VARCHAR(32) NOT NULL PRIMARY KEY, data BLOB NOT NULL)")
        images.executemany("INSERT INTO pictures VALUES (?, ?)", [(image_id_of(each), each) for each in photos])
    with closing(sqlite3.connect(folder / "catalog.db")) as old, old:
        identity = encoder.identity
        version = {"id": 1, "encoder": identity.name, "fingerprint": identity.fingerprint, "dimension": 32}
        versions = "index_versions" if revision >= "0004" else "spaces"
        insert(old, versions, {**version, "active": 1, "live": 1, "watermark": 0, "filled_to": 0})
        for number, (colour, photo) in enumerate(zip(COLOURS, photos, strict=True), start=1):
            insert_mug(old, number, colour, photo, encoder)
        old.execute("UPDATE clock SET sequence = ?", (len(COLOURS),))


def insert_mug(old: sqlite3.Connection, number: int, colour: str, photo: bytes, encoder: FakeEncoder) -> None:
    sku, title = f"MUG-{number}", f"{colour.title()} Mug"
    item = {"id": number, "sku": sku, "folded_sku": sku.casefold(), "title": title, "folded_title": title.casefold()}
    item |= {"description": "For tea", "attributes": f'{{"colour": "{colour}"}}', "price_cents": 100 * number}
    insert(old, "items", item | {"currency": "EUR", "content_hash": "hash", "sequence": number})
    for field, value, amount in (("colour", colour, None), ("price_cents", str(100 * number), 100.0 * number)):
        insert(old, "facets", {"item_id": number, "field": field, "value": value, "number": amount})
    insert(old, "images", {"item_id": number, "position": 0, "image_id": image_id_of(photo)})
    vectors = {
        "image": encoder.encode_images([Image.open(io.BytesIO(photo))]),
        "text": encoder.encode_texts([title]),
    }
    for modality, [vector] in vectors.items():
        row = {"space_id": 1, "version_id": 1, "item_id": number, "modality": modality, "sequence": number}
        insert(old, "embeddings", row | {"vector": vector.astype("<f4").tobytes()})
    for code in identifiers(Item(sku)):
        insert(old, "identifiers", {"item_id": number, "value": code.value, "key": code.key, "is_sku": code.is_sku})
    insert(old, "item_words", {"sku": sku, "title": title, "attributes": colour, "description": "For tea"})


def check_searches(store: Store, encoder: FakeEncoder) -> None:
    """Words, a photo, a code, a filter and a sort find what they should."""
    assert store.catalog.counts() == {"items": 6, "images": 6, "vectors": 12}
    assert store.catalog.active_encoder() == encoder.identity
    engine = SearchEngine.open(store, encoder)

    def first(query: Query) -> str:
        return engine.search(query).hits[0].stored.item.sku

    assert first(Query(text="yellow mug")) == "MUG-4"
    assert first(Query(images=(make_image("blue"),))) == "MUG-3"
    assert first(Query(text="mug 5")) == "MUG-5"
    cheap = engine.search(Query(text="mug", filters=parse_filters({"price_cents": {"lt": 300}})))
    assert {hit.stored.item.sku for hit in cheap.hits} == {"MUG-1", "MUG-2"}
    assert first(Query(filters=parse_filters({"colour": "white"}))) == "MUG-6"
    for stored in store.catalog.all_items():
        assert store.images.read(stored.image_ids[0])
        assert stored.item.price_cents == stored.item.max_price_cents == 100 * int(stored.item.sku[-1])


def test_there_is_a_store_of_every_schema() -> None:
    assert REVISIONS[0] == "0001"
    assert REVISIONS[-1] == newest_version()
    assert [int(each) for each in REVISIONS] == list(range(1, len(REVISIONS) + 1))


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_store_of_any_schema_is_upgraded_and_searched(tmp_path: Path, encoder: FakeEncoder, revision: str) -> None:
    make_old_store(tmp_path / "store", revision, encoder)
    with closing(Store.existing(tmp_path / "store")) as store:
        assert schema_version(store.catalog.database.engine) == newest_version()
        check_searches(store, encoder)
        version = store.open_index_version(encoder.identity)
        store.catalog.commit(version, [make_entry(encoder, "new", "black cup")])
        assert store.catalog.item("NEW").item.title == "black cup"
    with closing(sqlite3.connect(tmp_path / "store" / "catalog.db")) as now:
        assert now.execute("PRAGMA foreign_key_check").fetchall() == []
        assert now.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.parametrize("revision", ["0004", "0009"])
def test_a_backup_of_an_older_schema_is_upgraded(tmp_path: Path, encoder: FakeEncoder, revision: str) -> None:
    make_old_store(tmp_path / "old", revision, encoder)
    with closing(Store(tmp_path / "current")) as current:
        current.close()
        for name in ("catalog.db", "pictures.db"):  # as an older Vitrina would have them while it makes the backup
            shutil.copy(tmp_path / "old" / name, current.folder / name)
        header = back_up(current, tmp_path / "old.tar")
    assert (header.schema, header.n_items) == (revision, 6)
    restore(tmp_path / "old.tar", tmp_path / "restored")
    with closing(Store.existing(tmp_path / "restored")) as restored:
        check_searches(restored, encoder)


class Stop(BaseException):
    """Ends an upgrade midway, as Ctrl-C might."""


def open_at_most(folder: Path, n_statements: int) -> None:
    """Open a store, and stop before the database executes more statements than that."""
    executed = iter(range(n_statements))

    def count(*_: object) -> None:
        if next(executed, None) is None:
            raise Stop

    event.listen(Engine, "before_cursor_execute", count)
    try:
        Store.existing(folder).close()
    finally:
        event.remove(Engine, "before_cursor_execute", count)


@pytest.mark.parametrize("revision", ["0001", "0004", "0007"])
def test_an_interrupted_upgrade_changes_nothing_and_is_made_again(
    tmp_path: Path, encoder: FakeEncoder, revision: str
) -> None:
    make_old_store(tmp_path / "store", revision, encoder)
    before, n_interrupted = dump(tmp_path / "store" / "catalog.db"), 0
    for n_statements in range(1, 1_000, 4):
        try:
            open_at_most(tmp_path / "store", n_statements)
            break
        except Stop:
            n_interrupted += 1
        if version_of(tmp_path / "store") == revision:
            assert dump(tmp_path / "store" / "catalog.db") == before
    assert n_interrupted > 5
    assert version_of(tmp_path / "store") == newest_version()
    with closing(Store.existing(tmp_path / "store")) as store:
        check_searches(store, encoder)


def version_of(folder: Path) -> str:
    with closing(sqlite3.connect(folder / "catalog.db")) as connection:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])


KILLED = """
import os, sys
from pathlib import Path
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.engine import Engine
from vitrina.search.store.store import Store
left = int(sys.argv[2])
def die(*_):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), 9)
event.listen(Engine, "before_cursor_execute", die)
Store.existing(Path(sys.argv[1]))
"""


def test_a_process_killed_while_upgrading_leaves_a_store_that_opens(tmp_path: Path, encoder: FakeEncoder) -> None:
    make_old_store(tmp_path / "store", "0001", encoder)
    for n_statements in (12, 30):
        ended = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "store"), str(n_statements)], timeout=60)
        assert ended.returncode == -9
    with closing(Store.existing(tmp_path / "store")) as store:
        check_searches(store, encoder)


def test_two_processes_that_open_an_old_store_at_once_both_succeed(tmp_path: Path, encoder: FakeEncoder) -> None:
    make_old_store(tmp_path / "store", "0001", encoder)
    program = "import sys; from pathlib import Path; from vitrina.search.store.store import Store; "
    program += "Store.existing(Path(sys.argv[1])).close()"
    both = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "store")]) for _ in range(2)]
    assert [process.wait(timeout=100) for process in both] == [0, 0]
    with closing(Store.existing(tmp_path / "store")) as store:
        check_searches(store, encoder)


@pytest.mark.parametrize("is_read_only", [False, True])
def test_a_store_of_a_newer_version_is_refused_and_left_as_it_is(
    tmp_path: Path, encoder: FakeEncoder, monkeypatch: pytest.MonkeyPatch, is_read_only: bool
) -> None:
    make_old_store(tmp_path / "store", newest_version(), encoder)
    file = tmp_path / "store" / "catalog.db"
    with closing(sqlite3.connect(file)) as newer, newer:
        newer.execute("ALTER TABLE items ADD COLUMN of_the_future TEXT")
        newer.execute("UPDATE alembic_version SET version_num = '9999'")
    before = dump(file)
    if is_read_only:
        monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(StateError, match="newer Vitrina") as caught:
        Store.existing(tmp_path / "store")
    assert "Install that version" in caught.value.remedy
    assert dump(file) == before


def dump(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as connection:
        return list(connection.iterdump())
