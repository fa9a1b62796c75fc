"""The database file: its schema, its transactions, and what can be wrong with it."""

from __future__ import annotations

import json
import logging
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Table, create_engine, func, insert, select, text

from tests.fakes import DIMENSION, FakeEncoder, make_entry
from vitrina.search.lexical.lexical_index import LexicalIndex
from vitrina.search.store.catalog import Catalog
from vitrina.search.store.database import (
    MIGRATIONS_FOLDER,
    Database,
    clock,
    deletions,
    item_terms,
    metadata,
    newest_version,
    schema_version,
)
from vitrina.search.store.sql import SqlDatabase
from vitrina.search.types.errors import StateError, StorageError
from vitrina.search.types.filters import MAX_VALUE_CHARS, parse_filters
from vitrina.search.types.item import Variant
from vitrina.search.types.models import EncoderIdentity


def count(database: SqlDatabase, table: Table) -> int:
    with database.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def test_migrations_create_exactly_the_tables_of_the_schema(tmp_path: Path) -> None:
    database = Database(tmp_path / "catalog.db")
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found = compare_metadata(context, metadata)
    database.close()
    assert found == []


def test_the_newest_migration_by_name_is_the_head(tmp_path: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS_FOLDER))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [newest_version()]
    with closing(Database(tmp_path / "catalog.db")) as database:
        assert schema_version(database.engine) == newest_version()


def test_opening_again_needs_no_alembic(tmp_path: Path) -> None:
    Database(tmp_path / "catalog.db").close()
    program = (
        "import sys; from pathlib import Path; from vitrina.search.store.database import Database; "
        "Database(Path(sys.argv[1])).close(); assert 'alembic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "catalog.db")], check=True, timeout=60)


def test_opening_again_keeps_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    first = Catalog(path)
    name = first.name
    first.close()
    second = Catalog(path)
    assert second.name == name
    second.close()
    other = Catalog(tmp_path / "other.db")
    assert other.name != name
    other.close()


def migrate_to(path: Path, revision: str) -> None:
    """Make a catalog as an older version made it."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS_FOLDER))
    config.set_main_option("path_separator", "os")
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


def test_the_items_of_version_4_get_their_identifiers(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    migrate_to(path, "0004")
    with closing(sqlite3.connect(path)) as old, old:
        for item_id, (sku, attributes) in enumerate(
            [
                ("TN-2110", '{"ean": "0012345678905"}'),
                ("b", '{"variant_sku": ["BX-1", "BX-2"], "model": "Pro"}'),
                ("c", "{}"),
            ],
            1,
        ):
            old.execute(
                "INSERT INTO items VALUES (?, ?, ?, 'mug', 'Mug', '', ?, NULL, NULL, NULL, 'hash', 1)",
                (item_id, sku, sku.casefold(), attributes),
            )
        old.execute("INSERT INTO images (item_id, position, image_id) VALUES (2, 0, 'f00')")
    with closing(Catalog(path)) as catalog, catalog.reading() as reader:
        found = [reader.identified(code).tolist() for code in ("tn2110", "12345678905", "bx 2", "pro", "C", "d")]
        assert found == [[1], [1], [2], [], [3], []]
        assert reader.items_with_images(["f00", "f01"]).tolist() == [2]


def test_a_catalog_of_version_3_opens(tmp_path: Path, encoder: FakeEncoder) -> None:
    path = tmp_path / "catalog.db"
    migrate_to(path, "0003")
    identity, vectors = encoder.identity, encoder.encode_texts(["red mug", "old"])
    with closing(sqlite3.connect(path)) as old, old:
        old.execute("INSERT INTO spaces VALUES (7, ?, ?, ?, 1, 0)", (identity.name, identity.fingerprint, DIMENSION))
        old.execute("INSERT INTO spaces VALUES (8, 'other', 'f', ?, 0, 1)", (DIMENSION,))
        for item_id, (sku, vector) in enumerate(zip(("a", "b"), vectors, strict=True), start=1):
            old.execute(
                "INSERT INTO items VALUES (?, ?, ?, 'mug', 'Mug', '', '{}', NULL, NULL, NULL, 'hash', ?)",
                (item_id, sku, sku, item_id),
            )
            old.execute(
                "INSERT INTO embeddings VALUES (?, 7, ?, 'text', ?, ?)", (item_id, item_id, vector.tobytes(), item_id)
            )
        old.execute("UPDATE clock SET sequence = 2")
    with closing(Catalog(path)) as catalog:
        assert [(each.id, each.active, each.n_pending) for each in catalog.index_versions()] == [
            (7, True, 0),
            (8, False, 1),
        ]
        assert catalog.active_encoder() == identity
        np.testing.assert_array_equal(catalog.changes(7, 0).rows["text"].vectors, vectors)
        assert [stored.item.sku for stored in catalog.pending(8)] == ["b"]
        assert catalog.commit(7, [make_entry(encoder, "c")]) == 3
        assert catalog.open_index_version(EncoderIdentity("third", "3", DIMENSION), active=False) == 9
    with closing(sqlite3.connect(path)) as now:
        assert now.execute("PRAGMA foreign_key_check").fetchall() == []
        assert now.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_the_items_of_version_6_have_no_variants(tmp_path: Path, encoder: FakeEncoder) -> None:
    path = tmp_path / "catalog.db"
    migrate_to(path, "0006")
    with closing(sqlite3.connect(path)) as old, old:
        old.execute("INSERT INTO items VALUES (1, 'a', 'a', 'mug', 'Mug', '', '{}', 900, 'EUR', NULL, 'hash', 1)")
        old.execute("INSERT INTO facets (item_id, field, value, number) VALUES (1, 'price_cents', '900', 900)")
        old.execute(
            "INSERT INTO items VALUES (2, ?, ?, 'x', 'X', '', '{}', NULL, NULL, NULL, 'hash', 1)", ("e\u0301  1",) * 2
        )
        old.execute("INSERT INTO facets (item_id, field, value) VALUES (2, 'sku', ?)", ("e\u0301  1",))
        old.execute("UPDATE clock SET sequence = 1")
    with closing(Catalog(path)) as catalog:
        item = catalog.item("a").item
        assert (item.variants, item.price_cents, item.max_price_cents) == ((), 900, 900)
        assert catalog.item("\u00c9 1").id == 2
        with catalog.reading() as reader:
            assert reader.facets.matching(parse_filters({"sku": "\u00c9  1"})).tolist() == [2]
        assert list(catalog.source_names().values()) == [2]
        assert {each.changed_at for each in catalog.item_page(9).items} == {None}
        version = catalog.open_index_version(encoder.identity, active=True)
        catalog.commit(version, [make_entry(encoder, "b", variants=[Variant("b-1", {"size": "S"}, 500)])])
        assert catalog.item("b").item.variants[0].sku == "b-1"


def test_the_long_values_of_version_11_are_found_as_before(tmp_path: Path, encoder: FakeEncoder) -> None:
    path, story = tmp_path / "catalog.db", "once upon a time " * 200 + "the end"
    migrate_to(path, "0011")
    with closing(sqlite3.connect(path)) as old, old:
        columns = "id, sku, folded_sku, title, folded_title, description, attributes, content_hash, sequence"
        row = f"INSERT INTO items ({columns}) VALUES (1, 'a', 'a', '', '', '', ?, 'hash', 1)"
        old.execute(row, (json.dumps({"story": story}),))
        old.execute("INSERT INTO facets (item_id, field, value) VALUES (1, 'story', ?)", (story,))
        old.execute("INSERT INTO facets (item_id, field, value) VALUES (1, 'short', 'a')")
        old.execute("UPDATE clock SET sequence = 1")
    with closing(Catalog(path)) as catalog, catalog.reading() as reader:
        assert reader.facets.matching(parse_filters({"story": story.upper(), "short": "A"})).tolist() == [1]
        assert reader.facets.matching(parse_filters({"story": story + "."})).tolist() == []
        (held,) = reader.facets.distinct_values("story", 9)
        assert len(held) == MAX_VALUE_CHARS
        assert reader.facets.original_spellings("story", {held: 1}) == {held: story.strip()}


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    database = Database(path)
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    with pytest.raises(StateError, match="newer Vitrina") as caught:
        Database(path)
    assert not isinstance(caught.value, StorageError)
    assert "version" in caught.value.remedy


@pytest.mark.parametrize("data", [b"not a database at all" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_of_something_else_is_a_storage_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "catalog.db"
    path.write_bytes(data)
    with pytest.raises(StorageError, match=r"catalog\.db") as caught:
        Catalog(path)
    assert "backup" in caught.value.remedy
    assert path.read_bytes() == data


def test_a_catalog_damaged_inside_is_a_storage_error(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    catalog = Catalog(path)
    catalog.close()
    whole = bytearray(path.read_bytes())
    whole[4096:] = b"\xff" * (len(whole) - 4096)
    path.write_bytes(whole)
    with pytest.raises(StorageError):
        Catalog(path)


def test_a_folder_that_is_not_there_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be used") as caught:
        Catalog(tmp_path / "missing" / "catalog.db")
    assert "folder" in caught.value.remedy


def test_a_failing_transaction_leaves_nothing(tmp_path: Path) -> None:
    database = Database(tmp_path / "catalog.db")

    def write(item_ids: list[int]) -> None:
        with database.write() as connection:
            for item_id in item_ids:
                connection.execute(insert(deletions).values(item_id=item_id, sequence=1))
            raise KeyError

    with pytest.raises(KeyError):
        write([1])
    with pytest.raises(StorageError):
        write([2, 2])
    assert count(database, deletions) == 0
    database.close()


def test_a_reader_sees_one_state_while_another_writes(tmp_path: Path) -> None:
    database = Database(tmp_path / "catalog.db")
    with database.read() as reader:
        before = reader.scalar(select(func.count()).select_from(deletions))
        with database.write() as writer:
            writer.execute(insert(deletions).values(item_id=1, sequence=1))
        assert reader.scalar(select(func.count()).select_from(deletions)) == before
    assert count(database, deletions) == 1
    database.close()


def test_threads_that_make_catalogs_at_once_all_succeed(tmp_path: Path) -> None:
    names: list[str] = []

    def make(number: int) -> None:
        catalog = Catalog(tmp_path / f"{number}.db")
        names.append(catalog.name)
        catalog.close()

    threads = [threading.Thread(target=make, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(names)) == 5


def test_threads_that_write_at_once_all_succeed(tmp_path: Path) -> None:
    database = Database(tmp_path / "catalog.db")
    failures: list[BaseException] = []

    def write(first: int) -> None:
        try:
            for item_id in range(first, first + 20):
                with database.write() as connection:
                    sequence = connection.execute(select(clock.c.sequence)).scalar_one()
                    connection.execute(insert(deletions).values(item_id=item_id, sequence=sequence + 1))
                    connection.execute(clock.update().values(sequence=clock.c.sequence + 1))
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=write, args=(first,)) for first in (100, 200, 300, 400)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with database.read() as connection:
        assert sorted(connection.scalars(select(deletions.c.sequence))) == list(range(1, 81))
    database.close()


OPEN_AND_WRITE = """
import sys
from pathlib import Path
from vitrina.search.store.catalog import Catalog
from vitrina.search.types.filters import parse_filters
from vitrina.search.types.item import Variant
from vitrina.search.types.models import EncoderIdentity
from vitrina.search.types.item import IndexedItem, Item
import numpy as np
catalog = Catalog(Path(sys.argv[1]))
version = catalog.open_index_version(EncoderIdentity("e", "f", 2), active=True)
for number in range(10):
    item = Item(f"{sys.argv[2]}-{number}")
    vectors = {"image": np.ones((1, 2), np.float32), "text": np.ones((0, 2), np.float32)}
    catalog.commit(version, [IndexedItem(item, "hash", ("a",), vectors)])
"""


def test_processes_that_make_and_write_one_catalog_at_once_all_succeed(tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN_AND_WRITE, str(path), str(number)], stderr=subprocess.PIPE, text=True
        )
        for number in range(2)
    ]
    errors = [process.communicate(timeout=100)[1] for process in running]
    assert [process.returncode for process in running] == [0, 0], errors
    catalog = Catalog(path)
    assert catalog.counts() == {"items": 20, "images": 20, "vectors": 20}
    assert catalog.sequence() == 20
    catalog.close()


def test_the_words_of_a_catalog_of_version_4_are_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "catalog.db"
    migrate_to(path, "0004")
    with closing(sqlite3.connect(path)) as old, old:
        for item_id in range(1, 4):
            row = (item_id, f"AB-{item_id}", f"ab-{item_id}", "Red Mug", "For tea", '{"size": ["s", 12]}')
            old.execute("INSERT INTO items VALUES (?, ?, ?, 'red mug', ?, ?, ?, NULL, NULL, NULL, 'hash', 1)", row)
            old.execute("INSERT INTO item_words (rowid, sku, title) VALUES (?, 'x', 'Red Mug')", (item_id,))
        old.execute("UPDATE clock SET sequence = 1")
    catalog = Catalog(path)
    assert catalog.term_changes(0).terms[0] == "red mug\nab 1\ns 12\nfor tea"  # analysed when it is read
    with caplog.at_level(logging.INFO):
        matches = LexicalIndex(catalog).match("mug tea ab2").best(9)
    assert matches.item_ids.tolist()[0] == 2
    assert matches.literal.tolist() == [True, False, False]
    assert "Analysed the words of 3 items" in caplog.text
    assert count(catalog.database, item_terms) == 3
    with closing(sqlite3.connect(path)) as migrated:
        assert migrated.execute("SELECT count(*) FROM sqlite_master WHERE name = 'item_words'").fetchone() == (0,)
    catalog.close()
