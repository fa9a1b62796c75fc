"""Make the synonyms that ship in ``search/analysis``: ``python -m recipes.synonyms --words FOLDER``.

Synonyms come from WordNet's nouns for things that shops sell and from what shoppers call Shopify's categories, narrower
kinds from WordNet and those categories, and both from the parser's own table; ``synonyms.txt`` has more of both, and
what helps against troubles. Each line of the file has a phrase key, its synonyms, the narrower kinds and, for a
trouble, what helps, with tabs between them and ``|`` within.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import re
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from recipes.shopper_queries import QUERIES_FILE, read_kinds
from vitrina.search.analysis.analyser import analyse
from vitrina.search.analysis.language import Language
from vitrina.search.analysis.synonyms import SynonymRule, parse_synonyms
from vitrina.search.understanding.names import COVERS, SYNONYMS

OUT = Path(__file__).parent.parent / "search" / "analysis" / "synonyms.tsv.gz"

HEADER = """\
# Made by recipes/synonyms.py. WordNet 3.1 Copyright 2011 by Princeton University. All rights reserved.
# Shopify Product Taxonomy, Copyright (c) Shopify Inc. (MIT License). Both licences: see NOTICE.
"""

MORE = Path(__file__).parent / "synonyms.txt"
"""What shoppers and shops say and WordNet 3.1 lacks, or keeps apart: a group of names a line, as a shop writes its own
synonyms, and lines of a wide name, ``>`` and narrower ones."""

LEXNAMES = frozenset({"artifact", "food"})
MAX_WORDS = 3
MIN_LETTERS = 2
MAX_SYNONYMS = 8
MAX_NARROWER = 16
LAST_POSITION = 1
MAX_SYNSETS = 3
"""WordNet lists a synset's words by how often each is used in that sense. A word of several senses keeps those in which
it stands first or, if it has three at most, second, so that phone is a telephone and not a headphone."""

VAGUE = frozenset(
    {"accessory", "part", "supply", "kit", "set", "other", "equipment", "component", "product", "item", "piece", "unit"}
    | {"device", "thing", "material", "service", "system", "tool", "cover", "case", "line", "block"}
)
"""Last words of categories, and single words, that say nothing of what a product is."""

NO_NAMES = frozenset({"thing", "stuff", "bit", "something", "one", "type", "style", "proper", "little", "big", "cheap"})
"""Keys of words of descriptions, beside the small words of the language."""

ENGLISH = Language("en")
SEPARATOR = re.compile(r"\s*(?:&|,|/|\band\b)\s*")


@dataclass(frozen=True, slots=True)
class Synset:
    """One sense: its words as keys, the most usual first, and its hypernyms."""

    lexname: str
    words: tuple[str, ...]
    hypernyms: tuple[str, ...]


def phrase_key(phrase: str) -> str:
    """What spellings of a phrase have in common, as ``Thesaurus.key`` has it."""
    return " ".join(ENGLISH.keys(analyse(phrase)))


def read_wordnet(folder: Path) -> list[dict[str, str]]:
    with (folder / "wordnet31_product_nouns.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def make_synsets(rows: Iterable[Mapping[str, str]]) -> list[Synset]:
    return [
        Synset(
            row["lexname"],
            tuple(dict.fromkeys(key for word in row["synonyms"].split(", ") if (key := phrase_key(word)))),
            tuple(phrase_key(word) for word in row["hypernyms"].split("; ") if word),
        )
        for row in rows
    ]


def read_categories(path: Path) -> list[list[str]]:
    """The names from the root down to each category."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.partition(" : ")[2].strip().split(" > ") for line in lines if " : " in line and line[0] != "#"]


def read_queries(path: Path) -> list[tuple[str, str]]:
    """The name of each category in a file of shoppers' queries, and what else they call it: the first query."""
    return [(kind.path[-1], kind.queries[0]) for kind in read_kinds(path)]


def names_in(category: str) -> list[str]:
    """The keys of the things that a category's name lists: Sofas & Couches are two, Baby & Toddler Furniture is one
    that has no name of its own."""
    parts = [key for part in SEPARATOR.split(category) if (key := phrase_key(part))]
    return parts if len(parts) == 1 or all(" " not in part for part in parts) else []


def synonyms_of(synsets: Sequence[Synset], sold: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Pairs of words that are used in one sense, of which shops sell one under its own name."""
    n_synsets: dict[str, int] = defaultdict(int)
    for synset in synsets:
        for word in synset.words:
            n_synsets[word] += 1
    for synset in synsets:
        if synset.lexname in LEXNAMES and not sold.isdisjoint(synset.words):
            usual = [word for at, word in enumerate(synset.words) if is_usual(at, n_synsets[word])]
            yield from ((one, other) for one in usual for other in usual if one != other)


def is_usual(position: int, n_synsets: int) -> bool:
    """Whether a word is mostly used in the sense in which it is listed at a position."""
    return position == 0 or n_synsets == 1 or (position <= LAST_POSITION and n_synsets <= MAX_SYNSETS)


def kinds_of(synsets: Sequence[Synset], sold: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Pairs of a word and a narrower one, by WordNet, where shops sell both under their own names."""
    for synset in synsets:
        if synset.lexname in LEXNAMES and synset.words:
            yield from ((h, synset.words[0]) for h in synset.hypernyms if {h, synset.words[0]} <= sold)


def categories_below(categories: Iterable[Sequence[str]]) -> Iterator[tuple[str, str]]:
    """Pairs of a category that is one thing and a category below it."""
    for path in categories:
        if len(path) > 1:
            wide, narrow = names_in(path[-2]), names_in(path[-1])
            if len(wide) == 1:
                yield from ((wide[0], name) for name in narrow)


def names_asked_for(
    queries: Iterable[tuple[str, str]], categories: Iterable[Sequence[str]], heads: Container[str]
) -> Iterator[tuple[str, str]]:
    """Pairs of what shoppers call the things of a category, and their name. What is the name of another category is
    left out, and a word that names have before another: the conference of a conference table is no pear. A phrase ends
    in one of ``heads``, since by its end it would say what a shop that has no such title lacks."""
    parts = {phrase_key(part) for path in categories for part in SEPARATOR.split(path[-1])}
    taken = parts | {word for part in parts for word in part.split()[:-1]}
    for category, query in queries:
        name, called = thing_in(category), phrase_key(query)
        is_known = " " not in called or last_word(called) in heads
        if name and is_known and is_name(query) and called not in taken:
            yield called, name


def thing_in(category: str) -> str:
    """The key of the thing that a category's name says, or lists first, as Canes & Walking Sticks does; empty where it
    lists single words, of which any may be meant, or begins with no name, as Baby & Toddler Furniture does."""
    names, first = names_in(category), SEPARATOR.split(category)[0]
    if names:
        return names[0] if len(names) == 1 else ""
    return phrase_key(first) if first.endswith("s") else ""


def is_name(query: str) -> bool:
    """Whether a query is a name of a thing, and no description."""
    words = query.lower().split()
    is_short = len(words) <= MAX_WORDS and all(word.replace("-", "").replace("'", "").isalpha() for word in words)
    return is_short and ENGLISH.stop_words.isdisjoint(words) and NO_NAMES.isdisjoint(ENGLISH.keys(words))


def table_pairs(table: Iterable[Sequence[str]]) -> Iterator[tuple[str, str]]:
    for group in table:
        keys = [phrase_key(name) for name in group]
        yield from ((one, other) for one in keys for other in keys if one != other)


def is_useful(word: str, other: str) -> bool:
    """Whether ``other`` says more than ``word``: an item that holds it need not hold the word anyway."""
    words, others = word.split(), other.split()
    if not words or max(len(words), len(others)) > MAX_WORDS or min(len(word), len(other)) < MIN_LETTERS:
        return False
    return f" {word} " not in f" {other} " and not any(part.isdigit() for part in (*words, *others))


def without_vague(pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """The pairs of names that both say what a product is."""
    return ((one, other) for one, other in pairs if VAGUE.isdisjoint({last_word(one), last_word(other)}))


def last_word(phrase: str) -> str:
    return phrase.rpartition(" ")[2]


def grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for word, other in pairs:
        if is_useful(word, other):
            found[word][other] = None
    return {word: list(others) for word, others in found.items()}


def spellings(phrases: Iterable[str]) -> dict[str, str]:
    """Each phrase key as it is spelled where it comes first."""
    found: dict[str, str] = {}
    for phrase in phrases:
        found.setdefault(phrase_key(phrase), " ".join(analyse(phrase)))
    return found


def read_more(text: str) -> tuple[tuple[SynonymRule, ...], list[tuple[str, str]]]:
    """The rules of ``synonyms.txt``, and its pairs of a wide name and a narrower one."""
    lines = text.splitlines()
    wider = [line.split(" > ") for line in lines if " > " in line and not line.startswith("#")]
    kinds = [
        (wide.strip(), kind.strip()) for names, kinds in wider for wide in names.split(",") for kind in kinds.split(",")
    ]
    others = "\n".join(line for line in lines if " > " not in line)
    return parse_synonyms(others, max_rules=len(lines)), kinds  # the limit is for a shop's own


def pairs_of(rule: SynonymRule) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Each name on the left of a rule with each on its right."""
    return ((one, other) for one in rule.sources for other in rule.targets)


def make_lines(
    same: Mapping[str, Sequence[str]],
    narrower: Mapping[str, Sequence[str]],
    helps: Mapping[str, Sequence[str]],
    spelled: Mapping[str, str],
    own_kinds: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> Iterator[str]:
    """The lines of the file; ``own_kinds`` are narrower ones that are kept whatever their number."""
    for word in sorted({*same, *narrower, *helps, *own_kinds}):
        synonyms = list(same.get(word, ()))[:MAX_SYNONYMS]
        found = [kind for kind in narrower.get(word, ()) if kind not in synonyms][:MAX_NARROWER]
        kinds = dict.fromkeys((*(kind for kind in own_kinds.get(word, ()) if kind not in synonyms), *found))
        columns = [synonyms, kinds, helps.get(word, [])]
        yield "\t".join((word, *("|".join(map(spelled.__getitem__, column)) for column in columns))).rstrip("\t")


def main() -> None:
    """Write the file."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--words", type=Path, required=True, help="The folder of WordNet's and Shopify's files.")
    arguments.add_argument("--queries", type=Path, default=QUERIES_FILE, help="The file of shoppers' queries.")
    arguments.add_argument("--out", type=Path, default=OUT)
    options = arguments.parse_args()
    rows = read_wordnet(options.words)
    synsets = make_synsets(rows)
    categories = read_categories(options.words / "shopify_categories.txt")
    sold = frozenset(name for path in categories for name in names_in(path[-1]))
    rules, kinds = read_more(MORE.read_text(encoding="utf-8"))
    more = [[" ".join(name) for name in rule.sources] for rule in rules if not rule.replaces]
    troubles = [(" ".join(one), " ".join(other)) for rule in rules if rule.replaces for one, other in pairs_of(rule)]
    tables = [
        *more,
        *troubles,
        *kinds,
        *((value, *others) for table in (SYNONYMS, COVERS) for value, others in table.items()),
    ]
    own = [(value, *others) for value, others in SYNONYMS.items()]
    queries = read_queries(options.queries)
    known = grouped([*table_pairs([*more, *own]), *without_vague(synonyms_of(synsets, sold))])
    asked_for = without_vague(names_asked_for(queries, categories, set(map(last_word, known))))
    same = grouped([*((one, other) for one, others in known.items() for other in others), *asked_for])
    covers = [(phrase_key(wide), phrase_key(kind)) for wide, kinds in COVERS.items() for kind in kinds]
    narrower = grouped([*covers, *without_vague([*categories_below(categories), *kinds_of(synsets, sold)])])
    wordnet = (word for column in ("synonyms", "hypernyms") for row in rows for word in re.split("[,;] ", row[column]))
    parts = (part for path in categories for part in SEPARATOR.split(path[-1]))
    called = (query for _, query in queries)
    spelled = spellings((*(name for table in tables for name in table), *wordnet, *parts, *called))
    helps = grouped((phrase_key(trouble), phrase_key(thing)) for trouble, thing in troubles)
    own_kinds = grouped((phrase_key(wide), phrase_key(kind)) for wide, kind in kinds)
    text = HEADER + "\n".join(make_lines(same, narrower, helps, spelled, own_kinds)) + "\n"
    options.out.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))


if __name__ == "__main__":
    main()
