"""Synonyms: those that ship with the package, for the languages of most shops, and a shop's own, for any."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import chain, combinations, takewhile

from vitrina.search.analysis.analyser import analyse
from vitrina.search.analysis.language import Language
from vitrina.search.analysis.shop_words import shop_words
from vitrina.search.analysis.spelling import stem
from vitrina.search.types.errors import InputError

SYNONYM_WEIGHT = 0.6
NARROWER_WEIGHT = 0.35
"""How much an item that holds a synonym of a word, or the name of a narrower kind, counts for it. Of 0.5, 0.65 and 0.75
the same in twelve shops, and .849, .856 and .856 of the first hits right in four others; nDCG@10 in the demo shops is
.648 with 0.5 and 0.6, and .642 with 0.65."""

PHRASE_WEIGHT = 0.8
"""The same of a synonym of several words, which seldom have more than one meaning together: secateurs are more of an
answer to "pruning shears" than other shears are. Of 0.5, 0.65 and 0.8 the best in ten shops."""

NARROWER_PHRASE_WEIGHT = 0.6
"""The same of a kind of what several words name: a rioja is a red wine, and red lentils are none."""

SHOP_WORD_WEIGHT = 0.85
NARROWER_SHOP_WORD_WEIGHT = 0.6
"""The same in other languages, whose lists are of shops' words alone. In an Italian and a Brazilian shop (175 queries
held out, first hits right): .83 with the weights of English, .86 with 0.8 and 0.55, .87 with 0.9 and 0.65."""

OWN_WEIGHT = 1.0
"""The same of a shop's own synonyms: as much as the word itself, since the shop says that they mean the same."""

SENTENCE_LENGTH = 5
MAX_GAP = 5
"""From how many words on a query may tell of a trouble with other words between, and how far apart its words may be."""

MAX_SYNONYM_WORDS = 5
MAX_RULES = 20_000

DATA_FILE = "synonyms.tsv.gz"


@dataclass(frozen=True, slots=True)
class Synonym:
    """Words that count, by ``weight``, as much as the words they stand for."""

    words: tuple[str, ...]
    weight: float


@dataclass(frozen=True, slots=True)
class SynonymRule:
    """One line of a shop's synonyms: any of ``sources``, each a phrase, also means any of ``targets``, or, if it
    ``replaces``, those alone."""

    sources: tuple[tuple[str, ...], ...]
    targets: tuple[tuple[str, ...], ...]
    replaces: bool


def parse_synonyms(text: str, max_rules: int = MAX_RULES) -> tuple[SynonymRule, ...]:
    """The rules of a file in the format of Solr and Elasticsearch: ``a, b, c`` or ``a, b => c``, ``#`` for comments.

    Raises InputError, which names the line.
    """
    rules: list[SynonymRule] = []
    for number, line in enumerate(text.lstrip("\ufeff").splitlines(), start=1):
        rule = line.partition("#")[0].strip()
        if rule:
            rules.append(parsed_rule(rule, number))
    if len(rules) > max_rules:
        raise InputError(f"There are {len(rules):,} rules; the limit is {max_rules:,}.", remedy="Leave some out.")
    return tuple(rules)


def parsed_rule(rule: str, number: int) -> SynonymRule:
    left, arrow, right = rule.partition("=>")
    sources, targets = phrases(left, number), phrases(right, number) if arrow else ()
    if "=>" in right:
        raise bad_line(number, "it has two arrows")
    if arrow:
        return SynonymRule(sources, targets, replaces=True)
    if len(sources) < 2:
        raise bad_line(number, f"{rule!r:.80} stands alone")
    return SynonymRule(sources, sources, replaces=False)


def phrases(text: str, number: int) -> tuple[tuple[str, ...], ...]:
    found = [(phrase.strip(), tuple(analyse(phrase))) for phrase in text.split(",")]
    for phrase, words in found:
        if not words:
            raise bad_line(number, f"{phrase!r:.80} has no word" if phrase else "a comma or an arrow lacks a word")
        if len(words) > MAX_SYNONYM_WORDS:
            raise bad_line(number, f"{phrase!r:.80} has {len(words)} words; the limit is {MAX_SYNONYM_WORDS}")
    return tuple(dict.fromkeys(words for _, words in found))


def bad_line(number: int, reason: str) -> InputError:
    return InputError(
        f"Line {number} of the synonyms cannot be read: {reason}.",
        remedy="Write 'sofa, couch, settee' for words that mean the same, or 'trainers => running shoes'.",
        details={"line": number},
    )


@cache
def shipped_synonyms() -> Mapping[str, str]:
    """The synonyms that ship with the package, by phrase key: ``recipes/synonyms.py`` says what the lines hold."""
    data = resources.files("vitrina.search.analysis").joinpath(DATA_FILE).read_bytes()
    lines = gzip.decompress(data).decode().splitlines()
    return {key: rest for key, _, rest in (line.partition("\t") for line in lines if not line.startswith("#"))}


@cache
def joined_names() -> Mapping[str, str]:
    """The keys of names of several words, by the key without blanks, and without small words, which queries lose."""
    small = Language("en").small_words
    several = [key for key in shipped_synonyms() if " " in key]
    with_small = (key for key in several if not small.isdisjoint(key.split()))
    shorter = ((key, [word for word in key.split() if word not in small]) for key in with_small)
    without = {"".join(words): key for key, words in shorter if len(words) > 1}
    return without | {key.replace(" ", ""): key for key in several}


@cache
def english_words() -> frozenset[str]:
    """The keys of the words for which synonyms ship: most things that shops sell."""
    return frozenset(word for key in shipped_synonyms() for word in key.split())


NO_KINDS = frozenset({"gift", "present", "range", "collection", "brand", "series", "gear", "stuff", "topping"})
"""What may be any thing."""

GENRES = frozenset(
    {
        "fiction", "novel", "mystery", "crime", "noir", "thriller", "suspense", "espionage", "romance", "romantasy",
        "erotica", "smut", "fantasy", "dystopian", "horror", "gothic", "saga", "classic", "drama", "comedy", "tale",
        "fable", "history", "memoir", "biography", "autobiography", "poetry", "poem", "verse", "anthology", "manga",
        "whodunnit",
    }
)  # fmt: skip
"""What stories are of, which their titles seldom say."""


@cache
def english_heads() -> frozenset[str]:
    """The keys of the words that end the names for which synonyms ship: kinds of things."""
    names = (key for key, rest in shipped_synonyms().items() if not rest.startswith("\t\t"))
    return frozenset(key.rpartition(" ")[2] for key in names) - NO_KINDS - GENRES


LEAST_ENGLISH = 0.6


def are_english(texts: Iterable[str]) -> bool:
    """Whether most of the different words of titles are English names of things, where they are too few to tell the
    language by."""
    words = list({word for text in texts for word in text.split() if word.isalpha() and len(word) > 2})
    known = [key in english_words() for key in Language("en").keys(words)]
    return len(known) > 1 and sum(known) >= LEAST_ENGLISH * len(known)


def written(phrase: str) -> Iterator[tuple[str, ...]]:
    """The words of a phrase, and those without an ``and``, for which shops write a sign."""
    words = tuple(phrase.split())
    yield words
    if "and" in words[1:-1]:
        yield tuple(word for word in words if word != "and")


class Thesaurus:
    """The synonyms that hold in one catalog: its shop's own, then those that ship with the package."""

    def __init__(self, language: Language, rules: Sequence[SynonymRule] = ()) -> None:
        self._language = language
        self._own: dict[str, tuple[Synonym, ...]] = {}
        self._replaced: set[str] = set()
        self.longest = max((len(words) for rule in rules for words in rule.sources), default=1)
        """The most words that a look-up can match."""
        for rule in rules:
            self._add(rule)
        self._shipped: Mapping[str, str] = {}
        self._words = shop_words(language.code)
        self.longest = max(self.longest, self._words.longest)
        if language.code == "en":
            self._shipped = shipped_synonyms()
            self.longest = max(self.longest, 3)

    def _add(self, rule: SynonymRule) -> None:
        for source in rule.sources:
            key = self.key(source)
            targets = [Synonym(words, 1.0 if rule.replaces else OWN_WEIGHT) for words in rule.targets]
            others = tuple(each for each in targets if rule.replaces or each.words != source)
            self._own[key] = self._own.get(key, ()) + others
            if rule.replaces:
                self._replaced.add(key)

    def key(self, words: Sequence[str]) -> str:
        """What spellings of one phrase have in common."""
        return " ".join(self._language.keys(words))

    def synonyms(self, words: Sequence[str]) -> tuple[Synonym, ...]:
        """The synonyms of terms of a query, as one phrase."""
        key = self.key(words)
        own = self._own.get(key, ())
        if key in self._replaced:
            return own
        if meaning := self._words.meaning(words):
            same_words = (each for each in meaning.same if self.key(self._words.without_stop_words(each)) != key)
            weighted = (
                dict.fromkeys(meaning.narrower, NARROWER_SHOP_WORD_WEIGHT),
                dict.fromkeys(same_words, SHOP_WORD_WEIGHT),
            )
            return (*own, *(Synonym(phrase, weight) for each in weighted for phrase, weight in each.items()))
        same, narrower, helps, *_ = [*self._known(key).split("\t"), "", ""]
        weight = PHRASE_WEIGHT if len(words) > 1 else SYNONYM_WEIGHT
        phrases = (phrase for column in (same, helps) for phrase in column.split("|") if phrase)
        found = [Synonym(words, weight) for phrase in phrases for words in written(phrase)]
        weight = NARROWER_PHRASE_WEIGHT if len(words) > 1 else NARROWER_WEIGHT
        found += [Synonym(tuple(phrase.split()), weight) for phrase in narrower.split("|") if phrase]
        return (*own, *found)

    def troubles(self, words: Sequence[str]) -> Iterator[tuple[int, Synonym]]:
        """What helps against troubles of two or three words that a sentence has apart, ``back up all my photos``, for
        the position of each of these words."""
        keys = self._language.keys(words) if self._shipped and len(words) >= SENTENCE_LENGTH else ()
        for at in range(len(keys)):
            near = range(at + 1, min(at + 1 + MAX_GAP, len(keys)))
            for others in chain(combinations(near, 1), combinations(near, 2)):
                if others[-1] - at > len(others):
                    helps = self._known(" ".join(keys[each] for each in (at, *others))).split("\t")[2:3]
                    for phrase in helps[0].split("|") if helps else ():
                        yield from ((each, Synonym(tuple(phrase.split()), PHRASE_WEIGHT)) for each in (at, *others))

    def rewordings(self, words: Sequence[str]) -> tuple[tuple[str, ...], ...]:
        """The phrases in which one run of these words has a synonym in its place, the nearest first."""
        found: dict[tuple[str, ...], float] = {}
        for start, end in combinations(range(len(words) + 1), 2):
            for synonym in self.synonyms(words[start:end]) if end - start <= self.longest else ():
                found.setdefault((*words[:start], *synonym.words, *words[end:]), synonym.weight)
        return tuple(sorted(found, key=lambda phrase: -found[phrase]))

    def _known(self, key: str) -> str:
        """What ships for a phrase, or for one that differs in where it is written apart: ``pendrive``."""
        if not self._shipped or key in self._shipped:
            return self._shipped.get(key, "")
        return self._shipped.get(joined_names().get(key.replace(" ", ""), ""), "")

    def replaces(self, words: Sequence[str]) -> bool:
        """Whether the shop wants the synonyms of a phrase in its place."""
        return self.key(words) in self._replaced

    def is_name(self, words: Sequence[str]) -> bool:
        """Whether words are together a name of a thing, with synonyms or narrower kinds; no trouble, nor what one does,
        for which something helps."""
        key = self.key(words)
        is_trouble = self._known(key).startswith("\t\t")
        return not is_trouble and bool(self.synonyms(words))

    def knows(self, word: str) -> bool:
        """Whether a word is in any of the synonyms, and so spelled as it is meant."""
        key = self.key([word])
        if self._language.code == "en":
            return key in self._own or key in english_words() or key in joined_names()
        return key in self._own or self._words.meaning([word]) is not None

    def names(self, word: str) -> bool:
        """Whether a word is a name of its own, in the very form, in the synonyms of the shop or of its language."""
        return self.key([word]) in self._own or self._words.names(word)

    def is_hyphenated(self, words: Sequence[str]) -> bool:
        """Whether words are listed as one name with a hyphen, and no blank, between them."""
        return self._words.is_hyphenated(words)

    def tail_at(self, word: str) -> int:
        """Where the longest word starts that ends a compound and is listed by itself; 0 where none does."""
        return self._words.tail_at(word)


def differing(words: Sequence[str], span: range, other: tuple[str, ...]) -> tuple[range, tuple[str, ...]]:
    """Those words of a span that another name for it has others for, and these others, where both have the words before
    or after in common: ``lead`` of ``dog lead`` is ``leash`` of ``dog leash``. Empty where they have none."""
    n_before = sum(1 for _ in takewhile(are_equal, zip(words[span.start : span.stop], other, strict=False)))
    rest, others = words[span.start + n_before : span.stop], other[n_before:]
    n_after = sum(1 for _ in takewhile(are_equal, zip(reversed(rest), reversed(others), strict=False)))
    part = range(span.start + n_before, span.stop - n_after)
    return (part, others[: len(others) - n_after]) if n_before + n_after else (range(0), ())


def are_equal(pair: tuple[str, str]) -> bool:
    return stem(pair[0]) == stem(pair[1])
