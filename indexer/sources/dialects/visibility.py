"""What a shop does not show: products and variants that are drafts, archived or switched off, and how many were met."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from vitrina.indexer.sources.attributes import attribute_key
from vitrina.indexer.sources.cells import is_blank, plain
from vitrina.indexer.sources.column_names import folded
from vitrina.indexer.sources.column_values import cell_at
from vitrina.indexer.sources.dialects.dialect import CatalogDialect, Hidden, Join
from vitrina.indexer.sources.dialects.joining import Group, JoinRow, filled
from vitrina.indexer.sources.dialects.layout import Layout
from vitrina.indexer.sources.dialects.pairs import Cells

Bind = Callable[[Cells], Layout]

_FLAGS = frozenset(
    {"published", "is_published", "active", "is_active", "enabled", "is_enabled", "visible", "is_visible"}
)
_STATES = frozenset({"status", "product_status", "item_status"})
_ON = frozenset({"true", "yes", "1", "y", "on"})
_OFF = "false|no|0|n|off"
_NOT_SHOWN = "draft|archived|disabled|inactive|unpublished"


@dataclass(slots=True)
class HiddenCounts:
    """How many products and variants the shop does not show, by the column and the value that hide them. Where
    ``leaves_out`` they are no items, and ``n_rows`` counts the products' rows."""

    leaves_out: bool = False
    products: Counter[tuple[str, str]] = field(default_factory=Counter)
    variants: Counter[tuple[str, str]] = field(default_factory=Counter)
    n_rows: int = 0

    def clear(self) -> None:
        """Begin again."""
        self.products.clear()
        self.variants.clear()
        self.n_rows = 0

    def add_product(self, reason: tuple[str, str], n_rows: int) -> bool:
        """Count a product, and the rows that it takes if it is left out; returns whether it is."""
        self.products[reason] += 1
        self.n_rows += n_rows if self.leaves_out else 0
        return self.leaves_out

    def told(self, spelled: Callable[[str], str]) -> str:
        """How many there are and why, in words, with columns as they are ``spelled``; empty if there are none."""
        counts = ((self.products, "product"), (self.variants, "variant"))
        many = [f"{n:,} {noun}{'s' * (n > 1)}" for found, noun in counts if (n := found.total())]
        reasons = dict.fromkeys((*self.products, *self.variants))
        if not reasons:
            return ""
        why = ", ".join(f"{spelled(column)}: {value}" for column, value in reasons)
        first = spelled(next(iter(reasons))[0])
        mapping = f"{attribute_key(first)}={first}"
        option = f'--map "{mapping}"' if " " in mapping else f"--map {mapping}"
        is_one = sum(found.total() for found, _ in counts) == 1
        if not self.leaves_out:
            are = "is" if is_one else "are"
            return f"{' and '.join(many)} that the shop does not show {are} read ({why}); --shown-only leaves them out."
        were = "was" if is_one else "were"
        return f"{' and '.join(many)} that the shop does not show {were} left out ({why}); {option} keeps them."


def hidden_by(layout: Layout, cells: Cells, *, is_variant: bool = False) -> tuple[str, str] | None:
    """The column and the value by which the shop does not show a row; None if it does."""
    for column, pattern in layout.hidden if is_variant else (*layout.hidden, *layout.hidden_products):
        if (text := _text(cell_at(cells, column))) and pattern.fullmatch(text):
            return column, text
    return None


def shown(group: Group, bind: Bind, join: Join, counts: HiddenCounts) -> tuple[Group, frozenset[str]]:
    """The rows of a product that the shop shows, none if it does not show the product, and the names of its variants
    that are hidden; all rows where what is hidden is only counted."""
    reasons = [_reason(each, bind, is_head=each is group[0]) for each in group]
    first = next(filter(None, reasons), None)
    if first is None:
        return group, frozenset()
    kept = [each for each, reason in zip(group, reasons, strict=True) if reason is None]
    if join.by == "group":  # of which often one row alone says it of all
        is_gone = not any(_is_told(each, bind) for each in kept)
    else:
        is_gone = reasons[0] is not None and group[0].kind != "variant"
    if is_gone or not any(each.kind in ("product", "variant", "translation") for each in kept):
        return ([] if counts.add_product(first, sum(each.row.n_rows for each in group)) else group), frozenset()
    counts.variants.update(filter(None, reasons))
    if not counts.leaves_out:
        return group, frozenset()
    gone = (each.row.cells for each, reason in zip(group, reasons, strict=True) if reason)
    return kept, frozenset(filled(template, bind(cells), cells) for cells in gone for template in join.names)


def may_hide(columns: Sequence[str]) -> bool:
    """Whether a column of a table without a shop's layout is called by what may hide products."""
    return any(folded(column) in _FLAGS | _STATES for column in columns)


def with_hidden(dialect: CatalogDialect, rows: Sequence[Mapping[str, object]], kept: frozenset[str]) -> CatalogDialect:
    """The dialect of a table without a shop's layout, with those of its columns that say plainly what is not shown, and
    of some of the ``rows`` that it is; not those ``kept``, which are mapped."""
    found: list[Hidden] = []
    for column in dict.fromkeys(column for row in rows for column in row):
        name = folded(column)
        if column in kept or name not in _FLAGS | _STATES:
            continue
        values = _NOT_SHOWN if name in _STATES else _OFF
        texts = {text.casefold() for row in rows if (text := _text(row.get(column)))}
        off = {text for text in texts if re.fullmatch(values, text)}
        if texts - off and (name in _STATES or texts - off <= _ON):
            found.append(Hidden(column=(name,), values=values))
    return dialect.model_copy(update={"hidden": tuple(found)}) if found else dialect


def hides_all(layout: Layout, rows: Sequence[Cells], titles: Sequence[str]) -> bool:
    """Whether the shop shows none of some rows that have a title: then it is one that is not open yet, or a test, and
    its products are wanted."""
    titled = [cells for cells in rows if any(not is_blank(cell_at(cells, column)) for column in titles)]
    return bool(titled) and all(hidden_by(layout, cells) for cells in titled)


def _reason(each: JoinRow, bind: Bind, *, is_head: bool) -> tuple[str, str] | None:
    if not is_head and each.kind not in ("product", "variant"):
        return None
    return hidden_by(bind(each.row.cells), each.row.cells, is_variant=not is_head or each.kind == "variant")


def _is_told(each: JoinRow, bind: Bind) -> bool:
    """Whether a row says itself that it is shown."""
    return any(not is_blank(cell_at(each.row.cells, column)) for column, _ in bind(each.row.cells).hidden)


def _text(cell: object) -> str:
    """A cell's text; empty for lists and objects."""
    if is_blank(cell) or isinstance(cell, (list, tuple, dict)):
        return ""
    return (plain(cell) if isinstance(cell, (int, float)) else str(cell)).strip()
