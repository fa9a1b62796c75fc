"""Sizes in letters and in words: ``L`` and ``Large`` are one, in filters as in queries."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

SIZES = frozenset(
    {"size", "sizes", "größe", "grösse", "taille", "pointure", "talla", "taglia", "maat", "rozmiar", "tamanho"}
    | {"storlek", "størrelse", "koko", "velikost", "veľkosť", "méret", "mărime", "beden", "размер", "розмір"}
)
"""Words for a size, case-folded: a field whose name ends with one holds sizes."""

SAME_SIZES = (
    ("xxs", "2xs", "extra extra small", "double extra small", "xx small"),
    ("xs", "extra small", "x small"),
    ("s", "small"),
    ("m", "medium"),
    ("l", "large"),
    ("xl", "extra large", "x large"),
    ("xxl", "2xl", "2x", "extra extra large", "double extra large", "xx large"),
    ("xxxl", "3xl", "3x", "triple extra large", "xxx large"),
    ("xxxxl", "4xl", "4x"),
)
"""What is one size, case-folded."""

LONGEST_SIZE = max(name.count(" ") + 1 for names in SAME_SIZES for name in names)
"""The most words of a size."""

IN_WORDS = ("small", "medium", "large")
"""How sizes end that are written in words, which may describe anything: a large bag has no size L."""

SPELLED = [[name.replace(" ", sign) for sign in (" ", "-", "") for name in names] for names in SAME_SIZES]
BY_NAME: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {name: tuple(dict.fromkeys(names)) for names in SPELLED for name in names}
)

BETWEEN_WORDS = re.compile(r"[\W_]+")


def is_of_sizes(field: str) -> bool:
    """Whether a field holds sizes, judged by its own name: ``size``, ``shoe_size``."""
    return BETWEEN_WORDS.split(field.casefold().rstrip(" _"))[-1] in SIZES


def same_sizes(size: str) -> tuple[str, ...]:
    """All names of a case-folded size, itself among them; none for one that is no size in letters or words."""
    return BY_NAME.get(size, ())


def is_in_words(size: str) -> bool:
    """Whether a size is written in words: ``extra large``."""
    return size.endswith(IN_WORDS) and bool(same_sizes(size))
