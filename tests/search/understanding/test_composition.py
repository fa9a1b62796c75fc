"""A photo or an item, and words: what the photo shows is kept, and the words replace what they contradict."""

from __future__ import annotations

import numpy as np
import pytest

from tests.fakes import FakeEncoder, make_entry, make_image
from vitrina.search.encoders.registry import open_index_version
from vitrina.search.engine import SearchEngine
from vitrina.search.store.store import Store
from vitrina.search.types.answer import Stopwatch
from vitrina.search.types.query import Query, Weights
from vitrina.search.understanding.composition import COMMON
from vitrina.search.understanding.parsed_query import ParsedQuery
from vitrina.search.understanding.parser import parse

SHOP = [
    *(("red", "shirt", "Apparel", "Men"), ("red", "shirt", "Apparel", "Women"), ("red", "mug", "Home", "Unisex")),
    *(("blue", "shirt", "Apparel", "Men"), ("blue", "shirt", "Apparel", "Women"), ("blue", "mug", "Home", "Unisex")),
    *(
        ("green", "dress", "Apparel", "Women"),
        ("green", "trousers", "Apparel", "Boys"),
        ("red", "trousers", "Apparel", "Boys"),
    ),
]


@pytest.fixture
def engine(store: Store, encoder: FakeEncoder) -> SearchEngine:
    entries = [
        make_entry(
            encoder,
            f"{colour}-{article}-{gender}".lower(),
            images=[make_image(colour, noise=at)],
            text="",
            attributes={"colour": colour.title(), "article": article, "category": category, "gender": gender},
        )
        for at, (colour, article, category, gender) in enumerate(SHOP)
    ]
    store.catalog.commit(open_index_version(store, encoder), entries)
    return SearchEngine.open(store, encoder)


def photo_of(sku: str) -> Query:
    at = ["-".join((colour, article, gender)).lower() for colour, article, _, gender in SHOP].index(sku)
    return Query(images=(make_image(SHOP[at][0], noise=at),))


def parsed(engine: SearchEngine, text: str, sku: str, **options: object) -> ParsedQuery:
    return engine.parser.parse(Query(text, images=photo_of(sku).images, **options), Stopwatch())  # type: ignore[arg-type]


def names(query: ParsedQuery) -> list[str]:
    return [f"{each.name} ({each.source})" for each in query.requirements]


def test_the_words_replace_the_colour_and_the_photo_says_the_rest(engine: SearchEngine) -> None:
    query = parsed(engine, "this, but in red", "blue-shirt-men")
    assert names(query) == ["colour: red (words)", "article: shirt (photo)", "gender: men (photo)"]
    answer = engine.search(query.query)
    assert answer.hits[0].item.sku == "red-shirt-men"
    assert [each.source for each in answer.requirements] == ["words", "photo", "photo"]


def test_an_item_to_resemble_says_what_it_lists(engine: SearchEngine) -> None:
    query = Query("in red", skus=("blue-shirt-women",), exclude_skus=("blue-shirt-women",))
    assert names(engine.parser.parse(query, Stopwatch())) == [
        "colour: red (words)",
        "article: shirt (item)",
        "gender: women (item)",
    ]
    assert engine.search(query).hits[0].item.sku == "red-shirt-women"


def test_whom_it_is_for_and_what_it_is_are_replaced_like_a_colour(engine: SearchEngine) -> None:
    assert engine.search(parsed(engine, "for women", "red-shirt-men").query).hits[0].item.sku == "red-shirt-women"
    assert names(parsed(engine, "for kids", "red-shirt-men"))[:1] == ["gender: kids (words)"]
    assert engine.search(parsed(engine, "trousers for kids", "green-dress-women").query).hits[0].item.sku == (
        "green-trousers-boys"
    )


def test_a_wider_kind_leaves_the_finer_one_that_it_includes(engine: SearchEngine) -> None:
    assert "article: shirt (photo)" in names(parsed(engine, "red apparel", "blue-shirt-men"))
    assert not any("article" in name for name in names(parsed(engine, "home", "blue-shirt-men")))


def test_words_that_name_no_value_leave_all_that_the_photo_shows(engine: SearchEngine) -> None:
    for text in ("but with long sleeves", "cheaper", "handmade"):
        query = parsed(engine, text, "blue-shirt-women")
        assert names(query)[-3:] == ["colour: blue (photo)", "article: shirt (photo)", "gender: women (photo)"]
        assert engine.search(query.query).hits[0].item.sku == "blue-shirt-women"


def test_words_that_repeat_what_the_photo_shows_leave_it_its_weight(engine: SearchEngine) -> None:
    query = parsed(engine, "red shirt", "red-shirt-men")
    assert names(query) == ["colour: red (words)", "article: shirt (words)", "gender: men (photo)"]
    assert image_weight(query) == 1.0
    assert image_weight(parsed(engine, "blue shirt", "red-shirt-men")) < 0.5
    assert engine.search(query.query).hits[0].item.sku == "red-shirt-men"


def image_weight(query: ParsedQuery) -> float:
    return sum(part.weight for part in query.vectors if part.modality == "image")


def test_what_is_denied_takes_away_that_value_alone(engine: SearchEngine) -> None:
    assert "colour: blue (photo)" in names(parsed(engine, "not red", "blue-shirt-men"))
    assert "colour: blue (photo)" not in names(parsed(engine, "not blue", "blue-shirt-men"))
    assert engine.search(parsed(engine, "not blue", "blue-shirt-men").query).hits[0].item.sku != "blue-shirt-men"


def test_either_part_alone_is_not_composed(engine: SearchEngine) -> None:
    images = photo_of("blue-shirt-men").images
    for query in (
        Query("red shirt"),
        Query(images=images),
        Query("red", images=images, weights=Weights(image=0)),
        Query("red", images=images, weights=Weights(text=0)),
    ):
        assert engine.parser.parse(query, Stopwatch()).composition is None


def test_without_fields_the_words_gain_a_colour_and_the_photo_loses_weight(store: Store, encoder: FakeEncoder) -> None:
    entries = [
        make_entry(encoder, f"{colour}-{at}", images=[make_image(colour, noise=at)])
        for at, colour in enumerate(("red", "red", "blue", "green", "black"))
    ]
    store.catalog.commit(open_index_version(store, encoder), entries)
    engine = SearchEngine.open(store, encoder)
    query = Query("in red", images=(make_image("blue", noise=2),))
    of_both = engine.parser.parse(query, Stopwatch())
    assert of_both.composition is not None
    assert of_both.composition.shown == ()
    assert np.linalg.norm(of_both.composition.vector) == pytest.approx(1.0, abs=1e-5)
    assert image_weight(of_both) < 1.0
    assert {hit.item.sku for hit in engine.search(query).hits[:2]} == {"red-0", "red-1"}
    assert image_weight(engine.parser.parse(Query("in blue", images=query.images), Stopwatch())) == 1.0


def test_common_words_are_known_without_a_catalog() -> None:
    fields = {
        text: [each.field for each in parse(text, COMMON)] for text in ("in navy", "in orange", "jeans", "for kids")
    }
    assert fields == {"in navy": ["colour"], "in orange": ["colour"], "jeans": ["kind"], "for kids": ["wearer"]}
