"""One of several twins is shown, and names the others."""

from __future__ import annotations

import numpy as np
import pytest

from tests.fakes import FakeEncoder, make_entry, make_image, open_replica
from vitrina.search.engine import SearchEngine
from vitrina.search.rank_explanation import explain_rank
from vitrina.search.retrieval.twins import collapsed
from vitrina.search.store.store import Store
from vitrina.search.store.twins import TwinGroups
from vitrina.search.types.answer import Answer
from vitrina.search.types.filters import parse_filters
from vitrina.search.types.query import PRICE_ASC, Query


@pytest.fixture
def engine(store: Store, encoder: FakeEncoder) -> SearchEngine:
    version = store.catalog.open_index_version(encoder.identity, active=True)
    shown = make_image("red", noise=1)
    entries = [
        make_entry(
            encoder, f"S-{at}", f"Red shirt {size}", images=[shown], price_cents=price, attributes={"size": size}
        )
        for at, (size, price) in enumerate([("S", 900), ("M", 800), ("L", 1000)])
    ]
    entries += [make_entry(encoder, f"B-{at}", "Blue mug", images=[make_image("blue", noise=at)]) for at in range(3)]
    store.catalog.commit(version, entries)
    ids = [store.catalog.item(f"S-{at}").id for at in range(3)]
    store.catalog.replace_twins(ids, [ids])
    return SearchEngine(store.catalog, encoder, open_replica(store, encoder))


def shown(answer: Answer) -> dict[str, tuple[str, ...]]:
    return {hit.item.sku: hit.twins for hit in answer.hits}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Query("red shirt l"), ("S-2", {"S-0", "S-1"})),
        (Query("S-1"), ("S-1", {"S-0", "S-2"})),
        (Query(images=(make_image("red", noise=1),)), ("S-0", {"S-1", "S-2"})),
        (Query(sort=PRICE_ASC), ("S-1", {"S-0", "S-2"})),
        (Query(), ("S-2", {"S-0", "S-1"})),
        (Query(filters=parse_filters({"size": ["s", "l"]})), ("S-2", {"S-0"})),
    ],
)
def test_the_best_twin_is_shown(engine: SearchEngine, query: Query, expected: tuple[str, set[str]]) -> None:
    answer = engine.search(query)
    sku, others = expected
    assert {each: set(twins) for each, twins in shown(answer).items() if each.startswith("S")} == {sku: others}
    assert answer.n_collapsed == len(others)
    assert answer.n_candidates == len(answer.hits)
    assert [hit.rank for hit in answer.hits] == list(range(1, len(answer.hits) + 1))


def test_all_are_shown_where_that_is_wanted(engine: SearchEngine) -> None:
    for query in (Query("red shirt", collapse=False), Query(collapse=False)):
        answer = engine.search(query)
        assert {sku: twins for sku, twins in shown(answer).items() if sku.startswith("S")} == {
            f"S-{at}": () for at in range(3)
        }
        assert answer.n_collapsed == 0


def test_pages_neither_repeat_nor_skip(engine: SearchEngine) -> None:
    for text in ("", "red shirt"):
        pages = [engine.search(Query(text, limit=1, offset=at)) for at in range(5)]
        skus = [hit.item.sku for page in pages for hit in page.hits]
        assert len(skus) == len(set(skus)) == 4
        assert {page.n_candidates for page in pages} == {4}


def test_the_twins_of_an_item_are_not_similar_to_it(engine: SearchEngine) -> None:
    answer = engine.search(Query(skus=("S-0",), exclude_skus=("S-0",)))
    assert all(sku.startswith("B") for sku in shown(answer))
    assert len(engine.search(Query(skus=("S-0",), exclude_skus=("S-0",), collapse=False)).hits) == 5


def test_an_item_behind_its_twin_can_be_explained(engine: SearchEngine) -> None:
    explained = explain_rank(engine, Query("red shirt l"), "S-0")
    assert explained.rank in (2, 3)


def test_collapsed() -> None:
    groups = TwinGroups(np.array([2, 3, 5, 7]), np.array([2, 9, 2, 9]))
    found = collapsed(np.array([7, 1, 5, 3, 2, 4]), groups, np.empty(0, np.int64))
    assert found.kept.tolist() == [0, 1, 2, 5]
    assert found.twins == {7: [3], 5: [2]}
    assert collapsed(np.array([7, 1, 5]), groups, np.array([3])).kept.tolist() == [1, 2]
    assert collapsed(np.empty(0, np.int64), groups, np.empty(0, np.int64)).kept.tolist() == []
