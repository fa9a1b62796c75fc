"""Twins: what shows the same product photo under several skus, and what only looks like it."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from tests.fakes import FakeEncoder, MemorySource, make_record, open_replica
from vitrina.indexer.fetch import Fetcher
from vitrina.indexer.pipeline import Indexer
from vitrina.indexer.sources.base import Record
from vitrina.indexer.twins import MAX_DISTANCE, TwinFinder, joined, near_pairs
from vitrina.search.store.store import Store


@pytest.fixture
def indexer(store: Store, encoder: FakeEncoder) -> Iterator[Indexer]:
    with Fetcher() as fetcher:
        yield Indexer(store, encoder, fetcher)


def photo(seed: int, size: int = 160) -> Image.Image:
    """A scene of blots, large and small, one for each seed."""
    rng = np.random.default_rng(seed)
    blots = (Image.fromarray(rng.integers(0, 255, (side, side, 3), np.uint8)) for side in (5, 32))
    large, small = (each.resize((size, size), Image.Resampling.BICUBIC) for each in blots)
    return Image.blend(large, small, 0.4)


def again(image: Image.Image, side: int = 120, quality: int = 75) -> bytes:
    """The photo scaled and saved again."""
    file = io.BytesIO()
    image.resize((side, side), Image.Resampling.LANCZOS).save(file, "JPEG", quality=quality)
    return file.getvalue()


def groups(store: Store) -> list[list[str]]:
    with store.catalog.reading() as reader:
        twins = reader.twin_groups()
        skus = reader.skus(twins.item_ids.tolist())
    found: dict[int, list[str]] = {}
    for item_id, group_id in zip(twins.item_ids.tolist(), twins.group_ids.tolist(), strict=True):
        found.setdefault(group_id, []).append(skus[item_id])
    return sorted(sorted(each) for each in found.values())


def index(indexer: Indexer, *records: Record) -> list[list[str]]:
    indexer.run(MemorySource(records))
    return groups(indexer.store)


def test_one_photo_under_several_skus(indexer: Indexer) -> None:
    shown = photo(1)
    assert index(
        indexer,
        make_record("a", "Linen shirt S", images=[shown, photo(9)]),
        make_record("b", "Linen shirt M", images=[shown]),
        make_record("c", "Linen Shirt L", images=[again(shown)]),
        make_record("d", "Linen shirt S", images=[photo(2)]),
        make_record("e", "Shirt", images=[photo(3), shown]),
    ) == [["a", "b", "c"]]


def test_a_photo_that_stands_for_a_missing_one_makes_no_twins(indexer: Indexer) -> None:
    missing = photo(4)
    names = ["Red mug", "Oak table", "Garden hose", "Desk lamp", "Desk lamp"]
    records = [make_record(str(at), name, images=[missing]) for at, name in enumerate(names)]
    assert index(indexer, *records) == [["3", "4"]]


def test_the_same_photo_in_another_colour_is_another_product(indexer: Indexer) -> None:
    shown = photo(5)
    red, blue = {"colour": "red"}, {"colour": "blue"}
    assert (
        index(
            indexer,
            make_record("a", "Gloss lipstick", images=[shown], attributes=red),
            make_record("b", "Gloss lipstick", images=[again(shown)], attributes=blue),
        )
        == []
    )


def test_later_runs_find_the_twins_of_what_changed(indexer: Indexer, store: Store) -> None:
    shown, other = photo(6), photo(7)
    first = [make_record("a", "Mug", images=[shown]), make_record("b", "Mug", images=[other])]
    assert index(indexer, *first) == []
    assert index(indexer, *first, make_record("c", "Mug", images=[again(shown)])) == [["a", "c"]]
    assert index(indexer, *first, make_record("d", "Mug", images=[shown])) == [["a", "c", "d"]]
    assert index(indexer, make_record("c", "Mug", images=[again(other)])) == [["a", "d"], ["b", "c"]]
    store.catalog.delete(["a"])
    assert groups(store) == [["b", "c"], ["d"]]


def test_finding_all_is_finding_since_the_beginning(indexer: Indexer, store: Store, encoder: FakeEncoder) -> None:
    shown = [photo(seed) for seed in range(10, 14)]
    sides = (100, 110, 120)
    records = [
        make_record(f"{at}-{n}", "Mug", images=[again(shown[at], side)])
        for at in range(4)
        for n, side in enumerate(sides)
    ]
    found = index(indexer, *records)
    assert found == [[f"{at}-{n}" for n in range(3)] for at in range(4)]
    assert TwinFinder(store, open_replica(store, encoder)).find_all() == 4
    assert groups(store) == found


def test_near_pairs_are_those_of_brute_force() -> None:
    rng = np.random.default_rng(3)
    bits = rng.integers(0, 2**63, (300, 4), np.int64).astype(np.uint64)
    bits[150:] = bits[:150]
    for at in range(150, 300):
        for bit in rng.choice(256, at % 16, replace=False):
            bits[at, bit // 64] ^= np.uint64(1) << np.uint64(bit % 64)
    apart = np.bitwise_count(bits[:, None] ^ bits[None]).sum(axis=2)
    expected = np.argwhere(np.triu(apart <= MAX_DISTANCE, 1))
    np.testing.assert_array_equal(near_pairs(bits), expected)
    new = np.arange(300) == 7
    np.testing.assert_array_equal(near_pairs(bits, new), expected[(expected == 7).any(axis=1)])
    assert near_pairs(bits[:0]).shape == (0, 2)


def test_joined() -> None:
    assert joined([(1, 2), (5, 6), (2, 3), (6, 9), (8, 8)]) == [[1, 2, 3], [5, 6, 9], [8]]
