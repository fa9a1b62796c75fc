"""Gather the words that are no typing errors where a catalog lacks them, and that errors are corrected to: ``python -m
recipes.known_words``.

They are the words of the texts that were written for the encoder (``shelves.txt``, ``shopper_queries.txt``): what shops
write often enough, or shoppers type so often that it is no slip; the names of brands and of well-known products in
``brands.txt``; and the usual words of English by the frequency dictionary of symspellpy. The most frequent come first.
"""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping
from importlib import resources
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

import vitrina.search.analysis
from recipes.shelves import read_shelves
from recipes.shopper_queries import read_kinds
from vitrina.search.analysis.bound_words import KNOWN_WORDS_FILE

OUT = Path(vitrina.search.analysis.__path__[0]) / KNOWN_WORDS_FILE

LEAST_OF_SHOPS, LEAST_OF_ALL = 2, 6
"""How often shops must write a word, or they and shoppers together."""

N_USUAL = 40_000
"""How many of the most frequent words of English are usual."""

BRAND_PLACE = 12_000
"""As frequent as the word in this place are names of brands that are rarer elsewhere."""

BRANDS_FILE = Path(__file__).with_name("brands.txt")

OF_SHOPS_SHARE = 0.7
"""What a word's share of the texts of shops and shoppers counts, beside its share of English."""

WORD = re.compile(r"(?<![\w'])[^\W\d_]{4,}(?![\w'])")
"""Whole words: no part of ``doesn't`` or ``G4x``."""


def known_words(
    listings: Iterable[str], queries: Iterable[str], english: Mapping[str, int], brands: Iterable[str] = ()
) -> list[str]:
    """The words of four letters and more, the most frequent first; ``english`` has how frequent each is there, the most
    frequent first."""
    of_shops, of_shoppers = (
        Counter(chain.from_iterable(WORD.findall(text.lower()) for text in texts)) for texts in (listings, queries)
    )
    of_all = of_shops + of_shoppers
    known = {word for word, n in of_shops.items() if n >= LEAST_OF_SHOPS}
    known |= {word for word, n in of_all.items() if n >= LEAST_OF_ALL}
    known |= {word for word in list(english)[:N_USUAL] if WORD.fullmatch(word)}

    of_english = max(sum(english.values()), 1)

    def share(word: str) -> float:
        here, there = of_all[word] / max(of_all.total(), 1), english.get(word, 0) / of_english
        return OF_SHOPS_SHARE * here + (1 - OF_SHOPS_SHARE) * there

    found = sorted(known, key=lambda word: (-share(word), word))
    frequent = found[:BRAND_PLACE]
    others = {word for name in brands for word in WORD.findall(name)} - {*frequent, *english}
    return [*frequent, *sorted(others), *(word for word in found[BRAND_PLACE:] if word not in others)]


def english_frequencies() -> dict[str, int]:
    """How often each word stands in English books and dictionaries, the most frequent first."""
    file = resources.files("symspellpy").joinpath("frequency_dictionary_en_82_765.txt")
    lines = file.read_text(encoding="utf-8-sig").splitlines()
    return {word: int(n) for word, _, n in (line.partition(" ") for line in lines)}


def main(out: Annotated[Path, typer.Option(help="The file to write.")] = OUT) -> None:
    """Write the words, as many a line as fit."""
    shelves, kinds = read_shelves(), read_kinds()
    listings = [part for shelf in shelves for product in shelf.products.values() for part in product]
    listings += [title for kind in kinds for title in kind.titles]
    queries = [query for shelf in shelves for query, _ in shelf.queries]
    queries += [query for kind in kinds for query in kind.queries]
    brands = BRANDS_FILE.read_text(encoding="utf-8").splitlines()
    words = known_words(listings, queries, english_frequencies(), brands)
    out.write_text(textwrap.fill(" ".join(words), 120) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
