"""Whether an item is in stock, by the columns of a dialect that count it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vitrina.indexer.sources.cells import is_blank
from vitrina.indexer.sources.dialects.dialect import Names
from vitrina.indexer.sources.dialects.layout import Layout
from vitrina.indexer.sources.dialects.pairs import Cells

AVAILABILITY = "availability"
"""The attribute, as Google's feeds call it."""

_NO = frozenset({"0", "false", "no", "n", "out of stock", "outofstock"})
_MORE = frozenset({"continue", "true", "yes", "1", "notify"})
"""What allows orders of what is not there."""


def availability(rows: Sequence[tuple[Layout, Cells]], *, are_variants: bool) -> dict[str, str]:
    """Whether a product is in stock, as an attribute: if one of its variants is, which are the ``rows`` after the
    first, or all of them. Empty where none says so."""
    told = [_in_stock(layout, cells) for layout, cells in rows]
    of_variants = [each for each in (told if are_variants else told[1:]) if each is not None]
    known = of_variants or [each for each in told[:1] if each is not None]
    return {AVAILABILITY: "in stock" if any(known) else "out of stock"} if known else {}


def _in_stock(layout: Layout, cells: Cells) -> bool | None:
    declared = layout.dialect.stock
    if flag := _text(layout, cells, declared.flag):
        return flag not in _NO
    quantity, policy = (_text(layout, cells, keys) for keys in (declared.quantity, declared.policy))
    column = layout.column(declared.tracked)
    tracked = str(cells.get(column or "") or "").strip().casefold()  # "none" is an answer here
    if not (quantity or policy or tracked):
        return None
    if column is not None and re.fullmatch(declared.untracked, tracked):
        return True
    if policy in _MORE:
        return True
    try:
        return float(quantity) > 0
    except ValueError:
        return None


def _text(layout: Layout, cells: Cells, keys: Names) -> str:
    cell = layout.cell(cells, keys)
    return "" if is_blank(cell) else str(cell).strip().casefold()
