"""Price lists with a price for each size in a column of its own, as ``250 g`` and ``1 kg``, or ``Price 30 ml``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice

from vitrina.indexer.sources.base import N_PEEKED_ROWS, Rejection, Table, TableRow, WrappedTable
from vitrina.indexer.sources.cells import is_blank
from vitrina.indexer.sources.column_names import folded, has_word, is_named_as, name_table, words_of

VARIANTS = "variants"
"""The column that the prices are put into, as a list with one object for each size."""

SKU = "sku"
"""The column with the first code of a row, if sizes have codes."""

_UNITS = (
    r"mg|g|gr|gms?|gra?m(?:m?[eos])?s?|kgs?|kilos?|ml|cl|dl|l|lt|ltrs?|lit(?:re|er|ro)s?|fl\.? ?oz|oz|lbs?|cm|mm"
    r"|г|гр|кг|мл|л|克|公斤|毫升"
)
_SIZE = re.compile(rf"(?<![\w.,])\d+(?:[.,]\d+)?\s?(?:{_UNITS})\b\.?", re.IGNORECASE)
_WORDS = re.compile(
    r"(?<!\w)(?:small|medium|large|chic[ao]|pequeñ[ao]|median[ao]|grande|klein|mittel|gro(?:ß|ss)|petite?|moyen(?:ne)?"
    r"|piccol[ao]|medi[ao]|mał[ay]|średni[a]?|duż[ay]|küçük|orta|büyük|маленькая|средняя|большая)(?!\w)",
    re.IGNORECASE,
)
_AMOUNT = re.compile(r"^(?:[^\d\s]{1,3} ?)?\d[\d.,' ]*(?: ?[^\d\s]{1,4})?$")


@dataclass(frozen=True, slots=True)
class Size:
    """What a table has of one size: its name, and the columns of its price and of its code."""

    name: str
    price: str
    code: str | None = None


@dataclass(frozen=True)
class SizedTable(WrappedTable):
    """A table whose prices by size stand in one column, as variants."""

    sizes: tuple[Size, ...]

    @cached_property
    def columns(self) -> Sequence[str]:
        """The table's columns without those of sizes, and one with the variants; with codes, one for the first."""
        own = [column for column in self.table.columns if column not in self._taken]
        is_coded = any(size.code for size in self.sizes) and SKU not in map(folded, own)
        return (*own, *((SKU,) if is_coded else ()), VARIANTS)

    @property
    def notes(self) -> tuple[str, ...]:
        """The table's own, and which columns are read as variants."""
        named = ", ".join(size.price for size in self.sizes[:10])
        return (*self.table.notes, f"{self.path.name} has a price for each size: {named} become variants.")

    @cached_property
    def _taken(self) -> frozenset[str]:
        return frozenset(column for size in self.sizes for column in (size.price, size.code) if column)

    def rows(self) -> Iterator[TableRow | Rejection]:
        """The table's rows with their variants: those sizes that have a price."""
        for row in self.table.rows():
            if isinstance(row, Rejection):
                yield row
                continue
            cells = {column: cell for column, cell in row.cells.items() if column not in self._taken}
            variants = list(self._variants(row.cells))
            first = next((each["sku"] for each in variants if "sku" in each), None)
            own = {} if first is None or SKU in map(folded, cells) else {SKU: first}
            yield replace(row, cells={**cells, **own, VARIANTS: variants})

    def _variants(self, cells: Mapping[str, object]) -> Iterator[dict[str, object]]:
        for size in self.sizes:
            if not is_blank(price := cells.get(size.price)) and str(price).strip("-–— "):
                code = cells.get(size.code) if size.code else None
                yield {"size": size.name, "price": price, **({} if is_blank(code) else {"sku": code})}


def with_sizes(table: Table, mapped: frozenset[str]) -> Table:
    """The table with variants in place of columns with prices by size; as it is if it has fewer than two, or if one is
    among those ``mapped``. Columns of bare sizes are prices only where none is called so and all their values are
    amounts."""
    if VARIANTS in map(folded, table.columns):
        return table
    prices: dict[str, str] = {}
    codes: dict[str, str] = {}
    bare: dict[str, str] = {}
    for column in table.columns:
        found = _SIZE.search(column) or _WORDS.search(column)
        if found is None:
            continue
        name = re.sub(r"\s+", " ", found[0])
        rest = folded(f"{column[: found.start()]} {column[found.end() :]}")
        if not rest.strip("_") and found.re is _SIZE:
            bare.setdefault(name, column)
        elif _is_price(rest):
            prices.setdefault(name, column)
        elif has_word(rest, "words", "sku") and len(words_of(rest)) <= 2:
            codes.setdefault(name, column)
    if len(prices) < 2:
        is_priced = prices or any(is_named_as("price", folded(column)) for column in table.columns)
        prices = {} if is_priced else bare
        if len(prices) < 2 or not _are_amounts(table, [*prices.values()]):
            return table
    sizes = tuple(Size(name, column, codes.get(name)) for name, column in prices.items())
    taken = {column for size in sizes for column in (size.price, size.code)}
    return table if taken & mapped else SizedTable(table, sizes)


def _is_price(name: str) -> bool:
    """Whether nothing but the word for a price, and a currency, is in a name."""
    words = {word for word in name.split("_") if word} - {*name_table("codes")["currencies"]}
    return bool(words) and words <= {*name_table("words")["price"]}


def _are_amounts(table: Table, columns: Sequence[str]) -> bool:
    """Whether what a table's first rows have in these columns are amounts, and most rows have some."""
    rows = [row.cells for row in islice(table.rows(), N_PEEKED_ROWS) if isinstance(row, TableRow)]
    cells = [str(cell).strip() for row in rows for column in columns if not is_blank(cell := row.get(column))]
    held = [cell for cell in cells if cell.strip("-–— ")]
    return 2 * len(held) > len(rows) and all(map(_AMOUNT.match, held))
