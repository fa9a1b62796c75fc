"""Stages keep order, pass errors on, prefetch no further than asked, and stop when closed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from itertools import count

import pytest

from vitrina.indexer.progress import Progress, StageClock, StageLoad
from vitrina.indexer.stages import batched, parallel_map, prefetch


def stage_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(("prefetch", "worker"))]


def wait_for(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    return condition()


def slowly_at_first(value: int) -> int:
    time.sleep(0.01 if value % 7 == 0 else 0)
    return value * value


class Endless:
    """Counts up for ever, remembering how far it was read and whether it was closed."""

    def __init__(self) -> None:
        self.n_read = 0
        self.closed = False

    def values(self) -> Generator[int, None, None]:
        try:
            for value in count():
                self.n_read = value + 1
                yield value
        finally:
            self.closed = True


def failing_at(n: int) -> Iterator[int]:
    yield from range(n)
    raise KeyError(n)


def test_prefetch_yields_what_its_source_does() -> None:
    assert list(prefetch(range(100), 3)) == list(range(100))
    assert list(prefetch([], 3)) == []
    assert next(prefetch([None, ()], 1)) is None
    assert isinstance(list(prefetch([StopIteration(), KeyError("a value")], 1))[1], KeyError)
    assert stage_threads() == []


def test_parallel_map_keeps_the_order() -> None:
    assert list(parallel_map(slowly_at_first, range(50), 4, depth=8)) == [value * value for value in range(50)]
    assert list(parallel_map(slowly_at_first, [], 4, depth=8)) == []
    assert list(parallel_map(slowly_at_first, [3], 4, depth=1)) == [9]
    assert stage_threads() == []


def test_batched_cuts_into_lists() -> None:
    assert list(batched(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(batched(range(6), 3)) == [[0, 1, 2], [3, 4, 5]]
    assert list(batched([], 3)) == []


def test_an_error_of_the_source_comes_after_the_values_before_it() -> None:
    received: list[int] = []
    with pytest.raises(KeyError, match="5"):
        received.extend(prefetch(parallel_map(slowly_at_first, prefetch(failing_at(5), 2), 2, depth=3), 2))
    assert received == [0, 1, 4, 9, 16][: len(received)]
    assert wait_for(lambda: stage_threads() == [])


def test_an_error_of_the_work_stops_everything() -> None:
    source = Endless()

    def work(value: int) -> int:
        if value == 20:
            raise ValueError("twenty")
        return value

    received: list[list[int]] = []
    with pytest.raises(ValueError, match="twenty") as caught:
        received.extend(batched(prefetch(parallel_map(work, prefetch(source.values(), 4), 3, depth=5), 4), 5))
    assert caught.traceback
    assert received == [list(range(first, first + 5)) for first in (0, 5, 10, 15)]
    assert source.closed
    assert stage_threads() == []


def test_an_error_of_the_consumer_stops_everything_while_its_traceback_lives() -> None:
    source = Endless()

    def consume() -> None:
        stages = prefetch(parallel_map(slowly_at_first, prefetch(source.values(), 4), 3, depth=5), 4)
        with closing(batched(stages, 5)) as batches:
            for batch in batches:
                if 25 in batch:
                    raise OSError("the disk is full")

    with pytest.raises(OSError, match="full") as caught:
        consume()
    assert caught.traceback
    assert source.closed
    assert stage_threads() == []


def test_closing_early_stops_the_threads_and_closes_the_source() -> None:
    source = Endless()
    stages = batched(prefetch(parallel_map(slowly_at_first, prefetch(source.values(), 4), 3, depth=5), 4), 5)
    assert next(stages) == [0, 1, 4, 9, 16]
    stages.close()
    assert source.closed
    assert stage_threads() == []


def test_closing_before_the_first_value_is_no_trouble() -> None:
    prefetch(Endless().values(), 3).close()
    parallel_map(slowly_at_first, Endless().values(), 2, depth=3).close()
    assert stage_threads() == []


def test_nothing_reads_further_than_its_depth() -> None:
    source = Endless()
    stage = prefetch(source.values(), 4)
    next(stage)
    assert wait_for(lambda: source.n_read == 6)
    assert not wait_for(lambda: source.n_read > 6, seconds=0.1)
    assert source.n_read == 6  # one handed out, four in the queue, one in the thread's hand
    stage.close()

    source = Endless()
    mapped = parallel_map(slowly_at_first, source.values(), 2, depth=7)
    next(mapped)
    assert source.n_read == 7
    next(mapped)
    assert source.n_read == 8
    mapped.close()


def heavy(value: int) -> int:
    return 10


def test_a_queue_is_bounded_in_bytes() -> None:
    source = Endless()
    stage = prefetch(source.values(), 100, weigh=heavy, max_bytes=25)
    next(stage)
    assert wait_for(lambda: source.n_read == 4)
    assert not wait_for(
        lambda: source.n_read > 4, seconds=0.1
    )  # handed out, two in the queue, one in the thread's hand
    stage.close()


def test_a_value_larger_than_the_bound_passes_alone() -> None:
    stages = parallel_map(
        slowly_at_first, prefetch(range(9), 5, weigh=heavy, max_bytes=1), 3, 5, weigh=heavy, max_bytes=1
    )
    assert list(batched(stages, 4, weigh=heavy, max_bytes=1)) == [[at * at] for at in range(9)]
    assert stage_threads() == []


def test_work_is_bounded_in_the_bytes_of_what_waits() -> None:
    source, done = Endless(), []

    def work(value: int) -> int:
        done.append(value)
        return value

    stage = parallel_map(work, source.values(), 2, depth=100, weigh=heavy, max_bytes=30)
    assert next(stage) == 0
    assert source.n_read == 4
    assert next(stage) == 1
    assert source.n_read == 5
    stage.close()


def test_what_the_work_adds_to_the_weight_counts() -> None:
    source = Endless()
    stage = parallel_map(lambda value: "x" * 20, source.values(), 1, depth=100, weigh=grown, max_bytes=30)
    assert next(stage) == "x" * 20
    assert source.n_read < 10
    stage.close()


def grown(value: object) -> int:
    time.sleep(0.01)  # so that what was begun is done before more is taken
    return len(value) if isinstance(value, str) else 0


def test_batches_are_cut_at_their_bytes_and_at_a_size_that_changes() -> None:
    assert list(batched(range(5), 4, weigh=heavy, max_bytes=20)) == [[0, 1], [2, 3], [4]]
    sizes = iter([3, 3, 3, 1, 2, 2])
    assert list(batched(range(6), lambda: next(sizes))) == [[0, 1, 2], [3], [4, 5]]


def test_a_clock_counts_work_and_not_waiting() -> None:
    clock = StageClock("decode", n_threads=2)
    work = clock.timed(slowly_at_first)
    assert [work(value) for value in clock.reading(range(3))] == [0, 1, 4]
    load = clock.load(1.0)
    assert (load.name, load.n_done) == ("decode", 6)
    assert 0.01 <= load.busy_s < 0.5
    assert load.load == pytest.approx(load.busy_s / 2)
    assert Progress(10, n_done=4, seconds=2.0, stages=(load, StageLoad("embed", 4, 1.9, 0.95))).slowest_stage == "embed"
    assert Progress(10, n_done=4, seconds=2.0).seconds_left == 3.0
    assert (Progress().per_second, Progress().seconds_left, Progress().slowest_stage) == (None, None, "")


def test_a_clock_closes_what_it_reads() -> None:
    source = Endless()
    values = StageClock("read").reading(source.values())
    next(values)
    values.close()
    assert source.closed


def test_workers_run_concurrently() -> None:
    meeting = threading.Barrier(3, timeout=10)

    def meet(value: int) -> int:
        meeting.wait()
        return value

    assert list(parallel_map(meet, range(6), 3, depth=6)) == list(range(6))
