"""How often a caller may ask."""

from __future__ import annotations

import pytest

from vitrina.api.rate_limits import Rate, RateLimiter


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.mark.parametrize(
    ("text", "rate"), [("5/second", Rate(5, 1)), ("600/minute", Rate(600, 60)), ("1/hour", Rate(1, 3600))]
)
def test_rates_in_words(text: str, rate: Rate) -> None:
    assert Rate.of(text) == rate


@pytest.mark.parametrize("text", ["", "0/second", "-1/minute", "1.5/minute", "10", "10/day ", "10 per minute"])
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(ValueError, match="no rate"):
        Rate.of(text)


def test_a_whole_period_at_once_then_as_it_comes_free() -> None:
    clock = Clock()
    limiter = RateLimiter(Rate(6, 60.0), clock)
    assert [limiter.take("a") for _ in range(6)] == [0.0] * 6
    assert limiter.take("a") == pytest.approx(10.0)
    clock.now_s += 9.9
    assert limiter.take("a") == pytest.approx(0.1), "what is refused counts nothing"
    clock.now_s += 0.2
    assert limiter.take("a") == 0.0
    assert limiter.take("a") == pytest.approx(9.9)
    clock.now_s += 1000.0
    assert [limiter.take("a") for _ in range(7)][-2:] == [0.0, pytest.approx(10.0)]


def test_no_more_than_the_rate_over_time() -> None:
    clock = Clock()
    limiter = RateLimiter(Rate(100, 60.0), clock)
    n_taken = 0
    for _ in range(10 * 60 * 10):  # ten a second for ten minutes
        n_taken += limiter.take("a") == 0.0
        clock.now_s += 0.1
    assert n_taken == pytest.approx(1100, abs=2)


def test_callers_are_counted_apart() -> None:
    limiter = RateLimiter(Rate(1, 60.0), Clock())
    assert limiter.take("a") == 0.0
    assert limiter.take("b") == 0.0
    assert limiter.take("a") > 0
    assert limiter.wait_s("c") == 0.0


def test_asking_for_the_wait_counts_nothing() -> None:
    limiter = RateLimiter(Rate(1, 60.0), Clock())
    assert [limiter.wait_s("a") for _ in range(3)] == [0.0] * 3
    assert limiter.take("a") == 0.0
    assert limiter.wait_s("a") == pytest.approx(60.0)
