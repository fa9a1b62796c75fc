"""Certainty: what a query names by an identifier, or shows by its very photo, comes first and is sure."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.fakes import CALIBRATION, FakeEncoder, make_entry, make_image, make_record, open_replica
from vitrina.indexer.fetch import Fetcher
from vitrina.indexer.pipeline import Indexer
from vitrina.search.engine import SearchEngine
from vitrina.search.retrieval.certainty import lifted
from vitrina.search.store.store import Store
from vitrina.search.types.answer import Answer
from vitrina.search.types.filters import parse_filters
from vitrina.search.types.item import AttributeValue
from vitrina.search.types.query import Query

CODES: dict[str, dict[str, AttributeValue]] = {
    "TN-2110": {"ean": "0012345678905", "model": "Pro"},
    "77001": {"variant_sku": ("SH-1-S", "SH-1-M"), "barcode": "4006381333931"},
    "77002": {"barcode": "4006381333931", "mpn": "XR 500"},
    "shirt": {"model_number": "XR-5001"},
    "blue-shirt": {"model": "Pro"},
}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchEngine]:
    """Items with codes among a hundred shirts, ``Pro`` shirts and toners, with an encoder that is calibrated."""
    encoder = FakeEncoder(calibration=CALIBRATION)
    store = Store(tmp_path_factory.mktemp("codes"))
    entries = [
        make_entry(encoder, sku, f"thing {sku[:2]}", images=[make_image("red", noise=number)], attributes=attributes)
        for number, (sku, attributes) in enumerate(CODES.items())
    ]
    entries += [
        make_entry(encoder, f"other-{number}", "pro shirt xr 500 tn 2110", attributes={"model": "Galaxy 30"})
        for number in range(100)
    ]
    store.catalog.commit(store.catalog.open_index_version(encoder.identity, active=True), entries)
    engine = SearchEngine(store.catalog, encoder, open_replica(store, encoder), fingerprints=store.fingerprints)
    yield engine
    store.close()


def certain(answer: Answer) -> list[str]:
    """The skus of the certain hits, which must be the first ones."""
    flags = [hit.certain for hit in answer.hits]
    assert flags == sorted(flags, reverse=True)
    assert all(hit.confidence is not None and hit.confidence >= 0.95 for hit in answer.hits if hit.certain)
    assert [hit.score for hit in answer.hits] == sorted((hit.score for hit in answer.hits), reverse=True)
    assert not (any(flags) and answer.no_good_match)
    return [hit.item.sku for hit in answer.hits if hit.certain]


@pytest.mark.parametrize(
    ("query", "skus"),
    [
        ("TN-2110", ["TN-2110"]),
        ("tn2110", ["TN-2110"]),
        ("tn 2110", ["TN-2110"]),
        ("sku tn-2110", ["TN-2110"]),
        ('"TN-2110"', ["TN-2110"]),
        ("12345678905", ["TN-2110"]),
        ("ean 00012345678905", ["TN-2110"]),
        ("sh-1-m", ["77001"]),
        ("4006381333931", ["77001", "77002"]),
        ("4006381-333931", ["77001", "77002"]),
        ("xr500", ["77002"]),
        ("model no. XR-5001", ["shirt"]),
        ("77001", ["77001"]),
        ("other-42", ["other-42"]),
    ],
)
@pytest.mark.parametrize("min_confidence", [0.0, 0.3])
def test_an_identifier_is_certain(engine: SearchEngine, query: str, skus: list[str], min_confidence: float) -> None:
    assert sorted(certain(engine.search(Query(query, min_confidence=min_confidence)))) == skus


@pytest.mark.parametrize("query", ["pro", "Galaxy 30", "galaxy", "blue shirt", "sku 99999", "xr 5", "red 2110 thing"])
def test_words_are_not_certain(engine: SearchEngine, query: str) -> None:
    assert certain(engine.search(Query(query))) == []


def test_a_sku_without_a_digit_is_certain_as_it_is_spelled(engine: SearchEngine) -> None:
    assert certain(engine.search(Query("Shirt"))) == ["shirt"]
    assert certain(engine.search(Query("blue-shirt"))) == ["blue-shirt"]


def test_what_is_spelled_just_so_comes_alone(tmp_path: Path) -> None:
    encoder = FakeEncoder()
    store = Store(tmp_path)
    entries = [make_entry(encoder, sku, "toner") for sku in ("A-12", "A1-2")]
    store.catalog.commit(store.catalog.open_index_version(encoder.identity, active=True), entries)
    engine = SearchEngine(store.catalog, encoder, open_replica(store, encoder))
    assert certain(engine.search(Query("a-12"))) == ["A-12"]
    assert sorted(certain(engine.search(Query("a12")))) == ["A-12", "A1-2"]
    store.catalog.delete(["A-12"])
    assert certain(engine.search(Query("a12"))) == ["A1-2"]
    assert engine.search(Query("toner")).hits[0].confidence is None, "the encoder is not calibrated"
    store.close()


def test_filters_and_exclusions_hold_for_certain_items(engine: SearchEngine) -> None:
    only_others = parse_filters({"model": "galaxy 30"})
    assert certain(engine.search(Query("tn-2110", filters=only_others))) == []
    assert certain(engine.search(Query("tn-2110", exclude_skus=("TN-2110",)))) == []


def test_lifted_totals_keep_their_order() -> None:
    totals = np.array([3.0, -2.0, 9.0, -1.0])
    flags = np.array([False, True, False, True])
    found = lifted(totals, flags)
    assert np.argsort(-found).tolist() == [3, 1, 2, 0]
    assert found[[0, 2]].tolist() == [3.0, 9.0]
    assert lifted(totals, ~np.ones(4, np.bool_)).tolist() == totals.tolist()
    assert lifted(np.full(2, -5.0), np.ones(2, np.bool_)).min() > 0


@pytest.fixture
def photos(tmp_path: Path) -> Iterator[Callable[..., SearchEngine]]:
    encoder = FakeEncoder(calibration=replace(CALIBRATION, curves={}))
    store = Store(tmp_path)

    def index(*records: tuple[str, Image.Image]) -> SearchEngine:
        with Fetcher() as fetcher:
            indexer = Indexer(store, encoder, fetcher)
            for sku, image in records:
                indexer.put(make_record(sku, "IMG_0001.JPG", images=[image]))
        return SearchEngine.open(store, encoder)

    yield index
    store.close()


def grainy(seed: int) -> Image.Image:
    return make_image("blue", noise=seed, size=(16, 16)).resize((64, 64), Image.Resampling.BICUBIC)


def jpeg(image: Image.Image, size: int = 64) -> Image.Image:
    out = io.BytesIO()
    image.resize((size, size), Image.Resampling.LANCZOS).save(out, "JPEG", quality=70)
    return Image.open(io.BytesIO(out.getvalue())).convert("RGB")


def test_the_very_photo_is_certain(photos: Callable[..., SearchEngine]) -> None:
    engine = photos(*((f"p{seed}", grainy(seed)) for seed in range(6)), ("twin", grainy(3)))
    for shown in (grainy(3), jpeg(grainy(3)), jpeg(grainy(3), 32), jpeg(grainy(3), 100)):
        assert sorted(certain(engine.search(Query(images=(shown,))))) == ["p3", "twin"]
    assert certain(engine.search(Query(images=(grainy(77),)))) == []
    assert sorted(certain(engine.search(Query(images=(grainy(1), grainy(2)))))) == ["p1", "p2"]


def test_a_photo_with_words_asks_for_something_else(photos: Callable[..., SearchEngine]) -> None:
    engine = photos(("a", grainy(1)), ("b", grainy(2)))
    assert certain(engine.search(Query("in red", images=(grainy(1),)))) == []
    assert certain(engine.search(Query(images=(grainy(1),), without="striped"))) == []


def test_a_photo_that_many_items_share_is_nobodys_own(photos: Callable[..., SearchEngine]) -> None:
    engine = photos(*((f"s{number}", grainy(1)) for number in range(22)))
    assert certain(engine.search(Query(images=(grainy(1),)))) == []
