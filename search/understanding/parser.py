"""The parser: a query's text into requirements, without a model.

Words that name values of the catalog become requirements on its fields, longest spans first. The remaining words become
free requirements, neighbours together. Rules decide where a word is not meant as the value that it names: ``navy shirt
with red logo`` asks for one colour.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from vitrina.search.analysis.bound_words import INGREDIENTS
from vitrina.search.analysis.measures import Measure, measured
from vitrina.search.types.query import Query
from vitrina.search.types.requirement import Requirement
from vitrina.search.understanding.allergens import allergen_requirements
from vitrina.search.understanding.catalog_attributes import AttributeMatch, Vocabulary
from vitrina.search.understanding.names import MatchType
from vitrina.search.understanding.prices import price_requirements, without_prices
from vitrina.search.understanding.span_matching import SpanMatch, match_spans
from vitrina.search.understanding.tokens import (
    AFTER_AVOIDED,
    INNER,
    NOT_DENYING,
    UNWORD,
    Joiner,
    Token,
    TokenRole,
    prepared,
    spelled_out,
    tokenize,
)

DENYING = (TokenRole.NOT, TokenRole.WITHOUT)


@dataclass(frozen=True, slots=True)
class QueryPart:
    """A run of words that asks for one thing: the catalog values of its ``match`` or, without one, its words."""

    start: int
    end: int
    match: AttributeMatch | None = None
    wanted: bool = True
    is_measure: bool = False
    """Whether its words are a number and a unit, and so no part of a phrase."""

    @property
    def is_loose(self) -> bool:
        """Whether it is a word, and neither a value nor a measure."""
        return self.match is None and not self.is_measure


def requirements_of(query: Query, vocabulary: Vocabulary) -> tuple[Requirement, ...]:
    """The requirements of a query's ``text`` and, denied, of its ``without``, each in the order of its words.

    Empty for a query by images alone. A requirement's ``words`` are the query's, folded; each word is used once.
    """
    asked = [*parse(query.text, vocabulary), *parse(query.without, vocabulary, wanted=False)]
    return tuple(dict.fromkeys(asked))


def parse(text: str, vocabulary: Vocabulary, *, wanted: bool = True) -> list[Requirement]:
    """The requirements in one text; with ``wanted`` false it lists only what to avoid."""
    spelled = spelled_out(text)
    folded = with_denials_apart(without_prices(spelled), vocabulary)
    words = tokenize(folded)
    asked = [requirement(folded, words, part) for part in query_parts(words, vocabulary, wanted=wanted)]
    if vocabulary.allergens:
        asked = allergen_requirements(asked, [word.text for word in words], vocabulary.allergens)
    return [*asked, *price_requirements(spelled, vocabulary.currencies)] if wanted else asked


def with_denials_apart(text: str, vocabulary: Vocabulary) -> str:
    """A folded text with ``un`` apart from words of which the catalog has a value that is the rest of it, and none that
    is the word: ``non-striped`` for ``unstriped``."""

    def apart(word: re.Match[str]) -> str:
        rest = vocabulary.match([word[1]])
        is_value = rest is not None and rest.match_type is MatchType.SAME
        return f"non-{word[1]}" if is_value and not any(vocabulary.prefix_matches([word[0]])) else word[0]

    return UNWORD.sub(apart, text)


def query_parts(words: Sequence[Token], vocabulary: Vocabulary, *, wanted: bool = True) -> list[QueryPart]:
    spans = [measure_matched(words, span, vocabulary) for span in match_spans(words, vocabulary)]
    found = list(bounds_matched(words, pieces(words, spans), vocabulary))
    named = unnamed(words, found, vocabulary)
    parts = details(words, named, vocabulary.kind_fields)
    parts = with_polarity(words, parts) if wanted else [replace(p, wanted=False) for p in parts if is_content(words, p)]
    return list(joined(words, settled(words, parts)))


@dataclass(frozen=True, slots=True)
class DividedText:
    """A text's ``wanted`` words, the words of each thing ``denied``, and of each ingredient ``lacked`` that what is
    wanted is called free of."""

    wanted: str
    denied: tuple[str, ...] = ()
    lacked: tuple[str, ...] = ()


def divided(text: str, vocabulary: Vocabulary) -> DividedText:
    """Divide a text by what it wants and denies; it stays as it is where it denies nothing.

    The names of things that are called by what they lack (``non-stick``, ``sugar-free``) are wanted words, since the
    things' own texts say them, too.
    """
    folded = with_denials_apart(prepared(text), vocabulary)
    words = tokenize(folded)
    unwanted = [part for part in query_parts(words, vocabulary) if not part.wanted]
    denied = [part for part in unwanted if not is_compound(words, part)]
    free = [part for part in unwanted if is_before_free(words, part) and words[part.end - 1].text in INGREDIENTS]
    lacked = tuple(requirement(folded, words, part).words for part in free)
    if not denied:
        return DividedText(text, lacked=lacked)
    kept, at = [], 0
    for part in denied:
        end = part.start
        while end > at and words[end - 1].role is not TokenRole.PLAIN:
            end -= 1
        kept.append(range(at, end))
        at = part.end
    kept.append(range(at, len(words)))
    said = [span for span in kept if any(words[at].role is TokenRole.PLAIN for at in span)]  # more than stop words
    wanted = [folded[words[span[0]].start : words[span[-1]].end] for span in said]
    return DividedText(" ".join(wanted), tuple(requirement(folded, words, part).words for part in denied), lacked)


def is_compound(words: Sequence[Token], part: QueryPart) -> bool:
    """Whether a denied part and what denies it are one name: ``non-stick``, ``no-show``, ``sugar free``."""
    before, first = words[part.start - 1 : part.start], words[part.start]
    is_joined = any(word.text == "non" or first.joiner is Joiner.HYPHEN for word in before if word.role in DENYING)
    return is_joined or is_before_free(words, part)


def is_before_free(words: Sequence[Token], part: QueryPart) -> bool:
    return any(word.text in AFTER_AVOIDED for word in words[part.end : part.end + 1])


def pieces(words: Sequence[Token], found: Sequence[SpanMatch]) -> list[QueryPart]:
    """Every span, and every word or measure between spans, in order. The name of a field before a value is left
    out."""
    parts: list[QueryPart] = []
    at = 0
    for span in found:
        parts += loose(words, at, span.start)
        parts.append(QueryPart(span.named_from, span.end, span.match))
        at = span.end
    return [*parts, *loose(words, at, len(words))]


def loose(words: Sequence[Token], start: int, end: int) -> Iterator[QueryPart]:
    """The words from ``start`` to ``end``, those of each measure together."""
    for part in measured([word.text for word in words[start:end]]):
        n_words = len(part.terms) if isinstance(part, Measure) else 1
        yield QueryPart(start, start + n_words, is_measure=isinstance(part, Measure))
        start += n_words


Run = TypeVar("Run", QueryPart, SpanMatch)


def bounds_matched(words: Sequence[Token], parts: Sequence[QueryPart], vocabulary: Vocabulary) -> Iterator[QueryPart]:
    """The parts, each measure with the values that fit; words beside it may name its field: ``at least 16 gb ram``."""
    after = 0  # past the name that follows the measure before
    for part in parts:
        if not part.is_measure:
            yield part
            continue
        before = part.start - 1
        while before >= after and words[before].role is TokenRole.FILLER:
            before -= 1
        runs = [range(part.end, part.end + n) for n in (2, 1)] + [range(before + 1 - n, before + 1) for n in (2, 1)]
        named = [
            (run, field)
            for run in runs
            if run.start >= after and run.stop <= len(words)
            for field in vocabulary.fields_called([words[at].text for at in run])
        ]
        matched = measure_matched(words, part, vocabulary, [field for _, field in named])
        after = max((run.stop for run, field in named if matched.match and field == matched.match.field), default=after)
        yield matched


def measure_matched(words: Sequence[Token], run: Run, vocabulary: Vocabulary, named: Sequence[str] = ()) -> Run:
    """A run of words, with the values that fit if it is a measure that a field tells; a field's name may be part of
    it, as in ``age 4``, or, of a bounded measure, beside it."""
    asked = measured([word.text for word in words[run.start : run.end]])
    whole = asked[0] if len(asked) == 1 else ""
    if not isinstance(whole, Measure):
        return run
    match = vocabulary.measure_match(whole, named if whole.is_open else ())
    return replace(run, match=match) if match else run


def unnamed(words: Sequence[Token], parts: Sequence[QueryPart], vocabulary: Vocabulary) -> list[QueryPart]:
    """The parts without the names of fields whose values are asked for: the ``colour`` of ``navy colour``."""
    asked = {part.match.field for part in parts if part.match}
    return [p for p in parts if p.match or asked.isdisjoint(vocabulary.fields_called([words[p.start].text]))]


def is_content(words: Sequence[Token], part: QueryPart) -> bool:
    """Whether a part asks for something, and is not a stop word."""
    return not part.is_loose or words[part.start].role is TokenRole.PLAIN


def details(words: Sequence[Token], parts: Sequence[QueryPart], kind_fields: Collection[str]) -> list[QueryPart]:
    """The parts; values that describe a detail become words of it: ``with gold buttons`` does not ask for gold. Nor is
    the kind of thing that a detail is what is asked for: a cabinet with mirror is no mirror."""
    kept: list[QueryPart] = []
    within = False
    for part in parts:
        role = words[part.start].role
        if kept and part.end <= kept[-1].end:
            continue
        if part.is_loose and role is not TokenRole.PLAIN:
            within = role in (TokenRole.WITH, TokenRole.WITHOUT) or (
                within and role in (TokenRole.FILLER, TokenRole.AND)
            )
        elif part.match is not None and within and not part.is_measure:
            is_kind = part.match.field in kind_fields and words[part.start - 1].role is TokenRole.WITH
            is_a_part = is_kind and any(is_content(words, each) for each in kept)
            end = detail_end(words, parts, part) or (part.end if is_a_part else None)
            part = replace(part, end=end, match=None) if end else part
        kept.append(part)
    return kept


def detail_end(words: Sequence[Token], parts: Sequence[QueryPart], first: QueryPart) -> int | None:
    """The end of the word that ``first``, a value, and values joined to it describe; None if they stand alone."""
    described = itertools.dropwhile(lambda part: part.start <= first.start, parts)
    for part in described:
        word = words[part.start]
        if word.joiner in (Joiner.BREAK, Joiner.MINUS):
            return None
        if part.match is None and word.role is not TokenRole.AND:
            return (
                part.end if word.role is TokenRole.PLAIN and words[part.start - 1].role is not TokenRole.AND else None
            )
    return None


def with_polarity(words: Sequence[Token], parts: Sequence[QueryPart]) -> list[QueryPart]:
    """The parts that ask for something, each wanted or denied.

    ``not`` and similar words deny one value, or the words up to the next value or boundary, and what ``or`` adds to it.
    """
    kept: list[QueryPart] = []
    denying = tight = joins = False
    denied: QueryPart | None = None
    for at, part in enumerate(parts):
        word = words[part.start]
        if word.joiner is Joiner.BREAK or (tight and word.joiner is not Joiner.HYPHEN):
            denying = False
        if part.is_loose and word.role in DENYING:
            is_tight = any(following.joiner is Joiner.HYPHEN for following in words[part.end : part.end + 1])
            denying, tight, denied = True, is_tight, None
        elif part.is_loose and word.role is not TokenRole.PLAIN:
            joins = word.role is TokenRole.AND
            denying = denying and (denied is None or word.role in (TokenRole.AND, TokenRole.FILLER))
        elif kept and denies_the_one_before(words, parts, at):
            kept[-1] = replace(kept[-1], wanted=False)
        else:
            if word.joiner is Joiner.MINUS:
                denying, tight, denied = True, True, None
            if denied and not (joins or word.joiner is Joiner.AND or goes_on(words, denied, part)):
                denying = False
            kept.append(replace(part, wanted=not denying))
            denied, joins = (part if denying else None), False
    return kept


def goes_on(words: Sequence[Token], before: QueryPart, part: QueryPart) -> bool:
    """Whether two parts are one run of words without values."""
    if any(each.match is not None or each.is_measure for each in (before, part)) or words[part.start].joiner in (
        Joiner.BREAK,
        Joiner.AND,
    ):
        return False
    return all(word.text in INNER and word.joiner is Joiner.PLAIN for word in words[before.end : part.start])


def denies_the_one_before(words: Sequence[Token], parts: Sequence[QueryPart], at: int) -> bool:
    """Whether a part is the ``free`` of ``sugar-free``, or the ``intolerant`` of ``lactose intolerant``."""
    part, before, word = parts[at], parts[at - 1], words[parts[at].start].text
    is_after = part.match is None and word in AFTER_AVOIDED and is_content(words, before)
    if not is_after or (word != "free" and words[before.end - 1].text not in INGREDIENTS):
        return False
    following = words[part.end].text if part.end < len(words) else ""
    return words[part.start].joiner in (Joiner.PLAIN, Joiner.HYPHEN) and following not in NOT_DENYING


def settled(words: Sequence[Token], parts: Sequence[QueryPart]) -> list[QueryPart]:
    """The parts with one wanted requirement a field, since an item is not two articles at once."""
    kept: list[QueryPart | None] = []
    places: dict[str, int] = {}
    for at, part in enumerate(parts):
        field = part.match.field if part.match and part.wanted else ""
        earlier = kept[places[field]] if field in places else None
        now: QueryPart | None = part
        if earlier is not None:
            kept[places[field]], now = reconciled(words, earlier, part, is_described=describes_next(words, parts, at))
        if field and now is not None and now.match is not None:
            places[field] = len(kept)
        kept.append(now)
    return [part for part in kept if part is not None]


def reconciled(
    words: Sequence[Token], one: QueryPart, other: QueryPart, *, is_described: bool
) -> tuple[QueryPart | None, QueryPart | None]:
    """Two values of one field, reconciled; None for a part that adds nothing.

    Joined by ``and``, ``or`` or a comma they are alternatives, and so are colours side by side. Of ``kids`` and
    ``girls`` the narrower stays. Within a phrase the last says what a thing is (an apple juice is a juice), but the
    first says its colour; in another phrase, what follows is about a detail: ``dress with belt``, ``navy, red logo``.
    """
    assert one.match is not None
    assert other.match is not None
    first, second = set(one.match.values), set(other.match.values)
    between = words[one.end : other.start + 1]
    in_phrase = all(word.joiner in (Joiner.PLAIN, Joiner.HYPHEN) for word in between) and all(
        word.role in (TokenRole.PLAIN, TokenRole.FILLER) for word in between[:-1]
    )
    is_colour = one.match.is_colour
    if first != second and is_list(between) and not (is_described and between[-1].joiner is Joiner.BREAK):
        return united(one, other), None
    if (first == second or (in_phrase and (first < second or second < first))) and not (is_colour and is_described):
        stays = first < second or (first == second and one.match.match_type <= other.match.match_type)
        return (one, None) if stays else (None, other)
    if is_colour and in_phrase and len(between) == 1:
        return united(one, other), None
    if in_phrase and not is_colour:
        return replace(one, match=None), other
    return one, replace(other, match=None)


def is_list(between: Sequence[Token]) -> bool:
    """Whether the words from one value's end to another's first make them a list: ``black, white``, ``red or blue``."""
    joined_by_words = len(between) > 1 and all(word.role is TokenRole.AND for word in between[:-1])
    return joined_by_words or (len(between) == 1 and between[0].joiner in (Joiner.AND, Joiner.BREAK))


def describes_next(words: Sequence[Token], parts: Sequence[QueryPart], at: int) -> bool:
    """Whether a value stands right before a word without a value: ``red logo``."""
    if at + 1 == len(parts):
        return False
    following = parts[at + 1]
    in_touch = following.start == parts[at].end and words[following.start].joiner in (Joiner.PLAIN, Joiner.HYPHEN)
    return in_touch and following.match is None


def united(one: QueryPart, other: QueryPart) -> QueryPart:
    """One part that either value meets."""
    assert one.match is not None
    assert other.match is not None
    values = tuple(dict.fromkeys((*one.match.values, *other.match.values)))
    named = {*one.match.values} - {*one.match.narrower} | {*other.match.values} - {*other.match.narrower}
    narrower = tuple(value for value in values if value not in named)
    return replace(one, end=other.end, match=replace(one.match, values=values, narrower=narrower))


def joined(words: Sequence[Token], parts: Sequence[QueryPart]) -> Iterator[QueryPart]:
    """The parts, with neighbouring words without values joined, and without numbers by themselves."""
    run: QueryPart | None = None
    for part in parts:
        if run is not None and run.wanted == part.wanted and goes_on(words, run, part):
            run = replace(run, end=part.end)
            continue
        if run is not None and says_something(words, run):
            yield run
        run = part
    if run is not None and says_something(words, run):
        yield run


def says_something(words: Sequence[Token], part: QueryPart) -> bool:
    """Whether a part is a value, or holds more than numbers and single letters."""
    return (
        part.match is not None
        or part.is_measure
        or any(
            not word.text.isascii() or sum(letter.isalpha() for letter in word.text) > 1
            for word in words[part.start : part.end]
        )
    )


def requirement(folded: str, words: Sequence[Token], part: QueryPart) -> Requirement:
    said = folded[words[part.start].start : words[part.end - 1].end].replace(" , ", ", ")
    if part.match is None:
        return Requirement(said, wanted=part.wanted)
    return Requirement(said, part.match.field, part.match.values, part.wanted, part.match.narrower)
