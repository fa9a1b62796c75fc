"""Tables without a line of names: whether the first line is a product, and what each column is by its values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations
from statistics import median

from vitrina.indexer.sources.cells import is_blank
from vitrina.indexer.sources.column_names import n_known_names
from vitrina.search.types.errors import SourceError

MAX_KEY_CHARS = 64
INDEX = "index"
"""What row numbers are called that have no name, as in pandas' files."""

N_DESCRIPTION_CHARS = 80
"""Titles are hardly ever as long, descriptions mostly longer."""

MIN_CODES = 3
"""Codes of one form in so many rows are told to be keys where there are no prices."""

MIN_CODE_CHARS = 4
"""Shorter numbers stand in an address by chance."""

_FLAGS = frozenset(str.split("true false yes no ja nein oui non si no sim nao tak nie да нет y n"))

_IMAGE = re.compile(r"\S+\.(?:jpe?g|jfif|png|gif|webp|avif|heic|bmp|tiff?)(?:[?#]\S*)?", re.IGNORECASE)
_ADDRESS = re.compile(r"(?:(?:https?:)?//|www\.)\S+", re.IGNORECASE)
_NUMBER = r"\d{1,3}(?:[.,' ]\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d{1,2})?"
_AMOUNT = re.compile(rf"(?P<before>[^\d\s.,'-]{{1,4}} ?)?(?:{_NUMBER})(?P<after> ?[^\d\s.,'-]{{1,4}})?")
_SIGN = re.compile(
    r"[$€£¥₹₽₩₺₴₫฿元円원₪₸₾₼₱₦]|\b(?:USD|EUR|GBP|CHF|CAD|AUD|INR|JPY|KRW|PLN|SEK|NOK|DKK|CZK|RON|TRY|UAH)\b"
    r"|\b(?:zł|Kč|kr|lei|Rs|TL|Ft|Rp|руб|грн|лв)\b"
)
_GROUPED = re.compile(r"\d{1,3}(?:[ ']\d{3})+")
_BLANK = re.compile("[\u00a0\u2009\u202f]")
_DECIMALS = re.compile(r".*\d[.,]\d{1,2}\D*")
_STARS = re.compile(r"[0-4](?:[.,](\d))?|5(?:[.,]0)?")
_SERIAL = re.compile(r"(?!1[4-9]\d{8}(?:\d{3})?$)[1-9]\d{6,15}")
_CODE = re.compile(r"(?=\D*\d)[^\s,;|<>]+")


@dataclass(frozen=True)
class _Column:
    """What a table's rows have in one column; ``number`` counts from 1."""

    number: int
    cells: tuple[str, ...]

    @cached_property
    def filled(self) -> list[str]:
        """The cells with something in them."""
        return [cell for cell in self.cells if cell]

    @cached_property
    def kind(self) -> str:
        """What nine of ten cells are: ``image``, ``url``, ``barcode``, ``amount``, ``code``, or else ``text``."""
        kinds = ("image", "url", "barcode", "amount", "code") if self.filled else ()
        return next((kind for kind in kinds if self.share(kind) >= 0.9), "text")

    @cached_property
    def distinct_share(self) -> float:
        """The share of different values among all rows."""
        return len({*self.filled}) / len(self.cells)

    @cached_property
    def n_chars(self) -> float:
        """How long a text in it is."""
        return median(map(len, self.filled)) if self.filled else 0

    def share(self, kind: str) -> float:
        """The share of the filled cells that are of a kind."""
        return sum(_is_a(kind, cell) for cell in self.filled) / max(1, len(self.filled))

    @property
    def is_phrased(self) -> bool:
        """Whether at least half of its texts are of several words."""
        n_phrases = sum(" " in cell and any(map(str.isalpha, cell)) for cell in self.filled)
        return self.kind == "text" and 2 * n_phrases >= len(self.filled) > 0

    @property
    def has_flags(self) -> bool:
        """Whether all cells say yes or no."""
        return all(cell.casefold() in _FLAGS for cell in self.filled)

    @property
    def has_signs(self) -> bool:
        """Whether most amounts have a currency."""
        return 2 * sum(_SIGN.search(cell) is not None for cell in self.filled) > len(self.filled)

    @property
    def round_share(self) -> float:
        """The share of the amounts that are as round as prices, or written as they are."""
        n_round = sum(cell[-1] in "059" or _GROUPED.fullmatch(cell) is not None for cell in self.filled)
        return n_round / max(1, len(self.filled))

    @property
    def has_stars(self) -> bool:
        """Whether all amounts are of 0 to 5 with a decimal at most, some with one, as ratings are."""
        stars = [_STARS.fullmatch(cell) for cell in self.filled]
        return all(stars) and any(found is not None and found[1] for found in stars)

    @property
    def has_serial_numbers(self) -> bool:
        """Whether all are numbers of as many digits, of seven at least, that are no times and mostly not round: nothing
        else is numbered so than what has a number of its own."""
        is_even = len({*map(len, self.filled)}) == 1 and len(self.filled) >= MIN_CODES
        return is_even and all(map(_SERIAL.fullmatch, self.filled)) and self.round_share < 0.8

    @property
    def has_decimals(self) -> bool:
        """Whether at least a fifth of the amounts have decimals."""
        return 5 * sum(_DECIMALS.fullmatch(cell) is not None for cell in self.filled) >= len(self.filled) > 0


def names_by_values(rows: Sequence[Sequence[str]], source: str) -> tuple[tuple[str, ...], str] | None:
    """The names of a table's columns, told by the values in its first rows, and a note on how they were understood;
    None if the first row may well be a line of names.

    Texts that are nothing else become the attributes ``column 3``; numbers that are nothing else have an empty name and
    are left out. Raises ``SourceError`` where the first row is a product and the columns cannot be told surely.
    """
    if not rows or not rows[0] or n_known_names(rows[0]):
        return None
    told = _whole([*dict.fromkeys(map(tuple, rows))])
    if len(told) < 2 or told[0] != tuple(rows[0]):
        return None
    widths = [len(row) for row in told]
    width = max(widths, key=widths.count)
    columns = [_Column(at + 1, tuple(_cell(row, at) for row in told if len(row) <= width)) for at in range(width)]
    if len(rows[0]) > width or len(columns[0].cells) < 2 or not _is_product(columns):
        return None
    roles = _roles(columns, source, rows[0])
    alone = [[at for at, cell in enumerate(row, start=1) if cell.strip()] for row in rows]
    headed = {places[0] for places in alone if len(places) == 1}
    names = tuple(
        roles.get(column.number) or _leftover(column, is_headed=column.number in headed) for column in columns
    )
    return names, _note(source, names, columns)


def _whole(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The rows that are filled as products are, and are no headings, empty lines or totals."""
    n_filled = [sum(bool(_cell(row, at)) for at in range(len(row))) for row in rows]
    least = max(1, median(n for n in n_filled if n > 1) / 2) if max(n_filled) > 1 else max(n_filled)
    return [row for row, n in zip(rows, n_filled, strict=True) if n > least]


def _cell(row: Sequence[str], at: int) -> str:
    return "" if at >= len(row) or is_blank(row[at]) else _BLANK.sub(" ", row[at].strip())


def _is_product(columns: Sequence[_Column]) -> bool:
    """Whether the first row has, where the rows below have values of a kind, a value of that kind; at least one that no
    column is called, or a code and a number."""
    shown = [(column, column.cells[0]) for column in columns if column.cells[0]]
    kinds = {column: _kind_below(column) for column, _ in shown}
    typed = [(column, cell) for column, cell in shown if kinds[column] != "text"]
    if not any(column.kind == "text" for column, _ in shown):
        return False
    if not all(_is_a(kinds[column], cell) for column, cell in typed):
        return False
    sure = [column for column, _ in typed if kinds[column] in ("image", "url", "barcode")]
    sure += [column for column, cell in typed if kinds[column] == "amount" and _SIGN.search(cell)]
    if sure:
        return True
    has_code = any(kinds[column] == "code" for column, _ in typed)
    amounts = [(column, cell) for column, cell in typed if kinds[column] == "amount"]
    decimals = [column for column, cell in amounts if _DECIMALS.fullmatch(cell)]
    if (has_code and bool(amounts)) or len(decimals) == 1:  # 0,5 and 1,0 may be the sizes that prices are of
        return True
    return bool(amounts or has_code) and _is_list(columns)


def _is_list(columns: Sequence[_Column]) -> bool:
    """Whether each of several rows has another code of one form and a title, the first row too."""
    title, _ = _texts(columns)
    key = None if title is None else _key([column for column in columns if column is not title], title)
    if title is None or key is None or len(key.cells) < MIN_CODES or " " not in title.cells[0]:
        return False
    return title.distinct_share >= 0.9 and _have_one_form(key)


def _have_one_form(column: _Column) -> bool:
    """Whether all codes have letters, digits and signs in one order."""
    return len({re.sub(r"[^\W\d]+", "A", re.sub(r"\d+", "0", code)) for code in column.filled}) == 1


def _kind_below(column: _Column) -> str:
    below = _Column(column.number, column.cells[1:])
    return below.kind if below.filled else column.kind


def _roles(columns: Sequence[_Column], source: str, first: Sequence[str]) -> dict[int, str]:
    """The names of the columns that are fields, by their numbers."""
    title, description = _texts(columns)
    if title is None:
        raise _untold(source, first, "none of its columns is surely the title", {})
    key = _key([column for column in columns if column not in (title, description)], title)
    prices = _prices([column for column in columns if column is not key])
    roles = {prices[0].number: "price"} if len(prices) == 1 else {}
    roles |= {title.number: "title"} | ({description.number: "description"} if description else {})
    roles |= _kinds(columns, key)
    has_barcodes = any(column.kind == "barcode" and column.distinct_share == 1 for column in columns)
    is_key_sure = has_barcodes if key is None else _have_one_form(key)
    if len(prices) > 1 and not is_key_sure:
        why = f"which of its columns {_numbers_of(prices, 'and')} is the price cannot be told"
        raise _untold(source, first, why, roles)
    return roles


def _kinds(columns: Sequence[_Column], key: _Column | None) -> dict[int, str]:
    """The names of the key, and of the columns of barcodes, addresses and images, by their numbers."""
    roles = {key.number: "sku"} if key else {}
    for name, kind in (("ean", "barcode"), ("url", "url"), ("image", "image")):
        found = [column for column in columns if column.kind == kind and column is not key]
        for n, column in enumerate(found[: None if kind == "image" else 1], start=1):
            roles[column.number] = f"{name}_{n}" if n > 1 else name
    return roles


def _texts(columns: Sequence[_Column]) -> tuple[_Column | None, _Column | None]:
    """The title, which differs most from row to row, and a longer text beside it."""
    full = [column for column in columns if column.kind == "text" and 10 * len(column.filled) >= 9 * len(column.cells)]
    phrased = [column for column in full if column.is_phrased]
    titles = [column for column in phrased if column.n_chars <= 2 * min(each.n_chars for each in phrased)] or phrased
    shorter = [column for column in phrased if column.n_chars <= N_DESCRIPTION_CHARS]
    if not phrased:
        alone = [column for column in full if column.distinct_share >= 0.9 and column.share("code") < 0.5]
        return (alone[0] if len(alone) == 1 else None), None
    most = max(column.distinct_share for column in phrased)
    distinct = [column for column in shorter or titles if column.distinct_share >= 0.9 * most]
    title = max(distinct or phrased, key=lambda column: (column.distinct_share, -column.number))
    longer = [column for column in columns if column.is_phrased and column.n_chars >= 2 * title.n_chars]
    longer = [column for column in longer if column.n_chars > N_DESCRIPTION_CHARS]
    return title, max(longer, key=lambda column: column.n_chars, default=None)


def _key(columns: Sequence[_Column], title: _Column) -> _Column | None:
    """The column with another code in each row: one with letters, or with leading zeros, or else numbers before the
    title or serial ones. Row numbers give way to the numbers that the addresses have in them."""

    def rank(column: _Column) -> int:
        if any(any(map(str.isalpha, cell)) for cell in column.filled):
            return 0
        return 1 if any(cell.startswith("0") and len(cell) > 1 for cell in column.filled) else 2

    coded = [column for column in columns if column.kind in ("code", "amount") and column.distinct_share == 1]
    coded = [column for column in coded if all(map(_CODE.fullmatch, column.cells)) and not _is_money(column)]
    coded = [column for column in coded if max(map(len, column.cells)) <= MAX_KEY_CHARS]
    before = [each for each in coded if rank(each) < 2 or each.number < title.number or each.has_serial_numbers]
    found = min(before, key=lambda column: (rank(column), column.number), default=None)
    if found is not None and [*found.cells] != [str(n) for n in range(1, len(found.cells) + 1)]:
        return found
    addresses = [column for column in columns if column.kind == "url"]
    return next((each for each in coded if each is not found and _are_in(each, addresses)), found)


def _are_in(codes: _Column, addresses: Sequence[_Column]) -> bool:
    """Whether each row's code, of several signs, is a part of its address in one of the columns."""
    pairs = (zip(codes.cells, column.cells, strict=True) for column in addresses)
    return any(all(len(code) >= MIN_CODE_CHARS and code in address for code, address in each) for each in pairs)


def _is_money(column: _Column) -> bool:
    return column.kind == "amount" and (column.has_signs or column.has_decimals)


def _prices(columns: Sequence[_Column]) -> list[_Column]:
    """The columns that may be the price: amounts with a currency, or else with decimals, or else the one of whole
    amounts that are far above all others, and as round as prices or written as they are (``25 116``)."""
    amounts = [column for column in columns if column.kind == "amount" and not column.has_stars]
    if found := [column for column in amounts if column.has_signs] or [each for each in amounts if each.has_decimals]:
        return found
    if reduced := _reduced(amounts):
        return [reduced]
    sizes = {column.number: median(map(_size, column.filled)) for column in amounts}
    largest = max(amounts, key=lambda column: sizes[column.number], default=None)
    if largest is None or sizes[largest.number] < 100 or largest.distinct_share < 0.5:
        return []
    is_far = all(10 * size <= sizes[largest.number] for number, size in sizes.items() if number != largest.number)
    return [largest] if is_far and largest.round_share >= 0.9 else []


def _reduced(amounts: Sequence[_Column]) -> _Column | None:
    """The price where another amount, of some rows alone, is what they cost before: up to three times as much, and
    about as round; None if that is said of no column, or of several."""
    round_ones = [column for column in amounts if column.round_share >= 0.8]
    found = [
        paid
        for paid, before in permutations(round_ones, 2)
        if all(paid.cells) and 1 < len(before.filled) < len(before.cells)
        if all(
            _size(cell) < _size(more) <= 3 * _size(cell)
            for cell, more in zip(paid.cells, before.cells, strict=True)
            if more
        )
    ]
    return found[0] if len(found) == 1 else None


def _size(amount: str) -> float:
    """An amount without its marks; 0 for another text."""
    return float(re.sub(r"\D", "", amount) or 0)


def _leftover(column: _Column, *, is_headed: bool) -> str:
    """The name of a column that is no field; numbers below headings are an index, which becomes no attribute."""
    has_words = any(any(map(str.isalpha, cell)) for cell in column.filled) and not column.has_flags
    is_kept = column.kind in ("text", "code") or (column.kind == "amount" and not column.has_signs)
    return f"column {column.number}" if has_words and is_kept else INDEX if is_headed else ""


def _note(source: str, names: Sequence[str], columns: Sequence[_Column]) -> str:
    read = ", ".join(f"{number} as {name}" for number, name in enumerate(names, start=1) if name not in ("", INDEX))
    out = [
        str(column.number) for name, column in zip(names, columns, strict=True) if name in ("", INDEX) and column.filled
    ]
    left = f" Left out, as nothing says what they are: {', '.join(out)}." if out else ""
    prices = _prices([column for name, column in zip(names, columns, strict=True) if name != "sku"])
    prices = [column for column in prices if len({*column.filled}) > 1 and 2 * len(column.filled) > len(column.cells)]
    doubt = f" None of them is surely the price{f', which may be {_numbers_of(prices)}' if prices else ''}."
    left += "" if "price" in names else doubt
    return (
        f"{source} has no line of names; its columns are told by their values: {read}.{left} "
        "If that is wrong, write a line with their names above the first."
    )


def _numbers_of(columns: Sequence[_Column], last: str = "or") -> str:
    """The numbers of several columns."""
    *others, end = (str(column.number) for column in columns)
    return f"{', '.join(others)} {last} {end}" if others else end


def _untold(source: str, first: Sequence[str], why: str, roles: Mapping[int, str]) -> SourceError:
    """What the first line looks like, and the line to write above it: what is told, and numbers for the rest."""
    shown = ", ".join(cell[:60] for cell in first[:60])
    names = ",".join(roles.get(number, f"column {number}") for number in range(1, len(first) + 1))
    return SourceError(
        f"The first line of {source} looks like a product and not like the names of columns: {shown}; and {why}.",
        remedy="Write a line with the columns' names above it, parted as they are, with title, price and sku or ean in "
        f"the places of theirs: {names}",
        details={"columns": list(first)},
    )


def _is_a(kind: str, cell: str) -> bool:
    if kind == "image":
        return _IMAGE.fullmatch(cell) is not None
    if kind == "url":
        return _ADDRESS.fullmatch(cell) is not None
    if kind == "barcode":
        return _is_barcode(cell)
    if kind == "amount":
        found = _AMOUNT.fullmatch(cell)
        return found is not None and bool(
            not (found["before"] or found["after"]) or _SIGN.search(found["before"] or found["after"])
        )
    return _CODE.fullmatch(cell) is not None and len(cell) <= MAX_KEY_CHARS


def _is_barcode(cell: str) -> bool:
    """Whether a cell is an EAN, UPC or GTIN whose check digit is right (GS1 General Specifications, 7.9.1)."""
    if len(cell) not in (8, 12, 13, 14) or not (cell.isascii() and cell.isdigit()):
        return False
    digits = [int(digit) for digit in reversed(cell)]
    return (sum(digits[::2]) + 3 * sum(digits[1::2])) % 10 == 0
