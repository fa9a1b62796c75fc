"""An item: one product of the catalog."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Scalar = str | int | float | bool
"""One attribute value; never NaN or infinite."""

AttributeValue = Scalar | tuple[Scalar, ...]
"""An attribute holds one value or several of them (tags, sizes in stock)."""


@dataclass(frozen=True, slots=True)
class Item:
    """A product as the shop describes it; its pictures travel beside it.

    ``sku`` is the shop's own key, unique in a catalog. ``price_cents`` counts the currency's smallest unit and
    ``currency`` is its ISO 4217 code.
    """

    sku: str
    title: str = ""
    description: str = ""
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    price_cents: int | None = None
    currency: str | None = None
    url: str | None = None
