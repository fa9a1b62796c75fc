"""Parsing: a query taken apart into requirements, without a model.

Longest first, words that name values of the catalog become requirements on its fields. What remains becomes free
requirements, neighbours together. Rules decide where a word that is a value is not meant as one: ``navy shirt with red
logo`` asks for one colour.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from search.query import Query
from search.requirements.claiming import Claim, claims
from search.requirements.reading import INNER, Joint, Role, Word, prepared, read
from search.requirements.requirement import Requirement
from search.requirements.vocabulary import Sense, Vocabulary

NOT_DENYING = frozenset({"size", "shipping", "delivery", "gift", "gifts"})
"""After these, ``free`` denies nothing: ``cotton free size``."""


@dataclass(frozen=True, slots=True)
class Part:
    """A run of words that asks for one thing: values of the catalog by their ``sense``, or without one, the words."""

    start: int
    end: int
    sense: Sense | None = None
    wanted: bool = True


def requirements_of(query: Query, vocabulary: Vocabulary) -> tuple[Requirement, ...]:
    """What a query's ``text`` asks for and denies, and what its ``without`` denies, each in the order of its words.

    Empty for a query by pictures alone. A requirement's ``words`` are the query's, folded; each word is used once.
    """
    asked = [*parse(query.text, vocabulary), *parse(query.without, vocabulary, wanted=False)]
    return tuple(dict.fromkeys(asked))


def parse(text: str, vocabulary: Vocabulary, *, wanted: bool = True) -> list[Requirement]:
    """The requirements in one text; with ``wanted`` false it lists only what to avoid."""
    folded = prepared(text)
    words = read(folded)
    parts = details(words, pieces(words, claims(words, vocabulary)))
    parts = with_polarity(words, parts) if wanted else [replace(p, wanted=False) for p in parts if is_content(words, p)]
    return [requirement(folded, words, part) for part in joined(words, settled(words, parts), vocabulary)]


def pieces(words: Sequence[Word], found: Sequence[Claim]) -> list[Part]:
    """Every claim and every word between claims, in order. The name of a field before a value is left out."""
    parts: list[Part] = []
    at = 0
    for claim in found:
        parts += [Part(word, word + 1) for word in range(at, claim.start)]
        parts.append(Part(claim.named_from, claim.end, claim.sense))
        at = claim.end
    return parts + [Part(word, word + 1) for word in range(at, len(words))]


def is_content(words: Sequence[Word], part: Part) -> bool:
    """Whether a part asks for something, and does not only hold the sentence together."""
    return part.sense is not None or words[part.start].role is Role.PLAIN


def details(words: Sequence[Word], parts: Sequence[Part]) -> list[Part]:
    """The parts, where values that describe a detail belong to it: in ``with gold buttons`` gold is no colour asked."""
    kept: list[Part] = []
    within = False
    for part in parts:
        role = words[part.start].role
        if kept and part.end <= kept[-1].end:
            continue
        if part.sense is None and role is not Role.PLAIN:
            within = role in (Role.WITH, Role.WITHOUT) or (within and role in (Role.FILLER, Role.AND))
        elif part.sense is not None and within:
            part = replace(part, end=end, sense=None) if (end := detail_end(words, parts, part)) else part
        kept.append(part)
    return kept


def detail_end(words: Sequence[Word], parts: Sequence[Part], first: Part) -> int | None:
    """Where the word ends that ``first``, a value, and values joined to it describe; None where they stand alone."""
    described = itertools.dropwhile(lambda part: part.start <= first.start, parts)
    for part in described:
        word = words[part.start]
        if word.joint in (Joint.BREAK, Joint.MINUS):
            return None
        if part.sense is None and word.role is not Role.AND:
            return part.end if word.role is Role.PLAIN and words[part.start - 1].role is not Role.AND else None
    return None


def with_polarity(words: Sequence[Word], parts: Sequence[Part]) -> list[Part]:
    """The parts that ask for something, denied where the sentence says so.

    ``not`` and its like deny one value, or the words up to the next value or boundary; then what ``or`` joins to it.
    """
    kept: list[Part] = []
    denying = tight = joins = False
    denied: Part | None = None
    for at, part in enumerate(parts):
        word = words[part.start]
        if word.joint is Joint.BREAK or (tight and word.joint is not Joint.HYPHEN):
            denying = False
        if part.sense is None and word.role in (Role.NOT, Role.WITHOUT):
            denying, tight, denied = True, next_joint(words, part) is Joint.HYPHEN, None
        elif part.sense is None and word.role is not Role.PLAIN:
            joins = word.role is Role.AND
            denying = denying and (denied is None or word.role in (Role.AND, Role.FILLER))
        elif kept and denies_the_one_before(words, parts, at):
            kept[-1] = replace(kept[-1], wanted=False)
        else:
            if word.joint is Joint.MINUS:
                denying, tight, denied = True, True, None
            if denied and not (joins or word.joint is Joint.AND or goes_on(words, denied, part)):
                denying = False
            kept.append(replace(part, wanted=not denying))
            denied, joins = (part if denying else None), False
    return kept


def next_joint(words: Sequence[Word], part: Part) -> Joint | None:
    return words[part.end].joint if part.end < len(words) else None


def goes_on(words: Sequence[Word], before: Part, part: Part) -> bool:
    """Whether two parts are one run of words that are no values."""
    if before.sense is not None or part.sense is not None or words[part.start].joint in (Joint.BREAK, Joint.AND):
        return False
    return all(word.text in INNER and word.joint is Joint.SPACE for word in words[before.end : part.start])


def denies_the_one_before(words: Sequence[Word], parts: Sequence[Part], at: int) -> bool:
    """Whether a part is the ``free`` of ``sugar-free``."""
    part = parts[at]
    if part.sense is not None or words[part.start].text != "free" or not is_content(words, parts[at - 1]):
        return False
    following = words[part.end].text if part.end < len(words) else ""
    return words[part.start].joint in (Joint.SPACE, Joint.HYPHEN) and following not in NOT_DENYING


def settled(words: Sequence[Word], parts: Sequence[Part]) -> list[Part]:
    """The parts, with one requirement a field: an item cannot be two articles at once.

    Joined by ``and``, ``or`` or a comma, values of one field are alternatives, and so are colours side by side. Else
    side by side the last says what it is (``apple juice`` is a juice); further apart the first does, and what follows
    describes a detail (``dress with belt``).
    """
    kept: list[Part] = []
    places: dict[str, int] = {}
    for part in parts:
        if part.sense is None or not part.wanted:
            kept.append(part)
            continue
        place = places.get(part.sense.field)
        earlier = kept[place] if place is not None else None
        if place is None or earlier is None or earlier.sense is None:
            places[part.sense.field] = len(kept)
            kept.append(part)
        elif set(part.sense.values) <= set(earlier.sense.values) and part.sense.closeness >= earlier.sense.closeness:
            continue
        elif place == len(kept) - 1 and alternatives(words, earlier, part):
            kept[place] = united(earlier, part)
        elif place == len(kept) - 1 and earlier.end == part.start:
            places[part.sense.field] = len(kept)
            kept[place] = replace(earlier, sense=None)
            kept.append(part)
        else:
            kept.append(replace(part, sense=None))
    return kept


def alternatives(words: Sequence[Word], one: Part, other: Part) -> bool:
    """Whether two neighbouring values of a field are joined so that either will do."""
    between = words[one.end : other.start]
    if any(word.role is not Role.AND for word in between):
        return False
    joint = words[other.start].joint
    both_colours = one.sense is not None and one.sense.is_colour
    return bool(between) or joint in (Joint.AND, Joint.BREAK) or both_colours


def united(one: Part, other: Part) -> Part:
    """One part that either value fulfils."""
    assert one.sense is not None
    assert other.sense is not None
    values = tuple(dict.fromkeys((*one.sense.values, *other.sense.values)))
    named = {*one.sense.values} - {*one.sense.family} | {*other.sense.values} - {*other.sense.family}
    family = tuple(value for value in values if value not in named)
    return replace(one, end=other.end, sense=replace(one.sense, values=values, family=family))


def joined(words: Sequence[Word], parts: Sequence[Part], vocabulary: Vocabulary) -> Iterator[Part]:
    """The parts, neighbouring words that are no values made one, and what says nothing left out: the ``colour`` of
    ``navy colour``, and a number by itself."""
    asked = {part.sense.field for part in parts if part.sense}
    run: Part | None = None
    for part in parts:
        if part.sense is None and not asked.isdisjoint(vocabulary.fields_called([words[part.start].text])):
            continue
        if run is not None and run.wanted == part.wanted and goes_on(words, run, part):
            run = replace(run, end=part.end)
            continue
        if run is not None and says_something(words, run):
            yield run
        run = part
    if run is not None and says_something(words, run):
        yield run


def says_something(words: Sequence[Word], part: Part) -> bool:
    """Whether a part is a value, or holds more than numbers and single letters."""
    return part.sense is not None or any(
        not word.text.isascii() or sum(letter.isalpha() for letter in word.text) > 1
        for word in words[part.start : part.end]
    )


def requirement(folded: str, words: Sequence[Word], part: Part) -> Requirement:
    said = " ".join(folded[words[part.start].start : words[part.end - 1].end].replace(" ,", ",").split())
    if part.sense is None:
        return Requirement(said, wanted=part.wanted)
    return Requirement(said, part.sense.field, part.sense.values, part.wanted, part.sense.family)
