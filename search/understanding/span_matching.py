"""Span matching: the runs of a query's words that name values of the catalog, longest first, each word once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vitrina.search.analysis.measures import Measure, is_unit, measured
from vitrina.search.analysis.spelling import split
from vitrina.search.understanding.catalog_attributes import AttributeMatch, Vocabulary
from vitrina.search.understanding.names import MatchType
from vitrina.search.understanding.tokens import CALLED_SO, Joiner, Token, TokenRole


@dataclass(frozen=True, slots=True)
class SpanMatch:
    """A run of words, ``start`` to ``end`` (past the last), that names values. ``named_from`` is where the value itself
    begins, past the name of its field in ``size 10``."""

    start: int
    end: int
    match: AttributeMatch
    named_from: int


def match_spans(words: Sequence[Token], vocabulary: Vocabulary) -> list[SpanMatch]:
    """The spans that match, in their order; no two overlap."""
    found: list[SpanMatch] = []
    free = [True] * len(words)
    bounded = list(bounded_runs(words))

    def add(span: SpanMatch | None) -> None:
        if span is not None:
            found.append(span)
            free[span.start : span.end] = [False] * (span.end - span.start)

    longest_first = sorted(
        matching_spans([word.text for word in words], vocabulary), key=lambda c: (c.start - c.end, c.start)
    )
    for span in longest_first:
        if all(free[span.start : span.end]) and may_match(words, span) and not splits(span, bounded):
            add(span)
    for at, word in enumerate(words):
        if free[at] and word.role is TokenRole.PLAIN and is_code(word.text) and not any(at in run for run in bounded):
            add(code_match(words, at, free, vocabulary))
    return sorted(whole_compounds(words, found, free), key=lambda span: span.start)


def bounded_runs(words: Sequence[Token]) -> Iterator[range]:
    """The words of each measure that is bounded on one side: ``at least 16 gb``."""
    at = 0
    for part in measured([word.text for word in words]):
        n_words = len(part.terms) if isinstance(part, Measure) else 1
        if isinstance(part, Measure) and part.is_open:
            yield range(at, at + n_words)
        at += n_words


def splits(span: SpanMatch, runs: Sequence[range]) -> bool:
    """Whether a span has some words of a run, but not all: ``16 gb`` is not what ``at least 16 gb`` asks for."""
    return any(
        span.start < run.stop and run.start < span.end and not (span.start <= run.start and run.stop <= span.end)
        for run in runs
    )


def matching_spans(texts: Sequence[str], vocabulary: Vocabulary) -> Iterator[SpanMatch]:
    """Every run of words that matches, with or without the name of a field (of one or two words) before the value."""
    for start in range(len(texts)):
        for n_words, matches in vocabulary.prefix_matches(texts[start:]):
            yield SpanMatch(start, start + n_words, matches[0], start)
        for value_start in (start + 1, start + 2):
            fields = vocabulary.fields_called(texts[start:value_start]) if value_start < len(texts) else ()
            for n_words, matches in vocabulary.prefix_matches(texts[value_start:]) if fields else ():
                within = [match for field in fields for match in matches if match.field == field]
                yield from (SpanMatch(start, value_start + n_words, match, value_start) for match in within[:1])


def may_match(words: Sequence[Token], span: SpanMatch) -> bool:
    """Whether the words belong together, and are more than stop words or a number by itself."""
    run = words[span.start : span.end]
    if any(word.joiner in (Joiner.BREAK, Joiner.MINUS) for word in run[1:]) or TokenRole.AND in (
        run[0].role,
        run[-1].role,
    ):
        return False
    if span.start and (words[span.start - 1].text, run[0].text) in CALLED_SO:  # "sin cable" names no cable
        return False
    if (len(run) == 1 and is_code(run[0].text)) or all(word.role is not TokenRole.PLAIN for word in run):
        return False
    return span.match.match_type is MatchType.SAME or run[0].role is run[-1].role is TokenRole.PLAIN


def code_match(words: Sequence[Token], at: int, free: Sequence[bool], vocabulary: Vocabulary) -> SpanMatch | None:
    """A number or a letter by itself (a size, a year) if it is a value as typed, in one field only, and does not belong
    to an unknown word beside it, as in ``iphone 12`` and ``3 piece``."""
    beside = [other for other in (at - 1, at + 1) if 0 <= other < len(words) and free[other]]
    if any(
        words[other].role is TokenRole.PLAIN or words[other].text == "of" for other in beside if touch(words, at, other)
    ):
        return None
    same = [match for match in vocabulary.matches([words[at].text]) if match.match_type is MatchType.SAME]
    matches = [match for match in same if not is_unit(split(match.field)[-1])]  # 8 cups are no height_cm of 8
    return SpanMatch(at, at + 1, matches[0], at) if len(matches) == 1 else None


def is_code(text: str) -> bool:
    """Whether a word is a number or a single letter, which may mean anything by itself."""
    return (len(text) == 1 and text.isascii()) or not any(letter.isalpha() for letter in text)


def touch(words: Sequence[Token], one: int, other: int) -> bool:
    """Whether nothing stands between two neighbouring words."""
    return words[max(one, other)].joiner in (Joiner.PLAIN, Joiner.HYPHEN)


def whole_compounds(words: Sequence[Token], found: Sequence[SpanMatch], free: Sequence[bool]) -> list[SpanMatch]:
    """The spans without parts of a hyphenated word whose rest does not match: ``top`` in ``top-handle``."""
    return [
        span
        for span in found
        if not any(
            free[at] and words[at].role is TokenRole.PLAIN and words[at].text != "free" for at in beside(words, span)
        )
    ]


def beside(words: Sequence[Token], span: SpanMatch) -> list[int]:
    """The words that hyphens join to a span, on either side."""
    start, end = span.start, span.end
    while start > 0 and words[start].joiner is Joiner.HYPHEN:
        start -= 1
    while end < len(words) and words[end].joiner is Joiner.HYPHEN:
        end += 1
    return [*range(start, span.start), *range(span.end, end)]
