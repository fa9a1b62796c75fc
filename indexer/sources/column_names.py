"""The names of columns: spelled alike, and those that are well known."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from importlib.resources import files

from vitrina.indexer.sources.attributes import attribute_key

_LETTERS = str.maketrans({"ß": "ss", "ł": "l", "ø": "o", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe"})
"""Letters that are no accented ones, and are left so where names are written without accents."""


def is_noise(name: str) -> bool:
    """Whether a column of this folded name is a shop's bookkeeping, which no shopper searches by and none should see:
    when a row was changed, what the shop paid for the product, what page titles say."""
    return _noise().fullmatch(name) is not None


@cache
def _noise() -> re.Pattern[str]:
    return re.compile("|".join(name_table("noise")["patterns"]))


def n_known_names(names: Sequence[str]) -> int:
    """How many of these texts are well-known names of fields: what tells a header from the rows around it."""
    known = {name for words in name_table("names").values() for name in words}
    return len({own for name in names if name and len(name) <= 80 and (own := folded(name)) in known})


@lru_cache(maxsize=4096)
def folded(name: str) -> str:
    """A column's name as names are compared: its attribute key without accents."""
    key = attribute_key(name)
    if key.isascii():
        return key
    letters = unicodedata.normalize("NFKD", key.translate(_LETTERS))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


@cache
def name_table(name: str) -> Mapping[str, list[str]]:
    """One table of ``names.toml``, folded."""
    table = tomllib.loads(files(__package__).joinpath("names.toml").read_text("utf-8"))[name]
    if name == "noise":
        return dict(table)
    return {key: list(dict.fromkeys(map(folded, words))) for key, words in table.items()}
