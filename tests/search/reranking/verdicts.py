"""Verdicts for tests."""

from __future__ import annotations

from vitrina.search.types.requirement import Evidence, Requirement, Status, Verdict

MET, CONTRADICTED, UNKNOWN = Status.MET, Status.CONTRADICTED, Status.UNKNOWN

PROBABILITY = {MET: 0.95, CONTRADICTED: 0.05, UNKNOWN: 0.5}


def verdict(
    words: str,
    status: Status,
    field: str = "",
    *,
    values: tuple[str, ...] | None = None,
    narrower: tuple[str, ...] = (),
    wanted: bool = True,
    catalog_value: str | None = None,
    image_value: str | None = None,
    disagreement: str | None = None,
) -> Verdict:
    held = values if values is not None else ((words,) if field else ())
    requirement = Requirement(words, field, held, wanted, narrower)
    return Verdict(
        requirement,
        status,
        PROBABILITY[status],
        Evidence.IMAGE,
        catalog_value=catalog_value,
        image_value=image_value,
        disagreement=disagreement,
    )
