"""What shoppers could type for the things of Shopify's categories, in ``shopper_queries.txt``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

QUERIES_FILE = Path(__file__).with_suffix(".txt")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of thing that shops sell: the ``path`` of its category, ``titles`` of products as shops write them, and
    ``queries`` that these answer, of which the first is what else the thing is called."""

    path: tuple[str, ...]
    titles: tuple[str, ...]
    queries: tuple[str, ...]


def read_kinds(path: Path = QUERIES_FILE) -> list[Kind]:
    """The kinds of a file, neighbours in the taxonomy one after the other: each a line ``# path > of > its category``,
    its titles after ``=``, its queries. Raises OSError, or ValueError for a kind that lacks one of them."""
    kinds: list[Kind] = []
    for block in path.read_text(encoding="utf-8").split("\n# ")[1:]:
        first, *lines = filter(None, map(str.strip, block.splitlines()))
        titles = tuple(line[1:].strip() for line in lines if line.startswith("="))
        queries = tuple(line for line in lines if not line.startswith("="))
        if not titles or not queries:
            raise ValueError(f"{path} has no title or no query of {first}")
        kinds.append(Kind(tuple(first.split(" > ")), titles, queries))
    return kinds
