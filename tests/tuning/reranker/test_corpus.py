from __future__ import annotations

from pathlib import Path

import pytest

from tests.tuning.reranker.conftest import ASKED, N_ITEMS, PHRASES, sku_of
from vitrina.evaluation.judgements import JudgedQuery
from vitrina.search.engine import SearchEngine
from vitrina.search.store.store import Store
from vitrina.search.types.errors import InputError
from vitrina.search.types.item import Item, StoredItem
from vitrina.tuning.reranker.corpus import TuningQuery, draft, gathered, read_corpus, split
from vitrina.tuning.reranker.plan import RerankerPlan


def queries(n: int, word: str = "shirt") -> list[TuningQuery]:
    return [TuningQuery(f"{word} {index}", {"a": 1}, ("a",), (), ()) for index in range(n)]


def test_what_is_right_what_is_wrong_and_what_is_found(
    colour_shop: Store, engine: SearchEngine, judged: list[JudgedQuery]
) -> None:
    asked: list[int] = []
    corpus = read_corpus(colour_shop, engine, judged, RerankerPlan(), asked.append)
    assert asked == list(range(1, len(judged) + 1))
    assert len(corpus.kept) + len(corpus.held_out) == len(ASKED) * len(PHRASES)
    for query in (*corpus.kept, *corpus.held_out):
        red = "red" in query.statement
        assert set(query.relevant) == {sku_of(index) for index in range(N_ITEMS) if (index % 2 == 0) == red}
        assert set(query.hard_negatives).isdisjoint(query.relevant)
        assert {sku_of(index) for index in range(8) if (index % 2 == 0) != red} <= set(query.hard_negatives)
        assert len(set(query.retrieved)) == 20
    assert set(corpus.random_negatives) == set(corpus.items) == {sku_of(index) for index in range(N_ITEMS)}


def test_grades_decide_and_the_search_fills_up() -> None:
    query = draft("red", {"a": 2, "b": 0, "c": 1}, ["d", "a", "b", "e"])
    assert set(query.relevant) == {"a", "c"}
    assert query.hard_negatives == ("b", "d", "e")
    assert query.retrieved == ("d", "a", "b", "e")


def test_items_without_images_are_left_out() -> None:
    stored = [StoredItem(at, Item(sku), ("p",) if sku != "dark" else (), "", at) for at, sku in enumerate("abc")]
    stored.append(StoredItem(9, Item("dark"), (), "", 9))
    items, random_negatives = gathered(stored, {"a", "dark"}, listings=False)
    assert set(items) == set(random_negatives) == {"a", "b", "c"}
    assert "dark" in gathered(stored, {"a", "dark"}, listings=True)[0]


def test_the_same_words_are_always_on_the_same_side() -> None:
    kept, held_out = split(queries(100), 0.2)
    again = split([*queries(100, "SHIRT"), *queries(100)], 0.2)
    assert 8 < len(held_out) < 35
    assert {query.statement for query in held_out} <= {query.statement.lower() for query in again[1]}
    assert {query.statement.lower() for query in again[1]}.isdisjoint(query.statement for query in kept)


def test_too_few_queries_are_told() -> None:
    with pytest.raises(InputError, match="6 judged queries are too few"):
        split(queries(6), 0.2)


def test_queries_by_image_are_left_out_with_a_note(
    colour_shop: Store, engine: SearchEngine, judged: list[JudgedQuery]
) -> None:
    photo = JudgedQuery("p", "judged", {sku_of(0): 1}, image=Path("photo.png"))
    corpus = read_corpus(colour_shop, engine, [*judged, photo], RerankerPlan(), lambda _: None)
    assert "1 queries with an image were left out" in corpus.notes[0]
    with pytest.raises(InputError, match="by text alone"):
        read_corpus(colour_shop, engine, [photo], RerankerPlan(), lambda _: None)


def test_unknown_skus_are_reported(colour_shop: Store, engine: SearchEngine, judged: list[JudgedQuery]) -> None:
    stranger = JudgedQuery("s", "judged", {"no-such": 1}, text="red hat")
    corpus = read_corpus(colour_shop, engine, [*judged, stranger], RerankerPlan(), lambda _: None)
    assert any("no-such" in note for note in corpus.notes)
    with pytest.raises(InputError, match="None of the 1 judged skus"):
        read_corpus(colour_shop, engine, [stranger], RerankerPlan(), lambda _: None)


def test_judgements_without_anything_relevant_are_told(colour_shop: Store, engine: SearchEngine) -> None:
    nothing = JudgedQuery("n", "judged", {sku_of(0): 0}, text="hat")
    with pytest.raises(InputError, match="No query has a relevant item"):
        read_corpus(colour_shop, engine, [nothing], RerankerPlan(), lambda _: None)
