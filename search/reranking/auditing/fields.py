"""The fields whose listings are held against pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from search.catalog.catalog import Catalog
from search.catalog.filtering import fields
from search.errors import QueryError
from search.filters import facet_value
from search.requirements.vocabulary import TRUE_OR_FALSE, Vocabulary
from search.reranking.judging.photo import MAX_VALUES, read_fields

MAX_LISTED = 100
"""How many of the catalog's fields an error names."""


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields to audit, and a sentence on each that was left out."""

    names: tuple[str, ...]
    notes: tuple[str, ...] = ()


def fields_to_audit(catalog: Catalog, vocabulary: Vocabulary, asked: Sequence[str]) -> Fields:
    """Those asked for, else those for what is read off a photo: colour, pattern and article, as far as the catalog has
    them; of these, one of too many values is left out. Raises QueryError for a field asked for that the catalog does
    not have or whose values no picture can be compared with, and where no field is left."""
    with catalog.database.read() as connection:
        known = fields(connection)
    for field in asked:
        if field not in known:
            raise QueryError(f"No item has a field {field!r:.100}.", remedy=f"Audit one of: {listed(known)}.")
        if reason := unfit(field, vocabulary):
            raise QueryError(f"{reason}.", remedy=f"Audit one of: {listed(fit_fields(vocabulary))}.")
    if asked:
        return Fields(tuple(dict.fromkeys(asked)))
    reasons = {field: unfit(field, vocabulary) for field in read_fields(vocabulary)}
    chosen = tuple(field for field, reason in reasons.items() if not reason)
    notes = tuple(f"{reason}; it is left out." for reason in reasons.values() if reason)
    if not chosen:
        raise QueryError(
            " ".join(("The catalog has no field of colours, patterns or articles that can be audited.", *notes)),
            remedy=f"Name the fields to audit: --field NAME, of {listed(fit_fields(vocabulary))}.",
        )
    return Fields(chosen, notes)


def unfit(field: str, vocabulary: Vocabulary) -> str:
    """Why no picture can be compared with a field's values, in words; empty where it can."""
    values = vocabulary.fields.get(field, ())
    if not values:
        return f"The field {field!r} has no values that are short names, or too many to compare a picture with"
    if len(values) > MAX_VALUES:
        return f"The field {field!r} has {len(values):,} values, and a picture is compared with {MAX_VALUES:,} at most"
    if {facet_value(value) for value in values} <= TRUE_OR_FALSE:
        return f"The field {field!r} says yes or no, and a picture is compared with names"
    return ""


def fit_fields(vocabulary: Vocabulary) -> list[str]:
    return [field for field in vocabulary.fields if not unfit(field, vocabulary)]


def listed(names: Sequence[str]) -> str:
    return ", ".join(names[:MAX_LISTED]) or "(the catalog has none)"
