"""A dialect bound to the columns of a table: cells by role, and the names and values that columns hold in pairs."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Sequence
from functools import cached_property

from vitrina.indexer.sources.cells import is_blank, parse_literal
from vitrina.indexer.sources.column_names import folded, is_noise
from vitrina.indexer.sources.column_values import cell_at
from vitrina.indexer.sources.dialects.dialect import CatalogDialect, Pair
from vitrina.indexer.sources.dialects.pairs import Cells, object_pairs, of_pair, read_pairs, split_list

REDUCED = "sale_price"
"""The column that a price without its discount is put into."""

_NO = frozenset({"no", "false", "0", "n", "off"})

_DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})|(\d{1,2})/(\d{1,2})/(\d{2,4})")


class Layout:
    """One dialect and the columns of one row, or of all rows of a file that names its columns once."""

    def __init__(self, dialect: CatalogDialect, columns: Sequence[str], kept: frozenset[str] = frozenset()) -> None:
        self.dialect = dialect
        aliases = {column: dialect.alias(column) for column in columns}
        self.names = {column: aliases[column] or column for column in columns}
        self._order = [
            (column, self.names[column]) for column in sorted(columns, key=lambda each: aliases[each] is not None)
        ]
        self._by_key = {folded(name): name for name in reversed(list(self.names.values()))}
        self._fills = dict(self._numbered_fills())
        for name in (*self._fills, *dialect.derive):
            self._by_key.setdefault(folded(name), name)
        self._resolved: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._is_reduced = bool(dialect.discount.value) and self.column(dialect.discount.value) is not None
        if self._is_reduced:
            self._by_key.setdefault(REDUCED, REDUCED)
        self._noise: dict[str, bool] = {}
        added = (*self._fills, *dialect.derive, *((REDUCED,) if self._is_reduced else ()))
        self._added = frozenset(added) - frozenset(self.names.values())
        ignored = {self.names[column] for column in columns if column not in kept and self._is_ignored(column)}
        told = {name for name, keys in self._fills.items() if all("." in key for key in keys)}
        self.ignored = frozenset(ignored | (self._added - told))
        """The columns that become no attributes."""
        self.known = frozenset((*columns, *self.names.values(), *self._added))
        """All columns by their names before and after they are translated."""
        self._splits = [(self.names[column], mark) for column in columns if (mark := self._separator(column))]
        self.pairs = [found for each in dialect.pairs for found in self._numbered(each)]
        self._lists = [(column, each) for each in dialect.lists for column in self.columns((folded(each.column),))]
        self._objects = [(column, each) for each in dialect.objects for column in self.columns((folded(each.column),))]
        self._lifted = [pair for pair in self._objects if pair[1].columns]
        usual = ((column, values) for name, values in dialect.usual.items() for column in self.columns((folded(name),)))
        self._usual = {column: frozenset(map(str.casefold, values)) for column, values in usual}
        hidden = [
            (column, re.compile(each.values, re.IGNORECASE), each.of)
            for each in dialect.hidden
            for column in self.columns(each.column)
            if column not in kept
        ]
        self.hidden = [(column, values) for column, values, of in hidden if of == "all"]
        """The columns that say what the shop does not show, with the values that do."""
        self.hidden_products = [(column, values) for column, values, of in hidden if of == "product"]
        named = dialect.variants.named
        options = ((column, re.fullmatch(named, key)) for key, column in self._by_key.items() if named)
        self.options = {column: match[1] for column, match in options if match}
        """The columns that are options by their names, with those of the options."""
        self._sale = self.columns((*dialect.fields.get("sale_price", ()), *dialect.variants.sale_price))
        self.nested = self.column(dialect.join.column) if dialect.join and dialect.join.by == "nested" else None

    @cached_property
    def is_plain(self) -> bool:
        """Whether rows with these columns are left as they are."""
        changes = (self._added, self.ignored, self._splits, self.pairs, self._lists, self._objects, self._fills)
        renamed = any(name != column for column, name in self._order)
        more = (
            self.nested,
            self.dialect.blank,
            self._usual,
            self.hidden,
            self.hidden_products,
            self.dialect.variants.expand,
        )
        counted = self.dialect.stock.flag or self.dialect.stock.quantity
        return not (any(changes) or renamed or any(more) or counted)

    def _numbered_fills(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The columns to fill from others, one for each number where their names have one."""
        for name, keys in self.dialect.fill.items():
            if "{n}" not in name:
                yield self._by_key.get(folded(name), name), keys
                continue
            pattern = re.compile("|".join(r"(\d+)".join(map(re.escape, key.split("{n}"))) for key in keys))
            for number in sorted(
                {next(filter(None, match.groups())) for key in self._by_key if (match := pattern.fullmatch(key))},
                key=int,
            ):
                own = name.replace("{n}", number)
                yield self._by_key.get(folded(own), own), tuple(key.replace("{n}", number) for key in keys)

    @property
    def sources(self) -> dict[str, str]:
        """The columns of the file that each name is read from: also what is filled from others or made of them."""
        found = {name: column for column, name in reversed(self.names.items())}
        for name, keys in self._fills.items():
            found.setdefault(name, next((found[each] for each in self.columns(keys) if each in found), ""))
        for name, template in self.dialect.derive.items():
            needed = (self._by_key.get(each, "") for each in re.findall(r"{(\w+)", template))
            found.setdefault(name, next((found[each] for each in needed if found.get(each)), ""))
        return {name: column for name, column in found.items() if column}

    @property
    def container(self) -> str | None:
        """The column with the objects in which more columns may stand."""
        return self.nested or next((column for column, _ in self._lifted), None)

    @property
    def columns_after(self) -> tuple[str, ...]:
        """The names of all columns that rows have once they are translated."""
        added = (name for name in (*self._fills, *self.dialect.derive, REDUCED) if name in self._added)
        of_single = ("price", "sale_price", "currency") if self.nested else ()
        lifted = (key for keys in self.dialect.fields.values() for key in keys if self._lifted)
        unnamed = (key for key in lifted if "{" not in key and key not in self._by_key)
        return tuple(dict.fromkeys((*self.names.values(), *added, *of_single, *unnamed)))

    def _is_ignored(self, column: str) -> bool:
        return self._is_noise(self.names[column])

    def _is_noise(self, name: str) -> bool:
        if name not in self._noise:
            if len(self._noise) > 10_000:  # of names in texts there is no end
                self._noise.clear()
            key = folded(name)
            spelled = {key, name}  # a pattern may want the name as the file has it
            ignored = (re.fullmatch(pattern, each) for pattern in self.dialect.ignore for each in spelled)
            self._noise[name] = is_noise(key) or any(ignored)
        return self._noise[name]

    def _separator(self, column: str) -> str:
        named = (column, folded(self.names[column]))
        matches = (mark for pattern, mark in self.dialect.split.items() if any(re.fullmatch(pattern, n) for n in named))
        return next(matches, "")

    def _numbered(self, pair: Pair) -> Iterator[tuple[str, str, Pair]]:
        """The columns of a pair whose name and value differ in nothing but a number."""
        name, value = pair.name, pair.value
        if "{n}" not in name:
            if name in self._by_key and value in self._by_key:
                yield self._by_key[name], self._by_key[value], pair
            return
        pattern = re.compile(r"(\d+)".join(map(re.escape, name.split("{n}"))))
        for key, column in sorted(self._by_key.items()):
            if match := pattern.fullmatch(key):
                own = value.replace("{n}", match[1])
                if own in self._by_key:
                    yield column, self._by_key[own], pair

    def column(self, keys: tuple[str, ...]) -> str | None:
        """The first of these columns that there is, as a name or as a path."""
        return next(iter(self.columns(keys)), None)

    def columns(self, keys: tuple[str, ...]) -> tuple[str, ...]:
        """Those of these columns that there are."""
        if keys not in self._resolved:
            self._resolved[keys] = tuple(column for key in keys for column in self._found(key))
        return self._resolved[keys]

    def _found(self, key: str) -> Iterator[str]:
        head, dot, rest = key.partition(".")
        if key in self._by_key:
            yield self._by_key[key]
        elif dot and head in self._by_key:
            yield f"{self._by_key[head]}.{rest}"
        elif "{n}" in key:
            pattern = re.compile(r"(\d+)".join(map(re.escape, key.split("{n}"))))
            numbered = ((match, column) for own, column in self._by_key.items() if (match := pattern.fullmatch(own)))
            yield from (column for _, column in sorted((int(match[1]), column) for match, column in numbered))

    def cell(self, cells: Cells, keys: tuple[str, ...]) -> object:
        """The first cell that holds something, of these columns."""
        for column in self.columns(keys):
            if not is_blank(cell := cell_at(cells, column)):
                return cell
        return None

    def normal(self, cells: Cells) -> dict[str, object]:
        """The cells that hold something, under the dialect's names, filled, derived and split; no sale price whose
        time is not now."""
        dialect, blank, usual = self.dialect, self.dialect.blank, self._usual
        found: dict[str, object] = {}
        for column, name in self._order:
            cell = cells.get(column)
            if cell is None or cell == "" or (blank and isinstance(cell, str) and cell in blank):
                continue
            if name in usual and str(cell).strip().casefold() in usual[name]:
                continue
            if name not in found or not is_blank(cell):
                found[name] = cell
        lifted = self._lift(found) if self._lifted else ()
        for name, keys in self._fills.items():
            if is_blank(found.get(name)) and (cell := self.cell(found, keys)) is not None:
                found[name] = cell
        for name, template in dialect.derive.items():
            if is_blank(found.get(name)) and (text := self._filled(template, found)):
                found[name] = text
        for name, mark in self._splits:
            if isinstance(cell := found.get(name), str):
                found[name] = split_list(cell, mark)
        if self._is_reduced and (price := self.reduced(found, self.cell(found, dialect.fields["price"]))) is not None:
            found[REDUCED] = price
        if any(column in found for column in self._sale) and not self._on_sale(found):
            for column in self._sale:
                found.pop(column, None)
        for name in lifted:
            if self._is_noise(name):
                del found[name]
        return found

    def _lift(self, cells: dict[str, object]) -> list[str]:
        """Put what objects in a column hold among the cells, and return its names."""
        added: list[str] = []
        for column, objects in self._lifted:
            for key, value in object_pairs(cells.pop(column, None), objects.name, objects.value):
                if key not in cells:
                    cells[key] = value
                    added.append(key)
        return added

    def _filled(self, template: str, cells: Cells) -> str:
        needed = re.findall(r"{(\w+)", template)
        values = {name: str(cells.get(self._by_key.get(name, ""), "") or "").strip() for name in needed}
        return template.format_map(values) if all(values.values()) else ""

    def reduced(self, cells: Cells, price: object) -> float | None:
        """A price without the discount that a product's cells say; None where there is none, or no plain number."""
        discount = self.dialect.discount
        if not self._is_reduced:
            return None
        value, kind = self.cell(cells, discount.value), str(self.cell(cells, discount.kind) or "")
        try:
            full, off = float(str(price)), float(str(value))
        except ValueError:
            return None
        off = full * off / 100 if discount.percent and re.search(discount.percent, kind) else off
        return round(full - off, 4) if 0 < off < full else None

    def _on_sale(self, cells: Cells) -> bool:
        sale = self.dialect.sale
        if str(self.cell(cells, sale.active) or "yes").strip().casefold() in _NO:
            return False
        begins, ends = self.cell(cells, sale.begins), self.cell(cells, sale.ends)
        if isinstance(during := self.cell(cells, sale.during), str) and "/" in during:
            begins, _, ends = during.partition("/")
        today = datetime.datetime.now(datetime.UTC).date()
        first, last = _day(begins), _day(ends)
        return (first is None or first <= today) and (last is None or today <= last)

    def spread(self, cells: dict[str, object], kind: str = "product") -> dict[str, object]:
        """Take the columns that hold names and values out of ``cells``, and return what they hold by name."""
        found: dict[str, object] = {}
        for name_column, value_column, pair in self.pairs:
            name, value = cells.pop(name_column, None), cells.pop(value_column, None)
            for own, of_own in of_pair(pair, name, value):
                if not self._is_noise(own) or folded(own) in self._by_key:  # which is meant of that column
                    found.setdefault(own, of_own)
        for column, each in self._lists:
            if each.of in ("all", kind) and isinstance(cell := cells.get(column), str):
                pairs: dict[str, list[object]] = {}
                for name, value in read_pairs(cell, each.pattern, each.split):
                    pairs.setdefault(name, []).extend(value if isinstance(value, list) else [value])
                if pairs:
                    del cells[column]
                told = {
                    name: one[0] if len(one) == 1 else one for name, one in pairs.items() if not self._is_noise(name)
                }
                found = {**told, **found}
        for column, objects in self._objects:
            cell = cell_at(cells, column)
            cell = parse_literal(cell) if isinstance(cell, str) else cell
            if held := dict(object_pairs(cell, objects.name, objects.value, objects.unit)):
                cells.pop(column.partition(".")[0] if column not in cells else column)
                found = {**{name: value for name, value in held.items() if not self._is_noise(name)}, **found}
        return found


def _day(cell: object) -> datetime.date | None:
    match = _DAY.match(str(cell).strip()) if cell is not None else None
    if match is None:
        return None
    year, month, day = (match[1], match[2], match[3]) if match[1] else (match[6], match[4], match[5])
    try:
        return datetime.date(int(year) + (2000 if len(year) == 2 else 0), int(month), int(day))
    except ValueError:
        return None
