"""What the catalog keeps, replaces and forgets, and the numbers it gives its changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import func, select

from search.catalog.catalog import Catalog
from search.catalog.entry import Entry
from search.catalog.schema import FULL_TEXT, embeddings, facets, images
from search.catalog.words import words
from search.encoders.base import EncoderIdentity
from search.errors import EncoderError, NotFoundError, StorageError
from search.item import Item
from tests.fakes import FakeEncoder, make_entry, picture


@pytest.fixture
def space(catalog: Catalog, encoder: FakeEncoder) -> int:
    return catalog.open_space(encoder.identity, live=True)


def full_entry(encoder: FakeEncoder, sku: str = "a-1", title: str = "Red shirt") -> Entry:
    return Entry(
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
            "image": encoder.encode_images([picture("red"), picture("blue")]),
            "text": encoder.encode_texts([title]),
        },
    )


def parts_left(catalog: Catalog) -> dict[str, int]:
    with catalog.database.read() as connection:
        tables = {"facets": facets, "images": images, "embeddings": embeddings, FULL_TEXT: words}
        return {
            name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for name, table in tables.items()
        }


def test_a_new_catalog_is_empty(catalog: Catalog) -> None:
    assert catalog.sequence() == 0
    assert catalog.counts() == {"items": 0, "images": 0, "vectors": 0}
    assert catalog.live_space() is None
    assert list(catalog.all_items()) == []
    with pytest.raises(NotFoundError, match="no item"):
        catalog.item("a")


def test_an_item_comes_back_as_it_went_in(catalog: Catalog, encoder: FakeEncoder, space: int) -> None:
    entry = full_entry(encoder)
    catalog.commit(space, [entry])
    stored = catalog.item("a-1")
    assert stored.item == entry.item
    assert stored.image_ids == entry.image_ids
    assert stored.content_hash == entry.content_hash
    assert catalog.items([stored.id]) == {stored.id: stored}
    assert catalog.counts() == {"items": 1, "images": 2, "vectors": 3}
    changes = catalog.changes(space, 0)
    np.testing.assert_array_equal(changes.rows["image"].vectors, entry.vectors["image"])
    np.testing.assert_array_equal(changes.rows["text"].vectors, entry.vectors["text"])


@pytest.mark.parametrize(
    "sku", ["👗🧦", "שלום-12", "‮abc", "Ünï", "a'b\"c;--", "%_*", " lead", "x" * 5000, "0012", "İstanbul"]
)
def test_any_sku_is_a_key_of_its_own(catalog: Catalog, encoder: FakeEncoder, space: int, sku: str) -> None:
    catalog.commit(space, [make_entry(encoder, sku, "One"), make_entry(encoder, sku + "2", "Two")])
    assert catalog.item(sku).item.title == "One"
    assert catalog.delete([sku]) == [sku]
    assert catalog.content_hashes([sku, sku + "2"]).keys() == {sku + "2"}


def test_skus_differ_by_case(catalog: Catalog, encoder: FakeEncoder, space: int) -> None:
    catalog.commit(space, [make_entry(encoder, "A", "upper"), make_entry(encoder, "a", "lower")])
    assert (catalog.item("A").item.title, catalog.item("a").item.title) == ("upper", "lower")


def test_replacing_keeps_the_id_and_leaves_nothing_of_the_old(
    catalog: Catalog, encoder: FakeEncoder, space: int
) -> None:
    catalog.commit(space, [full_entry(encoder), make_entry(encoder, "other", "Other")])
    before = catalog.item("a-1")
    catalog.commit(
        space, [make_entry(encoder, "a-1", "Blue shirt", pictures=[picture("blue")], attributes={"colour": "blue"})]
    )
    after = catalog.item("a-1")
    assert after.id == before.id
    assert after.item == Item("a-1", "Blue shirt", attributes={"colour": "blue"})
    assert len(after.image_ids) == 1
    assert catalog.counts() == {"items": 2, "images": 1, "vectors": 3}
    assert parts_left(catalog) == {"facets": 3, "images": 1, "embeddings": 3, FULL_TEXT: 2}


def test_deleting_leaves_nothing_and_tells_what_was_there(catalog: Catalog, encoder: FakeEncoder, space: int) -> None:
    catalog.commit(space, [full_entry(encoder), full_entry(encoder, "a-2")])
    assert catalog.delete(["a-2", "unknown", "a-1"]) == ["a-2", "a-1"]
    assert catalog.counts() == {"items": 0, "images": 0, "vectors": 0}
    assert set(parts_left(catalog).values()) == {0}
    with pytest.raises(NotFoundError):
        catalog.item("a-1")


def test_the_sequence_grows_with_each_change_and_only_then(catalog: Catalog, encoder: FakeEncoder, space: int) -> None:
    numbers = [catalog.sequence(), catalog.commit(space, [full_entry(encoder)])]
    numbers.append(catalog.commit(space, [full_entry(encoder), make_entry(encoder, "b")]))
    catalog.delete(["b"])
    numbers.append(catalog.sequence())
    assert numbers == [0, 1, 2, 3]
    catalog.delete(["b"])
    catalog.content_hashes(["b"])
    assert catalog.sequence() == 3


def test_item_ids_are_never_used_twice(catalog: Catalog, encoder: FakeEncoder, space: int) -> None:
    used: set[int] = set()
    for _ in range(4):
        catalog.commit(space, [make_entry(encoder, "a"), make_entry(encoder, "b")])
        ids = {catalog.item("a").id, catalog.item("b").id}
        assert not ids & used
        used |= ids
        catalog.delete(["a", "b"])


def test_more_skus_than_one_statement_takes(catalog: Catalog, encoder: FakeEncoder, space: int) -> None:
    skus = [f"sku-{number}" for number in range(1203)]
    catalog.commit(space, [make_entry(encoder, sku, "shirt", text="") for sku in skus])
    assert catalog.content_hashes([*skus, "unknown"]).keys() == set(skus)
    ids = {stored.item.sku: stored.id for stored in catalog.all_items()}
    assert list(ids) == skus
    assert len(catalog.items(list(ids.values()))) == 1203
    catalog.commit(space, [make_entry(encoder, sku, "boot", text="") for sku in skus])
    assert {stored.item.sku: stored.id for stored in catalog.all_items()} == ids
    assert catalog.delete(skus[:-1]) == skus[:-1]
    assert [stored.item.sku for stored in catalog.all_items()] == skus[-1:]


def test_a_commit_is_whole_or_not_at_all(catalog: Catalog, encoder: FakeEncoder, space: int) -> None:
    catalog.commit(space, [make_entry(encoder, "a", "before")])
    with pytest.raises(StorageError):
        catalog.commit(space, [make_entry(encoder, "a", "after"), make_entry(encoder, "b"), make_entry(encoder, "b")])
    assert catalog.item("a").item.title == "before"
    assert catalog.content_hashes(["b"]) == {}
    assert catalog.sequence() == 1
    assert parts_left(catalog) == {"facets": 1, "images": 0, "embeddings": 1, FULL_TEXT: 1}


def test_an_item_of_neither_words_nor_pictures(catalog: Catalog, encoder: FakeEncoder, space: int) -> None:
    catalog.commit(space, [make_entry(encoder, "bare")])
    assert catalog.item("bare").item == Item("bare")
    assert catalog.counts() == {"items": 1, "images": 0, "vectors": 0}


def test_spaces_are_told_apart_by_their_fingerprint(catalog: Catalog, encoder: FakeEncoder) -> None:
    first = catalog.open_space(encoder.identity, live=True)
    assert catalog.open_space(encoder.identity, live=False) == first
    assert catalog.live_space() == encoder.identity
    retrained = EncoderIdentity(encoder.identity.name, "other", 8)
    second = catalog.open_space(retrained, live=False)
    assert second != first
    assert catalog.live_space() == encoder.identity
    assert catalog.open_space(retrained, live=True) == second
    assert catalog.live_space() == retrained


def test_opening_the_live_space_again_needs_no_write_lock(catalog: Catalog, encoder: FakeEncoder, space: int) -> None:
    with catalog.database.write():
        other = Catalog(catalog.database.path)
        assert other.open_space(encoder.identity, live=True) == space
        other.close()


def test_vectors_of_two_spaces_never_mix(catalog: Catalog, encoder: FakeEncoder, space: int) -> None:
    other = FakeEncoder(seed=5, dimension=8)
    second = catalog.open_space(other.identity, live=False)
    catalog.commit(space, [full_entry(encoder)])
    item_id, no_text = catalog.item("a-1").id, other.encode_texts([])
    catalog.add_vectors(second, {item_id: {"image": other.encode_images([picture("red")]), "text": no_text}})
    assert len(catalog.changes(space, 0).rows["image"]) == 2
    assert catalog.changes(second, 0).rows["image"].vectors.shape == (1, 8)
    catalog.add_vectors(second, {item_id: {"image": other.encode_images([picture("blue")]), "text": no_text}})
    np.testing.assert_allclose(catalog.changes(second, 0).rows["image"].vectors, other.encode_images([picture("blue")]))
    assert catalog.take_over(second, catalog.sequence())
    assert catalog.counts() == {"items": 1, "images": 2, "vectors": 1}


def test_writing_to_or_following_a_space_that_was_dropped_names_the_remedy(
    catalog: Catalog, encoder: FakeEncoder, space: int
) -> None:
    second = catalog.open_space(FakeEncoder(seed=5).identity, live=False)
    assert catalog.take_over(second, catalog.sequence())
    for attempt in (
        lambda: catalog.commit(space, [full_entry(encoder)]),
        lambda: catalog.add_vectors(space, {}),
        lambda: catalog.changes(space, 0),
    ):
        with pytest.raises(EncoderError, match="another encoder") as caught:
            attempt()
        assert "VITRINA_ENCODER" in caught.value.remedy
    assert catalog.counts()["items"] == 0


def test_vectors_for_an_item_deleted_meanwhile_are_dropped(catalog: Catalog, encoder: FakeEncoder, space: int) -> None:
    catalog.commit(space, [full_entry(encoder), full_entry(encoder, "a-2")])
    gone, kept = catalog.item("a-1").id, catalog.item("a-2").id
    catalog.delete(["a-1"])
    vectors = full_entry(encoder).vectors
    catalog.add_vectors(space, {gone: vectors, kept: vectors})
    assert set(catalog.changes(space, 0).rows["image"].item_ids.tolist()) == {kept}


def test_changes_since_a_number_are_only_those(catalog: Catalog, encoder: FakeEncoder, space: int) -> None:
    catalog.commit(space, [make_entry(encoder, sku, sku) for sku in "abc"])
    since = catalog.sequence()
    a, b = catalog.item("a").id, catalog.item("b").id
    catalog.commit(space, [make_entry(encoder, "b", "new b"), make_entry(encoder, "d", "d")])
    catalog.delete(["a"])
    changes = catalog.changes(space, since)
    assert changes.sequence == 3
    assert set(changes.touched_items.tolist()) == {a, b, catalog.item("d").id}
    assert changes.rows["text"].item_ids.tolist() == [b, catalog.item("d").id]
    nothing = catalog.changes(space, 3)
    assert len(nothing.touched_items) == 0
    assert len(nothing.rows["text"]) == 0


def test_two_catalogs_on_one_file_see_each_other(tmp_path: Path, encoder: FakeEncoder) -> None:
    one, two = Catalog(tmp_path / "catalog.db"), Catalog(tmp_path / "catalog.db")
    space = one.open_space(encoder.identity, live=True)
    one.commit(space, [make_entry(encoder, "a", "by one")])
    assert two.item("a").item.title == "by one"
    two.delete(["a"])
    assert one.counts()["items"] == 0
    assert one.sequence() == two.sequence() == 2
    one.close()
    two.close()
