"""A product as the recipe sees it: its labels, whatever file they came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

LABELS = ("colour", "gender", "season", "usage", "pattern", "material")


@dataclass(frozen=True, slots=True)
class Product:
    """The catalog text of one training row; an empty string where the file says nothing.

    ``kinds`` names what the thing is, finest first: article, subcategory, category. ``fine`` is a class finer than the
    article, in a shop whose titles are such classes: ``Granny Smith`` for an apple.
    """

    sku: str
    title: str = ""
    description: str = ""
    kinds: tuple[str, ...] = ()
    colour: str = ""
    gender: str = ""
    season: str = ""
    usage: str = ""
    pattern: str = ""
    material: str = ""
    fine: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """All that the thing may be called, finest first."""
        return (self.fine, *self.kinds) if self.fine else self.kinds

    @classmethod
    def from_row(cls, row: Mapping[str, object]) -> Self:
        """Take the known columns of one Parquet row; missing or null ones become empty."""

        def text(column: str) -> str:
            value = row.get(column)
            return value.strip() if isinstance(value, str) else ""

        kinds = tuple(kind for kind in map(text, ("article", "subcategory", "category")) if kind)
        labels = {label: text(label) for label in LABELS}
        return cls(text("sku"), text("title"), text("description"), kinds, **labels)

    def value(self, field: str) -> str:
        """What a claim's field says: the finest of its kinds for ``kind``, else a label; empty where it has none."""
        if field == "kind":
            return self.kinds[0] if self.kinds else ""
        return self.label(field)

    def label(self, field: str) -> str:
        """The value of one of ``LABELS``."""
        return str(getattr(self, field))
