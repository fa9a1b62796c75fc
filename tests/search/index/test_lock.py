"""Readers share the lock, a writer has it alone, and neither starves the other."""

from __future__ import annotations

import threading
import time

import pytest

from vitrina.search.index.base import ReadWriteLock


def run(*works: object) -> list[threading.Thread]:
    threads = [threading.Thread(target=work, daemon=True) for work in works if callable(work)]
    for thread in threads:
        thread.start()
    return threads


def test_readers_read_together() -> None:
    lock, meeting = ReadWriteLock(), threading.Barrier(4, timeout=10)

    def read() -> None:
        with lock.reading():
            meeting.wait()

    threads = run(read, read, read)
    meeting.wait()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def test_a_writer_is_alone() -> None:
    lock, inside, most = ReadWriteLock(), [0, 0], [0]

    def write() -> None:
        for _ in range(50):
            with lock.writing():
                inside[0] += 1
                most[0] = max(most[0], inside[0] + inside[1])
                time.sleep(0)
                inside[0] -= 1

    def read() -> None:
        for _ in range(50):
            with lock.reading():
                assert inside[0] == 0

    for thread in run(write, write, write, read, read):
        thread.join(20)
        assert not thread.is_alive()
    assert most == [1]


def test_a_waiting_writer_keeps_new_readers_out() -> None:
    lock, order, go = ReadWriteLock(), list[str](), threading.Event()

    def write() -> None:
        with lock.writing():
            order.append("write")

    def read() -> None:
        with lock.reading():
            order.append("read")

    with lock.reading():
        (writer,) = run(write)
        while not lock._writers:
            time.sleep(0.001)
        (reader,) = run(read)
        assert not go.wait(0.05)
        assert order == []
    writer.join(10)
    reader.join(10)
    assert order == ["write", "read"]


def test_an_error_inside_lets_go() -> None:
    lock = ReadWriteLock()
    with pytest.raises(KeyError), lock.writing():
        raise KeyError
    with pytest.raises(KeyError), lock.reading():
        raise KeyError
    with lock.writing():
        pass
