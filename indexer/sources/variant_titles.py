"""What variants are called: titles of their own, and the words in which these differ."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from vitrina.indexer.sources.cells import is_blank
from vitrina.indexer.sources.column_names import folded
from vitrina.indexer.sources.column_values import cell_at
from vitrina.search.types.item import Variant

_WORD = re.compile(r"\w+")
_CLOSING = re.compile(r"[)\]\"'”’»]+")


def titled(role: str, cells: Mapping[str, object], columns: Iterable[str]) -> dict[str, object]:
    """The first text in some columns under a role: ``title`` for one that is a title, ``name`` for one that may be."""
    held = (cell_at(cells, column) for column in columns)
    return {role: next((cell for cell in held if isinstance(cell, str) and not is_blank(cell)), None)}


def whole_title(name: str, of_item: str, options: Iterable[object]) -> str:
    """A variant's name if it is a title by itself, as ``Linen shirt, red``; empty if it says no more than which variant
    it is, as ``Red / Large``. A title has most of the words of the item's, or most of its own words from there."""
    of_options = _words(" ".join(str(option) for option in options if option != name))
    words, own = _words(of_item) - of_options, _words(name) - of_options
    n_shared = len(words & own)
    return name if 2 * n_shared > len(words) or (n_shared > 1 and 2 * n_shared >= len(own)) else ""


def own_titles(variants: tuple[Variant, ...], of_item: str) -> tuple[Variant, ...]:
    """The variants of a product's rows, without titles where none has another than the item's: that is the product's,
    which stands in its first row or in each, and may change without them."""
    repeats = all(each.title in ("", of_item) for each in variants)
    return tuple(replace(each, title="") for each in variants) if repeats else variants


def shared_title(title: str, variants: Sequence[Variant]) -> str:
    """What the titles of a product's rows begin with, before the options of each: ``Linen shirt`` of ``Linen shirt
    (Red, L)`` and ``Linen shirt (Blue, L)``. The title itself where it is none of theirs but the product's own, or
    where they do not begin alike."""
    titles = {each.title for each in variants}
    if title not in titles or len(titles) == 1:
        return title
    beginnings = {_without_options(each.title, each.options.values()) for each in variants}
    return beginnings.pop() if len(beginnings) == 1 else title


def _without_options(title: str, options: Iterable[object]) -> str:
    """A title without the words of options at its end."""
    said = _words(" ".join(map(str, options)))
    words = list(_WORD.finditer(title))
    while len(words) > 1 and words[-1][0].casefold() in said:
        words.pop()
    end = words[-1].end() if words else 0
    closing = _CLOSING.match(title, end)
    return title[: closing.end() if closing else end]


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.casefold()))


def words_apart(titles: Iterable[object]) -> list[list[str]]:
    """Of each title of several variants, the words that not all of them have; none where one has no title."""
    texts = [title.split() if isinstance(title, str) else [] for title in titles]
    if not all(texts):
        return [[] for _ in texts]
    shared = set.intersection(*({*map(folded, words)} for words in texts))
    return [[word for word in words if folded(word) not in shared] for words in texts]


def with_words(options: dict[str, object], words: Sequence[str]) -> dict[str, object]:
    """A variant's options, and those words of its title that none of them has, as the variant's name: Magnolia of a
    paint whose options are a size and Cream. A word may end otherwise than in an option, as in many languages."""
    held = [folded(part) for cell in options.values() for part in (*str(cell).split(), str(cell).replace(" ", ""))]
    beginnings = [(word, name[: max(3, len(name) - 2)]) for word in words if (name := folded(word))]
    unsaid = [word for word, beginning in beginnings if not any(each.startswith(beginning) for each in held)]
    return options if "variant" in options or not unsaid else {**options, "variant": " ".join(unsaid)}
