"""A product of the boutique: its words and its exact attributes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Product:
    """One product as a shop would list it.

    ``attributes`` are ground truth for the picture, lower case: ``category``, ``subcategory``, ``article``, ``style``,
    ``colour``, ``pattern``, ``material``, ``gender``, ``season``, ``usage`` and ``brand`` (the one written as a name).
    ``price_cents`` counts the smallest unit of ``currency``, an ISO 4217 code.
    """

    sku: str
    title: str
    description: str
    attributes: Mapping[str, str]
    price_cents: int
    currency: str
