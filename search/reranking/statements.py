"""Statements: what a reranker is asked about every candidate of a query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from vitrina.search.reranking.prompts import MAX_STATEMENT_CHARACTERS, clipped
from vitrina.search.types.filters import facet_value
from vitrina.search.types.query import Query
from vitrina.search.types.requirement import Requirement
from vitrina.search.understanding.colours import FAMILIES
from vitrina.search.understanding.spelling import key, split
from vitrina.search.understanding.tokens import prepared

MAX_STATEMENTS = 12
"""Requirements that the reranker judges; the others of a longer text are checked in the catalog alone."""

MAX_VALUES_TRIED = 12
"""Values of a field that are tried where an image contradicts the catalog."""


@dataclass(frozen=True, slots=True)
class Statements:
    """The ``whole`` phrase, empty if the query has no words; and one statement ``of`` each of the first requirements,
    in their order."""

    whole: str
    of: Mapping[Requirement, str]

    @property
    def asked(self) -> tuple[str, ...]:
        """Every statement once."""
        return tuple(dict.fromkeys((*([self.whole] if self.whole else []), *self.of.values())))


def statements_of(query: Query, requirements: Sequence[Requirement]) -> Statements:
    """The statements of a query with these requirements."""
    of = {requirement: statement_of(requirement.words) for requirement in requirements[:MAX_STATEMENTS]}
    return Statements(statement_of(whole_phrase(query, requirements)), MappingProxyType(of))


def whole_phrase(query: Query, requirements: Sequence[Requirement]) -> str:
    """Everything that the product should be: the query's text without its prices, if it denies nothing and comes
    without an image; else the words of the wanted requirements. Small models ignore a ``not``, and ``like this in
    red`` means nothing without its image."""
    if query.text and not (query.images or query.skus) and all(requirement.wanted for requirement in requirements):
        return prepared(query.text).replace(" , ", ", ").strip(" ,") if requirements else ""
    return " ".join(requirement.words for requirement in requirements if requirement.wanted)


def statement_of(words: str) -> str:
    """Words as a statement: single spaces, cut to the length that prompts allow."""
    return clipped(" ".join(words.split()), MAX_STATEMENT_CHARACTERS)


def values_to_try(
    own: Sequence[str], requirement: Requirement, others: Sequence[str], known: Sequence[str]
) -> list[str]:
    """The values of a field that an image could show, folded, the likeliest first: the item's ``own``, the one that was
    asked for, those of the query's ``others`` candidates, then those ``known`` in the catalog, plain names of colours
    first."""
    plain_first = sorted(known, key=lambda value: key(split(value)) not in FAMILIES)
    asked = requirement.values[:1]
    values = (facet_value(value) for value in (*own, *asked, *others, *plain_first))
    return list(dict.fromkeys(values))[:MAX_VALUES_TRIED]
