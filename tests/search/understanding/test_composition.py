"""A photo or an item, and words: what the photo shows is kept, and the words replace what they contradict."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tests.fakes import COLOURS, FakeEncoder, make_entry, make_image
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


def photo(at: int) -> Image.Image:
    """A photo of the shop's item at this position: its colour, in patches that differ by article and gender."""
    colour, article, _, gender = SHOP[at]
    patches = np.random.default_rng([*f"{article} {gender}".encode()]).integers(-60, 60, size=(6, 6, 1))
    pixels = np.clip(np.array(COLOURS[colour]) + patches, 0, 255).astype(np.uint8)
    return Image.fromarray(pixels).resize((24, 24), Image.Resampling.NEAREST)


@pytest.fixture
def engine(store: Store, encoder: FakeEncoder) -> SearchEngine:
    entries = [
        make_entry(
            encoder,
            f"{colour}-{article}-{gender}".lower(),
            images=[photo(at)],
            text="",
            attributes={"colour": colour.title(), "article": article, "category": category, "gender": gender},
        )
        for at, (colour, article, category, gender) in enumerate(SHOP)
    ]
    store.catalog.commit(open_index_version(store, encoder), entries)
    return SearchEngine.open(store, encoder)


def photo_of(sku: str) -> Query:
    at = ["-".join((colour, article, gender)).lower() for colour, article, _, gender in SHOP].index(sku)
    return Query(images=(photo(at),))


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


@pytest.fixture
def images_alone(store: Store, encoder: FakeEncoder) -> SearchEngine:
    """A catalog of images alone."""
    entries = [
        make_entry(encoder, f"{colour}-{at}", images=[make_image(colour, noise=at)])
        for at, colour in enumerate(("red", "red", "blue", "green", "black"))
    ]
    store.catalog.commit(open_index_version(store, encoder), entries)
    return SearchEngine.open(store, encoder)


BLUE = make_image("blue", noise=2)


def test_without_fields_the_photo_loses_the_colour_that_words_replace(images_alone: SearchEngine) -> None:
    query = Query("in red", images=(BLUE,))
    composed = images_alone.parser.parse(query, Stopwatch())
    assert composed.composition is not None
    assert composed.composition.shown == ()
    before = images_alone.encoder.encode_images([BLUE])[0]
    [after] = [part.vector for part in composed.vectors if part.modality == "image"]
    name = images_alone.encoder.encode_texts(["blue"])[0]
    assert after @ name < before @ name - 0.3
    assert np.linalg.norm(after) == pytest.approx(1.0, abs=1e-5)
    assert image_weight(composed) < 1.0
    assert {hit.item.sku for hit in images_alone.search(query).hits[:2]} == {"red-0", "red-1"}


@pytest.mark.parametrize("text", ["in blue", "in navy", "not red", "with long sleeves"])
def test_without_fields_a_photo_that_words_do_not_contradict_stays_as_it_is(
    images_alone: SearchEngine, text: str
) -> None:
    composed = images_alone.parser.parse(Query(text, images=(BLUE,)), Stopwatch())
    [after] = [part.vector for part in composed.vectors if part.modality == "image"]
    assert after == pytest.approx(images_alone.encoder.encode_images([BLUE])[0], abs=1e-6)
    assert image_weight(composed) == 1.0


def test_without_fields_the_encoder_says_whom_it_is_for(
    images_alone: SearchEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, phrase in (("women", "red for women"), ("food", "red")):
        names = {"colour": ("blue",), "wearer": (name,)}
        monkeypatch.setattr("vitrina.search.understanding.composition.SHOWN_NAMES", names)
        assert images_alone.parser.parse(Query("in red", images=(BLUE,)), Stopwatch()).text == phrase
        asked = Query("red for men", images=(BLUE,))
        assert images_alone.parser.parse(asked, Stopwatch()).text == "red men"


def test_common_words_are_known_without_a_catalog() -> None:
    fields = {
        text: [each.field for each in parse(text, COMMON)] for text in ("in navy", "in orange", "for kids", "jeans")
    }
    assert fields == {"in navy": ["colour"], "in orange": ["colour"], "for kids": ["wearer"], "jeans": [""]}
