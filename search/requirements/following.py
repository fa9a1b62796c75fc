"""Keeps a catalog's vocabulary, and reads it anew when the catalog has changed."""

from __future__ import annotations

import threading

from search.catalog.catalog import Catalog
from search.catalog.filtering import fields
from search.catalog.values import held_values, written_values
from search.requirements.vocabulary import Vocabulary

MAX_VALUES = 5000
"""A field with more values is no list to choose from: titles, keys and web addresses. A value costs one seek to read
and its names about 1 kB of memory."""

NOT_TYPED = frozenset({"sku", "price_cents", "currency"})
"""Facets that every item has and that no words of a query name."""


class CatalogVocabulary:
    """The vocabulary of one catalog. May be asked from several threads."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._lock = threading.Lock()
        self._sequence = -1
        self._vocabulary = Vocabulary({})
        self._values: dict[str, tuple[str, ...]] = {}
        self._written: dict[str, dict[str, str]] = {}
        self._too_wide: set[str] = set()

    def current(self) -> Vocabulary:
        """The vocabulary as of the last commit. One row is read where nothing changed; else each value of each field
        is sought once, and the names are made anew where there is a value more or less. Blocks meanwhile."""
        sequence = self._catalog.sequence()
        with self._lock:
            if sequence > self._sequence:
                values = self._read()
                if values != self._values:
                    self._values, self._vocabulary = values, Vocabulary(values)
                self._sequence = sequence
            return self._vocabulary

    def _read(self) -> dict[str, tuple[str, ...]]:
        """Each field's values as the catalog writes them."""
        values: dict[str, tuple[str, ...]] = {}
        with self._catalog.database.read() as connection:
            for field in fields(connection):
                if field in NOT_TYPED or field in self._too_wide:
                    continue
                held = held_values(connection, field, MAX_VALUES + 1)
                if len(held) > MAX_VALUES:
                    self._too_wide.add(field)
                    continue
                written = self._written.setdefault(field, {})
                new = {value: item_id for value, item_id in held.items() if value not in written}
                written |= written_values(connection, field, new)
                values[field] = tuple(written[value] for value in held)
        return values
