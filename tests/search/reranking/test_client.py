"""Asking a reranker, whatever becomes of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from tests.fakes import COLOURS, make_image
from tests.search.reranking.shops import ColourReranker
from vitrina.search.reranking.base import Deadline, Probabilities, RerankCandidate
from vitrina.search.reranking.batching import BusyError
from vitrina.search.reranking.client import CIRCUIT_OPEN, N_JUDGING, N_WRITING, NOTES, Breaker, RerankClient
from vitrina.search.types.answer import RerankStatus
from vitrina.search.types.errors import RerankerError

KEYS = list(COLOURS)
LATE_S = 2.0
"""Far more than an answer is late where the machine has nothing else to do."""

RERANKED, LATE, BUSY, FAILED, NOT_ASKED = (
    RerankStatus.RERANKED,
    RerankStatus.LATE,
    RerankStatus.BUSY,
    RerankStatus.FAILED,
    RerankStatus.NOT_ASKED,
)


def candidate_of(key: str) -> RerankCandidate | None:
    return RerankCandidate(key, make_image(key)) if key in COLOURS else None


@pytest.fixture
def model() -> ColourReranker:
    return ColourReranker()


@pytest.fixture
def breaker() -> Breaker:
    return Breaker(2, 60.0)


@pytest.fixture
def client(model: ColourReranker, breaker: Breaker) -> Iterator[RerankClient]:
    client = RerankClient(model, breaker)
    yield client
    client.close()


def in_time() -> Deadline:
    return Deadline.within(20)


def broken(deadline: Deadline) -> None:
    raise RerankerError("It broke.", remedy="Mend it.")


def test_every_image_and_statement_in_its_place(client: RerankClient) -> None:
    asked = client.judge(KEYS, ["red", "blue", "a blue mug"], candidate_of, in_time())
    assert (asked.probabilities > 0.5).tolist() == [[key == "red", key == "blue", key == "blue"] for key in KEYS]
    assert asked.states == (RERANKED,) * len(KEYS)
    assert asked.note == ""


def test_who_gives_up_is_not_waited_for_and_says_nothing_of_the_rerankers_health(
    client: RerankClient, model: ColourReranker, breaker: Breaker
) -> None:
    def until_the_deadline(deadline: Deadline) -> None:
        while deadline.seconds_left:
            time.sleep(0.01)

    model.before = until_the_deadline
    model.after = lambda answers, _: np.full_like(answers, np.nan)
    for _ in range(3):
        cancelled = threading.Event()
        threading.Timer(0.1, cancelled.set).start()
        started = time.monotonic()
        asked = client.judge(KEYS, ["red"], candidate_of, Deadline.within(60, cancelled))
        assert time.monotonic() - started < 0.1 + LATE_S
        assert asked.states == (LATE,) * len(KEYS)
    assert not breaker.is_open
    assert len(model.asked) == 3
    client.judge(KEYS, ["red"], candidate_of, Deadline.within(60, cancelled))
    assert len(model.asked) == 3, "nothing is begun for nobody"


def test_what_is_known_is_not_asked_again(client: RerankClient, model: ColourReranker) -> None:
    client.judge(KEYS[:3], ["red", "blue"], candidate_of, in_time())
    client.judge(KEYS[:3], ["blue", "red"], lambda key: pytest.fail("It was looked at."), in_time())
    assert len(model.asked) == 1
    asked = client.judge(KEYS[:4], ["red", "green"], candidate_of, in_time())
    assert model.asked[1] == (tuple(KEYS[:4]), ("red", "green"))
    assert (asked.probabilities > 0.5).tolist() == [[key == "red", key == "green"] for key in KEYS[:4]]
    client.judge(["yellow", "red"], ["red"], candidate_of, in_time())
    assert len(model.asked) == 2


def test_nothing_asked(client: RerankClient, model: ColourReranker) -> None:
    assert client.judge([], ["red"], candidate_of, in_time()).probabilities.shape == (0, 1)
    assert client.judge(KEYS, [], candidate_of, in_time()).states == (RERANKED,) * len(KEYS)
    assert model.asked == []


def test_an_image_that_cannot_be_read_is_left_out(client: RerankClient, model: ColourReranker) -> None:
    asked = client.judge(["red", "gone", "blue"], ["red"], candidate_of, in_time())
    assert asked.states == (RERANKED, NOT_ASKED, RERANKED)
    assert model.asked[0][0] == ("red", "blue")
    np.testing.assert_allclose(asked.probabilities[:, 0], [0.98, np.nan, 0.02], rtol=1e-5)
    assert client.judge(["gone"], ["red"], candidate_of, in_time()).states == (NOT_ASKED,)


def test_an_image_that_turns_out_to_be_gone_is_nobodys_failure(client: RerankClient, breaker: Breaker) -> None:
    for keys, states in ((["red", "gone"], (RERANKED, NOT_ASKED)), (["gone"], (NOT_ASKED,))):
        for number in range(3):
            asked = client.judge(
                keys, [f"red {number}"], lambda key: candidate_of(key) or RerankCandidate(key, lambda: None), in_time()
            )
            assert (asked.states, asked.note) == (states, "")
    assert not breaker.is_open


def test_answers_that_are_missing_or_no_probabilities(client: RerankClient, model: ColourReranker) -> None:
    def gaps(answers: Probabilities, deadline: Deadline) -> Probabilities:
        answers[1, 0], answers[2, 1], answers[3, 0] = np.nan, 7.0, -np.inf
        return answers

    model.after = gaps
    asked = client.judge(KEYS, ["red", "blue"], candidate_of, in_time())
    assert asked.states == (RERANKED, FAILED, FAILED, FAILED, RERANKED, RERANKED)
    assert np.isnan(asked.probabilities).sum() == 3
    model.after = ColourReranker().after
    assert client.judge(KEYS, ["red", "blue"], candidate_of, in_time()).states == (RERANKED,) * len(KEYS)
    assert model.asked[1] == (tuple(KEYS[1:4]), ("red", "blue"))


def test_a_gap_near_the_deadline_is_late_and_not_failed(client: RerankClient, model: ColourReranker) -> None:
    def tired(answers: Probabilities, deadline: Deadline) -> Probabilities:
        time.sleep(0.6 * deadline.seconds_left)
        answers[2:] = np.nan
        return answers

    model.after = tired
    asked = client.judge(KEYS, ["red"], candidate_of, Deadline.within(1.5))
    assert asked.states == (RERANKED, RERANKED, LATE, LATE, LATE, LATE)
    assert "deadline" in asked.note


@pytest.mark.parametrize("wrong", [np.zeros((1, 1), np.float32), np.zeros(6, np.float32)])
def test_answers_of_the_wrong_shape(client: RerankClient, model: ColourReranker, wrong: Probabilities) -> None:
    model.after = lambda answers, deadline: wrong
    assert client.judge(KEYS, ["red"], candidate_of, in_time()).states == (FAILED,) * len(KEYS)


@pytest.mark.parametrize("error", [RerankerError("It broke.", remedy="Mend it."), KeyError("x"), TimeoutError("x")])
def test_whatever_it_raises(client: RerankClient, model: ColourReranker, error: Exception) -> None:
    def fail(deadline: Deadline) -> None:
        raise error

    model.before = fail
    asked = client.judge(KEYS, ["red"], candidate_of, in_time())
    assert asked.states == (FAILED,) * len(KEYS)
    assert asked.note


def test_no_call_passes_the_deadline_and_late_answers_are_cached(client: RerankClient, model: ColourReranker) -> None:
    release, done = threading.Event(), threading.Event()

    def hang(deadline: Deadline) -> None:
        release.wait(30)

    def ended(answers: Probabilities, deadline: Deadline) -> Probabilities:
        done.set()
        return answers

    model.before, model.after = hang, ended
    started = time.monotonic()
    asked = client.judge(KEYS, ["red"], candidate_of, Deadline.within(0.1))
    assert time.monotonic() - started < 0.1 + LATE_S
    assert asked.states == (LATE,) * len(KEYS)
    release.set()
    assert done.wait(10)
    model.before = broken
    until = Deadline.within(10)
    while client.judge(KEYS, ["red"], candidate_of, in_time()).states != (RERANKED,) * len(KEYS) and until.seconds_left:
        time.sleep(0.01)
    assert len(model.asked) <= 2


def test_no_time_at_all(client: RerankClient, model: ColourReranker) -> None:
    asked = client.judge(KEYS, ["red"], candidate_of, Deadline.within(0))
    assert asked.states == (LATE,) * len(KEYS)
    assert model.asked == []


def test_failures_in_a_row_leave_it_alone_but_not_what_is_known(client: RerankClient, model: ColourReranker) -> None:
    client.judge(["blue"], ["red"], candidate_of, in_time())
    model.before = broken
    for _ in range(2):
        assert not client.is_circuit_open
        client.judge(["red"], ["red"], candidate_of, in_time())
    assert client.is_circuit_open
    asked = client.judge(["red", "blue"], ["red"], candidate_of, in_time())
    assert asked.states == (FAILED, RERANKED)
    assert asked.note == CIRCUIT_OPEN
    assert len(model.asked) == 3


def test_one_that_is_late_is_not_left_alone(client: RerankClient, model: ColourReranker) -> None:
    model.before = lambda deadline: time.sleep(deadline.seconds_left + 0.3)
    for number in range(2 * N_JUDGING):
        assert client.judge(["red"], [f"blue {number}"], candidate_of, Deadline.within(0.005)).states[0] in (LATE, BUSY)
    assert client.judge(["red"], ["late"], candidate_of, Deadline.within(0.8)).states == (LATE,)
    assert not client.is_circuit_open


def test_what_waits_for_a_thread_until_its_deadline_is_busy_and_in_time(
    client: RerankClient, model: ColourReranker
) -> None:
    release, begun = threading.Event(), threading.Semaphore(0)

    def hang(deadline: Deadline) -> None:
        begun.release()
        release.wait(30)

    model.before = hang
    others = [
        threading.Thread(target=client.judge, args=(["red"], [f"{n}"], candidate_of, in_time())) for n in range(4)
    ]
    for thread in others:
        thread.start()
    for _ in range(N_JUDGING):
        assert begun.acquire(timeout=10)
    started = time.monotonic()
    asked = client.judge(["red"], ["red"], candidate_of, Deadline.within(0.2))
    assert time.monotonic() - started < 0.2 + LATE_S
    assert (asked.states, asked.note) == ((BUSY,), NOTES[BUSY])
    release.set()
    for thread in others:
        thread.join(10)
    assert not client.is_circuit_open
    assert client.judge(["red"], ["red"], candidate_of, in_time()).states == (RERANKED,)


def test_no_explanation_waits_for_others_to_be_written(client: RerankClient) -> None:
    release, begun = threading.Event(), threading.Semaphore(0)

    def write(deadline: Deadline) -> None:
        begun.release()
        release.wait(30)

    writing = [threading.Thread(target=client.write, args=(in_time(), write)) for _ in range(N_WRITING)]
    for thread in writing:
        thread.start()
        assert begun.acquire(timeout=10)
    with pytest.raises(BusyError):
        client.write(in_time(), write)
    release.set()
    for thread in writing:
        thread.join(10)
    assert client.write(in_time(), lambda _: "written") == "written"


def test_closing_twice(client: RerankClient) -> None:
    client.close()
    client.close()
    assert client.judge(["red"], ["red"], candidate_of, in_time()).states == (FAILED,)
