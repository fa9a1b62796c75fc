import pytest

from vitrina.search.types.errors import InputError
from vitrina.search.types.item import Item, StoredItem
from vitrina.tuning.rows import MAX_HELD_OUT, TuningRow, rows_of, split


def rows(n: int) -> list[TuningRow]:
    return [TuningRow(Item(f"sku-{index}"), (f"picture-{index}",)) for index in range(n)]


def test_which_rows_are_held_out_depends_on_the_sku_alone() -> None:
    small, large = split(rows(300), 0.2), split(rows(600)[::-1], 0.2)
    assert 30 < len(small.held_out) < 90
    assert {row.item.sku for row in small.held_out} < {row.item.sku for row in large.held_out}
    assert len(small.kept) + len(small.held_out) == 300


def test_rows_that_share_an_image_with_one_held_out_are_left_out() -> None:
    plain = split(rows(300), 0.1)
    shown = plain.held_out[0].image_ids
    twin = next(row for row in plain.kept)
    given = [TuningRow(row.item, (*row.image_ids, *shown)) if row is twin else row for row in rows(300) if row != twin]
    parts = split([*given, TuningRow(twin.item, (*twin.image_ids, *shown))], 0.1)
    assert parts.n_twins == 1
    assert twin.item.sku not in {row.item.sku for row in parts.kept}


def test_a_large_catalog_sets_no_more_held_out_than_can_be_measured_after_every_epoch() -> None:
    parts = split(rows(30_000), 0.1)
    assert len(parts.held_out) == MAX_HELD_OUT
    assert len(parts.kept) == 28_000


def test_too_few_rows_say_how_many_are_needed() -> None:
    with pytest.raises(InputError, match="20 rows with images and texts are too few") as caught:
        split(rows(20), 0.1)
    assert "Index 100 rows or more" in caught.value.remedy
    assert split(rows(120), 0.1).held_out


def test_items_without_images_teach_nothing() -> None:
    with_one = StoredItem(1, Item("a"), ("p",), "", 1)
    without = StoredItem(2, Item("b"), (), "", 1)
    assert [row.item.sku for row in rows_of([with_one, without])] == ["a"]
    with pytest.raises(InputError, match="No item of the catalog has an image"):
        rows_of([without])
