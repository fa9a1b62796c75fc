"""Searches that are encoded together."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.fakes import FakeEncoder, make_image
from vitrina.search.encoders.batching import MAX_BATCH, MAX_SHARED, N_BEFORE, BatchingEncoder, ComputeSlots
from vitrina.search.types.models import Vectors


class HeldEncoder(FakeEncoder):
    """Holds up the first batch until ``release``, notes how long each was, and fails on what is ``bad``."""

    def __init__(self) -> None:
        super().__init__()
        self.release, self.begun = threading.Event(), threading.Event()
        self.batches: list[int] = []
        self.most_at_once = self._n_now = 0

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        self.batches.append(len(texts))
        self._n_now += 1
        self.most_at_once = max(self.most_at_once, self._n_now)
        self.begun.set()
        assert self.release.wait(30)
        self._n_now -= 1
        if "bad" in texts:
            raise ValueError("bad")
        return super().encode_texts(texts)


def waiting(encoder: BatchingEncoder) -> int:
    return len(encoder._texts._waiting)


def test_what_is_asked_meanwhile_is_encoded_together_each_call_with_its_own_vectors() -> None:
    held = HeldEncoder()
    encoder = BatchingEncoder(held, ComputeSlots(2))
    asked = [[f"first {n}"] if n % 3 else [f"one {n}", f"two {n}"] for n in range(12)]
    with ThreadPoolExecutor(len(asked)) as threads:
        first = threads.submit(encoder.encode_texts, asked[0])
        assert held.begun.wait(30)
        others = [threads.submit(encoder.encode_texts, texts) for texts in asked[1:]]
        until = time.monotonic() + 30
        while waiting(encoder) < len(others) and time.monotonic() < until:
            time.sleep(0.001)
        held.release.set()
        answers = [each.result(30) for each in (first, *others)]
    assert held.batches == [2, sum(map(len, asked[1:]))]
    for texts, vectors in zip(asked, answers, strict=True):
        np.testing.assert_array_equal(vectors, FakeEncoder().encode_texts(texts))


def test_batches_are_bounded_and_long_calls_go_alone() -> None:
    held = HeldEncoder()
    encoder = BatchingEncoder(held, ComputeSlots(2))
    n_calls = 3 * MAX_BATCH // MAX_SHARED
    with ThreadPoolExecutor(n_calls + 1) as threads:
        first = threads.submit(encoder.encode_texts, ["a"])
        assert held.begun.wait(30)
        others = [threads.submit(encoder.encode_texts, ["b"] * MAX_SHARED) for _ in range(n_calls)]
        while waiting(encoder) < n_calls:
            time.sleep(0.001)
        held.release.set()
        assert {len(each.result(30)) for each in others} == {MAX_SHARED}
        assert len(first.result(30)) == 1
    assert held.batches == [1, MAX_BATCH, MAX_BATCH, MAX_BATCH]
    assert held.most_at_once == 1
    assert len(encoder.encode_texts(["c"] * (MAX_SHARED + 1))) == MAX_SHARED + 1
    assert len(encoder.encode_texts([])) == 0


def test_an_input_that_cannot_be_encoded_costs_no_other_its_vectors() -> None:
    held = HeldEncoder()
    encoder = BatchingEncoder(held, ComputeSlots(2))
    with ThreadPoolExecutor(4) as threads:
        first = threads.submit(encoder.encode_texts, ["a"])
        assert held.begun.wait(30)
        others = [threads.submit(encoder.encode_texts, [text]) for text in ("good", "bad", "fine")]
        while waiting(encoder) < 3:
            time.sleep(0.001)
        held.release.set()
        with pytest.raises(ValueError, match="bad"):
            others[1].result(30)
        for each in (first, others[0], others[2]):
            assert each.result(30).shape == (1, 32)
    assert len(encoder.encode_texts(["after"])) == 1


def test_images_are_encoded_together_too() -> None:
    encoder = BatchingEncoder(FakeEncoder(), ComputeSlots(2))
    images = [make_image("red"), make_image("blue")]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: encoder.encode_images(images), range(40)))
    for vectors in answers:
        np.testing.assert_array_equal(vectors, FakeEncoder().encode_images(images))


def test_no_more_threads_compute_than_there_are_slots_and_who_waits_lends_its_own() -> None:
    slots, lock = ComputeSlots(2), threading.Lock()
    now = most = 0
    reached = threading.Barrier(6)

    def work(_: int) -> None:
        nonlocal now, most
        for part in range(2):
            with lock:
                now += 1
                most = max(most, now)
            time.sleep(0.002)
            with lock:
                now -= 1
            if part == 0:
                with slots.lent():
                    reached.wait(30)  # all six get here, although only two may compute

    def begin(number: int) -> None:
        with slots.taken():
            work(number)

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(begin, range(6)))
    assert most <= 2
    with slots.lent():  # a thread without a slot has none to lend
        pass
    with slots.taken(), slots.lent(), slots.taken():
        pass


def test_who_goes_first_who_waits_and_what_is_done_in_the_background() -> None:
    slots, order = ComputeSlots(1), list[str]()

    def usual(name: str) -> None:
        with slots.taken():
            order.append(name)

    def first(name: str) -> None:
        with slots.taken(goes_first=True):
            order.append(name)

    def background(name: str) -> None:
        with slots.taken_in_background() as has_slot:
            assert has_slot
            order.append(name)

    n_usual = N_BEFORE + 2
    with ThreadPoolExecutor(n_usual + 5) as threads:
        with slots.taken():
            asked = []
            calls = [(background, "b1"), (background, "b2"), *((usual, f"u{n}") for n in range(n_usual))]
            for call, name in [*calls, (first, "f1"), (first, "f2")]:
                asked.append(threads.submit(call, name))
                while sum(map(len, (slots._first, slots._waiting, slots._in_background))) < len(asked):
                    time.sleep(0.001)
        for each in asked:
            each.result(30)
    before = [f"u{n}" for n in range(N_BEFORE - 1)]
    assert order == ["f1", "f2", *before, "b1", *(f"u{n}" for n in range(N_BEFORE - 1, n_usual)), "b2"]


def test_the_background_waits_no_longer_than_it_may() -> None:
    slots = ComputeSlots(1)
    with slots.taken(), slots.taken_in_background(0.01) as has_slot:
        assert not has_slot
    with slots.taken_in_background(0.01) as has_slot:
        assert has_slot
    with slots.taken():
        pass
