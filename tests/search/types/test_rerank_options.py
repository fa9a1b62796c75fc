"""What reranking may cost."""

from __future__ import annotations

from typing import Any

import pytest

from vitrina.search.types.errors import QueryError
from vitrina.search.types.query import RerankOptions


def test_the_defaults_are_those_of_the_issue() -> None:
    assert (RerankOptions().top, RerankOptions().deadline_ms, RerankOptions().explain) == (20, 800, 5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("top", value) for value in (0, -1, 101, 2.5, True, "20", None)],
        *[("deadline_ms", value) for value in (0, 30_001, float("nan"))],
        *[("explain", value) for value in (-1, 21, False)],
        *[("explain_ms", value) for value in (0, 60_001)],
    ],
)
def test_past_a_limit(name: str, value: Any) -> None:
    with pytest.raises(QueryError, match=name) as caught:
        RerankOptions(**{name: value})
    assert "whole number from" in caught.value.remedy


def test_at_the_limits() -> None:
    assert RerankOptions(top=1, deadline_ms=1, explain=0).explain == 0
    assert RerankOptions(top=100, deadline_ms=30_000, explain=20).top == 100
