"""Parts of a batch on one core each."""

from __future__ import annotations

import threading

import pytest
import torch

from vitrina.search.encoders.compute import MIN_PART, ThreadDataParallel


def test_parts_keep_their_order_and_run_on_one_core_each() -> None:
    parallel = ThreadDataParallel(2)
    numbers = parallel.map(lambda part: (part, torch.get_num_threads()), list(range(8)))
    assert numbers == [(part, 1) for part in range(8)]


def test_other_threads_keep_their_cores() -> None:
    before = torch.get_num_threads()
    together = threading.Barrier(2)  # both threads of the pool are past their start, where they change the default
    ThreadDataParallel(2).map(lambda part: together.wait(30), [1, 2])
    received: list[int] = []
    thread = threading.Thread(target=lambda: received.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert [torch.get_num_threads(), *received] == [before, before]


def test_what_a_part_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        ThreadDataParallel(2).map(lambda part: 1 // part, [1, 0, 2])


def test_small_batches_and_single_cores_are_not_divided() -> None:
    assert not ThreadDataParallel(2).pays(2 * MIN_PART - 1)
    assert ThreadDataParallel(2).pays(2 * MIN_PART)
    assert not ThreadDataParallel(1).pays(1000)
    assert ThreadDataParallel(2).part_size(256, at_most=256) == 64
    assert ThreadDataParallel(2).part_size(5000, at_most=256) == 256
    assert ThreadDataParallel(2).part_size(2 * MIN_PART, at_most=256) == MIN_PART
