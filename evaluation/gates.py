"""Requirements: what a run must reach, so that a shop can gate its releases."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from vitrina.evaluation.metrics import LABELS
from vitrina.evaluation.run import Run
from vitrina.search.types.errors import InputError

CALIBRATION_ERROR = "calibration_error"


@dataclass(frozen=True, slots=True)
class Gate:
    """A metric's least mean over the queries of one kind, or the calibration error's greatest value.

    ``kind`` is empty where nobody named one: then the bound holds over all queries.
    """

    text: str
    metric: str
    bound: float
    kind: str = ""


@dataclass(frozen=True, slots=True)
class GateResult:
    """What became of a requirement. ``measured`` is None where the run could not tell; then it is not met."""

    requirement: Gate
    measured: float | None
    is_met: bool

    def __str__(self) -> str:
        asked = self.requirement
        most = asked.metric == CALIBRATION_ERROR
        of = f" of {asked.kind}" if asked.kind else ""
        if self.measured is None:
            return f"{asked.text}: not measured, as hits carry no confidence; calibrate the encoder first"
        verdict = "met" if self.is_met else "not met"
        return (
            f"{asked.text}: {verdict}, {asked.metric}{of} is {self.measured:.4f}, at {'most' if most else 'least'} "
            f"{asked.bound:g} is required"
        )


def parse_gate(text: str, kinds: Collection[str]) -> Gate:
    """Read ``ndcg@10=0.6``, ``article:p@10=0.7`` (for the queries of one kind) or ``calibration_error=0.1``.

    ``kinds`` are those of the run to come. Raises InputError.
    """
    name, equals, bound = text.rpartition("=")
    kind, _, metric = name.rpartition(":")
    metric = metric.strip().lower()
    value = _bound(bound)
    if not equals or value is None:
        raise InputError(
            f"The requirement {text!r:.200} is not METRIC=NUMBER, with a number from 0 to 1.",
            remedy="Write it as in: --require ndcg@10=0.6",
        )
    known = [*LABELS, CALIBRATION_ERROR]
    if metric not in known:
        close = difflib.get_close_matches(metric, known, n=1)
        raise InputError(
            f"The requirement {text!r:.200} names no metric that is measured.",
            remedy=f"{f'Did you mean {close[0]}? ' if close else ''}There are: {', '.join(known)}.",
        )
    if kind and kind not in kinds:
        raise InputError(
            f"The requirement {text!r:.200} is on queries that this run does not have.",
            remedy=f"There are: {', '.join(kinds)}.",
        )
    if kind and metric == CALIBRATION_ERROR:
        raise InputError(
            "The calibration error is measured over all queries together.",
            remedy=f"Leave out {kind}: in {text!r:.200}.",
        )
    return Gate(text, metric, value, kind)


def check_gates(run: Run, requirements: Sequence[Gate]) -> list[GateResult]:
    """What became of each requirement. Means are compared as they are, not as they are rounded for people."""
    return [_check(run, requirement) for requirement in requirements]


def _check(run: Run, requirement: Gate) -> GateResult:
    if requirement.metric == CALIBRATION_ERROR:
        error = None if run.reliability is None else run.reliability.calibration_error
        return GateResult(requirement, error, error is not None and error <= requirement.bound)
    # The first summary is over all queries, be they of one kind or of several.
    summary = run.summary(requirement.kind) if requirement.kind else run.summaries[0]
    mean = summary.metrics[requirement.metric].mean
    return GateResult(requirement, mean, mean >= requirement.bound)


def _bound(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and 0 <= number <= 1 else None
