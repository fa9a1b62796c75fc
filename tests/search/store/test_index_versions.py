"""Index versions: one answers, others are backfilled beside it, and promoting one loses nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tests.fakes import FakeEncoder, make_entry, make_image
from tests.search.store.conftest import reopened
from vitrina.search.store.catalog import MAX_EMBEDDED_LAST, Catalog
from vitrina.search.store.index_versions import Embedded
from vitrina.search.types.errors import EncoderReplacedError, StateError
from vitrina.search.types.item import INCOMPLETE, StoredItem
from vitrina.search.types.models import EncoderIdentity

OTHER = FakeEncoder("other", seed=5, dimension=8)


@pytest.fixture
def version(catalog: Catalog, encoder: FakeEncoder) -> int:
    return catalog.open_index_version(encoder.identity, active=True)


@pytest.fixture
def other(catalog: Catalog, version: int) -> int:
    return catalog.open_index_version(OTHER.identity, active=False)


def add(catalog: Catalog, encoder: FakeEncoder, version: int, *skus: str) -> None:
    catalog.commit(version, [make_entry(encoder, sku, f"shirt {sku}", images=[make_image("red")]) for sku in skus])


def backfill(catalog: Catalog, version: int, batch: Sequence[StoredItem]) -> None:
    """Embed items with the other encoder: one image and their title."""
    image = OTHER.encode_images([make_image("red")])
    catalog.backfill(
        version, [(stored, {"image": image, "text": OTHER.encode_texts([stored.item.title])}) for stored in batch]
    )


def pending(catalog: Catalog, version: int) -> list[str]:
    return [stored.item.sku for stored in catalog.pending(version)]


def embedded(catalog: Catalog, version: int) -> set[str]:
    """The skus that have a text vector in a version."""
    item_ids = [int(item_id) for item_id in catalog.changes(version, 0).rows["text"].item_ids]
    assert len(set(item_ids)) == len(item_ids)
    return {stored.item.sku for stored in catalog.items(item_ids).values()}


def test_index_versions_differ_by_fingerprint(catalog: Catalog, encoder: FakeEncoder, version: int) -> None:
    assert catalog.open_index_version(encoder.identity, active=False) == version
    retrained = EncoderIdentity(encoder.identity.name, "other", 8)
    assert catalog.open_index_version(retrained, active=False) != version
    assert catalog.active_encoder() == encoder.identity


def test_only_promotion_changes_the_active_version(
    catalog: Catalog, encoder: FakeEncoder, version: int, other: int
) -> None:
    with pytest.raises(EncoderReplacedError, match="'fake'"):
        catalog.open_index_version(OTHER.identity, active=True)
    assert catalog.is_active(version)
    assert catalog.promote(other)
    assert catalog.active_encoder() == OTHER.identity
    assert catalog.open_index_version(OTHER.identity, active=True) == other
    assert not catalog.is_active(version)


def test_opening_the_active_version_again_needs_no_write_lock(
    catalog: Catalog, encoder: FakeEncoder, version: int
) -> None:
    with catalog.database.write():
        other = reopened(catalog)
        assert other.open_index_version(encoder.identity, active=True) == version
        other.close()


def test_vectors_of_two_versions_never_mix(catalog: Catalog, encoder: FakeEncoder, version: int, other: int) -> None:
    add(catalog, encoder, version, "a")
    backfill(catalog, other, list(catalog.pending(other)))
    backfill(catalog, other, [catalog.item("a")])  # replaces
    assert catalog.changes(version, 0).rows["image"].vectors.shape == (1, encoder.identity.dimension)
    assert catalog.changes(other, 0).rows["image"].vectors.shape == (1, 8)
    assert catalog.count("vectors") == 2


def test_a_backfill_resumes_where_it_was_stopped(
    catalog: Catalog, encoder: FakeEncoder, version: int, other: int
) -> None:
    for skus in ("ab", "cd", "e"):
        add(catalog, encoder, version, *skus)
    assert pending(catalog, other) == list("abcde")
    backfill(catalog, other, list(catalog.pending(other))[:3])
    assert pending(catalog, other) == ["c", "d", "e"]  # a commit counts when it is there whole
    assert [(s.active, s.n_pending) for s in catalog.index_versions()] == [(True, 0), (False, 3)]
    assert not catalog.promote(other)
    backfill(catalog, other, list(catalog.pending(other)))
    assert pending(catalog, other) == []
    assert catalog.promote(other)
    assert embedded(catalog, other) == set("abcde")


def test_many_items_of_one_commit_are_all_given(
    catalog: Catalog, encoder: FakeEncoder, version: int, other: int
) -> None:
    skus = [f"{number:04}" for number in range(1203)]
    catalog.commit(version, [make_entry(encoder, sku) for sku in skus])
    given = list(catalog.pending(other))
    assert [stored.item.sku for stored in given] == skus
    backfill(catalog, other, given[:600])
    assert catalog.n_pending(other) == 1203
    backfill(catalog, other, given[600:])
    assert catalog.n_pending(other) == 0


def test_what_changed_since_it_was_read_is_pending_again(
    catalog: Catalog, encoder: FakeEncoder, version: int, other: int
) -> None:
    add(catalog, encoder, version, "a", "b", "c")
    read = list(catalog.pending(other))
    add(catalog, encoder, version, "b")
    catalog.delete(["c"])
    backfill(catalog, other, read)
    assert embedded(catalog, other) == {"a"}
    assert pending(catalog, other) == ["b"]


def test_what_changes_while_items_are_read_comes_last(
    catalog: Catalog, encoder: FakeEncoder, version: int, other: int
) -> None:
    catalog.commit(version, [make_entry(encoder, f"{number}") for number in range(700)])
    given = catalog.pending(other)
    first = [next(given).item.sku]
    catalog.commit(version, [make_entry(encoder, "0", "new"), make_entry(encoder, "699", "new")])
    rest = [stored.item.sku for stored in given]
    assert (first + rest)[-2:] == ["0", "699"]
    assert len(rest) == 700


def test_an_item_without_vectors_keeps_those_it_has(catalog: Catalog, encoder: FakeEncoder, version: int) -> None:
    add(catalog, encoder, version, "a")
    catalog.backfill(
        version, [(catalog.item("a"), {"image": encoder.encode_images([]), "text": encoder.encode_texts([])})]
    )
    assert catalog.count("vectors") == 2


def test_the_version_before_is_kept_and_caught_up_later(
    catalog: Catalog, encoder: FakeEncoder, version: int, other: int
) -> None:
    add(catalog, encoder, version, "a", "b", "c")
    third = catalog.open_index_version(FakeEncoder("third", seed=6).identity, active=False)
    backfill(catalog, other, list(catalog.pending(other)))
    assert catalog.promote(other)
    assert catalog.promote(other)  # nothing to do
    with pytest.raises(EncoderReplacedError):
        catalog.n_pending(third)
    catalog.commit(other, [make_entry(OTHER, "b", "boots"), make_entry(OTHER, "d", "boots")])
    catalog.delete(["c"])
    assert embedded(catalog, version) == {"a"}
    assert pending(catalog, version) == ["b", "d"]


def test_the_last_few_items_are_embedded_in_the_switch_itself(
    catalog: Catalog, encoder: FakeEncoder, version: int, other: int
) -> None:
    add(catalog, encoder, version, *map(str, range(MAX_EMBEDDED_LAST + 1)))

    def embed(last: Sequence[StoredItem]) -> list[Embedded]:
        return [(stored, {"text": OTHER.encode_texts([stored.item.title])}) for stored in last]

    assert not catalog.promote(other, embed)
    catalog.delete(["3"])
    assert catalog.promote(other, embed)
    assert len(embedded(catalog, other)) == MAX_EMBEDDED_LAST


def test_a_switch_that_fails_changes_nothing(catalog: Catalog, encoder: FakeEncoder, version: int, other: int) -> None:
    add(catalog, encoder, version, "a")

    def fail(last: Sequence[StoredItem]) -> list[Embedded]:
        raise MemoryError

    with pytest.raises(MemoryError):
        catalog.promote(other, fail)
    assert catalog.is_active(version)
    assert pending(catalog, other) == ["a"]


def test_nothing_is_written_to_a_version_that_is_not_active(
    catalog: Catalog, encoder: FakeEncoder, version: int, other: int
) -> None:
    assert catalog.promote(other)
    with pytest.raises(EncoderReplacedError, match="'other'") as caught:
        add(catalog, encoder, version, "a")
    assert "VITRINA_ENCODER" in caught.value.remedy
    assert catalog.count("items") == 0


def test_a_dropped_version_is_gone(catalog: Catalog, encoder: FakeEncoder, version: int, other: int) -> None:
    add(catalog, encoder, version, "a")
    read = list(catalog.pending(other))
    backfill(catalog, other, read)
    catalog.drop_index_version(other)
    for attempt in (
        lambda: backfill(catalog, other, read),
        lambda: pending(catalog, other),
        lambda: catalog.promote(other),
        lambda: catalog.changes(other, 0),
    ):
        with pytest.raises(EncoderReplacedError):
            attempt()
    with pytest.raises(StateError, match="cannot be dropped"):
        catalog.drop_index_version(version)
    assert catalog.counts() == {"items": 1, "images": 1, "vectors": 2}


def test_every_item_can_be_made_pending(catalog: Catalog, encoder: FakeEncoder, version: int, other: int) -> None:
    add(catalog, encoder, version, "a", "b")
    backfill(catalog, other, list(catalog.pending(other)))
    before = catalog.changes(other, 0).rows["text"].vectors
    catalog.mark_all_pending(other)
    assert pending(catalog, other) == ["a", "b"]
    np.testing.assert_array_equal(catalog.changes(other, 0).rows["text"].vectors, before)


def test_incomplete_items_are_indexed_again_unless_they_changed(
    catalog: Catalog, encoder: FakeEncoder, version: int
) -> None:
    add(catalog, encoder, version, "a", "b")
    read = [catalog.item("a"), catalog.item("b")]
    add(catalog, encoder, version, "b")
    catalog.mark_incomplete(read)
    catalog.mark_incomplete([])
    assert catalog.item("a").content_hash == INCOMPLETE
    assert catalog.item("b").content_hash == read[1].content_hash != INCOMPLETE
