"""A dialect bound to the columns of a table: cells by role, and the names and values that columns hold in pairs."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping, Sequence

from vitrina.indexer.sources.cells import is_blank, parse_literal
from vitrina.indexer.sources.columns import cell_at, folded
from vitrina.indexer.sources.dialects.dialect import CatalogDialect

Cells = Mapping[str, object]

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
        self._noise: dict[str, bool] = {}
        self._added = frozenset((*self._fills, *dialect.derive)) - frozenset(self.names.values())
        ignored = {self.names[column] for column in columns if column not in kept and self._is_ignored(column)}
        self.ignored = frozenset(ignored | self._added)
        """The columns that become no attributes."""
        self.known = frozenset((*columns, *self.names.values(), *self._added))
        """All columns by their names before and after they are translated."""
        self._splits = [(self.names[column], mark) for column in columns if (mark := self._separator(column))]
        self.pairs = [pair for each in dialect.pairs for pair in self._numbered(each.name, each.value, each.split)]
        self._lists = [(column, each) for each in dialect.lists for column in self.columns((folded(each.column),))]
        self._objects = [(column, each) for each in dialect.objects for column in self.columns((folded(each.column),))]
        self._sale = self.columns((*dialect.fields.get("sale_price", ()), *dialect.variants.sale_price))
        self.nested = self.column(dialect.join.column) if dialect.join and dialect.join.by == "nested" else None

    @property
    def is_plain(self) -> bool:
        """Whether rows with these columns are left as they are."""
        changes = (self._added, self.ignored, self._splits, self.pairs, self._lists, self._objects, self._fills)
        renamed = any(name != column for column, name in self._order)
        return not (any(changes) or renamed or self.nested or self.dialect.blank or self.dialect.variants.expand)

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
    def columns_after(self) -> tuple[str, ...]:
        """The names of all columns that rows have once they are translated."""
        added = (name for name in (*self._fills, *self.dialect.derive) if name in self._added)
        of_single = ("price", "sale_price", "currency") if self.nested else ()
        return tuple(dict.fromkeys((*self.names.values(), *added, *of_single)))

    def _is_ignored(self, column: str) -> bool:
        return self._is_noise(self.names[column])

    def _is_noise(self, name: str) -> bool:
        if name not in self._noise:
            if len(self._noise) > 10_000:  # of names in texts there is no end
                self._noise.clear()
            self._noise[name] = any(re.fullmatch(pattern, folded(name)) for pattern in self.dialect.ignore)
        return self._noise[name]

    def _separator(self, column: str) -> str:
        named = (column, folded(self.names[column]))
        matches = (mark for pattern, mark in self.dialect.split.items() if any(re.fullmatch(pattern, n) for n in named))
        return next(matches, "")

    def _numbered(self, name: str, value: str, split: str) -> Iterator[tuple[str, str, str]]:
        """The columns of a pair whose name and value differ in nothing but a number."""
        if "{n}" not in name:
            if name in self._by_key and value in self._by_key:
                yield self._by_key[name], self._by_key[value], split
            return
        pattern = re.compile(r"(\d+)".join(map(re.escape, name.split("{n}"))))
        for key, column in sorted(self._by_key.items()):
            if match := pattern.fullmatch(key):
                own = value.replace("{n}", match[1])
                if own in self._by_key:
                    yield column, self._by_key[own], split

    def column(self, keys: tuple[str, ...]) -> str | None:
        """The first of these columns that there is, as a name or as a path."""
        return next(iter(self.columns(keys)), None)

    def columns(self, keys: tuple[str, ...]) -> tuple[str, ...]:
        """Those of these columns that there are."""
        if keys not in self._resolved:
            found = (self._found(key) for key in keys)
            self._resolved[keys] = tuple(column for column in found if column is not None)
        return self._resolved[keys]

    def _found(self, key: str) -> str | None:
        if key in self._by_key:
            return self._by_key[key]
        head, dot, rest = key.partition(".")
        return f"{self._by_key[head]}.{rest}" if dot and head in self._by_key else None

    def cell(self, cells: Cells, keys: tuple[str, ...]) -> object:
        """The first cell that holds something, of these columns."""
        for column in self.columns(keys):
            if not is_blank(cell := cell_at(cells, column)):
                return cell
        return None

    def normal(self, cells: Cells) -> dict[str, object]:
        """The cells that hold something, under the dialect's names, filled, derived and split; no sale price whose
        time is not now."""
        dialect, blank = self.dialect, self.dialect.blank
        found: dict[str, object] = {}
        for column, name in self._order:
            cell = cells.get(column)
            if cell is None or cell == "" or (blank and isinstance(cell, str) and cell in blank):
                continue
            if name not in found or not is_blank(cell):
                found[name] = cell
        for name, keys in self._fills.items():
            if is_blank(found.get(name)) and (cell := self.cell(found, keys)) is not None:
                found[name] = cell
        for name, template in dialect.derive.items():
            if is_blank(found.get(name)) and (text := self._filled(template, found)):
                found[name] = text
        for name, mark in self._splits:
            if isinstance(cell := found.get(name), str):
                found[name] = split_list(cell, mark)
        if any(column in found for column in self._sale) and not self._on_sale(found):
            for column in self._sale:
                found.pop(column, None)
        return found

    def _filled(self, template: str, cells: Cells) -> str:
        needed = re.findall(r"{(\w+)", template)
        values = {name: str(cells.get(self._by_key.get(name, ""), "") or "").strip() for name in needed}
        return template.format_map(values) if all(values.values()) else ""

    def _on_sale(self, cells: Cells) -> bool:
        sale = self.dialect.sale
        begins, ends = self.cell(cells, sale.begins), self.cell(cells, sale.ends)
        if isinstance(during := self.cell(cells, sale.during), str) and "/" in during:
            begins, _, ends = during.partition("/")
        today = datetime.datetime.now(datetime.UTC).date()
        first, last = _day(begins), _day(ends)
        return (first is None or first <= today) and (last is None or today <= last)

    def spread(self, cells: dict[str, object], kind: str = "product") -> dict[str, object]:
        """Take the columns that hold names and values out of ``cells``, and return what they hold by name."""
        found: dict[str, object] = {}
        for name_column, value_column, mark in self.pairs:
            name, value = cells.pop(name_column, None), cells.pop(value_column, None)
            if not is_blank(name) and not is_blank(value):
                found.setdefault(str(name).strip(), split_list(value, mark) if isinstance(value, str) else value)
        for column, each in self._lists:
            if each.of in ("all", kind) and isinstance(cell := cells.get(column), str):
                pairs = dict(read_pairs(cell, each.pattern, each.split))
                if pairs:
                    del cells[column]
                found = {**{name: value for name, value in pairs.items() if not self._is_noise(name)}, **found}
        for column, objects in self._objects:
            if pairs := dict(object_pairs(cells.get(column), objects.name, objects.value)):
                del cells[column]
                found = {**pairs, **found}
        return found


def read_pairs(text: str, pattern: str, mark: str = "") -> Iterator[tuple[str, object]]:
    """The names and values that a pattern finds in a text, several values as a list."""
    for match in re.finditer(pattern, text):
        if name := match["name"].strip():
            yield name, split_list(match["value"].strip(), mark)


def object_pairs(cell: object, names: Sequence[str], values: Sequence[str]) -> Iterator[tuple[str, object]]:
    """The names and values in a list of objects, or in one; values of one name are joined in a list."""
    found: dict[str, list[object]] = {}
    for part in cell if isinstance(cell, (list, tuple)) else (cell,):
        if isinstance(part, Mapping):
            name = next((part[key] for key in names if not is_blank(part.get(key))), None)
            value = next((part[key] for key in values if not is_blank(part.get(key))), None)
            if isinstance(name, str) and value is not None:
                found.setdefault(name, []).extend(value if isinstance(value, (list, tuple)) else [value])
    for name, several in found.items():
        yield name, several[0] if len(several) == 1 else several


def split_list(text: str, mark: str) -> object:
    """A text's parts as a list, or the text where there is one; JSON lists are read as such."""
    if isinstance(found := parse_literal(text), (list, tuple)):
        return list(found)
    if not mark or mark not in text:
        return text
    parts = [part for part in map(str.strip, text.split(mark)) if part]
    return parts[0] if len(parts) == 1 else parts


def _day(cell: object) -> datetime.date | None:
    match = _DAY.match(str(cell).strip()) if cell is not None else None
    if match is None:
        return None
    year, month, day = (match[1], match[2], match[3]) if match[1] else (match[6], match[4], match[5])
    try:
        return datetime.date(int(year) + (2000 if len(year) == 2 else 0), int(month), int(day))
    except ValueError:
        return None
