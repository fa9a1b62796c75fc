"""What can go wrong with one request to a model's server, and what to tell the operator about it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from search.errors import RerankerError


class Fault(StrEnum):
    """Whose fault a failed request is, the most telling first."""

    REFUSED = "refused"
    UNKNOWN = "unknown"
    UNREACHABLE = "unreachable"
    REJECTED = "rejected"
    OVERLOADED = "overloaded"
    BROKEN = "broken"
    UNREADABLE = "unreadable"


_REMEDIES = {
    Fault.REFUSED: "Check the reranker's key and what it may use.",
    Fault.UNKNOWN: "Check the reranker's model name and base URL; OpenAI-compatible ones mostly end in /v1.",
    Fault.UNREACHABLE: "Start the server, or correct the reranker's base URL.",
    Fault.REJECTED: "Choose a model that takes pictures, and check the model name and the base URL.",
    Fault.OVERLOADED: "Lower the number of parallel requests, or raise the server's limits.",
    Fault.BROKEN: "Read the server's own log.",
    Fault.UNREADABLE: "Choose a model that keeps to a given form of answer, or a server that gives log probabilities.",
}


class Failure(Exception):
    """One request failed. The message is for people and holds no key.

    ``retry_after_s`` is how long the server asked to be left alone, None where it did not say.
    """

    def __init__(self, fault: Fault, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.fault = fault
        self.message = message
        self.retry_after_s = retry_after_s


def as_error(server: str, failures: Sequence[Failure]) -> RerankerError:
    """The one error for requests that all failed: the most telling failure, and its remedy."""
    worst = min(failures, key=lambda failure: list(Fault).index(failure.fault))
    return RerankerError(
        f"The reranker at {server} failed: {worst.message}.",
        remedy=_REMEDIES[worst.fault],
        details={"fault": worst.fault.value, "n_failures": len(failures)},
    )
