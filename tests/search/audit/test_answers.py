"""What is asked together."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from vitrina.search.audit.audit import N_TOGETHER, calls

questions = st.lists(
    st.tuples(st.sampled_from([f"key {n}" for n in range(50)]), st.sampled_from("abcdefgh")), unique=True, max_size=200
)


@given(questions)
def test_every_question_is_asked_once_and_nothing_else(asked: list[tuple[str, str]]) -> None:
    made = list(calls(asked))
    assert Counter((key, claim) for keys, claims in made for key in keys for claim in claims) == Counter(asked)
    assert all(len(keys) * len(claims) <= N_TOGETHER for keys, claims in made)


def test_what_shares_its_pictures_or_its_claim_goes_together() -> None:
    one_picture = [("a", f"value {n}") for n in range(12)]
    assert list(calls(one_picture)) == [(["a"], [f"value {n}" for n in range(12)])]
    one_claim = [(f"key {n}", "red") for n in range(N_TOGETHER + 1)]
    assert [len(keys) for keys, _ in calls(one_claim)] == [N_TOGETHER, 1]
