"""Two runs, query by query."""

from __future__ import annotations

import pytest

from tests.evaluation.runs import a_run
from vitrina.evaluation.comparison import compare_runs
from vitrina.evaluation.run import ALL
from vitrina.search.types.errors import InputError

JUDGED = {query: {"a": 1} for query in "pqrst"}


def test_wins_losses_and_ties() -> None:
    earlier = a_run({"p": ["b", "a"], "q": ["a"], "r": ["a"], "s": ["b"]}, JUDGED)
    run = a_run({"p": ["a"], "q": ["b", "a"], "r": ["a"], "s": ["b", "c", "a"]}, JUDGED)
    comparison = compare_runs(run, earlier)
    change = comparison.changes["k"]["mrr"]
    assert (change.n_wins, change.n_losses, change.n_ties) == (2, 1, 1)
    assert change.before == pytest.approx(2.5 / 4)
    assert change.difference.mean == pytest.approx((0.5 - 0.5 + 0 + 1 / 3) / 4)
    assert change.difference.low < 0 < change.difference.high
    assert not change.is_certain
    assert [pair.after.id for pair in comparison.losses] == ["q"]
    assert [pair.after.id for pair in comparison.wins] == ["s", "p"]
    assert comparison.notes == ()


def test_what_helps_every_query_a_little_is_certain_though_the_runs_overlap() -> None:
    n_queries = 30
    judged = {f"q{at}": {"a": 1} for at in range(n_queries)}
    earlier = a_run({query: [*"bcdefghijkl"[: 2 + at % 10], "a"] for at, query in enumerate(judged)}, judged)
    run = a_run({query: [*"bcdefghijkl"[: 1 + at % 10], "a"] for at, query in enumerate(judged)}, judged)
    assert run.summary("k").metrics["mrr"].low < earlier.summary("k").metrics["mrr"].high
    change = compare_runs(run, earlier).changes["k"]["mrr"]
    assert change.is_certain
    assert change.n_wins == n_queries
    assert not compare_runs(run, run).changes["k"]["mrr"].is_certain


def test_only_shared_queries_count_and_the_rest_is_said() -> None:
    earlier = a_run({"p": ["a"], "q": ["a"]}, JUDGED)
    run = a_run({"q": ["a"], "r": ["b"]}, {**JUDGED, "q": {"a": 1, "z": 1}}, kinds={"r": "other"})
    comparison = compare_runs(run, earlier)
    assert [pair.after.id for pair in comparison.pairs] == ["q"]
    assert list(comparison.changes) == ["k"]
    assert comparison.notes[0].startswith("1 queries are in both runs")
    assert "another number of relevant items" in comparison.notes[1]


def test_kinds_compare_apart_and_together() -> None:
    kinds = {"p": "first", "q": "second"}
    earlier = a_run({"p": ["b", "a"], "q": ["a"]}, JUDGED, kinds=kinds)
    run = a_run({"p": ["a"], "q": ["b", "a"]}, JUDGED, kinds=kinds)
    changes = compare_runs(run, earlier).changes
    assert list(changes) == [ALL, "first", "second"]
    assert [changes[kind]["mrr"].difference.mean for kind in changes] == pytest.approx([0, 0.5, -0.5])


def test_runs_of_other_queries_do_not_compare() -> None:
    with pytest.raises(InputError, match="share no query"):
        compare_runs(a_run({"p": ["a"]}, JUDGED), a_run({"q": ["a"]}, JUDGED))
