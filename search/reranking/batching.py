"""Batches: what concurrent queries ask of a model in this process is judged together, each query's part in its time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vitrina.search.encoders.batching import ComputeSlots
from vitrina.search.reranking.base import Deadline, JudgesPairs, Pair, Probabilities, RerankCandidate
from vitrina.search.types.answer import RerankStatus
from vitrina.search.types.errors import RerankerError

log = logging.getLogger(__name__)

NEW_SHARE = 0.3
"""How much the latest batch counts in the time that a pair is expected to take: the model is slower where images are
new and while other work has the cores, each for seconds at a time."""

SLICE_S = 0.15
MIN_PAIRS = 16
"""How long a batch should take, and how few pairs it may have at least. All of a batch are answered at its end: with
images of many queries in one, none was in time, and searches waited meanwhile."""

CHECK_S = 0.2
"""How often a waiting query looks whether its client has left."""

Known = Callable[[str, str], float | None]
"""P(yes) of a statement about the image of a key, where it was judged before."""

Keep = Callable[[Sequence[Pair], NDArray[np.float32]], None]
"""Keeps the answers to pairs, shape (n pairs,)."""


class BusyError(Exception):
    """There is too much else to judge before the deadline."""


@dataclass(eq=False)
class _Question:
    """What one query asks: its pairs, the answers so far, NaN where there is none yet, and how far it got."""

    pairs: Sequence[Pair]
    deadline: Deadline
    answers: NDArray[np.float32]
    n_begun: int = 0
    n_open: int = 0
    is_alone: bool = False
    error: Exception | None = None
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def n_left(self) -> int:
        """How many pairs were not begun."""
        return len(self.pairs) - self.n_begun

    def end_if_done(self) -> None:
        """Let the query go on if nothing of it is left or under way."""
        if not self.n_left and not self.n_open:
            self.ended.set()


class _Batch:
    """Pairs that are judged together, each once, and whose they are."""

    def __init__(self) -> None:
        self.pairs: dict[tuple[str, str], Pair] = {}
        self.owners: dict[tuple[str, str], list[tuple[_Question, int]]] = {}

    def add(self, pair: Pair, question: _Question, at: int) -> None:
        candidate, statement = pair
        self.pairs.setdefault((candidate.key, statement), pair)
        self.owners.setdefault((candidate.key, statement), []).append((question, at))
        question.n_open += 1

    @property
    def questions(self) -> list[_Question]:
        return list(dict.fromkeys(question for owners in self.owners.values() for question, _ in owners))

    def accepts(self, candidate: RerankCandidate) -> bool:
        """Whether a candidate has an image as those of the batch do, or has none as they have none."""
        return all(first.has_image == candidate.has_image for first, _ in list(self.pairs.values())[:1])


class Batcher:
    """Judges with one model, in a thread of its own, for any number of threads at a time.

    Queries are judged in the order of their deadlines, and a batch is filled from as many of them as it has room for. A
    batch that fails is judged again query by query, so that one query's picture costs no other its answer. Answers are
    kept even where they come too late. With ``slots`` it computes in the background of what else takes them.
    """

    def __init__(self, model: JudgesPairs, known: Known, keep: Keep, slots: ComputeSlots | None = None) -> None:
        self._model = model
        self._slots = slots
        self._known = known
        self._keep = keep
        self._changed = threading.Condition()
        self._waiting: list[_Question] = []
        self._pair_s: float | None = None
        self._slot_s = 0.0
        self._running: tuple[int, float] | None = None
        self._is_closed = False
        self._thread: threading.Thread | None = None

    def judge(
        self, candidates: Sequence[RerankCandidate], statements: Sequence[str], deadline: Deadline
    ) -> tuple[Probabilities, RerankStatus]:
        """P(yes), shape (n candidates, n statements), NaN where there is no answer, and why: late, or failed if the
        model gave none. Blocks until the deadline at most.

        Raises BusyError if the model had other things to judge until then, or is known to have; and what the model
        raises.
        """
        pairs = [(candidate, statement) for candidate in candidates for statement in statements]
        question = _Question(pairs, deadline, np.full(len(pairs), np.nan, np.float32))
        self._submit(question)
        while not question.ended.wait(min(CHECK_S, deadline.seconds_left)) and deadline.seconds_left:
            pass
        with self._changed:
            if question in self._waiting:
                self._waiting.remove(question)
            answers = question.answers.reshape(len(candidates), len(statements)).copy()
        if question.error is not None:
            raise question.error
        if not question.n_begun and not question.ended.is_set():
            raise BusyError
        is_late = question.n_left or question.n_open or not deadline.seconds_left
        return answers, RerankStatus.LATE if is_late else RerankStatus.FAILED

    def close(self) -> None:
        """Judge nothing more; what waits is told so. Closing twice is fine."""
        with self._changed:
            self._is_closed = True
            for question in self._waiting:
                question.error = closed()
                question.ended.set()
            self._waiting.clear()
            self._changed.notify_all()

    def _submit(self, question: _Question) -> None:
        with self._changed:
            if self._is_closed:
                raise closed()
            if self._wait_s(question) >= question.deadline.seconds_left:
                raise BusyError
            self._waiting.append(question)
            self._waiting.sort(key=lambda each: each.deadline.at)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="reranker-batches", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def _wait_s(self, question: _Question) -> float:
        """How long a query is expected to wait for others; 0 where the model is free."""
        if self._pair_s is None:
            return 0.0
        slot_s = (
            self._slot_s if self._waiting else 0.0
        )  # one always waits, so that it is seen when slots are free again
        before = sum(each.n_left for each in self._waiting if each.deadline.at <= question.deadline.at)
        n_running, since = self._running or (0, 0.0)
        running_s = max(0.0, n_running * self._pair_s - (time.monotonic() - since)) if n_running else 0.0
        return before * self._pair_s + running_s + slot_s

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._is_closed and not self._waiting:
                    self._changed.wait()
                if self._is_closed:
                    return
            asked_at = time.monotonic()
            with self._slots.taken_in_background() if self._slots else nullcontext():
                self._slot_s += NEW_SHARE * (time.monotonic() - asked_at - self._slot_s)
                self._judge_next()

    def _judge_next(self) -> None:
        """Judge a batch of what waits, if there is time for any of it, and note how long it took."""
        with self._changed:
            batch = self._next_batch()
            if not batch.pairs:
                return
            started = time.monotonic()
            self._running = len(batch.pairs), started
        self._judge(batch)
        with self._changed:
            taken_s = (time.monotonic() - started) / len(batch.pairs)
            known_s = taken_s if self._pair_s is None else self._pair_s
            self._pair_s = (1 - NEW_SHARE) * known_s + NEW_SHARE * taken_s
            self._running = None

    def _next_batch(self) -> _Batch:
        """The next pairs of the queries that have time for them. Call it with the lock."""
        batch, room = _Batch(), self._room()
        for question in self._in_time():
            if batch.pairs and (question.is_alone or batch.questions[0].is_alone):
                break
            for at in range(question.n_begun, len(question.pairs)):
                candidate, statement = question.pairs[at]
                if not batch.accepts(candidate) or len(batch.pairs) >= room:
                    break
                question.n_begun += 1
                if (known := self._known(candidate.key, statement)) is not None:
                    question.answers[at] = known
                else:
                    batch.add((candidate, statement), question, at)
            question.end_if_done()
            if len(batch.pairs) >= room:
                break
        self._waiting = [each for each in self._waiting if each.n_left]
        return batch

    def _room(self) -> int:
        """How many pairs a batch has room for: as many as the model takes, and is expected to judge in ``SLICE_S``."""
        soon = self._model.batch_size if not self._pair_s else max(MIN_PAIRS, int(SLICE_S / self._pair_s))
        return max(1, min(self._model.batch_size, soon))

    def _in_time(self) -> Iterator[_Question]:
        """The queries that wait, the earliest deadline first. One that has begun is not continued if another batch
        would take longer than the time that it has left."""
        for question in self._waiting.copy():
            batch_s = (self._pair_s or 0.0) * min(question.n_left, self._room())
            if question.deadline.seconds_left > (batch_s if question.n_begun else 0.0):
                yield question
            else:
                self._waiting.remove(question)
                if question.n_begun:  # else it was busy, as its own thread finds
                    question.ended.set()

    def _judge(self, batch: _Batch) -> None:
        pairs = list(batch.pairs.values())
        deadline = Deadline(max(question.deadline.at for question in batch.questions))
        try:
            answers = checked(self._model.judge_pairs(pairs, deadline), (len(pairs),))
        except Exception as error:
            log.info("A batch of %d pairs failed", len(pairs), exc_info=True)
            with self._changed:
                self._take_back(batch, error)
            return
        answers[[candidate.is_blank for candidate, _ in pairs]] = np.nan  # the model was shown no image
        self._keep(pairs, answers)
        for (candidate, _), owners in zip(pairs, batch.owners.values(), strict=True):
            for question, at in owners if candidate.is_blank else ():
                _ = question.pairs[at][0].pixels  # so that its own candidate, too, is known to be blank
        with self._changed:
            for owners, answer in zip(batch.owners.values(), answers.tolist(), strict=True):
                for question, at in owners:
                    question.answers[at] = answer
                    question.n_open -= 1
            for question in batch.questions:
                question.end_if_done()

    def _take_back(self, batch: _Batch, error: Exception) -> None:
        """Fail the query of a batch that failed, or judge its queries again one by one. Call it with the lock."""
        questions = batch.questions
        for question in questions:
            question.n_open = 0
            if len(questions) == 1:
                question.error = error
                question.ended.set()
                continue
            question.is_alone = True
            question.n_begun = min(at for owners in batch.owners.values() for owner, at in owners if owner is question)
            if not question.ended.is_set() and question not in self._waiting:
                self._waiting.append(question)
        self._waiting = [each for each in self._waiting if each.error is None]
        self._waiting.sort(key=lambda each: each.deadline.at)


def closed() -> RerankerError:
    """The error of what is asked once there is no reranker any more."""
    return RerankerError("The reranker was closed.", remedy="Start the service again.")


def checked(answers: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The answers, what is no probability made NaN. Raises RerankerError where they are not of this shape."""
    found = np.array(answers, np.float32)
    if found.shape != shape:
        raise RerankerError(
            f"The reranker gave answers of shape {found.shape} to a question of {shape}.", remedy="Report it."
        )
    found[~((found >= 0) & (found <= 1))] = np.nan
    return found
