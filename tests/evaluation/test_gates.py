"""What a run must reach."""

from __future__ import annotations

import pytest

from tests.evaluation.runs import a_run
from vitrina.evaluation.comparison import check_gates, parse_gate
from vitrina.search.types.errors import InputError

JUDGED = {"q": {"a": 1}, "r": {"a": 1}}
RUN = a_run({"q": ["a"], "r": ["b", "a"]}, JUDGED, kinds={"q": "sku: exact"}, confidences=[0.75])


@pytest.mark.parametrize(
    ("text", "measured", "is_met"),
    [
        ("mrr=0.75", 0.75, True),
        ("MRR=0.76", 0.75, False),
        ("k:mrr=0.5", 0.5, True),
        ("sku: exact:p@1=1", 1.0, True),
        ("all:p@1=0.6", 0.5, False),
        ("capped-p@10=0.5", 0.5, True),
        ("calibration_error=0.5", 0.5, True),
        ("calibration_error=0.49", 0.5, False),
    ],
)
def test_requirements_are_held_against_what_was_measured(text: str, measured: float, is_met: bool) -> None:
    [verdict] = check_gates(RUN, [parse_gate(text, ["all", "k", "sku: exact"])])
    assert verdict.measured == pytest.approx(measured)
    assert verdict.is_met == is_met
    assert str(verdict).startswith(f"{text}: {'met' if is_met else 'not met'}")


def test_a_calibration_error_that_was_not_measured_is_not_met() -> None:
    [verdict] = check_gates(a_run({"q": ["a"]}, JUDGED), [parse_gate("calibration_error=1", [])])
    assert not verdict.is_met
    assert "calibrate" in str(verdict)


@pytest.mark.parametrize(
    ("text", "says", "remedy"),
    [
        ("ndcg@10", "not METRIC=NUMBER", "ndcg@10=0.6"),
        ("ndcg@10=high", "not METRIC=NUMBER", "ndcg@10=0.6"),
        ("ndcg@10=60", "from 0 to 1", "ndcg@10=0.6"),
        ("ndcg@10=nan", "from 0 to 1", "ndcg@10=0.6"),
        ("ndgc@10=0.6", "names no metric", "Did you mean ndcg@10?"),
        ("colour:mrr=0.6", "does not have", "There are: k"),
        ("k:calibration_error=0.1", "all queries together", "Leave out k:"),
    ],
)
def test_mistakes(text: str, says: str, remedy: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_gate(text, ["k"])
    assert says in caught.value.message
    assert remedy in caught.value.remedy
