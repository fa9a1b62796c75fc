"""Comparing a run with an earlier one, and with the gates that it must pass."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vitrina.evaluation.metrics import LABELS, Interval, intervals
from vitrina.evaluation.run import ALL, Run, ScoredQuery
from vitrina.search.types.errors import InputError

JUDGED_BY = "ndcg@10"
"""The metric by which a query wins or loses: it counts every grade and every rank of the first page."""

TIE = 1e-9

EARLIER = "the earlier run"
RETRIEVAL = "retrieval alone"
"""What a run is compared with, in words."""


@dataclass(frozen=True, slots=True)
class MetricChange:
    """One metric over the shared queries: its mean in the other run, the difference from it with its interval, and how
    many queries won, lost and tied."""

    before: float
    difference: Interval
    n_wins: int
    n_losses: int
    n_ties: int

    @property
    def after(self) -> float:
        """Its mean in the later run."""
        return self.before + self.difference.mean

    @property
    def is_certain(self) -> bool:
        """Whether the 95% interval of the difference lies on one side of 0."""
        return self.difference.low > 0 or self.difference.high < 0


@dataclass(frozen=True, slots=True)
class RunPair:
    """One query in both runs."""

    before: ScoredQuery
    after: ScoredQuery

    @property
    def gain(self) -> float:
        return self.after.metrics[JUDGED_BY] - self.before.metrics[JUDGED_BY]


@dataclass(frozen=True, slots=True)
class Comparison:
    """``changes`` by kind and metric; ``pairs`` from the greatest loss to the greatest win; ``notes`` on what is not
    comparable; ``against`` says what the other run was."""

    changes: Mapping[str, Mapping[str, MetricChange]]
    pairs: tuple[RunPair, ...]
    notes: tuple[str, ...]
    against: str = EARLIER

    @property
    def losses(self) -> list[RunPair]:
        """The queries that lost, worst first."""
        return [pair for pair in self.pairs if pair.gain < -TIE]

    @property
    def wins(self) -> list[RunPair]:
        """The queries that won, best first."""
        return [pair for pair in reversed(self.pairs) if pair.gain > TIE]


def compare_runs(run: Run, earlier: Run, against: str = EARLIER) -> Comparison:
    """Compare a run with another, query by query. Raises InputError if they share none."""
    check_comparable([result.id for result in run.results], earlier)
    before = {result.id: result for result in earlier.results}
    pairs = [RunPair(before[result.id], result) for result in run.results if result.id in before]
    kinds = dict.fromkeys(pair.after.kind for pair in pairs)
    of_kind = {kind: [pair for pair in pairs if pair.after.kind == kind] for kind in kinds}
    if len(kinds) > 1:
        of_kind = {ALL: pairs} | of_kind
    changes = {kind: _changes(some, run.seed) for kind, some in of_kind.items()}
    moved = tuple(sorted(pairs, key=lambda pair: pair.gain))
    return Comparison(changes, moved, tuple(_notes(run, earlier, pairs)), against)


def check_comparable(query_ids: Sequence[str], earlier: Run) -> None:
    """Raise InputError if an earlier run has none of these queries, to be called before the new run."""
    if not {result.id for result in earlier.results}.intersection(query_ids):
        raise InputError(
            f"The two runs share no query: this one has {query_ids[0]!r:.200}, "
            f"the earlier {earlier.results[0].id!r:.200}.",
            remedy="Compare runs of the same judgements, or of the same --by fields.",
        )


def _changes(pairs: Sequence[RunPair], seed: int) -> dict[str, MetricChange]:
    before, after = (
        np.array([[result.metrics[key] for key in LABELS] for result in results])  # (n_queries, n_metrics)
        for results in ([pair.before for pair in pairs], [pair.after for pair in pairs])
    )
    gains = after - before
    return {
        key: MetricChange(
            before=float(before[:, at].mean()),
            difference=difference,
            n_wins=int((gains[:, at] > TIE).sum()),
            n_losses=int((gains[:, at] < -TIE).sum()),
            n_ties=int((np.abs(gains[:, at]) <= TIE).sum()),
        )
        for at, (key, difference) in enumerate(zip(LABELS, intervals(gains, seed=seed), strict=True))
    }


def _notes(run: Run, earlier: Run, pairs: Sequence[RunPair]) -> list[str]:
    notes = []
    if len(pairs) < max(len(run.results), len(earlier.results)):
        notes.append(
            f"{len(pairs):,} queries are in both runs; this one has {len(run.results):,}, "
            f"the earlier {len(earlier.results):,}. Only those in both are compared."
        )
    n_rejudged = sum(pair.before.n_relevant != pair.after.n_relevant for pair in pairs)
    if n_rejudged:
        notes.append(
            f"{n_rejudged:,} queries have another number of relevant items than in the earlier run: part of their "
            "difference comes from the judgements or the catalog."
        )
    return notes


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
