"""One measured number beside what it is held to."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Figure:
    """A measurement, and its bound: ``at least`` or ``at most``. ``how`` says on what and against which reference."""

    name: str
    value: float
    bound: float
    direction: Literal["at least", "at most"] = "at least"
    unit: str = ""
    how: str = ""

    @property
    def is_met(self) -> bool:
        compare = operator.ge if self.direction == "at least" else operator.le
        return bool(compare(self.value, self.bound))


def table(figures: list[Figure]) -> str:
    """The figures as a Markdown table."""
    head = ["| figure | measured | bound | met | how |", "|---|---|---|---|---|"]
    return "\n".join(head + [row(figure) for figure in figures])


def row(figure: Figure) -> str:
    unit = f" {figure.unit}" if figure.unit else ""
    return (
        f"| {figure.name} | {figure.value:,.4g}{unit} | {figure.direction} {figure.bound:,g}{unit} "
        f"| {'yes' if figure.is_met else '**no**'} | {figure.how} |"
    )
