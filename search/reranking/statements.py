"""Claims: what a reranker is asked about every candidate of a query."""

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
"""Requirements that are looked for in the picture; of a longer text the rest is looked up in the catalog alone."""

MAX_VALUES_TRIED = 12
"""Values of a field that a picture is compared with, where it contradicts its listing."""


@dataclass(frozen=True, slots=True)
class Statements:
    """The ``whole`` phrase, empty where the query has no words; and ``of`` the first requirements, in their order, one
    claim each."""

    whole: str
    of: Mapping[Requirement, str]

    @property
    def asked(self) -> tuple[str, ...]:
        """Every claim once."""
        return tuple(dict.fromkeys((*([self.whole] if self.whole else []), *self.of.values())))


def statements_of(query: Query, requirements: Sequence[Requirement]) -> Statements:
    """What to ask for a query and its requirements, those of its words and of its photo."""
    of = {requirement: statement_of(requirement.words) for requirement in requirements[:MAX_STATEMENTS]}
    return Statements(statement_of(whole_phrase(query, requirements)), MappingProxyType(of))


def whole_phrase(query: Query, requirements: Sequence[Requirement]) -> str:
    """All that the product should be: the query's text without its prices, where it denies nothing and there is no
    picture beside it; else the words of what is wanted. Small models read over a ``not``, and ``like this in red``
    means nothing without the picture it was typed with."""
    if query.text and not (query.images or query.skus) and all(requirement.wanted for requirement in requirements):
        return prepared(query.text).replace(" , ", ", ").strip(" ,") if requirements else ""
    return " ".join(requirement.words for requirement in requirements if requirement.wanted)


def statement_of(words: str) -> str:
    """Words as they are asked, cut to what a prompt takes."""
    return clipped(" ".join(words.split()), MAX_STATEMENT_CHARACTERS)


def values_to_try(
    listed: Sequence[str], requirement: Requirement, others: Sequence[str], held: Sequence[str]
) -> list[str]:
    """The values of a field that a picture could show instead, folded, the likeliest first: those ``listed``, the one
    that was asked for, those that the ``others`` of the query's candidates have, then what the catalog has ``held``,
    plain names of colours first."""
    plain_first = sorted(held, key=lambda value: key(split(value)) not in FAMILIES)
    asked = requirement.values[:1]
    values = (facet_value(value) for value in (*listed, *asked, *others, *plain_first))
    return list(dict.fromkeys(values))[:MAX_VALUES_TRIED]
