"""P(yes) is what the yes and no tokens say, whatever they are written like."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrina.search.reranking.backends.remote.scoring import yes_no_probability


def logs(**probabilities: float) -> list[tuple[str, float]]:
    return [(token, math.log(probability)) for token, probability in probabilities.items()]


def test_variants_are_summed() -> None:
    tokens = [
        ("Yes", 0.3),
        (" yes", 0.2),
        ("▁YES", 0.1),
        ("ĠNo", 0.1),
        ("no.", 0.1),
        ("Maybe", 0.1),
        ("yesterday", 0.1),
    ]
    found = yes_no_probability([(token, math.log(probability)) for token, probability in tokens])
    assert found is not None
    assert found.probability == pytest.approx(0.6 / 0.8)
    assert not found.approximate


def test_a_missing_side_has_at_most_what_the_least_token_shown_has() -> None:
    found = yes_no_probability(logs(yes=0.6, well=0.3, hm=0.01))
    assert found is not None
    assert found.approximate
    assert found.probability == pytest.approx(0.6 / 0.61)


def test_a_missing_side_has_at_most_what_the_tokens_shown_leave_over() -> None:
    found = yes_no_probability(logs(No=0.9))
    assert found is not None
    assert found.approximate
    assert found.probability == pytest.approx(0.1 / 1.0)


@pytest.mark.parametrize(
    "tokens", [[], logs(Maybe=0.9), [*logs(Maybe=0.9), ("yes", -20.0)], [("yes", math.nan)], [("yes", -9999.0)]]
)
def test_nothing_is_read_from_neither(tokens: list[tuple[str, float]]) -> None:
    assert yes_no_probability(tokens) is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["yes", " No", "NO", "the", "", "\n"]), st.floats(allow_infinity=True, allow_nan=True)
        )
    )
)
def test_any_numbers_give_a_probability_or_nothing(tokens: list[tuple[str, float]]) -> None:
    found = yes_no_probability(tokens)
    assert found is None or 0.0 <= found.probability <= 1.0
