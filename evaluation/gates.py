"""Gates: metrics that a run must reach, so that a shop can gate its releases."""

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
    """A lower bound of a metric's mean over the queries of one kind, or an upper bound of the calibration error.

    ``kind`` is empty if none was named: then the bound holds over all queries.
    """

    text: str
    metric: str
    bound: float
    kind: str = ""


@dataclass(frozen=True, slots=True)
class GateResult:
    """Whether a gate is met. ``measured`` is None if the run could not tell; then it is not met."""

    gate: Gate
    measured: float | None
    is_met: bool

    def __str__(self) -> str:
        gate = self.gate
        most = gate.metric == CALIBRATION_ERROR
        of = f" of {gate.kind}" if gate.kind else ""
        if self.measured is None:
            return f"{gate.text}: not measured, as hits carry no confidence; calibrate the encoder first"
        verdict = "met" if self.is_met else "not met"
        return (
            f"{gate.text}: {verdict}, {gate.metric}{of} is {self.measured:.4f}, at {'most' if most else 'least'} "
            f"{gate.bound:g} is required"
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
            f"The gate {text!r:.200} is not METRIC=NUMBER, with a number from 0 to 1.",
            remedy="Write it as in: --require ndcg@10=0.6",
        )
    known = [*LABELS, CALIBRATION_ERROR]
    if metric not in known:
        close = difflib.get_close_matches(metric, known, n=1)
        raise InputError(
            f"The gate {text!r:.200} names no metric that is measured.",
            remedy=f"{f'Did you mean {close[0]}? ' if close else ''}There are: {', '.join(known)}.",
        )
    if kind and kind not in kinds:
        raise InputError(
            f"The gate {text!r:.200} is for queries that this run does not have.",
            remedy=f"There are: {', '.join(kinds)}.",
        )
    if kind and metric == CALIBRATION_ERROR:
        raise InputError(
            "The calibration error is measured over all queries together.",
            remedy=f"Leave out {kind}: in {text!r:.200}.",
        )
    return Gate(text, metric, value, kind)


def check_gates(run: Run, gates: Sequence[Gate]) -> list[GateResult]:
    """Check each gate. Means are compared unrounded."""
    return [_check(run, gate) for gate in gates]


def _check(run: Run, gate: Gate) -> GateResult:
    if gate.metric == CALIBRATION_ERROR:
        error = None if run.reliability is None else run.reliability.calibration_error
        return GateResult(gate, error, error is not None and error <= gate.bound)
    # The first summary is over all queries, of one kind or of several.
    summary = run.summary(gate.kind) if gate.kind else run.summaries[0]
    mean = summary.metrics[gate.metric].mean
    return GateResult(gate, mean, mean >= gate.bound)


def _bound(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and 0 <= number <= 1 else None
