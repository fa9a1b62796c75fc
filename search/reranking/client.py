"""The reranker's client: cached, within a deadline, behind a circuit breaker."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from vitrina.search.encoders.batching import ComputeSlots
from vitrina.search.reranking.base import (
    CandidateImages,
    Deadline,
    JudgesPairs,
    Pair,
    Probabilities,
    RerankCandidate,
    Reranker,
    key_of,
)
from vitrina.search.reranking.batching import CHECK_S, Batcher, BusyError, checked
from vitrina.search.types.answer import RerankStatus
from vitrina.search.types.item import StoredItem

MAX_FAILURES = 5
REST_S = 30.0
"""Long enough for a server to restart, short enough that it is soon used again."""


class Breaker:
    """A circuit breaker: open after ``max_failures`` in a row. Safe to use from several threads.

    Every ``rest_s`` an open breaker admits one call to try, and closes when it succeeds.
    Each admitted call reports ``succeeded``, ``failed`` or ``undecided``. ``clock`` counts seconds.
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
        """Whether there were too many failures since the last success. Admits nothing."""
        with self._lock:
            return self._n_failures >= self._max_failures

    def admits(self) -> bool:
        """Whether the caller may go on; it must then report the result."""
        with self._lock:
            if self._n_failures < self._max_failures:
                return True
            if self._clock() < self._rests_until:
                return False
            self._rests_until = self._clock() + self._rest_s
            return True

    def succeeded(self) -> None:
        """A call succeeded: close."""
        with self._lock:
            self._n_failures = 0

    def failed(self) -> None:
        """A call failed."""
        with self._lock:
            self._n_failures += 1
            self._rests_until = self._clock() + self._rest_s

    def undecided(self) -> None:
        """A call had too little time to tell: the next may try at once."""
        with self._lock:
            self._rests_until = self._clock()


log = logging.getLogger(__name__)

MAX_SCORES = 100_000
"""Some 30 MB: 5,000 queries of one phrase, or 1,000 of four requirements and the phrase."""

N_JUDGING = 4
"""Queries that are judged at the same time where they are not judged in batches: a server has limits of its own, and
calls that outlive their deadline hold up no more than these."""

N_WRITING = 4
"""Explanations that are written at the same time. Others are by template at once, since an answer has several of them
and a model in this process writes one at a time."""

HEADROOM = 0.9
"""The share of the time left that the backend is given; the rest is for what it returns by then."""

EARLY = 0.6
"""A gap in an answer that comes with more than this share of the time left is a failure; with less, there may not have
been time for another batch."""

NOTES = {
    RerankStatus.RERANKED: "",
    RerankStatus.NOT_ASKED: "",
    RerankStatus.JUDGED: "The hits were checked, but keep their order: for such queries checks do not improve it.",
    RerankStatus.LATE: "The reranker was not done by the deadline.",
    RerankStatus.BUSY: "The reranker has too much to do at the moment; try again in a while.",
    RerankStatus.FAILED: "The reranker failed.",
}
UNANSWERED = (RerankStatus.FAILED, RerankStatus.LATE, RerankStatus.BUSY)
"""The states of hits that should have been judged and were not, the worst first."""

CIRCUIT_OPEN = "The reranker failed several times in a row and is left alone for a while."

Given = TypeVar("Given")


class OutOfTimeError(Exception):
    """The deadline came before the call ended."""


@dataclass(frozen=True, slots=True)
class ScoredStatements:
    """P(yes), shape (n keys, n statements), NaN where there is no answer; the state of each key; and a note on why
    answers are missing, empty where none is."""

    probabilities: Probabilities
    states: tuple[RerankStatus, ...]
    note: str = ""


@dataclass(slots=True)
class CacheCounts:
    """How many answers were looked up in the cache and found, and how many were not there."""

    n_hits: int = 0
    n_misses: int = 0


class RerankClient:
    """Calls one reranker: cached, in threads of its own so that no deadline is missed, behind a circuit breaker.

    A model in this process judges concurrent queries in batches; other rerankers get ``N_JUDGING`` calls at a time. The
    deadline covers the wait for either. With ``slots`` such a model computes in the background of what else takes them.
    The circuit opens for a reranker that fails, not for one that is late or busy.

    The cache holds P(yes) by image and statement, the ``max_scores`` used last. An image's key names its content, so
    that nothing in it goes stale, and answers that come too late are kept for the next call. Safe to use from several
    threads.
    """

    def __init__(
        self,
        reranker: Reranker,
        breaker: Breaker | None = None,
        max_scores: int = MAX_SCORES,
        slots: ComputeSlots | None = None,
    ) -> None:
        self.reranker = reranker
        self._breaker = breaker or Breaker()
        self._scores: LRUCache[tuple[str, str], float] = LRUCache(max_scores)
        self.cache_counts = CacheCounts()
        self._lock = threading.Lock()
        self._judging = ThreadPoolExecutor(N_JUDGING, thread_name_prefix="reranker")
        self._writing = ThreadPoolExecutor(N_WRITING, thread_name_prefix="reranker-explanations")
        self._free_writers = threading.BoundedSemaphore(N_WRITING)
        self._batcher, self._slots = None, None
        if isinstance(reranker, JudgesPairs):
            self._batcher, self._slots = Batcher(reranker, self._known, self._keep, slots), slots

    @property
    def is_circuit_open(self) -> bool:
        """Whether the reranker failed so often that it is not called now."""
        return self._breaker.is_open

    def judge_items(
        self, items: Sequence[StoredItem], statements: Sequence[str], images: CandidateImages, deadline: Deadline
    ) -> ScoredStatements:
        """``judge`` for the first image of each of these items, all of which have one."""
        stored = {str(key_of(item)): item for item in items}
        keys = [str(key_of(item)) for item in items]
        return self.judge(keys, statements, lambda key: images.candidate(stored[key]), deadline)

    def judge(
        self,
        keys: Sequence[str],
        statements: Sequence[str],
        candidate_of: Callable[[str], RerankCandidate | None],
        deadline: Deadline,
    ) -> ScoredStatements:
        """P(yes) of each statement about the images of these keys. Raises nothing; blocks until the deadline at most.

        ``candidate_of`` gives the candidate of a key that is not in the cache, None where there is no image. The
        reranker opens the images that it needs.
        """
        known = self._cached(keys, statements)
        missing = np.isnan(known)
        if not missing.any():
            return scored(known, {})
        if not self._breaker.admits():
            return scored(known, dict.fromkeys(range(len(keys)), RerankStatus.FAILED), CIRCUIT_OPEN)
        rows = [row for row in range(len(keys)) if missing[row].any()]
        columns = [column for column in range(len(statements)) if missing[:, column].any()]
        candidates = {row: candidate_of(keys[row]) for row in rows}
        visible = {row: candidate for row, candidate in candidates.items() if candidate is not None}
        answers, fault = self._call(list(visible.values()), [statements[column] for column in columns], deadline)
        for row, answer in zip(visible, answers, strict=True):
            known[row, columns] = np.where(np.isnan(answer), known[row, columns], answer)
        without_image = {
            row: RerankStatus.NOT_ASKED
            for row, candidate in candidates.items()
            if candidate is None or candidate.is_blank
        }
        return scored(known, dict.fromkeys(rows, fault) | without_image)

    def write(self, deadline: Deadline, call: Callable[[Deadline], Given]) -> Given:
        """The result of a call that writes, which is given a deadline a little earlier. Raises BusyError at once if too
        much is being written, OutOfTimeError just before the deadline, and what the call raises."""
        if not self._free_writers.acquire(blocking=False):
            raise BusyError
        try:
            future = self._writing.submit(self._written, call, deadline.sooner(HEADROOM))
        except RuntimeError:
            self._free_writers.release()
            raise
        future.add_done_callback(lambda _: self._free_writers.release())
        return result_by(deadline.sooner((1 + HEADROOM) / 2), future)

    def _written(self, call: Callable[[Deadline], Given], deadline: Deadline) -> Given:
        if self._slots is None:
            return call(deadline)
        with self._slots.taken_in_background(deadline.seconds_left) as has_slot:
            if not has_slot:
                raise BusyError
            return call(deadline)

    def close(self) -> None:
        """Start no further calls. Closing twice is fine."""
        if self._batcher is not None:
            self._batcher.close()
        for threads in (self._judging, self._writing):
            threads.shutdown(wait=False, cancel_futures=True)

    def _call(
        self, candidates: Sequence[RerankCandidate], statements: Sequence[str], deadline: Deadline
    ) -> tuple[Probabilities, RerankStatus]:
        """P(yes), shape (n candidates, n statements), and what a missing answer means. Reports to the breaker."""
        answers = np.full((len(candidates), len(statements)), np.nan, np.float32)
        fault = RerankStatus.LATE
        if candidates and deadline.seconds_left:
            try:
                answers, fault = self._ask(candidates, statements, deadline)
            except OutOfTimeError:
                fault = RerankStatus.LATE
            except BusyError:
                fault = RerankStatus.BUSY
            except Exception:
                log.warning("The reranker %s failed", self.reranker.identity.name, exc_info=True)
                fault = RerankStatus.FAILED
        if not np.isnan(answers).all():
            self._breaker.succeeded()
        elif fault is not RerankStatus.FAILED or deadline.is_cancelled or all(each.is_blank for each in candidates):
            self._breaker.undecided()
        else:
            self._breaker.failed()
        return answers, fault

    def _ask(
        self, candidates: Sequence[RerankCandidate], statements: Sequence[str], deadline: Deadline
    ) -> tuple[Probabilities, RerankStatus]:
        """The same, from the model in batches or from a call of its own. Raises OutOfTimeError, BusyError, and what the
        reranker raises."""
        if self._batcher is not None:
            return self._batcher.judge(candidates, statements, deadline.sooner(HEADROOM))
        had_s = deadline.seconds_left
        call = self._judging.submit(self._judge, candidates, statements, deadline.sooner(HEADROOM))
        answers = result_by(deadline, call)
        return answers, RerankStatus.FAILED if deadline.seconds_left > EARLY * had_s else RerankStatus.LATE

    def _judge(
        self, candidates: Sequence[RerankCandidate], statements: Sequence[str], deadline: Deadline
    ) -> Probabilities:
        answers = checked(self.reranker.judge(candidates, statements, deadline), (len(candidates), len(statements)))
        answers[[candidate.is_blank for candidate in candidates]] = np.nan  # the model was shown no image
        self._keep([(candidate, statement) for candidate in candidates for statement in statements], answers.ravel())
        return answers

    def _keep(self, pairs: Sequence[Pair], answers: NDArray[np.float32]) -> None:
        with self._lock:
            for (candidate, statement), answer in zip(pairs, answers.tolist(), strict=True):
                if not math.isnan(answer):
                    self._scores[candidate.key, statement] = answer

    def _known(self, key: str, statement: str) -> float | None:
        with self._lock:
            return self._scores.get((key, statement))

    def _cached(self, keys: Sequence[str], statements: Sequence[str]) -> Probabilities:
        """The scores in the cache, shape (n keys, n statements); NaN for those that are not."""
        with self._lock:
            found = [[self._scores.get((key, statement), np.nan) for statement in statements] for key in keys]
            answers = np.array(found, np.float32).reshape(len(keys), len(statements))
            n_missing = int(np.isnan(answers).sum())
            self.cache_counts.n_misses += n_missing
            self.cache_counts.n_hits += answers.size - n_missing
        return answers


def scored(probabilities: Probabilities, faults: dict[int, RerankStatus], note: str = "") -> ScoredStatements:
    """Rows with every answer are reranked; ``faults`` has the states of others, by row."""
    gaps = [row for row in range(len(probabilities)) if np.isnan(probabilities[row]).any()]
    states = tuple(faults[row] if row in gaps else RerankStatus.RERANKED for row in range(len(probabilities)))
    worst = next((state for state in UNANSWERED if state in states), RerankStatus.RERANKED)
    return ScoredStatements(probabilities, states, note if note and worst is RerankStatus.FAILED else NOTES[worst])


def result_by(deadline: Deadline, call: Future[Given]) -> Given:
    """The result of a call, once it is done. Raises BusyError if it has not begun by the deadline, OutOfTimeError if it
    has, and what the call raises."""
    try:
        while deadline.seconds_left > CHECK_S:  # it may be cancelled meanwhile
            wait((call,), timeout=CHECK_S)
            if call.done():
                break
        return call.result(timeout=deadline.seconds_left)
    except TimeoutError:
        if call.cancel():
            raise BusyError from None
        if call.done():  # just now, or it is the call that raised it
            return call.result()
        raise OutOfTimeError from None
