"""Small runs to compare, gate and draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vitrina.evaluation.judged_search import QueryResult
from vitrina.evaluation.judgements import JudgedQuery
from vitrina.evaluation.run import Run, RunInfo, make_run


def a_run(
    rankings: Mapping[str, Sequence[str]],
    judged: Mapping[str, Mapping[str, int]],
    *,
    kinds: Mapping[str, str] | None = None,
    confidences: Sequence[float] = (),
) -> Run:
    """A run of text queries by id; ``kinds`` names those that are not of the kind "k"."""
    kinds = kinds or {}
    return make_run(
        RunInfo("fake", 10),
        [JudgedQuery(query, kinds.get(query, "k"), judged[query], text=f"text of {query}") for query in rankings],
        [
            QueryResult(
                tuple(skus), tuple(confidences[at] if at < len(confidences) else None for at in range(len(skus)))
            )
            for skus in rankings.values()
        ],
    )
