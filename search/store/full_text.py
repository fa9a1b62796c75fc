"""Full-text search over the items' words, on SQLite's FTS5."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, Select, bindparam, column, literal_column, select, table, text

from vitrina.search.store.database import FULL_TEXT, items
from vitrina.search.store.facets import ids_as_table
from vitrina.search.types.item import Item, attribute_text

BM25_WEIGHTS = "10.0, 5.0, 3.0, 1.0"
"""Of sku, title, attributes and description: a word in a shorter, more deliberate field counts more."""

MAX_WORDS = 32

MAX_PARTIAL = 200
"""How many items are listed that hold only some of the words: further down, vectors rank better."""

STOP_WORDS = frozenset({"a", "an", "and", "at", "by", "for", "from", "in", "of", "on", "or", "the", "to", "with"})
"""Words that are never a requirement; a query of nothing else keeps them."""

full_text = table(FULL_TEXT, *(column(name) for name in ("rowid", "sku", "title", "attributes", "description")))


@dataclass(frozen=True, slots=True)
class TextMatch:
    """An item that full-text search found. ``strength`` is in (0, 1], relative to the best match of the query."""

    item_id: int
    strength: float
    all_words: bool


def index_text(connection: Connection, rows: Iterable[tuple[int, Item]]) -> None:
    """Index items' words; their old words must have been removed. ``rows`` must not be empty."""
    columns = "rowid, sku, title, attributes, description"
    connection.execute(
        text(f"INSERT INTO {FULL_TEXT}({columns}) VALUES (:id, :sku, :title, :at, :de)"),
        [
            {
                "id": item_id,
                "sku": item.sku,
                "title": item.title,
                "at": attribute_text(item.attributes),
                "de": item.description,
            }
            for item_id, item in rows
        ],
    )


def remove_text(connection: Connection, item_ids: Sequence[int]) -> None:
    query = text(f"DELETE FROM {FULL_TEXT} WHERE rowid IN :ids").bindparams(bindparam("ids", expanding=True))
    connection.execute(query, {"ids": list(item_ids)})


class FullTextReader:
    """Searches items by their words within one transaction of the catalog."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def search(self, query: str, *, limit: int, within: NDArray[np.int64] | None = None) -> list[TextMatch]:
        """The items that hold all of the query's words, then those that hold any; best first by BM25, then by id.

        ``within``, shape (n,), restricts the search to these item ids. Returns nothing for a query without words.
        """
        terms = query_terms(query)
        if not terms:
            return []
        allowed = None if within is None else ids_as_table(within.tolist())
        found = self._match(" ".join(terms), limit, allowed)
        every = {item_id for item_id, _ in found}
        if len(found) < limit and len(terms) > 1:
            partly = self._match(" OR ".join(terms), min(limit, MAX_PARTIAL), allowed)
            found += [(item_id, strength) for item_id, strength in partly if item_id not in every]
        best = max((strength for _, strength in found), default=1.0)
        return [TextMatch(item_id, strength / best, item_id in every) for item_id, strength in found[:limit]]

    def containing_all(self, query: str, item_ids: Sequence[int]) -> set[int]:
        """Which of the items hold every word of the query; none for a query without words."""
        terms = query_terms(query)
        if not terms:
            return set()
        expression = literal_column(FULL_TEXT).op("MATCH")(" ".join(terms))
        # The plus keeps SQLite from running the expression once for each id.
        rows = select(full_text.c.rowid).where(expression, literal_column("+rowid").in_(ids_as_table(item_ids)))
        return set(self._connection.scalars(rows))

    def named(self, query: str, *, limit: int, within: NDArray[np.int64] | None = None) -> dict[int, str]:
        """Items whose sku or whole title is the query, without regard to case: item id to ``sku`` or ``title``."""
        folded = " ".join(query.split()).casefold()
        named: dict[int, str] = {}
        for kind, key in (("title", items.c.folded_title), ("sku", items.c.folded_sku)):
            rows = select(items.c.id).where(key == folded).order_by(items.c.id).limit(limit)
            if within is not None:  # the addition makes SQLite use the name's index, not go through every id
                rows = rows.where((items.c.id + 0).in_(ids_as_table(within.tolist())))
            named.update(dict.fromkeys(self._connection.scalars(rows), kind))
        return named

    def _match(self, expression: str, limit: int, within: Select[tuple[int]] | None) -> list[tuple[int, float]]:
        rank: ColumnElement[float] = literal_column(f"bm25({FULL_TEXT}, {BM25_WEIGHTS})")
        query = select(full_text.c.rowid, rank).where(literal_column(FULL_TEXT).op("MATCH")(expression))
        if within is not None:
            query = query.where(literal_column("+rowid").in_(within))  # runs the expression once, not once for each id
        rows = self._connection.execute(query.order_by(rank, full_text.c.rowid).limit(limit))
        # FTS5's bm25() is negative, and smaller for better matches.
        return [(item_id, max(-score, 1e-9)) for item_id, score in rows]


def query_terms(query: str) -> list[str]:
    """The query's words as quoted FTS5 strings, so that nothing in them is read as an operator."""
    split = [word for word in query.split() if any(letter.isalnum() for letter in word)]
    meant = [word for word in split if word.casefold() not in STOP_WORDS] or split
    return ['"' + word.replace('"', '""') + '"' for word in dict.fromkeys(meant[:MAX_WORDS])]
