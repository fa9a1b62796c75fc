"""Trust: how far each part of a score can be trusted on one catalog, as the catalog itself tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pydantic import TypeAdapter

from vitrina.search.types.errors import StorageError
from vitrina.search.types.models import read_entry, write_entry


class Part(StrEnum):
    """What an item's score is fused from. Vectors are measured in standard deviations above the average item, the rest
    from 0 to 1."""

    TEXT = "text vectors"
    IMAGE = "image vectors"
    BM25 = "BM25"
    """The BM25 score relative to the best item's, times the share of the query's words that the item holds."""
    WORDS = "words"
    """The share of the query's words that the item holds, rare words counting more."""
    ALL_WORDS = "all words"
    TITLE = "whole title"
    VALUE = "whole value"
    """Whether the query is the title, or the whole value of attributes."""
    FIELDS = "fields"
    """The share of the requirements that the item's fields meet."""
    PIECES = "word pieces"
    """How near the word pieces of the query find others in the item's text, -1 to 1."""


WORDS_ALONE, ALL = "words", "all"


@dataclass(frozen=True, slots=True)
class Trust:
    """How far each part can be trusted on one catalog, measured by ``n_queries`` of its own on ``n_items`` items.

    ``found`` is the mean reciprocal rank of the items that queries were made of, by ``WORDS_ALONE``, by each kind of
    vector alone, and by ``ALL``; a kind of vector that the catalog lacks is missing.
    """

    found: Mapping[str, float]
    n_queries: int
    n_items: int


def read_trust(path: Path) -> Trust | None:
    """The ``trust`` in a store's JSON file, or None if it is missing. Raises StorageError if it is damaged."""
    return read_entry(path, "trust", _adapter, StorageError)


def write_trust(path: Path, trust: Trust) -> None:
    """Put the trust into a JSON file, whose other entries stay. Raises StorageError."""
    write_entry(path, "trust", _adapter, trust)


_adapter = TypeAdapter(Trust)
