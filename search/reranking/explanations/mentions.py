"""Mentions: where a text names what verdicts are about; and the stop words that assert nothing by themselves."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from vitrina.search.analysis.spelling import SPELLED_WORD, fold, growing_keys, has_letter, key, split, stem
from vitrina.search.reranking.explanations.fields import spoken_field
from vitrina.search.reranking.explanations.phrases import filed, phrase
from vitrina.search.reranking.explanations.templates import conflict_wordings
from vitrina.search.types.requirement import Requirement, Status, Verdict
from vitrina.search.understanding.colours import same_names

FUNCTION_WORDS = frozenset(
    {
        "a", "an", "the", "this", "that", "these", "those", "it", "its", "they", "them", "their", "which", "what",
        "who", "whose", "there", "here", "you", "your", "and", "or", "nor", "neither", "either", "both", "but", "yet",
        "however", "although", "though", "while", "whereas", "so", "as", "than", "then", "also", "too", "well", "is",
        "are", "was", "were", "be", "been", "being", "has", "have", "had", "does", "do", "did", "can", "could", "may",
        "might", "will", "would", "cannot", "not", "no", "never", "without", "none", "nothing", "if", "whether", "in",
        "on", "of", "for", "to", "from", "with", "at", "by", "about", "only", "just", "one", "all", "every", "each",
        "any", "some", "other", "rather", "instead", "because", "since", "therefore", "thus", "hence", "still",
    }
)  # fmt: skip
"""Never taken for a value: a brand called One, or Just, is not meant by them."""

STOP_WORDS = frozenset(
    {
        # what is spoken of, and where it was found out
        "item", "product", "piece", "article", "requirement", "requirements", "aspect", "respect", "detail", "request",
        "search", "query", "wish", "wishes", "shopper", "listing", "catalog", "catalogue", "photo", "photograph",
        "picture", "image", "description", "information", "evidence",
        # how it stands to what was asked for
        "fit", "fits", "match", "matches", "matched", "matching", "meet", "meets", "met", "suit", "suits", "satisfies",
        "satisfied", "fulfils", "fulfilled", "asked", "ask", "asking", "want", "wanted", "requested", "wished", "like",
        "need", "needed", "looking", "desired", "contradicted", "contradicts", "differs", "different", "right", "wrong",
        "good", "full", "fully", "exact", "exactly", "perfect", "perfectly", "completely", "entirely", "clearly",
        # how it is known
        "look", "looks", "appear", "appears", "appearing", "seem", "seems", "show", "shows", "shown", "see", "seen",
        "visible", "say", "says", "said", "stated", "states", "listed", "described", "mentioned", "specified",
        "confirmed", "confirm", "confirms", "verified", "determined", "established", "known", "unknown", "clear",
        "unclear", "certain", "uncertain", "sure", "unsure", "tell", "told", "judge", "judged", "doubt", "comes",
        "come", "made", "lacks", "lack", "lacking", "missing", "absent", "true", "case", "probably", "tells", "leave",
        "open", "mentions", "include", "filed", "under", "more",
    }
)  # fmt: skip
"""Stop words unless a value of the catalog has the same name."""

VERBS = frozenset(
    {
        "is", "are", "was", "were", "be", "has", "have", "had", "does", "do", "did", "can", "could", "cannot", "may",
        "might", "will", "would", "fit", "fits", "match", "matches", "matched", "meets", "met", "suits", "satisfies",
        "fulfils", "looks", "appears", "seems", "shows", "says", "states", "confirms", "contradicts", "differs",
        "lacks", "comes", "come", "tells", "mentions", "include",
    }
)  # fmt: skip
"""A clause without any of them belongs to the one before."""

DENYING = frozenset({"not", "no", "never", "without", "none", "nothing", "nor", "neither", "lacks", "lack", "lacking"})
DENYING_BEFORE = frozenset({"missing", "absent", "contradicted", "contradicts", "differs", "different", "wrong"})
"""These deny what comes before them: ``navy is missing``."""

OPEN = frozenset(
    {"whether", "if", "cannot", "could", "may", "might", "unknown", "unclear", "uncertain", "unsure", "doubt"}
    | {"information", "evidence"}
)
"""A clause with one of them leaves open what it mentions."""

OPEN_WHEN_DENIED = frozenset(
    {"say", "said", "stated", "mentioned", "specified", "confirmed", "confirm", "verified", "determined", "clear"}
    | {"established", "known", "certain", "sure", "tell", "told", "judge", "judged", "clearly"}
)

FULFILLED = frozenset({"met", "satisfied", "fulfilled", "matched", "right", "true", "case", "so"})
"""After ``not`` these deny what comes before."""

SWEEPING = frozenset({"all", "every", "each", "full", "fully", "exact", "exactly", "perfect", "perfectly"}) | {
    "completely",
    "entirely",
    "both",
}
"""These refer to every requirement at once."""

_TOKEN = re.compile(rf"{SPELLED_WORD.pattern}|[.,;:!?…()–—]")
_BESIDE_A_CONFLICT = frozenset({"the", "a", "an", "but", "while", "and", "whereas", "though", "its", ","})
"""Allowed between the words of a disagreement without changing it."""

_JOINED = re.compile(r"[,;/&+|]|\band\b")

_CONTRACTED = {"can't": "cannot", "won't": "will not", "it's": "it is", "that's": "that is", "there's": "there is"} | {
    "you've": "you have",
    "you're": "you are",
    "you'd": "you had",
}


@dataclass(frozen=True, slots=True)
class Mention:
    """Words of a text that name something about verdicts, which are given by position.

    ``asked``: those whose requirement it names; ``found``: whose catalog or image value; ``conflicts``: whose
    disagreement. ``fields`` are the catalog fields of that name.
    """

    words: str
    asked: frozenset[int] = frozenset()
    found: frozenset[int] = frozenset()
    conflicts: frozenset[int] = frozenset()
    fields: frozenset[str] = frozenset()

    @property
    def is_field(self) -> bool:
        """Whether it names a field only."""
        return bool(self.fields) and not (self.asked or self.found or self.conflicts)


Token = str | Mention
"""A folded word, a punctuation mark, or a mention."""


@dataclass(slots=True)
class _Term:
    asked: set[int] = field(default_factory=set)
    found: set[int] = field(default_factory=set)
    fields: set[str] = field(default_factory=set)
    is_list: bool = False
    """Whether a comma or an ``and`` is part of it; otherwise ``navy and blue`` would be a navy blue."""


def tokens_of(text: str) -> list[str]:
    """Split a text into folded words and punctuation marks, with contractions expanded."""
    found = (match.group() for match in _TOKEN.finditer(fold(text)))
    return [word for token in found for word in _written_out(token)]


def with_mentions(tokens: Sequence[str], verdicts: Sequence[Verdict]) -> list[Token]:
    """Replace each longest run of tokens that names something by a mention."""
    terms = _terms(verdicts)
    conflicts = [(at, stems) for at, verdict in enumerate(verdicts) for stems in _conflict_stems(verdict)]
    longest = max((len(split(name)) for verdict in verdicts for name in _names(verdict)), default=0) + 1
    found: list[Token] = []
    at = 0
    while at < len(tokens):
        mention, end = (
            _conflict_at(tokens, at, conflicts) or _term_at(tokens, at, terms, longest) or (tokens[at], at + 1)
        )
        found.append(mention)
        at = end
    return found


def is_word(token: Token) -> bool:
    return isinstance(token, str) and has_letter(token)


def _written_out(token: str) -> list[str]:
    if token in _CONTRACTED:
        return _CONTRACTED[token].split()
    return [token[:-3], "not"] if token.endswith("n't") else [token]


def _terms(verdicts: Sequence[Verdict]) -> Mapping[str, _Term]:
    """The term of each name's key."""
    terms: dict[str, _Term] = defaultdict(_Term)
    for at, verdict in enumerate(verdicts):
        asked = set(_asked(verdict.requirement))
        for name in asked:
            terms[name].asked.add(at)
        for name in set(_found(verdict)) - asked:
            terms[name].found.add(at)
        if verdict.requirement.field:
            for name in (verdict.requirement.field, spoken_field(verdict.requirement.field)):
                terms[key(split(name))].fields.add(verdict.requirement.field)
        for name in _names(verdict):
            if _JOINED.search(fold(name)) and (joined := key(split(name))) in terms:
                terms[joined].is_list = True
    terms.pop("", None)
    return terms


def _asked(requirement: Requirement) -> Iterator[str]:
    """The keys of all names of exactly what is required: its words, the one value they name, the same colour."""
    words = split(requirement.words)
    yield key(words)
    named = {key(split(value)) for value in requirement.values if value not in requirement.narrower}
    if len(named) == 1:
        yield from named
    yield from same_names(words)
    yield from map(key, map(split, _said(requirement)))


def _found(verdict: Verdict) -> Iterator[str]:
    """The keys of the catalog and image values that agree with the verdict's status: a shade of the colour that is met,
    an article other than the contradicted one."""
    if verdict.status is Status.UNKNOWN or verdict.disagreement:
        return
    requirement = verdict.requirement
    fulfils = (verdict.status is Status.MET) is requirement.wanted
    values = {key(split(value)) for value in requirement.values}
    for value in (verdict.catalog_value, verdict.image_value):
        if value and ((name := key(split(value))) in values) is fulfils:
            yield name
            yield from map(key, map(split, _said(requirement, value)))


def _said(requirement: Requirement, text: str | None = None) -> tuple[str, ...]:
    """What the template says of a requirement, or of another value of its field."""
    said, under = phrase(requirement, text), filed(requirement, text)
    return said.core, said.complement, under.core, under.complement


def _names(verdict: Verdict) -> Iterator[str]:
    requirement = verdict.requirement
    yield from (
        requirement.words,
        requirement.field,
        *requirement.values,
        spoken_field(requirement.field),
        *_said(requirement),
    )
    for value in filter(None, (verdict.catalog_value, verdict.image_value)):
        yield from (value, *_said(requirement, value))


def _term_at(tokens: Sequence[str], at: int, terms: Mapping[str, _Term], longest: int) -> tuple[Mention, int] | None:
    """The longest term that begins at a token, and its end."""
    places = list(_places_from(tokens, at, longest))
    words = [tokens[place] for place in places]
    if not words or words[0] == "and":
        return None
    best = None
    for n_words, name in growing_keys(words, longest):
        run, end = words[:n_words], places[n_words - 1] + 1
        is_list = "and" in run or end - at > n_words
        if name in terms and run[-1] != "and" and (terms[name].is_list or not is_list):
            best = _mention(run, terms[name]), end
    return best


def _mention(words: Sequence[str], term: _Term) -> Mention:
    return Mention(" ".join(words), frozenset(term.asked), frozenset(term.found), fields=frozenset(term.fields))


def _places_from(tokens: Sequence[str], at: int, most: int) -> Iterator[int]:
    """The positions of the next words that only commas separate."""
    for place in range(at, len(tokens)):
        if is_word(tokens[place]):
            yield place
            most -= 1
        elif tokens[place] != "," or place == at:
            return
        if not most:
            return


def _conflict_at(
    tokens: Sequence[str], at: int, conflicts: Sequence[tuple[int, Sequence[str]]]
) -> tuple[Mention, int] | None:
    """The disagreement that begins at a token, and its end."""
    for verdict, stems in conflicts:
        if end := _end_of(tokens, at, stems):
            return Mention(" ".join(tokens[at:end]), conflicts=frozenset({verdict})), end
    return None


def _end_of(tokens: Sequence[str], at: int, stems: Sequence[str]) -> int | None:
    """The end of these stems, if they begin at a token with nothing significant between them."""
    n_found = 0
    for place in range(at, len(tokens)):
        if n_found < len(stems) and stem(tokens[place]) == stems[n_found]:
            n_found += 1
        elif n_found == 0 or tokens[place] not in _BESIDE_A_CONFLICT:
            return None
        if n_found == len(stems):
            return place + 1
    return None


def _conflict_stems(verdict: Verdict) -> list[list[str]]:
    """What says that listing and image disagree, in each wording: its words that are not free to be left out."""
    if not verdict.disagreement:
        return []
    wordings = (verdict.disagreement, *conflict_wordings(verdict))
    told = [[token for token in tokens_of(text) if has_letter(token)] for text in wordings]
    return [[stem(token) for token in tokens if token not in _BESIDE_A_CONFLICT] for tokens in told]
