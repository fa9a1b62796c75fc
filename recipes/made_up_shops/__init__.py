"""Made-up shops with what shoppers could ask of them: a catalog as a shop system exports it, and graded queries.

They were written for this, in rounds, by people who saw neither the code nor each other's shops, to learn what a shop
that nobody has seen meets. The queries of a round were divided at random when it began: the words in ``synonyms.txt``
were written with one half in view (``has_guided``), while the totals of the other half said what that was worth; two
shops of the eighth round and three of the ninth guided nothing, and of the tenth a half was looked at, but no word was
written for it.
``NAME.csv`` (or ``.tsv``, ``.xml``, ...) in the folder of a round is a catalog, ``NAME.queries.jsonl`` what is asked.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
QUERIES = ".queries.jsonl"

FITTED = (1, 2, 3, 7)
"""The rounds that confidences are fitted to; what measures these must look at others."""


@dataclass(frozen=True, slots=True)
class ShopQuery:
    """What a shopper could type. ``grades`` by ``plain_title``: 3 exactly what was asked, 2 a good answer, 1 acceptable
    or related; none for what the shop does not sell."""

    text: str
    grades: Mapping[str, int]
    has_guided: bool


@dataclass(frozen=True, slots=True)
class MadeUpShop:
    """A catalog file and what is asked of it."""

    round: int
    catalog: Path
    queries: tuple[ShopQuery, ...]

    @property
    def name(self) -> str:
        """The file's name without its extension."""
        return self.catalog.stem


def read_made_up_shops(rounds: Collection[int] | None = None) -> list[MadeUpShop]:
    """Every shop, or those of some rounds. Raises OSError."""
    folders = {int(folder.name.removeprefix("round")): folder for folder in FOLDER.glob("round*")}
    return [
        MadeUpShop(number, catalog, _read_queries(folder / f"{catalog.stem}{QUERIES}"))
        for number, folder in sorted(folders.items())
        if rounds is None or number in rounds
        for catalog in sorted(folder.iterdir())
        if not catalog.name.endswith(QUERIES)
    ]


def plain_title(title: str) -> str:
    """A title by which products are told apart, whatever case and spacing an export is read with."""
    return " ".join(title.casefold().split())


def _read_queries(path: Path) -> tuple[ShopQuery, ...]:
    rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return tuple(
        ShopQuery(row["query"], {plain_title(title): grade for title, grade in row["grades"].items()}, row["guided"])
        for row in rows
    )
