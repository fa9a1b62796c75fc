"""Asking a reranker within a deadline, whatever becomes of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from search.answer import RerankState
from search.errors import RerankerError
from search.reranking.base import Deadline, Look, Probabilities, Reranker
from search.reranking.breaker import Breaker
from search.reranking.judging.judgements import Judgements

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
LEFT_ALONE = "The reranker failed several times in a row and is left alone for a while."

Given = TypeVar("Given")


class OutOfTimeError(Exception):
    """The deadline came before the call ended."""


@dataclass(frozen=True, slots=True)
class Asked:
    """P(yes), shape (n keys, n claims), NaN where there is no answer; what became of each key; and in words to people
    why answers are missing, empty where none is."""

    probabilities: Probabilities
    states: tuple[RerankState, ...]
    note: str = ""


class Asker:
    """Asks one reranker what is not remembered, in threads of its own, so that nobody waits past a deadline.

    What is answered too late is remembered for the next time. May be used from several threads. A call that never ends
    keeps its thread, and a process does not end while it has one; rerankers promise to keep their deadlines.
    """

    def __init__(self, reranker: Reranker, judgements: Judgements, breaker: Breaker) -> None:
        self.reranker = reranker
        self._judgements = judgements
        self._breaker = breaker
        self._threads = ThreadPoolExecutor(N_THREADS, thread_name_prefix="reranker")

    @property
    def is_left_alone(self) -> bool:
        """Whether it failed so often that it is not asked now."""
        return self._breaker.is_open

    def judge(
        self, keys: Sequence[str], claims: Sequence[str], look_of: Callable[[str], Look | None], deadline: Deadline
    ) -> Asked:
        """What the reranker says of the looks of these keys. Raises nothing; blocks until the deadline at most.

        ``look_of`` gives the look of a key that has to be looked at, None where there is nothing to look at. It is the
        reranker that opens the pictures, those that it needs.
        """
        known = self._judgements.get(self.reranker.identity.fingerprint, keys, claims)
        missing = np.isnan(known)
        if not missing.any():
            return Asked(known, (RerankState.RERANKED,) * len(keys))
        if not self._breaker.admits():
            return asked(known, dict.fromkeys(range(len(keys)), RerankState.FAILED), LEFT_ALONE)
        rows = [row for row in range(len(keys)) if missing[row].any()]
        columns = [column for column in range(len(claims)) if missing[:, column].any()]
        looks = {row: look_of(keys[row]) for row in rows}
        visible = {row: look for row, look in looks.items() if look is not None}
        answers, fault = self._answers(list(visible.values()), [claims[column] for column in columns], deadline)
        for row, answer in zip(visible, answers, strict=True):
            known[row, columns] = np.where(np.isnan(answer), known[row, columns], answer)
        unseen = {row: RerankState.NOT_ASKED for row, look in looks.items() if look is None or look.is_blank}
        return asked(known, dict.fromkeys(rows, fault) | unseen)

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
        self, looks: Sequence[Look], claims: Sequence[str], deadline: Deadline
    ) -> tuple[Probabilities, RerankState]:
        """P(yes), shape (n looks, n claims), and what it means where one is missing. Tells the breaker."""
        had_s = deadline.seconds_left
        none = np.full((len(looks), len(claims)), np.nan, np.float32)
        if not (looks and had_s):
            self._breaker.undecided()
            return none, RerankState.LATE
        try:
            answers = self.within(deadline, lambda told: self._remembered(looks, claims, told))
        except OutOfTimeError:
            answers, fault = none, RerankState.LATE
        except Exception:
            log.warning("The reranker %s failed", self.reranker.identity.name, exc_info=True)
            answers, fault = none, RerankState.FAILED
        else:
            fault = RerankState.FAILED if deadline.seconds_left > EARLY * had_s else RerankState.LATE
        if not np.isnan(answers).all():
            self._breaker.succeeded()
        elif deadline.is_given_up or all(look.is_blank for look in looks):
            self._breaker.undecided()
        elif fault is RerankState.FAILED or had_s >= FAIR_S:
            self._breaker.failed()
        else:
            self._breaker.undecided()
        return answers, fault

    def _remembered(self, looks: Sequence[Look], claims: Sequence[str], deadline: Deadline) -> Probabilities:
        answers = checked(self.reranker.judge(looks, claims, deadline), (len(looks), len(claims)))
        answers[[look.is_blank for look in looks]] = np.nan  # said of a picture that nobody saw
        keys = [look.key for look in looks]
        self._judgements.put(self.reranker.identity.fingerprint, keys, claims, answers)
        return answers


def asked(probabilities: Probabilities, faults: dict[int, RerankState], note: str = "") -> Asked:
    """Rows with every answer are reranked; what became of the others is told by row."""
    gaps = [row for row in range(len(probabilities)) if np.isnan(probabilities[row]).any()]
    states = tuple(faults[row] if row in gaps else RerankState.RERANKED for row in range(len(probabilities)))
    worst = next((state for state in (RerankState.FAILED, RerankState.LATE) if state in states), RerankState.RERANKED)
    return Asked(probabilities, states, note if note and worst is RerankState.FAILED else NOTES[worst])


def checked(answers: Probabilities, shape: tuple[int, int]) -> Probabilities:
    """The answers, what is no probability made NaN. Raises RerankerError where they are not of this shape."""
    found = np.array(answers, np.float32)
    if found.shape != shape:
        raise RerankerError(
            f"The reranker gave answers of shape {found.shape} to a question of {shape}.", remedy="Report it."
        )
    found[~((found >= 0) & (found <= 1))] = np.nan
    return found
