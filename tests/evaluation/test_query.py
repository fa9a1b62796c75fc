"""What of the judgements can be measured, and samples of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vitrina.evaluation.judgements import JudgedQuery, judged_skus, restrict_to_catalog, sample_queries
from vitrina.search.types.errors import InputError


def test_skus_that_are_gone_are_left_out_and_counted() -> None:
    queries = [
        JudgedQuery("both", "k", {"a": 2, "gone": 3}),
        JudgedQuery("lost", "k", {"gone": 1}),
        JudgedQuery("never", "k", {"a": 0}),
    ]
    kept, notes = restrict_to_catalog(queries, {"a", "b"})
    assert [(query.id, query.grades) for query in kept] == [("both", {"a": 2})]
    assert notes[0].startswith("1 of 2 judged skus are not in the catalog")
    assert notes[1].startswith("2 of 3 queries have no relevant item")


def test_complete_judgements_are_taken_as_they_are() -> None:
    queries = [JudgedQuery("a", "k", {"a": 1})]
    assert restrict_to_catalog(queries, {"a", "b"}) == (queries, [])


def test_judgements_of_another_catalog_are_refused() -> None:
    with pytest.raises(InputError, match="None of the 2 judged skus is in the catalog, such as 'x'"):
        restrict_to_catalog([JudgedQuery("q", "k", {"x": 1, "y": 1})], {"a"})
    with pytest.raises(InputError, match="No query has a relevant item"):
        restrict_to_catalog([JudgedQuery("q", "k", {"a": 0, "b": 0})], {"a", "b"})


def test_an_item_that_asks_is_not_an_answer() -> None:
    query = JudgedQuery("like a", "k", {"a": 1, "b": 1}, sku="a")
    assert query.grades == {"b": 1}
    assert judged_skus([query]) == {"a", "b"}


def test_a_sample_is_of_each_kind_and_the_seed_decides() -> None:
    queries = [JudgedQuery(f"{kind}{at}", kind, {"a": 1}) for at in range(50) for kind in "xy"]
    drawn = sample_queries(queries, 7, seed=3)
    assert [query.kind for query in drawn] == ["x"] * 7 + ["y"] * 7
    assert len({query.id for query in drawn}) == 14
    assert drawn == sample_queries(queries, 7, seed=3)
    assert drawn != sample_queries(queries, 7, seed=4)
    assert sample_queries([replace(queries[0], kind="z")], 7, seed=3) == [replace(queries[0], kind="z")]
