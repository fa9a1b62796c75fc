"""Gather the words that are no typing errors where a catalog lacks them: ``python -m recipes.known_words``.

They are the words of the texts that were written for the encoder (``shelves.txt``, ``shopper_queries.txt``): what shops
write often enough, or shoppers type so often that it is no slip.
"""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterable
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

WORD = re.compile(r"(?<![\w'])[^\W\d_]{4,}(?![\w'])")
"""Whole words: no part of ``doesn't`` or ``G4x``."""


def known_words(listings: Iterable[str], queries: Iterable[str]) -> list[str]:
    """The words of four letters and more, sorted."""
    of_shops, of_shoppers = (
        Counter(chain.from_iterable(WORD.findall(text.lower()) for text in texts)) for texts in (listings, queries)
    )
    found = {word for word, n in of_shops.items() if n >= LEAST_OF_SHOPS}
    return sorted(found | {word for word, n in (of_shops + of_shoppers).items() if n >= LEAST_OF_ALL})


def main(out: Annotated[Path, typer.Option(help="The file to write.")] = OUT) -> None:
    """Write the words, as many a line as fit."""
    shelves, kinds = read_shelves(), read_kinds()
    listings = [part for shelf in shelves for product in shelf.products.values() for part in product]
    listings += [title for kind in kinds for title in kind.titles]
    queries = [query for shelf in shelves for query, _ in shelf.queries]
    queries += [query for kind in kinds for query in kind.queries]
    out.write_text(textwrap.fill(" ".join(known_words(listings, queries)), 120) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
