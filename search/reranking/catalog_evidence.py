"""Catalog evidence: what an item's fields and texts say of one requirement."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from textwrap import shorten
from typing import Final

from vitrina.search.analysis.analyser import analyse
from vitrina.search.analysis.measure_spellings import BARE as SEVERAL
from vitrina.search.analysis.measures import Measure, is_same, measured
from vitrina.search.analysis.spelling import split, stem
from vitrina.search.lexical.heads import PURPOSES, may_name_a_thing
from vitrina.search.reranking.explanations import lexicon
from vitrina.search.reranking.explanations.fields import PATH_MARK
from vitrina.search.reranking.prompts import MAX_LISTING_CHARACTERS
from vitrina.search.types.currencies import price_text
from vitrina.search.types.filters import Range, facet_value, within
from vitrina.search.types.item import Item, Scalar, attribute_text
from vitrina.search.types.requirement import Requirement
from vitrina.search.understanding.catalog_attributes import (
    MAX_VALUE_CHARS,
    TRUE_OR_FALSE,
    is_open,
    item_scalars,
    item_values,
)
from vitrina.search.understanding.tokens import BREAKS, INNER, NOTS, WITHOUTS

SAME_LOGIT = 3.5
NARROWER_LOGIT = 2.5
OTHER_LOGIT = -3.0
MENTIONED_LOGIT = 2.0
REWORDED_LOGIT = 1.5
DENIED_LOGIT = -2.0
"""How sure the catalog is: probabilities of 0.97 if a field has the value itself, 0.92 if it has a narrower value, 0.05
if it has another value, 0.88 if title or description mention it, 0.82 if they mention a synonym of it, or the title has
its words in another order, 0.12 if they deny it. Set by judgement: shops' fields are right about 19 times in 20, and a
word may be in a text for many reasons."""

MAX_SAID = 3
"""How many values of a field are named."""

DENIALS: Final = frozenset({*NOTS, *WITHOUTS})
DENIAL_REACH = 3
"""How many words may stand between a denial and what it denies: ``without any kind of hood``."""

NAMING: Final = frozenset({"no", "non"})
"""Denials that things are named by, which reach no further than over ``BETWEEN``: a non-stick frying pan fries."""
BETWEEN: Final = INNER | {"any", "kind", "other", "sort", "such"}

ENDING: Final = frozenset(itertools.chain(*PURPOSES.values()))
"""Words after which a title says no more what the thing is."""

SHELVES: Final = lexicon.stems_of("new arrivals sale offers deals clearance outlet bestsellers gifts all other misc")
"""Words for categories of things of any kind."""

APART: Final = ("",) * DENIAL_REACH
"""Separates title and description, so that no phrase and no denial reaches from one into the other."""


@dataclass(frozen=True, slots=True)
class CatalogValue:
    """What the catalog says: the ``logit`` that the requirement's words are true of the product (whether they are
    wanted or not), 0 if it says nothing; and the value as the catalog writes it, None in that case."""

    logit: float = 0.0
    says: str | None = None


NOTHING: Final = CatalogValue()


class CatalogEvidence:
    """One item's fields and texts; the texts are tokenized once for all requirements, and only if one needs them."""

    def __init__(self, item: Item) -> None:
        self._item = item

    @cached_property
    def _words(self) -> list[str]:
        title, description = (
            split(text[:MAX_LISTING_CHARACTERS]) for text in (self._item.title, self._item.description)
        )
        return [*title, *APART, *description]

    @cached_property
    def _title_parts(self) -> list[set[str]]:
        """The stems of each part of the title, between commas and the like."""
        return [set(stems_of(part)) for part in BREAKS.split(self._item.title[:MAX_LISTING_CHARACTERS])]

    @cached_property
    def _stems(self) -> list[str]:
        return [stem(word) for word in self._words]

    @cached_property
    def _places(self) -> dict[str, int]:
        """Of each stem the first place in the texts."""
        return {stem: at for at, stem in reversed([*enumerate(self._stems)])}

    def on(self, requirement: Requirement) -> CatalogValue:
        """What it says of a requirement: by its field or, where the item has no such field, by the texts; they speak,
        too, where tags do not name it."""
        if requirement.bounds is not None:
            return on_price(self._item, requirement.bounds)
        held = item_scalars(self._item, requirement.field)
        if not requirement.wanted and (others := other_options(self._item, requirement)):
            return CatalogValue(OTHER_LOGIT, said(others))
        of_field = on_field(held, requirement) if held else NOTHING
        if not requirement.wanted and of_field.logit > 0 and self._lacks(requirement.words):
            return CatalogValue(DENIED_LOGIT, f"no {requirement.words}")
        is_kindless = of_field.logit < 0 and not any(map(names_a_kind, held))
        if is_kindless and any(self._is_called(name := each) for each in requirement.synonyms):
            return CatalogValue(REWORDED_LOGIT, name)
        return self._on_texts(requirement) if of_field is NOTHING or is_silent(of_field, requirement) else of_field

    def values(self, field: str) -> tuple[str, ...]:
        """What the item holds in a field, as values compare; empty where it says nothing."""
        return item_values(self._item, field)

    def _on_measure(self, asked: Measure) -> CatalogValue:
        """What the texts say of a measure: that it is one of theirs, or that the title, or one field alone, has another
        of its kind. Sides and counts are left alone, of which one thing has several. Nothing, where some keep a bound
        and some do not: of 8 GB and 512 GB, who knows which has to be at least 12 GB?"""
        title = measures_in(self._item.title)
        rest = measures_in(f"{self._item.description[:MAX_LISTING_CHARACTERS]} {attribute_text(self._item.attributes)}")
        if asked.is_open and {True, False} <= {is_same(asked, held) for held in (*title, *rest)}:
            return NOTHING
        for held in (*title, *rest):
            if is_same(asked, held):
                return CatalogValue(MENTIONED_LOGIT, str(held))
        others = [held for held in title if is_same(asked, held) is False] or self._only_other(asked)
        is_single = asked.units and SEVERAL.isdisjoint(unit.quantity for unit in asked.units)
        return CatalogValue(DENIED_LOGIT, str(others[0])) if others and is_single else NOTHING

    def _only_other(self, asked: Measure) -> list[Measure]:
        """The only measure of the same kind that the fields tell; none where they tell several."""
        found = [held for held in measures_in(attribute_text(self._item.attributes)) if is_same(asked, held) is False]
        return found if len(found) == 1 else []

    def _on_texts(self, requirement: Requirement) -> CatalogValue:
        parts = measured(analyse(requirement.words)) if requirement.is_free else []
        if len(parts) == 1 and isinstance(parts[0], Measure):
            return self._on_measure(parts[0])
        names = (requirement.words, *requirement.values)
        if any(self._mentions(said := name) for name in names):
            return CatalogValue(MENTIONED_LOGIT, said)
        if any(any(self._runs(name)) for name in names):
            return CatalogValue(DENIED_LOGIT, f"no {requirement.words}")
        others = (requirement.synonyms or (requirement.words,)) if requirement.is_free else ()
        if any(self._mentions(said := name) or self._is_title_of(name) for name in others):
            return CatalogValue(REWORDED_LOGIT, said)
        return NOTHING

    def _mentions(self, name: str) -> bool:
        """Whether the texts have these words together, and do not deny them each time."""
        return any(not self._is_denied(start, end) for start, end in self._runs(name))

    def _lacks(self, name: str) -> bool:
        """Whether the texts have these words and deny them each time: gluten-free oats have no gluten, whatever a field
        says of oats."""
        return any(self._runs(name)) and not self._mentions(name)

    def _is_title_of(self, name: str) -> bool:
        """Whether the title has all of several words, in any order, none of them denied, in one of its parts or in
        parts of nothing else: ``Table runner, tartan`` has a tartan runner, and ``Long shirt, short sleeves`` no long
        sleeves."""
        stems = set(stems_of(name))
        parts = [part for part in self._title_parts if not stems.isdisjoint(part)]
        is_whole = len(stems) > 1 and stems <= set().union(*parts) and sum(not part <= stems for part in parts) <= 1
        places = [self._places[each] for each in stems if each in self._places]
        return is_whole and not any(self._is_denied(at, at + 1) for at in places)

    def _is_called(self, name: str) -> bool:
        """Whether the title, up to what the thing is for or comes with, ends with these words: running shoes with
        laces are shoes, wherever they are filed."""
        head = list(itertools.takewhile(lambda word: word not in ENDING, split(BREAKS.split(self._item.title)[0])))
        while head and not may_name_a_thing(head[-1]):
            head.pop()
        stems = stems_of(name)
        return bool(stems) and tuple(map(stem, head[-len(stems) :])) == stems

    def _runs(self, name: str) -> Iterator[tuple[int, int]]:
        """The places of these words in the texts, in their order."""
        stems = stems_of(name)
        if all(stem in self._places for stem in stems):
            n = len(stems)
            for start in range(len(self._stems) - n + 1 if n else 0):
                if tuple(self._stems[start : start + n]) == stems:
                    yield start, start + n

    def _is_denied(self, start: int, end: int) -> bool:
        before = self._words[max(0, start - DENIAL_REACH) : start]
        in_touch = itertools.takewhile(lambda word: word in NAMING or word in BETWEEN, reversed(before))
        is_named_by = not NAMING.isdisjoint(in_touch) or (before[-1:] == ["or"] and not NAMING.isdisjoint(before[:-2]))
        return is_named_by or not (DENIALS - NAMING).isdisjoint(before) or self._words[end : end + 1] == ["free"]


def names_a_kind(value: Scalar) -> bool:
    """Whether a category may be one of things, and is none of people or of what is on sale: ``Running > Kids``."""
    last = stems_of(PATH_MARK.split(str(value))[-1])
    return not last or (last[-1] not in lexicon.PEOPLE and last[-1] not in SHELVES)


@lru_cache(maxsize=4096)
def stems_of(name: str) -> tuple[str, ...]:
    """The stems of a name's words."""
    return tuple(stem(word) for word in split(name))


def measures_in(text: str) -> list[Measure]:
    """The measures that a text tells, in order."""
    return [part for part in measured(analyse(text)) if isinstance(part, Measure)]


def other_options(item: Item, requirement: Requirement) -> list[Scalar]:
    """The options of an item's variants that are none of the values of a requirement: what comes in black and in red
    need not be black."""
    named = {facet_value(value) for value in requirement.values}
    options = (each.options[requirement.field] for each in item.variants if requirement.field in each.options)
    return list(dict.fromkeys(option for option in options if facet_value(option) not in named))


def is_silent(value: CatalogValue, requirement: Requirement) -> bool:
    """Whether a field lacks what is asked for, and is a list of any words, so that this says nothing."""
    return value.logit < 0 and is_open(requirement.field)


def on_price(item: Item, bounds: Range) -> CatalogValue:
    """What an item's price, or those of its variants, say of bounds; the nearest price that there is speaks."""
    prices = [each.price_cents for each in item.variants] if item.variants else [item.price_cents]
    known = sorted(price for price in prices if price is not None)
    if not known:
        return NOTHING
    fitting = [price for price in known if within(bounds, price)]
    nearest = fitting[0] if fitting else known[-1] if bounds.gte is not None and known[-1] < bounds.gte else known[0]
    return CatalogValue(SAME_LOGIT if fitting else OTHER_LOGIT, price_text(nearest, item.currency))


def on_field(held: Sequence[Scalar], requirement: Requirement) -> CatalogValue:
    """What a field with these values says of a requirement."""
    narrower = {facet_value(value) for value in requirement.narrower}
    fitting = {facet_value(value) for value in requirement.values}
    same = [value for value in held if facet_value(value) in fitting - narrower]
    akin = [value for value in held if facet_value(value) in narrower]
    if same or akin:
        return CatalogValue(SAME_LOGIT if same else NARROWER_LOGIT, said(same or akin))
    return CatalogValue(OTHER_LOGIT, said(held))


def said(values: Collection[Scalar]) -> str | None:
    """Values as the catalog writes them, long ones shortened; None for yes and no, which say nothing without their
    field."""
    named = [str(value) for value in values if facet_value(value) not in TRUE_OR_FALSE]
    written = [shorten(value, MAX_VALUE_CHARS, placeholder=" …") for value in named]
    return ", ".join(written[:MAX_SAID]) or None
