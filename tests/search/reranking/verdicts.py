"""Verdicts for tests."""

from __future__ import annotations

from search.requirements.requirement import Requirement
from search.reranking.verdict import Evidence, Standing, Verdict

MET, CONTRADICTED, UNKNOWN = Standing.MET, Standing.CONTRADICTED, Standing.UNKNOWN


def verdict(
    words: str,
    standing: Standing,
    field: str = "",
    *,
    values: tuple[str, ...] | None = None,
    family: tuple[str, ...] = (),
    wanted: bool = True,
    listed: str | None = None,
    seen: str | None = None,
    disagreement: str | None = None,
) -> Verdict:
    held = values if values is not None else ((words,) if field else ())
    requirement = Requirement(words, field, held, wanted, family)
    return Verdict(requirement, standing, 0.5, Evidence.IMAGE, listed=listed, seen=seen, disagreement=disagreement)
