"""What shoppers could ask of products that lie near each other, with the products that answer, in ``shelves.txt``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SHELVES_FILE = Path(__file__).with_suffix(".txt")

ANSWER = re.compile(r"([a-z]+)([123])")


@dataclass(frozen=True, slots=True)
class Shelf:
    """Products of one shop, ``products`` by their keys: a title and what else the listing says. ``queries`` with the
    keys of the products that answer each and how well, 1 to 3; of some no product is an answer."""

    name: str
    products: Mapping[str, tuple[str, ...]]
    queries: tuple[tuple[str, Mapping[str, int]], ...]


def read_shelves(path: Path = SHELVES_FILE) -> list[Shelf]:
    """The shelves of a file: each a line ``# its name``, products as ``key = title | more | ...``, queries as ``? query
    | key3 key1``. Raises OSError, or ValueError for a line that is none of these and for an answer that is no
    product."""
    return [_read(block) for block in path.read_text(encoding="utf-8").split("\n# ")[1:]]


def _read(block: str) -> Shelf:
    name, *lines = filter(None, map(str.strip, block.splitlines()))
    products: dict[str, tuple[str, ...]] = {}
    queries: list[tuple[str, dict[str, int]]] = []
    for line in lines:
        if line.startswith("?"):
            query, _, answers = line[1:].rpartition("|")
            queries.append((query.strip(), _grades(answers, name)))
            continue
        key, is_product, listing = line.partition(" = ")
        if not is_product:
            raise ValueError(f"{name}: {line[:60]!r} is neither a product nor a query.")
        products[key] = tuple(map(str.strip, listing.split(" | ")))
    if strangers := {key for _, grades in queries for key in grades} - products.keys():
        raise ValueError(f"{name}: no product is {', '.join(sorted(strangers))}.")
    return Shelf(name, products, tuple(queries))


def _grades(answers: str, name: str) -> dict[str, int]:
    found = [ANSWER.fullmatch(answer) for answer in answers.split()]
    if None in found:
        raise ValueError(f"{name}: {answers.strip()!r} are no answers such as a3 b1.")
    return {match[1]: int(match[2]) for match in found if match}
