"""Phrases: what can be said of a product with a value of any field, and the clauses made of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType
from typing import Final

from vitrina.search.analysis.analyser import analyse
from vitrina.search.analysis.measures import PERSONS, Measure, measured
from vitrina.search.analysis.spelling import fold, split, stem
from vitrina.search.reranking.explanations import lexicon
from vitrina.search.reranking.explanations.fields import (
    Role,
    field_words,
    role_of,
    spoken,
    spoken_field,
    unit_of,
    values_in,
)
from vitrina.search.reranking.explanations.nouns import Number, article, noun
from vitrina.search.types.filters import facet_value
from vitrina.search.types.requirement import Requirement
from vitrina.search.understanding.catalog_attributes import TRUE_OR_FALSE
from vitrina.search.understanding.colours import colour_of


class Place(Enum):
    """Where a phrase stands in a noun phrase: ``navy`` before, ``for men`` after; or that it needs its own clause."""

    HEAD = auto()
    BEFORE = auto()
    AFTER = auto()
    APART = auto()


@dataclass(frozen=True, slots=True)
class Phrase:
    """What can be said of a product: ``subject`` (``it`` unless a property's own), ``verb``, ``prefix`` and ``core``.

    ``it is | for | men``, ``it comes | in size | M``, ``its style is | | casual``. ``number`` is that of a noun.
    """

    core: str
    place: Place
    prefix: str = ""
    subject: str = "it"
    verb: str = "is"
    number: Number = Number.ONE

    @property
    def complement(self) -> str:
        """What follows the verb."""
        return f"{self.prefix} {self.core}".strip()

    def clause(self, *, is_so: bool = True, are_several: bool = False, hedge: str = "", subject: str = "") -> str:
        """A clause that asserts or denies it: ``it is for men``, ``they do not match “x”``, ``it is probably
        not navy``.

        ``are_several`` speaks of the product as ``they``; ``hedge`` is ``probably``; ``subject`` replaces ``it``.
        """
        own = subject or self.subject
        if are_several and not subject:
            own = ("these" if self.place is Place.HEAD else "they") if own == "it" else own.replace("its ", "their ", 1)
        verb = self._verb(is_so=is_so, is_plural=own in ("they", "these") or self.verb == "include", hedge=hedge)
        return f"{own} {verb} {self.complement}"

    def _verb(self, *, is_so: bool, is_plural: bool, hedge: str) -> str:
        form, base = _VERB_FORMS[self.verb]
        if self.verb == "is":
            words = [base if is_plural else form, hedge, "" if is_so else "not"]
        elif is_so:
            words = [hedge, base if is_plural else form]
        else:
            words = [hedge, "do" if is_plural else "does", "not", base]
        return " ".join(word for word in words if word)

    def instead_of(self, other: Phrase, *, are_several: bool = False, hedge: str = "") -> tuple[str, ...]:
        """Clauses that each assert this and deny the other: ``it is for women, not men``; ``it costs 70 euros, over 60
        euros`` denies ``not over 60 euros``."""
        is_alike = (self.subject, self.verb, self.prefix) == (other.subject, other.verb, other.prefix)
        denied = other.core if is_alike else other.complement
        this = self.clause(are_several=are_several, hedge=hedge)
        neither = other.clause(is_so=False, are_several=are_several, hedge=hedge)
        first, _, rest = denied.partition(" ")
        against = rest if rest and first in ("not", "no", "never") else f"not {denied}"
        return f"{this}, {against}", f"{this} instead of {denied}", f"{neither} but {self.complement}"


_VERB_FORMS: Final = {
    "is": ("is", "are"),
    "comes": ("comes", "come"),
    "has": ("has", "have"),
    "matches": ("matches", "match"),
    "include": ("include", "include"),
    "costs": ("costs", "cost"),
}
"""Of each verb its form after ``it``, and after ``they``, ``do`` and ``does``."""


def phrase(requirement: Requirement, text: str | None = None) -> Phrase:
    """What can be said of a product that is as required; with ``text``, of one with this other value of the field."""
    if requirement.bounds is not None:
        return _price(requirement.words if text is None else text, is_asked=text is None)
    role = role_of(requirement.field, requirement.words, requirement.values)
    said = spoken(requirement, text)
    if role is Role.PHRASE or not split(said):
        return _quoted(said)
    if people := n_people(said):
        return Phrase(people, Place.AFTER, "for")
    if text is None and requirement.values and {facet_value(value) for value in requirement.values} <= TRUE_OR_FALSE:
        return _flag(requirement.field, said)
    are_people = stem(split(said)[-1]) in lexicon.PEOPLE
    if role is Role.KIND and (are_people or len(values_in(text or "", is_kind=True)) > 1):
        return filed(requirement, text)
    if role is Role.CATEGORY and text is None:
        as_written = [value.lower() for each in requirement.values for value in values_in(each, is_kind=True)]
        if any(_is_thing(value) and stem(split(value)[-1]) == stem(split(said)[-1]) for value in as_written):
            return _kind(requirement.field, said)
    make = _PHRASES.get(role)
    return _property(requirement.field, said) if make is None else make(requirement.field, said)


def filed(requirement: Requirement, text: str | None = None) -> Phrase:
    """The same of a kind or a category: ``it is filed under shoes``."""
    return Phrase(spoken(requirement, text), Place.AFTER, "filed under")


def _price(said: str, *, is_asked: bool) -> Phrase:
    is_bare = is_asked and not re.match(r"[^\W\d]", said)
    return Phrase(f"about {said}" if is_bare else said, Place.AFTER, verb="costs")


def _quoted(said: str) -> Phrase:
    bare = said.translate(str.maketrans("", "", '“”"')).strip()
    return Phrase(f"“{bare}”", Place.APART, verb="matches")


def _kind(field: str, said: str) -> Phrase:
    found = noun(said)
    return Phrase(found.with_article, Place.HEAD, number=found.number)


def _category(field: str, said: str) -> Phrase:
    return _kind(field, said) if _is_thing(said) else Phrase(said, Place.AFTER, "filed under")


def _is_thing(said: str) -> bool:
    """Whether the name of a category is also that of the things in it: ``jackets``, but not ``kitchen``."""
    found, words = noun(said), split(said)
    if not words or "and" in words:
        return False
    is_plural = (found.number is Number.SEVERAL or found.words != said) and stem(words[-1]) not in lexicon.NO_THINGS
    return is_plural or stem(words[-1]) in lexicon.STYLE_KINDS or words[-1].endswith(("wear", "ware", "clothing"))


def _description(field: str, said: str) -> Phrase:
    """A colour, or a pattern if it is an adjective."""
    words = split(said)
    listing_words = [word for word in words if word not in ("and", "or")]
    is_adjective = words[-1].endswith(lexicon.ADJECTIVE_ENDINGS) or words[-1] in ("solid", "plain", "abstract")
    is_colour = said != "multi" and all(colour_of([word]) for word in listing_words[-1:])
    if is_colour or is_adjective:
        return Phrase(said, Place.BEFORE)
    return _property(field, said)


def _audience(field: str, said: str) -> Phrase:
    words = re.sub(r"^for\s+", "", said).split()
    stems = [stem(fold(word)) for word in words]
    if not lexicon.EVERYBODY.isdisjoint(stems):
        return Phrase(said, Place.BEFORE)
    if stems[-1] not in lexicon.PEOPLE:
        return _property(field, said)
    plural = [lexicon.PEOPLE.get(one, word) for one, word in zip(stems, words, strict=True)]
    return Phrase(" ".join(plural), Place.AFTER, "for")


def _material(field: str, said: str) -> Phrase:
    words = said.split()
    if len(words) > 1 and stem(words[-1]) in ("material", "fabric", "textile"):
        said = " ".join(words[:-1])
    if re.fullmatch(r"wooden|metallic|woollen|golden|.+-(?:plated|coated|lined)|upholstered|quilted|knitted", said):
        return Phrase(said, Place.BEFORE)
    if stem(said.split()[-1]) in ("blend", "mix", "alloy"):
        return Phrase(f"{article(said)} {said}", Place.AFTER, "made of")
    return Phrase(said, Place.AFTER, "made of")


def _purpose(field: str, said: str) -> Phrase:
    bare = re.sub(r"^for\s+", "", said)
    last = split(bare)[-1]
    if last in lexicon.MANNERS:
        return Phrase(bare, Place.BEFORE)
    if last.endswith(("ing", "s")) or last in lexicon.ACTIVITIES:
        return Phrase(bare, Place.AFTER, "for")
    return Phrase(bare if last == "use" else f"{bare} use", Place.AFTER, "for")


def _season(field: str, said: str) -> Phrase:
    if re.search(r"\b(?:all|year)\b", said):
        return _property(field, said)
    return Phrase(re.sub(r"^for\s+", "", said), Place.AFTER, "for")


def _brand(field: str, said: str) -> Phrase:
    return Phrase(re.sub(r"^by\s+", "", said), Place.AFTER, "by")


def _size(field: str, said: str) -> Phrase:
    bare = re.sub(r"^(?:in\s+)?size\s+", "", said, flags=re.IGNORECASE)
    if "size" in split(bare):
        return Phrase(bare, Place.AFTER)
    return Phrase(bare, Place.AFTER, "in size", verb="comes")


def _flag(field: str, said: str) -> Phrase:
    """A field of yes and no: ``it has a hood`` for ``has_hood``, ``it is waterproof``."""
    bare = " ".join(word for word in said.split() if fold(word) not in ("is", "has")) or said
    is_part = field_words(field)[:1] in (("has",), ("with",), ("includes",)) or bare.endswith("s")
    if is_part and not bare.endswith(lexicon.ADJECTIVE_ENDINGS):
        return _having(bare)
    return Phrase(bare, Place.BEFORE)


def _having(words: str) -> Phrase:
    found = noun(words)
    is_one = found.number is Number.ONE and found.words == words and not words[:1].isdigit()
    return Phrase(found.with_article if is_one else words, Place.APART, verb="has")


def _property(field: str, said: str) -> Phrase:
    """``its style is casual``, ``its width is 60 cm``, ``its features include pockets``, ``it has a slim fit``."""
    name = spoken_field(field)
    if re.fullmatch(r"[\d.,]+", said) and (unit := unit_of(field)):
        said = f"{said} {unit}"
    words, names = split(said), split(name)
    if len(words) > 1 and names and stem(words[-1]) == stem(names[-1]):
        return _having(said)
    last = names[-1] if names else "value"
    is_plural = last.endswith("s") and not last.endswith(("ss", "us", "is")) and len(last) > 3
    return Phrase(said, Place.APART, subject=f"its {name or last}", verb="include" if is_plural else "is")


def n_people(said: str) -> str:
    """What a number of people is called: ``2 people`` for ``two man``; empty of anything else."""
    parts = measured(analyse(said))
    asked = parts[0] if len(parts) == 1 else ""
    if not isinstance(asked, Measure) or asked.bounds or not any(unit.quantity == PERSONS for unit in asked.units):
        return ""
    return f"{asked.numbers[0]} {'person' if asked.numbers[0] == '1' else 'people'}"


_PHRASES: Final[Mapping[Role, Callable[[str, str], Phrase]]] = MappingProxyType(
    {
        Role.KIND: _kind,
        Role.CATEGORY: _category,
        Role.DESCRIPTION: _description,
        Role.AUDIENCE: _audience,
        Role.MATERIAL: _material,
        Role.PURPOSE: _purpose,
        Role.SEASON: _season,
        Role.BRAND: _brand,
        Role.SIZE: _size,
    }
)
