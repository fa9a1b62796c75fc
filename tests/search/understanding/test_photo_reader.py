"""What is read off a query's photo."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tests.fakes import COLOURS, FakeEncoder, make_image
from tests.search.reranking.shops import fill
from tests.search.understanding.shops import FASHION, GROCERY
from vitrina.search.engine import SearchEngine
from vitrina.search.store.store import Store
from vitrina.search.types.answer import Stopwatch
from vitrina.search.types.models import Vectors
from vitrina.search.types.query import Query, Weights
from vitrina.search.understanding.catalog_attributes import Vocabulary
from vitrina.search.understanding.photo_attributes import MAX_VALUES, PhotoReader, photo_fields


class Undecided(FakeEncoder):
    """To it every text is the same."""

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        return np.repeat(super().encode_texts(["text"]), len(texts), axis=0)


COLOURFUL = Vocabulary({"color": tuple(name.title() for name in COLOURS)})


def test_the_value_that_the_photo_is_nearest_to(encoder: FakeEncoder) -> None:
    reader = PhotoReader(encoder)
    for name in COLOURS:
        assert reader.read(encoder.encode_images([make_image(name, noise=3)]), COLOURFUL) == {"color": name.title()}
    assert reader.read(encoder.encode_images([]), COLOURFUL) == {}


def test_what_is_not_clear_is_not_read() -> None:
    encoder = Undecided()
    assert PhotoReader(encoder).read(encoder.encode_images([make_image("red")]), COLOURFUL) == {}


def test_names_are_embedded_once_for_an_encoder() -> None:
    for encoder in (FakeEncoder(), FakeEncoder("other", seed=1)):
        reader = PhotoReader(encoder)
        for _ in range(3):
            reader.read(encoder.encode_images([make_image("red")]), COLOURFUL)
        assert encoder.n_texts == len(COLOURS)


def test_a_field_of_very_many_values_is_left_alone(encoder: FakeEncoder) -> None:
    wide = Vocabulary({"colour": (*COLOURS, *(f"shade {number}" for number in range(MAX_VALUES)))})
    assert PhotoReader(encoder).read(encoder.encode_images([make_image("red")]), wide) == {}


def test_the_fields_that_a_photo_shows() -> None:
    assert photo_fields(FASHION) == ["colour", "article"]
    assert photo_fields(GROCERY) == ["article"]
    assert photo_fields(Vocabulary({"product_type": ("a mug",), "color": ("red",), "print": ("dots",)})) == [
        "color",
        "print",
        "product_type",
    ]
    assert photo_fields(Vocabulary({})) == []


def test_words_go_before_the_photo_and_a_listing_is_read_where_there_is_one(store: Store, encoder: FakeEncoder) -> None:
    fill(store, encoder)
    parser = SearchEngine.open(store, encoder).parser

    def names(query: Query) -> list[str]:
        return [each.name for each in parser.parse(query, Stopwatch(), for_verdicts=True).requirements]

    assert "colour: green" in names(Query(images=(make_image("green"),)))
    assert "colour: green" not in names(Query("in red", images=(make_image("green"),)))
    assert names(Query("in red", images=(make_image("green"),)))[0] == "colour: red"
    assert names(Query(skus=("item-3",))) == ["colour: yellow", "article: shirt"]
    assert names(Query("mug", skus=("item-3",), weights=Weights(image=0))) == ["article: mug"]
    assert names(Query("mug", skus=("item-3",), weights=Weights(text=0))) == ["colour: yellow", "article: shirt"]
    assert names(Query("mug", without="red", weights=Weights(without=0))) == ["article: mug"]
    assert names(Query("mug", without="red")) == ["article: mug", "colour: not red"]
