"""What is asked together."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from vitrina.search.audit.audit import MAX_CALL_QUESTIONS, calls

questions = st.lists(
    st.tuples(st.sampled_from([f"key {n}" for n in range(50)]), st.sampled_from("abcdefgh")), unique=True, max_size=200
)


@given(questions)
def test_every_question_is_asked_once_and_nothing_else(asked: list[tuple[str, str]]) -> None:
    made = list(calls(asked))
    assert Counter(
        (key, statement) for keys, statements in made for key in keys for statement in statements
    ) == Counter(asked)
    assert all(len(keys) * len(statements) <= MAX_CALL_QUESTIONS for keys, statements in made)


def test_what_shares_its_images_or_its_statement_goes_together() -> None:
    one_image = [("a", f"value {n}") for n in range(12)]
    assert list(calls(one_image)) == [(["a"], [f"value {n}" for n in range(12)])]
    one_statement = [(f"key {n}", "red") for n in range(MAX_CALL_QUESTIONS + 1)]
    assert [len(keys) for keys, _ in calls(one_statement)] == [MAX_CALL_QUESTIONS, 1]
