"""Flows: what a client does, as a sequence of requests and pauses that either client can carry out; and retries."""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from vitrina.client.errors import UnreachableError, error_of, foreign
from vitrina.client.results import read

T = TypeVar("T")

RETRIED = frozenset({429, 503})
"""The service refuses with these before it does anything, so that any request may be sent again."""

BACKOFF_S = 0.5
MAX_PAUSE_S = 30.0
MAX_UNREACHABLE_PAUSE_S = 4.0


JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Call:
    """A request to the service, or, by a whole address, to another. ``is_safe`` if it may be sent twice."""

    method: str
    path: str
    json: Any = None
    params: Mapping[str, Any] | None = None
    data: Mapping[str, str] | None = None
    files: Mapping[str, Any] | None = None
    accept: str = JSON
    is_safe: bool = True


@dataclass(frozen=True, slots=True)
class Pause:
    """A wait before the next step."""

    seconds: float


Step = Call | Pause
Flow = Generator[Step, Any, T]
"""Yields steps, gets the answer of each call, and returns what the caller wanted."""


Found = httpx.Response | httpx.RequestError | None
"""What became of a step: the answer to a call, or why there is none; None before the first, and after a pause."""


def advance(flow: Flow[T], found: Found) -> Step:
    """The next step of a flow. Raises StopIteration at its end."""
    return flow.throw(found) if isinstance(found, httpx.RequestError) else flow.send(found)


def with_retries(flow: Flow[T], n_retries: int) -> Flow[T]:
    """The same flow, in which a call that the service was too busy for is sent again, and so is a safe one that did not
    reach it. Raises ServiceError and UnreachableError."""
    try:
        step = next(flow)
        while True:
            answer = None
            if isinstance(step, Pause):
                yield step
            else:
                answer = yield from attempted(step, n_retries)
            step = flow.send(answer)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    finally:
        flow.close()


def attempted(call: Call, n_retries: int) -> Flow[httpx.Response]:
    """The answer to a call, after some attempts."""
    for attempt in range(n_retries + 1):
        backoff_s = BACKOFF_S * 2**attempt * random.uniform(0.5, 1.0)
        try:
            answer: httpx.Response = yield call
        except httpx.RequestError as error:
            if attempt == n_retries or not call.is_safe:
                raise UnreachableError(call.path, error) from error
            yield Pause(min(MAX_UNREACHABLE_PAUSE_S, backoff_s))
            continue
        if answer.status_code < 400:
            check_answer(call, answer)
            return answer
        if attempt == n_retries or answer.status_code not in RETRIED:
            raise error_of(answer)
        yield Pause(min(MAX_PAUSE_S, max(backoff_s, asked_pause(answer))))
    raise AssertionError("unreachable")


def asked_pause(answer: httpx.Response) -> float:
    """The seconds that the service asks to wait; 0 where it says nothing."""
    try:
        return float(answer.headers.get("retry-after", "0"))
    except ValueError:
        return 0.0


def got(kind: type[T], call: Call) -> Flow[T]:
    """The answer to a call as a type."""
    answer = yield call
    return part_of(answer, lambda told: read(kind, told))


def part_of(answer: httpx.Response, take: Callable[[Any], T]) -> T:
    """What ``take`` takes from an answer's JSON. Raises ServiceError where it is another's."""
    try:
        return take(answer.json())
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise foreign(answer) from error


def check_answer(call: Call, answer: httpx.Response) -> None:
    """Raises ServiceError for a redirect, and for what is not JSON where JSON was asked for: no Vitrina service answers
    so, but a proxy or a page to log in at may."""
    if answer.is_redirect:
        raise foreign(answer, f" with {answer.headers['location']}")
    if call.accept == JSON and answer.status_code != 204:
        part_of(answer, lambda told: told)
