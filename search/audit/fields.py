"""The fields to audit, and the values that an image may show instead of the catalog's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vitrina.search.encoders.base import Encoder, beside_image
from vitrina.search.index.replica import IndexReplica
from vitrina.search.reranking.prompts import MAX_VALUES_TRIED
from vitrina.search.store.catalog import Catalog
from vitrina.search.types.errors import QueryError
from vitrina.search.types.filters import facet_value
from vitrina.search.types.item import StoredItem
from vitrina.search.types.models import Vectors
from vitrina.search.understanding.catalog_attributes import TRUE_OR_FALSE, Vocabulary
from vitrina.search.understanding.photo_attributes import MAX_VALUES, photo_fields

MAX_FIELDS_NAMED = 100
"""Fields that an error names at most."""


@dataclass(frozen=True, slots=True)
class AuditedFields:
    """The fields to audit, and a note on each that was excluded."""

    names: tuple[str, ...]
    notes: tuple[str, ...] = ()


def choose_fields(catalog: Catalog, vocabulary: Vocabulary, asked: Sequence[str]) -> AuditedFields:
    """Return the fields asked for, else the catalog's fields for colour, pattern and article without those of too many
    values. Raises QueryError for a field asked for that the catalog does not have or whose values cannot be compared
    with images, and if no field is left."""
    with catalog.reading() as reader:
        known = reader.facets.fields()
    for field in asked:
        if field not in known:
            raise QueryError(f"No item has a field {field!r:.100}.", remedy=f"Audit one of: {field_list(known)}.")
        if reason := exclusion_reason(field, vocabulary):
            raise QueryError(f"{reason}.", remedy=f"Audit one of: {field_list(auditable_fields(vocabulary))}.")
    if asked:
        return AuditedFields(tuple(dict.fromkeys(asked)))
    reasons = {field: exclusion_reason(field, vocabulary) for field in photo_fields(vocabulary)}
    chosen = tuple(field for field, reason in reasons.items() if not reason)
    notes = tuple(f"{reason}; it is left out." for reason in reasons.values() if reason)
    if not chosen:
        raise QueryError(
            " ".join(("The catalog has no field of colours, patterns or articles that can be audited.", *notes)),
            remedy=f"Name the fields to audit: --field NAME, of {field_list(auditable_fields(vocabulary))}.",
        )
    return AuditedFields(chosen, notes)


def exclusion_reason(field: str, vocabulary: Vocabulary) -> str:
    """Say why a field's values cannot be compared with images; empty if they can."""
    values = vocabulary.fields.get(field, ())
    if not values:
        return f"The field {field!r} has no values that are short names, or too many to compare with an image"
    if len(values) > MAX_VALUES:
        return f"The field {field!r} has {len(values):,} values, and an image is compared with {MAX_VALUES:,} at most"
    if {facet_value(value) for value in values} <= TRUE_OR_FALSE:
        return f"The field {field!r} says yes or no, and an image is compared with names"
    return ""


def auditable_fields(vocabulary: Vocabulary) -> list[str]:
    return [field for field in vocabulary.fields if not exclusion_reason(field, vocabulary)]


def field_list(names: Sequence[str]) -> str:
    return ", ".join(names[:MAX_FIELDS_NAMED]) or "(the catalog has none)"


class NearestValues:
    """The values whose names are nearest to an item's image among the embeddings; names are embedded once.

    An image can be compared with a dozen values of a field, but shops have 143 articles: the value that it really shows
    must be among the dozen.
    """

    def __init__(self, encoder: Encoder, replica: IndexReplica, vocabulary: Vocabulary) -> None:
        self._encoder = encoder
        self._replica = replica
        self._vocabulary = vocabulary
        self._names: dict[str, Vectors] = {}

    def vectors(self, items: Sequence[StoredItem]) -> dict[int, Vectors]:
        """Return the vector of each item's first image, shape (d,), by item id, from the index, without items that have
        none."""
        rows = self._replica.indexes["image"].rows_of(np.unique([stored.id for stored in items]).astype(np.int64))
        _, first = np.unique(rows.item_ids, return_index=True)
        return {int(rows.item_ids[at]): rows.vectors[at] for at in first}

    def nearest(self, field: str, vector: Vectors | None) -> list[str]:
        """Return the field's values nearest to an image's vector, shape (d,), nearest first, folded, as many as are
        tried; none without a vector. Blocks while names are embedded for the first time."""
        if vector is None:
            return []
        values = [facet_value(value) for value in self._vocabulary.fields[field]]
        if field not in self._names:
            self._names[field] = self._encoder.encode_texts(values)
        order = np.argsort(-(beside_image(self._names[field], vector) @ vector), kind="stable")
        return [values[at] for at in order[:MAX_VALUES_TRIED]]
