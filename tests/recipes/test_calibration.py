"""Calibrating an open_clip folder on held-out rows, and the questions that it is put to."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from recipes import calibration
from recipes.calibration import calibrate_folder, lines
from recipes.encoder.corpus import LabelledRows
from recipes.encoder.labels import LabelledProduct
from recipes.encoder.queries import LabelQueries, out_of_catalog
from recipes.made_up_shops import MadeUpShop, ShopQuery
from recipes.shops import Nouns, shops_of
from tests.fakes import FakeEncoder, make_image, png
from vitrina.evaluation.calibration import new_cohort
from vitrina.evaluation.samples import Example
from vitrina.search.types.calibration import PageSignal, QueryKind, read_calibration

COLOURS = ("red", "green", "blue")


def rows(kinds: tuple[str, ...], n: int, source: str) -> LabelledRows:
    """Products of every kind in three colours."""
    products, images = [], []
    for at in range(n):
        colour, kind = COLOURS[at % 3], kinds[at // 3 % len(kinds)]
        labels = {"colour": colour, "gender": "men", "usage": "casual", "season": "summer"}
        products.append(LabelledProduct(f"{source}-{at}", f"{colour} {kind} {at}", kinds=(kind,), **labels))
        images.append(png(make_image(colour, noise=at)))
    return LabelledRows(source, tuple(products), tuple(images))


CLOTHES = rows(("shirt", "skirt"), 30, "clothes")
FRUIT = rows(("apple", "pear"), 24, "fruit")
HELD = np.arange(30) % 5 != 0


def relevant_products(example: Example) -> list[LabelledProduct]:
    return [CLOTHES.products[int(sku)] for sku in example.relevant]


def test_every_text_is_answered_by_the_rows_it_describes_and_by_no_row_the_catalog_lacks() -> None:
    examples = list(LabelQueries(CLOTHES, HELD, seed=0).by_text(30))
    assert len(examples) > 10
    assert len({example.query.text for example in examples}) == len(examples)
    for example in examples:
        assert all(HELD[int(sku)] for sku in example.relevant)
        words = example.query.text.split()
        for product in relevant_products(example):
            assert product.colour in words or not set(COLOURS) & set(words)
            assert "skirt" not in words or product.kinds == ("skirt",)


def test_a_photo_asks_for_its_article() -> None:
    examples = list(LabelQueries(CLOTHES, HELD, seed=0).by_photo(20))
    assert len(examples) == 20
    for example in examples:
        assert len({product.kinds for product in relevant_products(example)}) == 1
        assert len(example.relevant) == sum(HELD) / 2


def test_a_photo_with_a_wish_asks_for_its_article_in_that_colour() -> None:
    examples = list(LabelQueries(CLOTHES, HELD, seed=0).by_both(20))
    assert examples
    for example in examples:
        assert {product.colour for product in relevant_products(example)} == {example.query.text.split()[0]}
        assert len({product.kinds for product in relevant_products(example)}) == 1


def test_random_negatives_share_no_kind() -> None:
    more_clothes = rows(("shirts", "hat"), 12, "more")
    labels, photos = out_of_catalog(CLOTHES, [FRUIT, more_clothes], 5, seed=0)
    assert labels
    assert set(labels) <= {"apple", "pear"}
    assert len(photos) == 5
    assert set(photos) <= set(FRUIT.images)


def made_up_shop(folder: Path) -> MadeUpShop:
    catalog = folder / "hats.csv"
    catalog.write_text("sku,title\n1,Red Hat\n2,Blue Hat\n")
    asked: tuple[tuple[str, dict[str, int]], ...] = (
        ("red hat", {"red hat": 3, "blue hat": 1}),
        ("blue", {"blue hat": 3}),
        ("kettle", {}),
    )
    queries = [ShopQuery(text, grades, has_guided=False) for text, grades in asked]
    return MadeUpShop(1, catalog, (ShopQuery("cap", {"red hat": 1}, has_guided=True), *queries))


def test_a_made_up_shop_is_asked_as_it_is_exported(tmp_path: Path, encoder: FakeEncoder) -> None:
    samples = calibration.made_up_samples(encoder, made_up_shop(tmp_path), new_cohort(encoder))
    assert [each.answerable for each in samples] == [True, True, False]
    assert [int(each.relevant.sum()) for each in samples] == [2, 1, 0]
    assert [each.page[PageSignal.SIZE] for each in samples] == [pytest.approx(np.log10(2))] * 3


@pytest.mark.slow
def test_a_folder_is_calibrated_in_place(
    tmp_path: Path, encoder: FakeEncoder, monkeypatch: pytest.MonkeyPatch, nouns: Nouns
) -> None:
    loads = {f"local-dir:{tmp_path}": encoder}
    monkeypatch.setattr(calibration, "load_encoder", loads.__getitem__)
    (tmp_path / "vitrina.json").write_text('{"schedule": {}}')
    small_shops = [
        shop
        for rows, others in ((CLOTHES, [FRUIT]), (FRUIT, [CLOTHES]))
        for shop in shops_of(rows, others, nouns, has_new_images=True, seed=0)
    ]
    fitted = calibrate_folder(tmp_path, small_shops, [made_up_shop(tmp_path)])
    assert set(fitted.curves) == set(fitted.of_images) == set(QueryKind)
    assert read_calibration(tmp_path / "vitrina.json") == fitted
    assert "schedule" in json.loads((tmp_path / "vitrina.json").read_text())
    assert "30 of clothes" in fitted.source
    assert "1 made-up shops" in fitted.source
    assert len(list(lines(fitted))) == 6
    text = fitted.curves[QueryKind.TEXT].measured
    assert text is not None
    assert text.calibration_error < 0.2
    assert text.off_catalog_caught is not None
    assert text.off_catalog_caught > 0.5
