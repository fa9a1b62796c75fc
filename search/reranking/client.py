"""The reranker's client: cached, within a deadline, behind a circuit breaker."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from vitrina.search.reranking.base import CandidateImages, Deadline, Probabilities, RerankCandidate, Reranker, key_of
from vitrina.search.reranking.fusion import FusionWeights, probability
from vitrina.search.reranking.statements import statement_of
from vitrina.search.types.answer import RerankState
from vitrina.search.types.errors import RerankerError
from vitrina.search.types.item import StoredItem

MAX_FAILURES = 5
REST_S = 30.0
"""Long enough for a server to start again, short enough that nobody waits for it once it has."""


class Breaker:
    """Open after ``max_failures`` in a row. Every ``rest_s`` one is let through to try: its success closes the breaker.
    Safe to use from several threads.

    Who was let through says what became of it: ``succeeded``, ``failed``, or ``undecided``. ``clock`` counts seconds.
    """

    def __init__(
        self,
        max_failures: int = MAX_FAILURES,
        rest_s: float = REST_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_failures = max_failures
        self._rest_s = rest_s
        self._clock = clock
        self._lock = threading.Lock()
        self._n_failures = 0
        self._rests_until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether it failed too often since it last succeeded. Lets nobody through."""
        with self._lock:
            return self._n_failures >= self._max_failures

    def admits(self) -> bool:
        """Whether the caller may go on, and is to say what became of it."""
        with self._lock:
            if self._n_failures < self._max_failures:
                return True
            if self._clock() < self._rests_until:
                return False
            self._rests_until = self._clock() + self._rest_s
            return True

    def succeeded(self) -> None:
        """Close."""
        with self._lock:
            self._n_failures = 0

    def failed(self) -> None:
        """One more in a row."""
        with self._lock:
            self._n_failures += 1
            self._rests_until = self._clock() + self._rest_s

    def undecided(self) -> None:
        """There was too little time to tell: the next one may try at once."""
        with self._lock:
            self._rests_until = self._clock()


MAX_ENTRIES = 100_000
"""Some 30 MB: 5,000 queries of one phrase, or 1,000 of four requirements and the phrase."""


class ScoreCache:
    """P(yes) by the model's fingerprint, the look's key and the claim; those asked for last, up to a number.

    A look's key names its picture by its content and a fingerprint names the weights, so nothing here goes stale. Safe
    to use from several threads.
    """

    def __init__(self, max_entries: int = MAX_ENTRIES) -> None:
        self._max_entries = max_entries
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, str, str], float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def get(self, fingerprint: str, keys: Sequence[str], statements: Sequence[str]) -> Probabilities:
        """What is known, shape (len(keys), len(claims)); NaN for what is not."""
        found = np.full((len(keys), len(statements)), np.nan, np.float32)
        with self._lock:
            for row, key in enumerate(keys):
                for column, statement in enumerate(statements):
                    entry = (fingerprint, key, statement)
                    if entry in self._known:
                        self._known.move_to_end(entry)
                        found[row, column] = self._known[entry]
        return found

    def put(
        self, fingerprint: str, keys: Sequence[str], statements: Sequence[str], probabilities: Probabilities
    ) -> None:
        """Keep what was answered, shape (len(keys), len(claims)); NaN is no answer."""
        with self._lock:
            for row, column in np.argwhere(~np.isnan(probabilities)).tolist():
                entry = (fingerprint, keys[row], statements[column])
                self._known[entry] = float(probabilities[row, column])
                self._known.move_to_end(entry)
            while len(self._known) > self._max_entries:
                self._known.popitem(last=False)


log = logging.getLogger(__name__)

N_THREADS = 4
"""Queries whose reranker works at the same time. One in this process takes one at a time anyway, a server has limits of
its own, and calls that outlive their deadline hold up no more than these."""

HEADROOM = 0.9
"""The backend is told so much of the time left; what it has by then is waited for in the rest."""

FAIR_S = 0.5
"""Who gives less time than this learns nothing of the reranker's health when it is late: else a stranger with deadlines
of a millisecond would switch it off for everyone."""

EARLY = 0.6
"""A gap in an answer that comes with more than this part of the time left is a failure; with less, there may not have
been time for another batch like the one before."""

NOTES = {
    RerankState.RERANKED: "",
    RerankState.NOT_ASKED: "",
    RerankState.LATE: "The reranker was not done by the deadline.",
    RerankState.FAILED: "The reranker failed.",
}
CIRCUIT_OPEN = "The reranker failed several times in a row and is left alone for a while."

Given = TypeVar("Given")


class OutOfTimeError(Exception):
    """The deadline came before the call ended."""


@dataclass(frozen=True, slots=True)
class ScoredStatements:
    """P(yes), shape (n keys, n claims), NaN where there is no answer; what became of each key; and in words to people
    why answers are missing, empty where none is."""

    probabilities: Probabilities
    states: tuple[RerankState, ...]
    note: str = ""


class RerankClient:
    """Asks one reranker what is not remembered, in threads of its own, so that nobody waits past a deadline.

    What is answered too late is remembered for the next time. May be used from several threads. A call that never ends
    keeps its thread, and a process does not end while it has one; rerankers promise to keep their deadlines.
    """

    def __init__(self, reranker: Reranker, judgements: ScoreCache, breaker: Breaker) -> None:
        self.reranker = reranker
        self._judgements = judgements
        self._breaker = breaker
        self._threads = ThreadPoolExecutor(N_THREADS, thread_name_prefix="reranker")

    @property
    def is_circuit_open(self) -> bool:
        """Whether it failed so often that it is not asked now."""
        return self._breaker.is_open

    def judge(
        self,
        keys: Sequence[str],
        statements: Sequence[str],
        candidate_of: Callable[[str], RerankCandidate | None],
        deadline: Deadline,
    ) -> ScoredStatements:
        """What the reranker says of the looks of these keys. Raises nothing; blocks until the deadline at most.

        ``candidate_of`` gives the look of a key that has to be looked at, None where there is nothing to look at.
        It is the reranker that opens the pictures, those that it needs.
        """
        known = self._judgements.get(self.reranker.identity.fingerprint, keys, statements)
        missing = np.isnan(known)
        if not missing.any():
            return ScoredStatements(known, (RerankState.RERANKED,) * len(keys))
        if not self._breaker.admits():
            return scored(known, dict.fromkeys(range(len(keys)), RerankState.FAILED), CIRCUIT_OPEN)
        rows = [row for row in range(len(keys)) if missing[row].any()]
        columns = [column for column in range(len(statements)) if missing[:, column].any()]
        candidates = {row: candidate_of(keys[row]) for row in rows}
        visible = {row: candidate for row, candidate in candidates.items() if candidate is not None}
        answers, fault = self._answers(list(visible.values()), [statements[column] for column in columns], deadline)
        for row, answer in zip(visible, answers, strict=True):
            known[row, columns] = np.where(np.isnan(answer), known[row, columns], answer)
        unseen = {
            row: RerankState.NOT_ASKED
            for row, candidate in candidates.items()
            if candidate is None or candidate.is_blank
        }
        return scored(known, dict.fromkeys(rows, fault) | unseen)

    def within(self, deadline: Deadline, call: Callable[[Deadline], Given]) -> Given:
        """What a call gives that is told when to end. Raises OutOfTimeError at the deadline, and what the call does."""
        told = deadline.sooner(HEADROOM)
        future = self._threads.submit(call, told)
        try:
            return future.result(timeout=deadline.seconds_left)
        except TimeoutError:
            if future.done():  # just now, or it is the call that raised it
                return future.result()
            future.cancel()
            raise OutOfTimeError from None

    def close(self) -> None:
        """Begin nothing more. Closing twice is fine."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _answers(
        self, candidates: Sequence[RerankCandidate], statements: Sequence[str], deadline: Deadline
    ) -> tuple[Probabilities, RerankState]:
        """P(yes), shape (n looks, n claims), and what it means where one is missing. Tells the breaker."""
        had_s = deadline.seconds_left
        none = np.full((len(candidates), len(statements)), np.nan, np.float32)
        if not (candidates and had_s):
            self._breaker.undecided()
            return none, RerankState.LATE
        try:
            answers = self.within(deadline, lambda told: self._remembered(candidates, statements, told))
        except OutOfTimeError:
            answers, fault = none, RerankState.LATE
        except Exception:
            log.warning("The reranker %s failed", self.reranker.identity.name, exc_info=True)
            answers, fault = none, RerankState.FAILED
        else:
            fault = RerankState.FAILED if deadline.seconds_left > EARLY * had_s else RerankState.LATE
        if not np.isnan(answers).all():
            self._breaker.succeeded()
        elif deadline.is_cancelled or all(candidate.is_blank for candidate in candidates):
            self._breaker.undecided()
        elif fault is RerankState.FAILED or had_s >= FAIR_S:
            self._breaker.failed()
        else:
            self._breaker.undecided()
        return answers, fault

    def _remembered(
        self, candidates: Sequence[RerankCandidate], statements: Sequence[str], deadline: Deadline
    ) -> Probabilities:
        answers = checked(self.reranker.judge(candidates, statements, deadline), (len(candidates), len(statements)))
        answers[[candidate.is_blank for candidate in candidates]] = np.nan  # said of a picture that nobody saw
        keys = [candidate.key for candidate in candidates]
        self._judgements.put(self.reranker.identity.fingerprint, keys, statements, answers)
        return answers


def scored(probabilities: Probabilities, faults: dict[int, RerankState], note: str = "") -> ScoredStatements:
    """Rows with every answer are reranked; what became of the others is told by row."""
    gaps = [row for row in range(len(probabilities)) if np.isnan(probabilities[row]).any()]
    states = tuple(faults[row] if row in gaps else RerankState.RERANKED for row in range(len(probabilities)))
    worst = next((state for state in (RerankState.FAILED, RerankState.LATE) if state in states), RerankState.RERANKED)
    return ScoredStatements(probabilities, states, note if note and worst is RerankState.FAILED else NOTES[worst])


def checked(answers: Probabilities, shape: tuple[int, int]) -> Probabilities:
    """The answers, what is no probability made NaN. Raises RerankerError where they are not of this shape."""
    found = np.array(answers, np.float32)
    if found.shape != shape:
        raise RerankerError(
            f"The reranker gave answers of shape {found.shape} to a question of {shape}.", remedy="Report it."
        )
    found[~((found >= 0) & (found <= 1))] = np.nan
    return found


@dataclass(frozen=True, slots=True)
class CandidateScorer:
    """Asks about items; ``fusion_weights`` is its reranker's. It keeps the pictures: one is made for a query, or
    for a batch."""

    client: RerankClient
    images: CandidateImages
    fusion_weights: FusionWeights

    def ask(self, items: Sequence[StoredItem], statements: Sequence[str], deadline: Deadline) -> ScoredStatements:
        """P(yes) of each claim about each item's first picture, which each of them has. Raises nothing; blocks until
        the deadline at most."""
        keys = [str(key_of(stored)) for stored in items]
        stored = dict(zip(keys, items, strict=True))
        return self.client.judge(keys, statements, lambda key: self.images.candidate(stored[key]), deadline)

    def shown(self, values: Iterable[str], yes: Mapping[str, float]) -> dict[str, float]:
        """How probable it is that a picture shows each of the values, calibrated, from P(yes) by claim; those that
        there is no answer for (NaN) are left out."""
        answers = {value: yes[statement_of(value)] for value in values}
        return {
            value: float(probability(self.fusion_weights.image_logit(answer)))
            for value, answer in answers.items()
            if not np.isnan(answer)
        }
