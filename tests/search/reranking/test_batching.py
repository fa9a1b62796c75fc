"""Judging in batches, by a model that is slow, that fails, and that many ask at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.fakes import COLOURS, make_image
from tests.search.reranking.shops import ColourReranker, yes
from vitrina.search.encoders.batching import ComputeSlots
from vitrina.search.reranking.base import Deadline, JudgesPairs, Pair, RerankCandidate
from vitrina.search.reranking.batching import MIN_PAIRS, SLICE_S, BusyError
from vitrina.search.reranking.client import (
    CIRCUIT_OPEN,
    HEADROOM,
    Breaker,
    OutOfTimeError,
    RerankClient,
    ScoredStatements,
)
from vitrina.search.types.answer import RerankStatus
from vitrina.search.types.errors import RerankerError

KEYS = list(COLOURS)
LATE_S = 2.0
"""Far more than an answer is late where the machine has nothing else to do."""

RERANKED, LATE, BUSY, FAILED = RerankStatus.RERANKED, RerankStatus.LATE, RerankStatus.BUSY, RerankStatus.FAILED


@dataclass
class BatchReranker(ColourReranker):
    """Judges pairs in batches of ``batch_size``, each after ``pair_s`` for every pair. Keeps its batches."""

    batch_size: int = 8
    pair_s: float = 0.0
    batches: list[list[tuple[str, str]]] = field(default_factory=list)
    on_batch: Callable[[Sequence[Pair]], None] = lambda pairs: None

    def judge_pairs(self, pairs: Sequence[Pair], deadline: Deadline) -> NDArray[np.float32]:
        self.batches.append([(candidate.key, statement) for candidate, statement in pairs])
        self.on_batch(pairs)
        time.sleep(self.pair_s * len(pairs))
        return np.array([yes(candidate.pixels, statement) for candidate, statement in pairs], np.float32)


def candidate_of(key: str) -> RerankCandidate | None:
    return RerankCandidate(key, make_image(key)) if key in COLOURS else RerankCandidate(key, lambda: None)


def in_time() -> Deadline:
    return Deadline.within(20)


@pytest.fixture
def model() -> BatchReranker:
    return BatchReranker()


@pytest.fixture
def client(model: BatchReranker) -> Iterator[RerankClient]:
    assert isinstance(model, JudgesPairs)
    client = RerankClient(model, Breaker(2, 60.0))
    yield client
    client.close()


class Held:
    """Holds a model up in its first batch, so that what is asked meanwhile waits."""

    def __init__(self, client: RerankClient, model: BatchReranker) -> None:
        self._client, self._model = client, model
        self._begun, self._release = threading.Event(), threading.Event()
        self._threads = ThreadPoolExecutor(32)

    def __enter__(self) -> Held:
        self._model.on_batch = self._hold
        self.ask(["black"], ["held"])
        assert self._begun.wait(10)
        return self

    def _hold(self, pairs: Sequence[Pair]) -> None:
        self._begun.set()
        assert self._release.wait(30)

    def ask(
        self, keys: Sequence[str], statements: Sequence[str], deadline: Deadline | None = None
    ) -> Callable[[], ScoredStatements]:
        deadline = deadline or in_time()
        asked = self._threads.submit(self._client.judge, keys, statements, candidate_of, deadline)
        time.sleep(0.05)  # until it waits
        return lambda: asked.result(20)

    def release(self, on_batch: Callable[[Sequence[Pair]], None] = lambda pairs: None) -> None:
        self._model.on_batch = on_batch
        self._release.set()

    def __exit__(self, *_: object) -> None:
        self._release.set()
        self._threads.shutdown()


def assert_right(asked: ScoredStatements, keys: Sequence[str], statements: Sequence[str]) -> None:
    assert asked.states == (RERANKED,) * len(keys)
    assert (asked.probabilities > 0.5).tolist() == [[key == statement for statement in statements] for key in keys]


def test_more_than_a_batch_is_judged_in_several(client: RerankClient, model: BatchReranker) -> None:
    assert_right(client.judge(KEYS, ["red", "blue", "green"], candidate_of, in_time()), KEYS, ["red", "blue", "green"])
    assert [len(batch) for batch in model.batches] == [8, 8, 2]
    assert model.asked == []


def test_concurrent_queries_share_a_batch_and_each_gets_its_own_answers(
    client: RerankClient, model: BatchReranker
) -> None:
    with Held(client, model) as held:
        first = held.ask(["red", "green"], ["red"])
        second = held.ask(["blue", "green", "red"], ["green", "blue"])
        held.release()
        assert_right(first(), ["red", "green"], ["red"])
        assert_right(second(), ["blue", "green", "red"], ["green", "blue"])
    assert [len(batch) for batch in model.batches] == [1, 8]


def test_what_two_queries_ask_is_judged_once(client: RerankClient, model: BatchReranker) -> None:
    with Held(client, model) as held:
        both = [held.ask(["red", "blue"], ["red", "blue"]) for _ in range(2)]
        held.release()
        for asked in both:
            assert_right(asked(), ["red", "blue"], ["red", "blue"])
    assert len(model.batches[1]) == 4


def test_the_earliest_deadline_comes_first(client: RerankClient, model: BatchReranker) -> None:
    model.batch_size = 2
    with Held(client, model) as held:
        later = held.ask(["red", "green"], ["red"], Deadline.within(20))
        sooner = held.ask(["blue", "green"], ["blue"], Deadline.within(10))
        held.release()
        assert_right(sooner(), ["blue", "green"], ["blue"])
        assert_right(later(), ["red", "green"], ["red"])
    assert [batch[0][1] for batch in model.batches] == ["held", "blue", "red"]


def test_a_query_whose_image_breaks_the_model_costs_no_other_its_answer(
    client: RerankClient, model: BatchReranker
) -> None:
    def break_on_yellow(pairs: Sequence[Pair]) -> None:
        if any(candidate.key == "yellow" for candidate, _ in pairs):
            raise RerankerError("It broke.", remedy="Mend it.")

    with Held(client, model) as held:
        good, bad = held.ask(["red", "green"], ["red"]), held.ask(["yellow", "blue"], ["blue"])
        held.release(break_on_yellow)
        assert_right(good(), ["red", "green"], ["red"])
        assert bad().states == (FAILED, FAILED)
    assert not client.is_circuit_open


def test_an_image_that_is_gone_is_nobodys_failure(client: RerankClient, model: BatchReranker) -> None:
    with Held(client, model) as held:
        both = [held.ask(["red", "gone"], ["red"]) for _ in range(2)]
        held.release()
        for asked in both:
            assert asked().states == (RERANKED, RerankStatus.NOT_ASKED)
            assert asked().note == ""


def test_who_waits_until_the_deadline_is_busy_and_who_was_begun_is_late(
    client: RerankClient, model: BatchReranker
) -> None:
    with Held(client, model) as held:
        started = time.monotonic()
        waiting = held.ask(["red"], ["red"], Deadline.within(0.4))
        assert waiting().states == (BUSY,)
        assert time.monotonic() - started < 0.4 + LATE_S
        held.release()
    assert not client.is_circuit_open
    model.pair_s = 0.1
    asked = client.judge(KEYS, ["red", "green", "blue"], candidate_of, Deadline.within(1.2))
    assert set(asked.states) == {RERANKED, LATE}, "what was judged in time is used"
    assert asked.states[0] is RERANKED
    assert not client.is_circuit_open


def test_who_cannot_be_in_time_is_told_at_once(client: RerankClient, model: BatchReranker) -> None:
    model.pair_s, model.batch_size = 0.1, 4
    client.judge(["red"], ["warm"], candidate_of, in_time())
    with ThreadPoolExecutor(1) as threads:
        long = threads.submit(client.judge, KEYS, ["red", "green", "blue"], candidate_of, Deadline.within(1.6))
        time.sleep(0.2)
        started = time.monotonic()
        asked = client.judge(["red"], ["white"], candidate_of, Deadline.within(1.5))
        assert time.monotonic() - started < 0.5
        assert asked.states == (BUSY,)
        long.result(10)
    assert_right(client.judge(["red"], ["white"], candidate_of, in_time()), ["red"], ["white"])


def test_who_leaves_is_not_judged(client: RerankClient, model: BatchReranker) -> None:
    with Held(client, model) as held:
        cancelled = threading.Event()
        left = held.ask(["red"], ["left"], Deadline.within(20, cancelled))
        cancelled.set()
        assert left().states != (RERANKED,)
        held.release()
    client.judge(["red"], ["red"], candidate_of, in_time())
    assert all(statement != "left" for batch in model.batches for _, statement in batch)


def test_what_comes_late_is_kept(client: RerankClient, model: BatchReranker) -> None:
    model.pair_s = 0.3
    assert client.judge(["red"], ["red"], candidate_of, Deadline.within(0.1)).states == (LATE,)
    time.sleep(0.5)
    assert_right(client.judge(["red"], ["red"], candidate_of, Deadline.within(0.1)), ["red"], ["red"])
    assert len(model.batches) == 1


def test_a_broken_model_opens_the_circuit(client: RerankClient, model: BatchReranker) -> None:
    def fail(pairs: Sequence[Pair]) -> None:
        raise RerankerError("It broke.", remedy="Mend it.")

    model.on_batch = fail
    for number in range(2):
        assert client.judge(["red"], [f"{number}"], candidate_of, in_time()).states == (FAILED,)
    assert client.judge(["red"], ["red"], candidate_of, in_time()).note == CIRCUIT_OPEN


@pytest.mark.parametrize("answers", [np.zeros(3, np.float32), np.full(1, np.nan, np.float32), np.ones((1, 1))])
def test_answers_of_the_wrong_shape_or_none(
    client: RerankClient, model: BatchReranker, monkeypatch: pytest.MonkeyPatch, answers: NDArray[np.float32]
) -> None:
    monkeypatch.setattr(model, "judge_pairs", lambda pairs, deadline: answers)
    assert client.judge(["red"], ["red"], candidate_of, in_time()).states == (FAILED,)


def test_closing_ends_what_waits(client: RerankClient, model: BatchReranker) -> None:
    with Held(client, model) as held:
        waiting = held.ask(["red"], ["red"])
        client.close()
        assert waiting().states == (FAILED,)
    assert client.judge(["red"], ["red"], candidate_of, in_time()).states == (FAILED,)


def test_sixteen_at_once_with_a_slow_model_are_all_in_time_and_none_fails(
    client: RerankClient, model: BatchReranker
) -> None:
    """Each asks for more than a sixteenth of what the model can do before the deadline."""
    model.pair_s, model.batch_size = 0.002, 32
    deadline_s, n_clients, n_rounds = 0.4, 16, 5
    took: list[float] = []
    states: list[RerankStatus] = []

    def ask(client_number: int) -> None:
        for number in range(n_rounds):
            statements = [f"{client_number} {number} {part}" for part in range(5)]
            started = time.monotonic()
            asked = client.judge(KEYS, statements, candidate_of, Deadline.within(deadline_s))
            took.append(time.monotonic() - started)
            states.extend(asked.states)

    with ThreadPoolExecutor(n_clients) as threads:
        list(threads.map(ask, range(n_clients)))
    assert max(took) < HEADROOM * deadline_s + LATE_S
    assert sorted(took)[len(took) // 2] < deadline_s + 0.1
    assert FAILED not in states
    assert {RERANKED, BUSY} <= set(states)
    assert not client.is_circuit_open


def test_no_batch_takes_long_once_it_is_known_how_long_a_pair_takes() -> None:
    model = BatchReranker(batch_size=400, pair_s=SLICE_S / 20)
    client = RerankClient(model)
    statements = [f"statement {n}" for n in range(10)]
    try:
        client.judge(KEYS[:4], statements, candidate_of, in_time())
        client.judge(KEYS, [f"{each} again" for each in statements], candidate_of, in_time())
    finally:
        client.close()
    assert len(model.batches[0]) == 40
    assert len(model.batches) >= 3
    assert all(MIN_PAIRS <= len(batch) <= 22 for batch in model.batches[1:-1])


def test_a_model_in_this_process_computes_in_the_background() -> None:
    slots, model = ComputeSlots(1), BatchReranker()
    client = RerankClient(model, slots=slots)
    written = Deadline.within(0.05)
    try:
        with slots.taken():
            late = client.judge(["red"], ["red"], candidate_of, Deadline.within(0.05))
            assert late.states == (BUSY,)
            assert model.batches == []
            with pytest.raises((BusyError, OutOfTimeError)):
                client.write(written, lambda deadline: "never")
        assert_right(client.judge(["red"], ["red"], candidate_of, in_time()), ["red"], ["red"])
        assert client.write(in_time(), lambda deadline: "text") == "text"
    finally:
        client.close()


def test_who_would_wait_in_vain_for_a_slot_is_told_so_at_once() -> None:
    slots, model = ComputeSlots(1), BatchReranker()
    client = RerankClient(model, slots=slots)
    try:
        client.judge(["red"], ["red"], candidate_of, in_time())
        assert client._batcher is not None
        client._batcher._slot_s = 30.0
        with slots.taken(), ThreadPoolExecutor(1) as threads:
            waits = threads.submit(client.judge, ["blue"], ["blue"], candidate_of, Deadline.within(1.0))
            while not client._batcher._waiting:
                time.sleep(0.001)
            started = time.monotonic()
            assert client.judge(["black"], ["black"], candidate_of, in_time()).states == (BUSY,)
            assert time.monotonic() - started < 1.0
            assert waits.result(20).states == (BUSY,)
        for key in ("white", "blue"):
            assert_right(client.judge([key], [key], candidate_of, in_time()), [key], [key])
        assert client._batcher._slot_s < 30.0
    finally:
        client.close()
