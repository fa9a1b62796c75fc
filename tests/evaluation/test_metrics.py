"""The metrics, against values worked out by hand."""

from __future__ import annotations

from math import log2

import numpy as np
import pytest

from vitrina.evaluation.metrics import BATCH_QUERIES, CAPPED, DEPTH, LABELS, measure, n_relevant


def test_graded_query_by_hand() -> None:
    values = measure([["x", "b", "a", "y"]], [{"a": 3, "b": 1, "c": 2, "x": 0}])
    ideal = 3 + 2 / log2(3) + 1 / log2(4)
    assert values["ndcg@10"][0] == pytest.approx((1 / log2(3) + 3 / log2(4)) / ideal)
    assert values["mrr"][0] == pytest.approx(1 / 2)
    assert [values[key][0] for key in ("r@1", "r@10", "r@100")] == pytest.approx([0, 2 / 3, 2 / 3])
    assert [values[key][0] for key in ("p@1", "p@10", CAPPED)] == pytest.approx([0, 0.2, 2 / 3])
    assert set(values) == set(LABELS)


@pytest.mark.parametrize("keys", [["ndcg@10"], [CAPPED], ["mrr", CAPPED]])
def test_some_metrics_alone_are_as_among_all(keys: list[str]) -> None:
    rankings, judgements = [["x", "b", "a"], ["y", "c"]], [{"a": 3, "b": 1, "x": 0}, {"c": 1}]
    every, some = measure(rankings, judgements), measure(rankings, judgements, keys)
    assert {key: values.tolist() for key, values in some.items()} == {key: every[key].tolist() for key in keys}


def test_capped_precision_counts_as_many_ranks_as_there_are_relevant_skus() -> None:
    found = [f"s{at}" for at in range(20)]
    some = {"s0": 1, "s1": 1, "s5": 1}
    many = {f"s{at}": 1 for at in range(20)}
    values = measure([found, found, found], [some, many, {"s3": 1}])
    assert values[CAPPED] == pytest.approx([2 / 3, 1, 0])
    assert values["p@10"] == pytest.approx([0.3, 1, 0.1])


def test_the_order_of_the_ranking_stands_whatever_the_skus_are_called() -> None:
    skus = [f"{at:03}" for at in range(DEPTH)]
    values = measure([skus, skus[::-1]], [{skus[0]: 1}, {skus[0]: 1}])
    assert values["mrr"] == pytest.approx([1, 1 / DEPTH])
    assert values["r@100"] == pytest.approx([1, 1])


def test_values_keep_the_order_of_the_queries_over_several_batches() -> None:
    n_queries = 2 * BATCH_QUERIES + 11
    places = np.random.default_rng(1).integers(1, 50, n_queries)
    rankings = [[*(f"no{at}" for at in range(place - 1)), "yes"] for place in places]
    assert measure(rankings, [{"yes": 1}] * n_queries)["mrr"] == pytest.approx(1 / places)


def test_nothing_found_is_zero_and_unicode_skus_count() -> None:
    values = measure([[], ["スカート", "größe 42"]], [{"a": 1}, {"größe 42": 2}])
    assert all(values[key][0] == 0 for key in LABELS)
    assert values["mrr"][1] == 0.5


def test_no_queries_have_no_values() -> None:
    assert {len(values) for values in measure([], []).values()} == {0}


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(ValueError, match="1 queries have nothing relevant"):
        measure([["a"], ["a"]], [{"a": 1}, {"a": 0}])
    with pytest.raises(ValueError, match="2 rankings"):
        measure([["a"], ["b"]], [{"a": 1}])


def test_relevant_is_a_grade_of_one_or_more() -> None:
    assert n_relevant({"a": 0, "b": 1, "c": 3}) == 2
