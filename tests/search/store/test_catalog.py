"""What the catalog keeps, replaces and forgets, and the numbers it gives its changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import event, func, select

from tests.fakes import FakeEncoder, make_entry, make_image
from vitrina.search.store.catalog import Catalog
from vitrina.search.store.database import embeddings, facets, images, item_terms
from vitrina.search.types.errors import NotFoundError, StorageError
from vitrina.search.types.item import IndexedItem, Item, Variant


@pytest.fixture
def version(catalog: Catalog, encoder: FakeEncoder) -> int:
    return catalog.open_index_version(encoder.identity, active=True)


def full_entry(encoder: FakeEncoder, sku: str = "a-1", title: str = "Red shirt") -> IndexedItem:
    return IndexedItem(
        item=Item(
            sku,
            title,
            "Warm — ünïcödé, 漢字, שלום, 👗",
            {"colour": "red", "sizes": ("s", "m"), "year": 2016, "weight_kg": 0.25, "new": True, "tags": ()},
            1999,
            "EUR",
            "https://shop.example/a-1",
        ),
        content_hash="h" * 64,
        image_ids=("0" * 32, "1" * 32),
        vectors={
            "image": encoder.encode_images([make_image("red"), make_image("blue")]),
            "text": encoder.encode_texts([title]),
        },
    )


def parts_left(catalog: Catalog) -> dict[str, int]:
    with catalog.database.read() as connection:
        tables = {"facets": facets, "images": images, "embeddings": embeddings, "item_terms": item_terms}
        return {
            name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for name, table in tables.items()
        }


def test_a_new_catalog_is_empty(catalog: Catalog) -> None:
    assert catalog.sequence() == 0
    assert catalog.counts() == {"items": 0, "images": 0, "vectors": 0}
    assert catalog.active_encoder() is None
    assert list(catalog.all_items()) == []
    with pytest.raises(NotFoundError, match="no item"):
        catalog.item("a")


def test_an_item_comes_back_as_it_went_in(catalog: Catalog, encoder: FakeEncoder, version: int) -> None:
    entry = full_entry(encoder)
    catalog.commit(version, [entry])
    stored = catalog.item("a-1")
    assert stored.item == entry.item
    assert stored.image_ids == entry.image_ids
    assert stored.content_hash == entry.content_hash
    assert catalog.items([stored.id]) == {stored.id: stored}
    assert catalog.counts() == {"items": 1, "images": 2, "vectors": 3}
    changes = catalog.changes(version, 0)
    np.testing.assert_array_equal(changes.rows["image"].vectors, entry.vectors["image"])
    np.testing.assert_array_equal(changes.rows["text"].vectors, entry.vectors["text"])


def test_word_pieces_are_kept_beside_the_vectors(catalog: Catalog, encoder: FakeEncoder, version: int) -> None:
    pieces = np.arange(-6, 6, dtype=np.int8).reshape(3, 4)
    entry = full_entry(encoder)
    catalog.commit(version, [replace(entry, vectors={**entry.vectors, "pieces": pieces.reshape(1, -1)})])
    catalog.commit(version, [full_entry(encoder, "a-2")])
    ids = [catalog.item("a-1").id, catalog.item("a-2").id]
    with catalog.reading() as reader:
        found = reader.pieces(version, ids, 4)
        assert reader.pieces(version + 1, ids, 4) == {}
        assert reader.pieces(version, [], 4) == {}
    assert list(found) == ids[:1]
    np.testing.assert_array_equal(found[ids[0]], pieces)
    assert catalog.counts() == {"items": 2, "images": 4, "vectors": 6}
    catalog.commit(version, [full_entry(encoder)])
    with catalog.reading() as reader:
        assert reader.pieces(version, ids, 4) == {}


def test_what_a_few_items_have_is_read_without_the_others(catalog: Catalog, encoder: FakeEncoder, version: int) -> None:
    """SQLite, which has no statistics, would read all vectors of the version, and all items for the words of one."""
    catalog.commit(version, [full_entry(encoder, f"a-{number}") for number in range(3)])
    sequence, run = catalog.sequence(), list[tuple[str, Any]]()
    engine = catalog.database.engine

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        run.append((statement, parameters[0] if many else parameters))

    event.listen(engine, "before_cursor_execute", note)
    catalog.commit(version, [full_entry(encoder, "a-1")])
    stored = catalog.item("a-1")
    catalog.backfill(version, [(stored, full_entry(encoder).vectors)])
    with catalog.reading() as reader:
        reader.pieces(version, [stored.id], 4)
        assert len(reader.image_vectors(version, "a-1")) == 2
    assert catalog.term_changes(sequence).item_ids.tolist() == [stored.id]
    event.remove(engine, "before_cursor_execute", note)
    with catalog.database.read() as connection:
        if connection.dialect.name != "sqlite":
            return
        plans = {
            statement: str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all())
            for statement, parameters in run
            if "embeddings" in statement or "item_terms" in statement
        }
    assert len(plans) >= 6
    assert not [
        each for each in plans.items() if "ix_embeddings_version_sequence" in each[1] or "SCAN items" in each[1]
    ]


VARIANTS = (
    Variant(
        "T/1 ", {"Größe": "S", "colour": "Navy  Blue", "n": 38.0}, 1800, "EUR", ("0001234567890",), (1, 0), "https://x"
    ),
    Variant("", {}, 2000, title="Shirt - Blue"),
    Variant(),
)


def test_variants_come_back_as_they_went_in(catalog: Catalog, encoder: FakeEncoder, version: int) -> None:
    catalog.commit(version, [make_entry(encoder, "T", "Shirt", variants=VARIANTS), make_entry(encoder, "U")])
    variants = catalog.item("T").item.variants
    assert variants == Item("T", variants=VARIANTS).variants
    assert list(variants[0].options.items()) == [("Größe", "S"), ("colour", "Navy  Blue"), ("n", 38.0)]
    assert catalog.item("U").item.variants == ()


@pytest.mark.parametrize(
    "sku", ["👗🧦", "שלום-12", "‮abc", "Ünï", "a'b\"c;--", "%_*", " lead", "x" * 5000, "0012", "İstanbul"]
)
def test_any_sku_is_a_key_of_its_own(catalog: Catalog, encoder: FakeEncoder, version: int, sku: str) -> None:
    catalog.commit(version, [make_entry(encoder, sku, "One"), make_entry(encoder, sku + "2", "Two")])
    assert catalog.item(sku).item.title == "One"
    assert catalog.delete([sku]) == [sku]
    assert catalog.content_hashes([sku, sku + "2"]).keys() == {sku + "2"}


def test_skus_differ_by_case(catalog: Catalog, encoder: FakeEncoder, version: int) -> None:
    catalog.commit(version, [make_entry(encoder, "A", "upper"), make_entry(encoder, "a", "lower")])
    assert (catalog.item("A").item.title, catalog.item("a").item.title) == ("upper", "lower")


def test_replacing_keeps_the_id_and_leaves_nothing_of_the_old(
    catalog: Catalog, encoder: FakeEncoder, version: int
) -> None:
    catalog.commit(version, [full_entry(encoder), make_entry(encoder, "other", "Other")])
    before = catalog.item("a-1")
    catalog.commit(
        version, [make_entry(encoder, "a-1", "Blue shirt", images=[make_image("blue")], attributes={"colour": "blue"})]
    )
    after = catalog.item("a-1")
    assert after.id == before.id
    assert after.item == Item("a-1", "Blue shirt", attributes={"colour": "blue"})
    assert len(after.image_ids) == 1
    assert catalog.counts() == {"items": 2, "images": 1, "vectors": 3}
    assert parts_left(catalog) == {"facets": 3, "images": 1, "embeddings": 3, "item_terms": 2}


def test_deleting_leaves_nothing_and_tells_what_was_there(catalog: Catalog, encoder: FakeEncoder, version: int) -> None:
    catalog.commit(version, [full_entry(encoder), full_entry(encoder, "a-2")])
    assert catalog.delete(["a-2", "unknown", "a-1"]) == ["a-2", "a-1"]
    assert catalog.counts() == {"items": 0, "images": 0, "vectors": 0}
    assert set(parts_left(catalog).values()) == {0}
    with pytest.raises(NotFoundError):
        catalog.item("a-1")


def test_the_sequence_grows_with_each_change_and_only_then(
    catalog: Catalog, encoder: FakeEncoder, version: int
) -> None:
    numbers = [catalog.sequence(), catalog.commit(version, [full_entry(encoder)])]
    numbers.append(catalog.commit(version, [full_entry(encoder), make_entry(encoder, "b")]))
    catalog.delete(["b"])
    numbers.append(catalog.sequence())
    assert numbers == [0, 1, 2, 3]
    catalog.delete(["b"])
    catalog.content_hashes(["b"])
    assert catalog.sequence() == 3


def test_item_ids_are_never_used_twice(catalog: Catalog, encoder: FakeEncoder, version: int) -> None:
    used: set[int] = set()
    for _ in range(4):
        catalog.commit(version, [make_entry(encoder, "a"), make_entry(encoder, "b")])
        ids = {catalog.item("a").id, catalog.item("b").id}
        assert not ids & used
        used |= ids
        catalog.delete(["a", "b"])


def test_more_skus_than_one_statement_takes(catalog: Catalog, encoder: FakeEncoder, version: int) -> None:
    skus = [f"sku-{number}" for number in range(1203)]
    catalog.commit(version, [make_entry(encoder, sku, "shirt", text="") for sku in skus])
    assert catalog.content_hashes([*skus, "unknown"]).keys() == set(skus)
    ids = {stored.item.sku: stored.id for stored in catalog.all_items()}
    assert list(ids) == skus
    assert len(catalog.items(list(ids.values()))) == 1203
    catalog.commit(version, [make_entry(encoder, sku, "boot", text="") for sku in skus])
    assert {stored.item.sku: stored.id for stored in catalog.all_items()} == ids
    assert catalog.delete(skus[:-1]) == skus[:-1]
    assert [stored.item.sku for stored in catalog.all_items()] == skus[-1:]


def test_a_commit_is_whole_or_not_at_all(catalog: Catalog, encoder: FakeEncoder, version: int) -> None:
    catalog.commit(version, [make_entry(encoder, "a", "before")])
    with pytest.raises(StorageError):
        catalog.commit(version, [make_entry(encoder, "a", "after"), make_entry(encoder, "b"), make_entry(encoder, "b")])
    assert catalog.item("a").item.title == "before"
    assert catalog.content_hashes(["b"]) == {}
    assert catalog.sequence() == 1
    assert parts_left(catalog) == {"facets": 1, "images": 0, "embeddings": 1, "item_terms": 1}


def test_an_item_of_neither_words_nor_images(catalog: Catalog, encoder: FakeEncoder, version: int) -> None:
    catalog.commit(version, [make_entry(encoder, "bare")])
    assert catalog.item("bare").item == Item("bare")
    assert catalog.counts() == {"items": 1, "images": 0, "vectors": 0}


def test_changes_since_a_number_are_only_those(catalog: Catalog, encoder: FakeEncoder, version: int) -> None:
    catalog.commit(version, [make_entry(encoder, sku, sku) for sku in "abc"])
    since = catalog.sequence()
    a, b = catalog.item("a").id, catalog.item("b").id
    catalog.commit(version, [make_entry(encoder, "b", "new b"), make_entry(encoder, "d", "d")])
    catalog.delete(["a"])
    changes = catalog.changes(version, since)
    assert changes.sequence == 3
    assert set(changes.touched_items.tolist()) == {a, b, catalog.item("d").id}
    assert changes.rows["text"].item_ids.tolist() == [b, catalog.item("d").id]
    nothing = catalog.changes(version, 3)
    assert len(nothing.touched_items) == 0
    assert len(nothing.rows["text"]) == 0


def test_two_catalogs_on_one_file_see_each_other(tmp_path: Path, encoder: FakeEncoder) -> None:
    one, two = Catalog(tmp_path / "catalog.db"), Catalog(tmp_path / "catalog.db")
    version = one.open_index_version(encoder.identity, active=True)
    one.commit(version, [make_entry(encoder, "a", "by one")])
    assert two.item("a").item.title == "by one"
    two.delete(["a"])
    assert one.count("items") == 0
    assert one.sequence() == two.sequence() == 2
    one.close()
    two.close()
