"""Embedding spaces: one answers, others are filled beside it, and nothing is lost when one takes over."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tests.fakes import FakeEncoder, make_entry, make_image
from vitrina.search.store.catalog import LAST_ITEMS, Catalog
from vitrina.search.store.writing import Embedded
from vitrina.search.types.errors import EncoderReplacedError, StateError
from vitrina.search.types.item import INCOMPLETE, StoredItem
from vitrina.search.types.models import EncoderIdentity

OTHER = FakeEncoder("other", seed=5, dimension=8)


@pytest.fixture
def space(catalog: Catalog, encoder: FakeEncoder) -> int:
    return catalog.open_space(encoder.identity, live=True)


@pytest.fixture
def other(catalog: Catalog, space: int) -> int:
    return catalog.open_space(OTHER.identity, live=False)


def add(catalog: Catalog, encoder: FakeEncoder, space: int, *skus: str) -> None:
    catalog.commit(space, [make_entry(encoder, sku, f"shirt {sku}", images=[make_image("red")]) for sku in skus])


def fill(catalog: Catalog, space: int, batch: Sequence[StoredItem]) -> None:
    """Embed items with the other encoder: one picture and their title."""
    image = OTHER.encode_images([make_image("red")])
    catalog.fill(
        space, [(stored, {"image": image, "text": OTHER.encode_texts([stored.item.title])}) for stored in batch]
    )


def lacking(catalog: Catalog, space: int) -> list[str]:
    return [stored.item.sku for stored in catalog.lacking(space)]


def embedded(catalog: Catalog, space: int) -> set[str]:
    """The skus that have a text vector in a space."""
    item_ids = [int(item_id) for item_id in catalog.changes(space, 0).rows["text"].item_ids]
    assert len(set(item_ids)) == len(item_ids)
    return {stored.item.sku for stored in catalog.items(item_ids).values()}


def test_spaces_are_told_apart_by_their_fingerprint(catalog: Catalog, encoder: FakeEncoder, space: int) -> None:
    assert catalog.open_space(encoder.identity, live=False) == space
    retrained = EncoderIdentity(encoder.identity.name, "other", 8)
    assert catalog.open_space(retrained, live=False) != space
    assert catalog.live_space() == encoder.identity


def test_only_a_take_over_changes_the_live_space(
    catalog: Catalog, encoder: FakeEncoder, space: int, other: int
) -> None:
    with pytest.raises(EncoderReplacedError, match="'fake'"):
        catalog.open_space(OTHER.identity, live=True)
    assert catalog.is_live(space)
    assert catalog.take_over(other)
    assert catalog.live_space() == OTHER.identity
    assert catalog.open_space(OTHER.identity, live=True) == other
    assert not catalog.is_live(space)


def test_opening_the_live_space_again_needs_no_write_lock(catalog: Catalog, encoder: FakeEncoder, space: int) -> None:
    with catalog.database.write():
        other = Catalog(catalog.database.path)
        assert other.open_space(encoder.identity, live=True) == space
        other.close()


def test_vectors_of_two_spaces_never_mix(catalog: Catalog, encoder: FakeEncoder, space: int, other: int) -> None:
    add(catalog, encoder, space, "a")
    fill(catalog, other, list(catalog.lacking(other)))
    fill(catalog, other, [catalog.item("a")])  # replaces
    assert catalog.changes(space, 0).rows["image"].vectors.shape == (1, encoder.identity.dimension)
    assert catalog.changes(other, 0).rows["image"].vectors.shape == (1, 8)
    assert catalog.counts()["vectors"] == 2


def test_filling_goes_on_where_it_was_stopped(catalog: Catalog, encoder: FakeEncoder, space: int, other: int) -> None:
    for skus in ("ab", "cd", "e"):
        add(catalog, encoder, space, *skus)
    assert lacking(catalog, other) == list("abcde")
    fill(catalog, other, list(catalog.lacking(other))[:3])
    assert lacking(catalog, other) == ["c", "d", "e"]  # a commit counts when it is there whole
    assert [(s.live, s.n_lacking) for s in catalog.spaces()] == [(True, 0), (False, 3)]
    assert not catalog.take_over(other)
    fill(catalog, other, list(catalog.lacking(other)))
    assert lacking(catalog, other) == []
    assert catalog.take_over(other)
    assert embedded(catalog, other) == set("abcde")


def test_many_items_of_one_commit_are_all_given(catalog: Catalog, encoder: FakeEncoder, space: int, other: int) -> None:
    skus = [f"{number:04}" for number in range(1203)]
    catalog.commit(space, [make_entry(encoder, sku) for sku in skus])
    given = list(catalog.lacking(other))
    assert [stored.item.sku for stored in given] == skus
    fill(catalog, other, given[:600])
    assert catalog.n_lacking(other) == 1203
    fill(catalog, other, given[600:])
    assert catalog.n_lacking(other) == 0


def test_what_changed_since_it_was_read_is_lacking_again(
    catalog: Catalog, encoder: FakeEncoder, space: int, other: int
) -> None:
    add(catalog, encoder, space, "a", "b", "c")
    read = list(catalog.lacking(other))
    add(catalog, encoder, space, "b")
    catalog.delete(["c"])
    fill(catalog, other, read)
    assert embedded(catalog, other) == {"a"}
    assert lacking(catalog, other) == ["b"]


def test_what_changes_while_items_are_read_comes_last(
    catalog: Catalog, encoder: FakeEncoder, space: int, other: int
) -> None:
    catalog.commit(space, [make_entry(encoder, f"{number}") for number in range(700)])
    given = catalog.lacking(other)
    first = [next(given).item.sku]
    catalog.commit(space, [make_entry(encoder, "0", "new"), make_entry(encoder, "699", "new")])
    rest = [stored.item.sku for stored in given]
    assert (first + rest)[-2:] == ["0", "699"]
    assert len(rest) == 700


def test_an_item_without_vectors_keeps_those_it_has(catalog: Catalog, encoder: FakeEncoder, space: int) -> None:
    add(catalog, encoder, space, "a")
    catalog.fill(space, [(catalog.item("a"), {"image": encoder.encode_images([]), "text": encoder.encode_texts([])})])
    assert catalog.counts()["vectors"] == 2


def test_the_space_before_is_kept_and_caught_up_later(
    catalog: Catalog, encoder: FakeEncoder, space: int, other: int
) -> None:
    add(catalog, encoder, space, "a", "b", "c")
    third = catalog.open_space(FakeEncoder("third", seed=6).identity, live=False)
    fill(catalog, other, list(catalog.lacking(other)))
    assert catalog.take_over(other)
    assert catalog.take_over(other)  # nothing to do
    with pytest.raises(EncoderReplacedError):
        catalog.n_lacking(third)
    catalog.commit(other, [make_entry(OTHER, "b", "boots"), make_entry(OTHER, "d", "boots")])
    catalog.delete(["c"])
    assert embedded(catalog, space) == {"a"}
    assert lacking(catalog, space) == ["b", "d"]


def test_the_last_few_items_are_embedded_in_the_switch_itself(
    catalog: Catalog, encoder: FakeEncoder, space: int, other: int
) -> None:
    add(catalog, encoder, space, *map(str, range(LAST_ITEMS + 1)))

    def embed(last: Sequence[StoredItem]) -> list[Embedded]:
        return [(stored, {"text": OTHER.encode_texts([stored.item.title])}) for stored in last]

    assert not catalog.take_over(other, embed)
    catalog.delete(["3"])
    assert catalog.take_over(other, embed)
    assert len(embedded(catalog, other)) == LAST_ITEMS


def test_a_switch_that_fails_changes_nothing(catalog: Catalog, encoder: FakeEncoder, space: int, other: int) -> None:
    add(catalog, encoder, space, "a")

    def fail(last: Sequence[StoredItem]) -> list[Embedded]:
        raise MemoryError

    with pytest.raises(MemoryError):
        catalog.take_over(other, fail)
    assert catalog.is_live(space)
    assert lacking(catalog, other) == ["a"]


def test_nothing_is_written_to_a_space_that_does_not_answer(
    catalog: Catalog, encoder: FakeEncoder, space: int, other: int
) -> None:
    assert catalog.take_over(other)
    with pytest.raises(EncoderReplacedError, match="'other'") as caught:
        add(catalog, encoder, space, "a")
    assert "VITRINA_ENCODER" in caught.value.remedy
    assert catalog.counts()["items"] == 0


def test_a_space_that_was_dropped_is_gone(catalog: Catalog, encoder: FakeEncoder, space: int, other: int) -> None:
    add(catalog, encoder, space, "a")
    read = list(catalog.lacking(other))
    fill(catalog, other, read)
    catalog.drop_space(other)
    for attempt in (
        lambda: fill(catalog, other, read),
        lambda: lacking(catalog, other),
        lambda: catalog.take_over(other),
        lambda: catalog.changes(other, 0),
    ):
        with pytest.raises(EncoderReplacedError):
            attempt()
    with pytest.raises(StateError, match="cannot be dropped"):
        catalog.drop_space(space)
    assert catalog.counts() == {"items": 1, "images": 1, "vectors": 2}


def test_counting_every_item_as_lacking(catalog: Catalog, encoder: FakeEncoder, space: int, other: int) -> None:
    add(catalog, encoder, space, "a", "b")
    fill(catalog, other, list(catalog.lacking(other)))
    before = catalog.changes(other, 0).rows["text"].vectors
    catalog.empty_space(other)
    assert lacking(catalog, other) == ["a", "b"]
    np.testing.assert_array_equal(catalog.changes(other, 0).rows["text"].vectors, before)


def test_incomplete_items_are_indexed_again_unless_they_changed(
    catalog: Catalog, encoder: FakeEncoder, space: int
) -> None:
    add(catalog, encoder, space, "a", "b")
    read = [catalog.item("a"), catalog.item("b")]
    add(catalog, encoder, space, "b")
    catalog.mark_incomplete(read)
    catalog.mark_incomplete([])
    assert catalog.item("a").content_hash == INCOMPLETE
    assert catalog.item("b").content_hash == read[1].content_hash != INCOMPLETE
