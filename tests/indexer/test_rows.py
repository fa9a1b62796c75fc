"""Rows are encoded and committed in batches that take about a second."""

from __future__ import annotations

import pytest

from vitrina.indexer.rows import MAX_BATCH_ROWS, MAX_WAIT_S, MIN_BATCH_ROWS, BatchSize


@pytest.mark.parametrize(
    ("n_rows", "seconds", "expected"),
    [
        (64, 4.0, MIN_BATCH_ROWS),  # 16 a second
        (64, 0.5, 128),
        (64, 0.4, 160),
        (64, 0.01, MAX_BATCH_ROWS),
        (64, 0.0, MAX_BATCH_ROWS),
        (1, 3.0, MIN_BATCH_ROWS),
    ],
)
def test_a_batch_has_as_many_rows_as_take_a_second(n_rows: int, seconds: float, expected: int) -> None:
    size = BatchSize()
    size.learn(n_rows, seconds)
    assert size() == expected


def test_rows_do_not_wait_for_others_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("vitrina.indexer.rows.time.monotonic", lambda: now)
    size = BatchSize()
    assert size() > 1
    now += MAX_WAIT_S
    assert size() == 1
    size.learn(1, 1.0)
    assert size() == MIN_BATCH_ROWS
