"""What is asked of a model's server, and what a way of asking has to offer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from search.reranking.base import Deadline, Scoring

Schema = Mapping[str, object]
"""A JSON schema, portable: every key required, none other allowed, enums, no references, no ranges."""


@dataclass(frozen=True, slots=True)
class View:
    """One candidate as it travels: its picture as JPEG in base64, None where it has none, and its listing."""

    picture: str | None
    listing: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """One question. The ``picture`` comes first: questions about one product then share their beginning, which servers
    cache. ``schema`` is what the answer shall keep to, where this way of asking can make it."""

    prompt: str
    picture: str | None
    max_tokens: int
    schema: Schema | None = None


class Scorer(Protocol):
    """One way to get probabilities."""

    @property
    def name(self) -> str:
        """Tells it apart: probabilities of two ways never mix."""

    @property
    def scoring(self) -> Scoring:
        """What its probabilities rest on."""

    @property
    def n_claims(self) -> int:
        """How many claims it takes at a time."""

    async def probabilities(self, view: View, claims: Sequence[str], deadline: Deadline) -> Sequence[float]:
        """P(yes) of each claim. Raises Failure, also where the answer cannot be read."""


class Chat(Protocol):
    """One way of asking one model: what fields a request has and how its answer is read."""

    async def complete(self, request: Request, deadline: Deadline) -> str:
        """The answer in words. Raises Failure."""

    def stream(self, request: Request, deadline: Deadline) -> AsyncGenerator[str, None]:
        """The answer in pieces. Raises Failure, also where it was cut short."""

    def logit_scorers(self) -> Sequence[Scorer]:
        """Ways to get at the model's own numbers, to be tried in this order."""

    def keeping_schemas(self) -> Sequence[Self]:
        """Ways to have a schema kept, to be tried in this order."""
