"""The public API: what ``import vitrina`` gives, on a folder of images and on a catalog file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import vitrina
from tests.fakes import make_image

COLOURS = ("red", "green", "blue", "black", "white", "yellow")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for colour in COLOURS:
        make_image(colour, size=(96, 96)).save(folder / f"{colour}.png")
    return folder


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[vitrina.OpenStore]:
    with vitrina.open_store(tmp_path / "store", device="cpu") as opened:
        yield opened


def test_a_folder_of_images_is_indexed_and_searched(shop: vitrina.OpenStore, images: Path) -> None:
    counts = shop.index(images)
    assert (counts.n_added, len(shop)) == (6, 6)
    by_image = shop.search(image=images / "blue.png", limit=3)
    assert [hit.rank for hit in by_image.hits] == [1, 2, 3]
    assert by_image.hits[0].item.title == "blue"
    assert by_image.hits[0].score >= by_image.hits[1].score


def test_a_catalog_is_searched_by_words_filters_and_likeness(shop: vitrina.OpenStore, tmp_path: Path) -> None:
    rows = [
        {"ArticleNumber": f"m-{at}", "title": f"{colour} mug", "colour": colour, "price": f"{at + 1}.00 EUR"}
        for at, colour in enumerate(COLOURS)
    ]
    catalog = tmp_path / "mugs.jsonl"
    catalog.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    batches: list[int] = []
    shop.index(catalog, columns={"sku": "ArticleNumber"}, on_progress=lambda done: batches.append(done.n_done))
    assert batches[-1] == 6
    assert shop.search("green mug").hits[0].item.sku == "m-1"
    assert shop.suggest("gre", limit=1)[0].n_items > 0
    cheap = shop.search("mug", filters={"price_cents": {"lt": 300}})
    assert {hit.item.sku for hit in cheap.hits} == {"m-0", "m-1"}
    assert "m-2" not in [hit.item.sku for hit in shop.search(like="m-2").hits]
    assert shop.delete("m-0", "nothing") == ["m-0"]
    assert "m-0" not in [hit.item.sku for hit in shop.search("red mug").hits]
    with pytest.raises(vitrina.VitrinaError, match="m-0"):
        shop.item("m-0")


def test_an_item_that_is_not_found_is_explained(shop: vitrina.OpenStore, tmp_path: Path) -> None:
    rows = [{"sku": f"m-{at}", "title": f"{colour} mug", "colour": colour} for at, colour in enumerate(COLOURS)]
    catalog = tmp_path / "mugs.jsonl"
    catalog.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    shop.index(catalog)
    explained = shop.explain("m-2", "green mug", limit=1)
    assert explained.placement is vitrina.Placement.OTHER_PAGE
    assert explained.sentence.endswith("its words hold only “mug” of “green mug”; it is blue, not green.")
    filtered = shop.explain("m-2", "mug", filters={"colour": "green"})
    assert filtered.sentence == "It fails the filter colour=green: its colour is blue."
    assert shop.explain("m-2", like="m-2").placement is vitrina.Placement.EXCLUDED
    with pytest.raises(vitrina.VitrinaError, match="nothing"):
        shop.explain("nothing", "mug")


def test_the_images_of_an_item_are_there_to_be_shown(shop: vitrina.OpenStore, images: Path, tmp_path: Path) -> None:
    shop.index(images)
    found = shop.search("blue").hits[0].item
    (image,) = shop.images(found.sku)
    assert (image.mode, image.size) == ("RGB", (96, 96))
    catalog = tmp_path / "words.jsonl"
    catalog.write_text('{"sku": "w-1", "title": "a mug without a photo"}', encoding="utf-8")
    shop.index(catalog)
    assert shop.images("w-1") == []
    with pytest.raises(vitrina.VitrinaError, match="nothing"):
        shop.images("nothing")


def test_judged_queries_are_measured(shop: vitrina.OpenStore, images: Path, tmp_path: Path) -> None:
    shop.index(images)
    judged = tmp_path / "judged.jsonl"
    skus = {shop.search(colour).hits[0].item.title: shop.search(colour).hits[0].item.sku for colour in COLOURS}
    judged.write_text("\n".join(json.dumps({"query": colour, "relevant": {skus[colour]: 1}}) for colour in COLOURS))
    run = shop.evaluate(judged)
    assert run.n_items == 6
    assert run.summaries[0].metrics["ndcg@10"].mean == 1.0


def test_the_best_hits_are_reranked_and_explained(images: Path, tmp_path: Path) -> None:
    unhurried = vitrina.RerankOptions(top=3, deadline_ms=30_000, explain=1, explain_ms=30_000)
    with vitrina.open_store(tmp_path / "store", reranker="embedded", device="cpu") as shop:
        shop.index(images)
        answer = shop.search("red", rerank=unhurried)
    assert answer.rerank_status is vitrina.RerankStatus.RERANKED
    assert answer.hits[0].explanation is not None


def test_a_missing_image_says_so(shop: vitrina.OpenStore) -> None:
    with pytest.raises(vitrina.VitrinaError, match="cannot be read"):
        shop.search(image="nowhere.jpg")


def test_without_a_reranker_nothing_is_reranked(shop: vitrina.OpenStore, images: Path) -> None:
    shop.index(images)
    with pytest.raises(vitrina.VitrinaError, match="no reranker"):  # VITRINA_RERANKER is off in tests
        shop.search("red", rerank=True)
