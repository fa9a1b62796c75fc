"""The listing: what the catalog says of one requirement, in an item's fields and in its texts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from textwrap import shorten
from typing import Final

from vitrina.search.reranking.prompts import MAX_LISTING_CHARACTERS
from vitrina.search.types.filters import facet_value
from vitrina.search.types.item import Item, Scalar
from vitrina.search.types.requirement import Requirement
from vitrina.search.understanding.catalog_attributes import (
    MAX_VALUE_CHARS,
    TRUE_OR_FALSE,
    item_scalars,
    item_values,
)
from vitrina.search.understanding.spelling import split, stem
from vitrina.search.understanding.tokens import NOTS, WITHOUTS

SAME_LOGIT = 3.5
NARROWER_LOGIT = 2.5
OTHER_LOGIT = -3.0
MENTIONED_LOGIT = 2.0
DENIED_LOGIT = -2.0
"""How sure the catalog makes us: probabilities of 0.97 where a field has the very value, 0.92 where it has one of the
narrower, 0.05 where it has another, 0.88 where title or description mention it, 0.12 where they deny it. Set by
judgement: shops' fields are right about 19 times in 20, and a word may stand in a text for many reasons."""

MAX_SAID = 3
"""Of the values of a field, so many are named."""

DENIALS: Final = frozenset({*NOTS, *WITHOUTS})
DENIAL_REACH = 3
"""So many words may stand between a denial and what it denies: ``without any kind of hood``."""

APART: Final = ("",) * DENIAL_REACH
"""Stands between title and description: no phrase and no denial reaches from one into the other."""


@dataclass(frozen=True, slots=True)
class CatalogValue:
    """What the catalog says: log-odds that the product is so as the requirement's words say (its being wanted or not
    has no part in it), 0 where the catalog says nothing; and the value as the catalog writes it, None in that case."""

    logit: float = 0.0
    says: str | None = None


NOTHING: Final = CatalogValue()


class CatalogEvidence:
    """One item's fields and texts; the texts are read once for all requirements, and where none needs them not at
    all."""

    def __init__(self, item: Item) -> None:
        self._item = item

    @cached_property
    def _words(self) -> list[str]:
        title, description = (
            split(text[:MAX_LISTING_CHARACTERS]) for text in (self._item.title, self._item.description)
        )
        return [*title, *APART, *description]

    @cached_property
    def _stems(self) -> list[str]:
        return [stem(word) for word in self._words]

    def on(self, requirement: Requirement) -> CatalogValue:
        """What it says of a requirement: its field first; where that is missing or there is none, the texts."""
        held = item_scalars(self._item, requirement.field)
        return on_field(held, requirement) if held else self._on_texts(requirement)

    def values(self, field: str) -> tuple[str, ...]:
        """What the item holds in a field, as values compare; empty where it says nothing."""
        return item_values(self._item, field)

    def _on_texts(self, requirement: Requirement) -> CatalogValue:
        denied = False
        for name in (requirement.words, *requirement.values):
            for start, end in self._runs([stem(word) for word in split(name)]):
                if not self._is_denied(start, end):
                    return CatalogValue(MENTIONED_LOGIT, name)
                denied = True
        return CatalogValue(DENIED_LOGIT, f"no {requirement.words}") if denied else NOTHING

    def _runs(self, stems: Sequence[str]) -> Iterator[tuple[int, int]]:
        """Where the words stand in the texts, in their order."""
        n = len(stems)
        for start in range(len(self._stems) - n + 1 if n else 0):
            if self._stems[start : start + n] == stems:
                yield start, start + n

    def _is_denied(self, start: int, end: int) -> bool:
        before = self._words[max(0, start - DENIAL_REACH) : start]
        return not DENIALS.isdisjoint(before) or self._words[end : end + 1] == ["free"]


def on_field(held: Sequence[Scalar], requirement: Requirement) -> CatalogValue:
    """What a field with these values says of a requirement on it."""
    narrower = {facet_value(value) for value in requirement.narrower}
    fitting = {facet_value(value) for value in requirement.values}
    same = [value for value in held if facet_value(value) in fitting - narrower]
    akin = [value for value in held if facet_value(value) in narrower]
    if same or akin:
        return CatalogValue(SAME_LOGIT if same else NARROWER_LOGIT, said(same or akin))
    return CatalogValue(OTHER_LOGIT, said(held))


def said(values: Collection[Scalar]) -> str | None:
    """Values as the catalog writes them, the beginning of those that are no names but texts; None for yes and no, which
    say nothing without their field."""
    named = [str(value) for value in values if facet_value(value) not in TRUE_OR_FALSE]
    written = [shorten(value, MAX_VALUE_CHARS, placeholder=" …") for value in named]
    return ", ".join(written[:MAX_SAID]) or None
