"""Reading a row as a validated record."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TypeVar

from vitrina.indexer.sources.attributes import MAX_ATTRIBUTES, attribute_key, check_attribute, flatten, flatten_text
from vitrina.indexer.sources.base import CellProblem, ImageReference, Record, Rejection, TableRow, VariantRow
from vitrina.indexer.sources.cells import (
    display_text,
    is_blank,
    key_text,
    one_line,
    parse_literal,
    plain,
    rich_text,
    texts_of,
    without_directives,
    without_spreadsheet_marks,
)
from vitrina.indexer.sources.column_names import text_key
from vitrina.indexer.sources.column_values import cell_at
from vitrina.indexer.sources.columns import Columns
from vitrina.indexer.sources.currencies import is_bare_dollar, parse_currency
from vitrina.indexer.sources.image_cells import MAX_IMAGES, read_image_cells
from vitrina.indexer.sources.image_files import ImageFiles
from vitrina.indexer.sources.keys import row_digest
from vitrina.indexer.sources.money import parse_cents, parse_price
from vitrina.indexer.sources.units import join_units, without_comma
from vitrina.indexer.sources.variant_titles import own_titles, shared_title, whole_title
from vitrina.search.types.currencies import n_decimals
from vitrina.search.types.errors import InputError
from vitrina.search.types.item import MAX_VARIANTS, AttributeValue, Item, Scalar, Variant

T = TypeVar("T")

MAX_CACHED_CHARS = 64
"""Longer texts are hardly ever in two rows."""

MAX_SKU_CHARS = 256
MAX_TITLE_CHARS = 2_000
MAX_DESCRIPTION_CHARS = 100_000
MAX_URL_CHARS = 4_096

_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*):")
_PORT = re.compile(r"\d{1,5}(?![^/?#])")
_SHORTENED = re.compile(r"\d(?:[.,]\d{3,})?E\+\d{2}")
_INVISIBLE = "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad "
"""A sku of these alone, as copied cells have them, is as good as empty."""

_KNOWN_SCHEMES = frozenset({"javascript", "vbscript", "data", "file", "blob", "about", "ftp", "mailto", "tel"})
"""What never stands for a host before a port, as ``shop.example:8080/a`` does."""


def read_row(row: TableRow, columns: Columns, files: ImageFiles) -> Record | Rejection:
    """One row as a record, or why it cannot be one. ``files`` finds the images that it names by path.

    A cell that cannot be read, or is past a limit, is left out, or cut, and noted in the record's ``problems``.
    Rejected are only rows without a sku, and rows with neither image nor text.
    """
    sku = None
    try:
        used = columns.used(row.cells)
        sku = _read_sku(cell_at(row.cells, used["sku"]), used["sku"])
        if columns.keyed_by == "row" and used["sku"] == columns.fields["sku"][-1]:
            sku = f"{sku[: MAX_SKU_CHARS - 9]} {row_digest({**row.cells, **row.attributes}, columns.told_by_no_digest)}"
        return _RowReader(row, columns, used, files).record(sku)
    except InputError as error:
        return Rejection(row.origin, error.message, error.remedy, sku, row.n_rows)


_TOTALS = frozenset(
    str.split(
        "total totals subtotal sum summe gesamt gesamtsumme zwischensumme totale totaal totaux somme suma razem celkem "
        "celkom összesen toplam итого всего 合計 合计 总计 합계"
    )
) | {"grand total", "sub total"}
"""The first words of the lines below a spreadsheet's table."""

_ARE_GROUPS = ("этогруппа", "это_группа", "is_group", "is_folder")
_YES = frozenset({"true", "истина", "да", "1", "yes"})
"""What 1C and its like say of rows that are a folder of products."""


class _RowReader:
    """Reads one row's cells, and notes those that cannot be read."""

    def __init__(self, row: TableRow, columns: Columns, used: Mapping[str, str], files: ImageFiles) -> None:
        self._row = row
        self._columns = columns
        self._used = used
        self._files = files
        self._problems = list(row.problems)

    def record(self, sku: str) -> Record:
        """The row under this sku. Raises InputError if it has neither image nor text."""
        if _SHORTENED.fullmatch(sku):
            remedy = "Export the catalog again, with that column as text."
            self._note(self._used["sku"], InputError(f"{sku!r} lost its last digits in a spreadsheet.", remedy=remedy))
        title = one_line(self._text("title", MAX_TITLE_CHARS))
        description = self._text("description", MAX_DESCRIPTION_CHARS)
        attributes = self._attributes()
        if isinstance(held := self._field("description"), Mapping) and not description:
            self._add_attributes(attributes, self._used["description"], "", held)
        price_cents, currency = self._price()
        if (sale := self._sale_price(price_cents, currency)) is not None:
            if price_cents is not None:
                attributes["regular_price"] = price_cents / 10 ** n_decimals(currency)
            price_cents, currency = sale
        price_to_cents = None
        if not price_cents and self._row.parts:
            price_cents, price_to_cents = self._price_of_parts(currency)
        images = self._images()
        variants = tuple(self._variant(each, title, images, currency) for each in self._row.variants[:MAX_VARIANTS])
        if self._row.n_rows > 1:
            variants, title = own_titles(variants, title), shared_title(title, variants)
        if price_cents == 0 and any(each.price_cents for each in variants):
            price_cents = None  # of a product that is sold as its variants alone
        if sku.rstrip(" :").casefold() in _TOTALS and not (title or description or images):
            raise InputError("The row is a total and no product.", remedy="Nothing needs to be done.")
        if any(str(attributes.get(key)).casefold() in _YES for key in _ARE_GROUPS):
            raise InputError("The row is a group of products and no product.", remedy="Nothing needs to be done.")
        has_words = attributes and re.search(r"[^\W\d_]", str([sku, *attributes.values()]))
        if not (title or description or has_words or images or variants):
            first = f" {self._problems[0].reason}" if self._problems else ""
            raise InputError(
                f"The row has neither an image nor any text.{first}",
                remedy="Give it a title, a description or an image.",
            )
        item = Item(sku, title, description, attributes, price_cents, currency, self._url(), variants, price_to_cents)
        return Record(self._row.origin, item, tuple(images)[:MAX_IMAGES], tuple(self._problems), self._row.n_rows)

    def _field(self, field: str) -> object:
        column = self._used.get(field)
        return None if column is None else cell_at(self._row.cells, column)

    def _note(self, column: str, error: InputError) -> None:
        self._problems.append(CellProblem(column, error.message, error.remedy))

    def _read(self, field: str, read: Callable[[object], T], default: T) -> T:
        """What ``read`` makes of a field's cell, or the default where it cannot be read."""
        try:
            return read(self._field(field))
        except InputError as error:
            self._note(self._used[field], error)
            return default

    def _text(self, field: str, max_chars: int) -> str:
        text = self._read(field, partial(_read_text, field), "")
        cell = self._field(field)
        if len(text) <= max_chars or (isinstance(cell, str) and len(cell) <= max_chars):  # NFC may be longer
            return text
        self._note(self._used[field], _too_long(field, text, max_chars))
        return text[:max_chars].rstrip()

    def _price(self) -> tuple[int | None, str | None]:
        named = self._columns.currencies.get(self._used.get("price", ""))
        currency = self._read("currency", parse_currency, None) or named or self._columns.currency
        cents = self._read("price_cents", parse_cents, None)
        if cents is not None:
            return cents, currency
        default: tuple[int | None, str | None] = (None, currency)
        price = self._read("price", partial(_read_price, currency, self._columns), default)
        return price if price[0] != 0 else self._price_above_zero(currency) or price

    def _price_above_zero(self, currency: str | None) -> tuple[int, str | None] | None:
        """The first of the columns of prices that says more than nothing: new prices are 0 where there is no offer."""
        for column in self._columns.fields.get("price", ())[1:]:
            with suppress(InputError):
                cents, own = _read_price(currency, self._columns, cell_at(self._row.cells, column))
                if cents:
                    return cents, own
        return None

    def _sale_price(self, price_cents: int | None, currency: str | None) -> tuple[int | None, str | None] | None:
        """The sale price and its currency if that is what the item costs: lower than its price, and not zero."""
        default: tuple[int | None, str | None] = (None, currency)
        sale = self._read("sale_price", partial(_read_price, currency, self._columns), default)
        return sale if sale[0] and (price_cents is None or sale[0] < price_cents) else None

    def _price_of_parts(self, currency: str | None) -> tuple[int | None, int | None]:
        """The lowest and the highest price of what a product is sold as, or of what it consists of; None where they are
        not known, and for the highest where it is the lowest."""
        choices: dict[str, list[int]] = {}
        for part in self._row.parts:
            price, sale = (self._part_price(part.cells.get(role), currency) for role in ("price", "sale_price"))
            cents = sale if sale and (price is None or sale < price) else price
            if cents:
                choices.setdefault(part.choice, []).append(cents * part.quantity)
        optional = {part.choice for part in self._row.parts if part.is_optional}
        lowest = sum(min(each) for choice, each in choices.items() if choice not in optional)
        highest = sum(max(each) for each in choices.values())
        lowest = lowest or min((min(each) for each in choices.values()), default=0)
        return lowest or None, highest if highest > lowest else None

    def _part_price(self, cell: object, currency: str | None) -> int | None:
        try:
            return _read_price(currency, self._columns, cell)[0]
        except InputError:  # the part's own item says so
            return None

    def _url(self) -> str | None:
        return self._read("url", read_url, None)

    def _attributes(self) -> dict[str, AttributeValue]:
        attributes: dict[str, AttributeValue] = {}
        keys = self._columns.attribute_keys(self._used)
        for column, cell in self._row.cells.items():
            key = keys[column]
            if key is None or is_blank(cell):
                continue
            if key == "attributes":
                cell = parse_literal(cell) if isinstance(cell, str) else cell
                key = "" if isinstance(cell, Mapping) else key
            elif not key:
                continue
            self._add_attributes(attributes, column, key, cell)
        for column, key in self._columns.renamed.items():
            if column not in self._row.cells:
                self._add_attributes(attributes, column, key, cell_at(self._row.cells, column))
        for name, cell in self._row.attributes.items():
            if key := attribute_key(name):
                self._add_attributes(attributes, name, key, cell, is_one=True)
        join_units(attributes)
        return attributes

    def _add_attributes(
        self, attributes: dict[str, AttributeValue], column: str, key: str, cell: object, *, is_one: bool = False
    ) -> None:
        """Add a cell's attributes; a text that ``is_one`` value is no list for its commas."""
        try:
            if isinstance(cell, str) and self._columns.decimal_mark == ",":
                cell = without_comma(column, cell)
            if is_one and isinstance(cell, str) and "," in cell and cell.lstrip()[:1] not in ("[", "{"):
                cell = display_text(cell)
                check_attribute(key, cell, len(attributes))
                attributes.setdefault(key, cell)
                return
            has_room = len(attributes) < MAX_ATTRIBUTES - MAX_CACHED_CHARS
            is_short = isinstance(cell, str) and len(cell) <= MAX_CACHED_CHARS and has_room
            for name, value in flatten_text(key, str(cell)) if is_short else flatten(key, cell):
                if not is_short:
                    check_attribute(name, value, len(attributes))
                attributes.setdefault(name, value)
        except InputError as error:
            self._note(column, error)

    def _images(self) -> dict[ImageReference, int]:
        """The item's own images by their positions."""
        images: dict[ImageReference, int] = {}
        for column in self._columns.images:
            self._add_images(images, column, cell_at(self._row.cells, column))
        for column in () if images else self._columns.spare_images:
            if isinstance(cell := cell_at(self._row.cells, column), (Mapping, list, tuple)):  # and no "cover: hard"
                self._add_images(images, column, cell)
        if len(images) > MAX_IMAGES:
            error = InputError(
                f"The row has {len(images):,} images; the first {MAX_IMAGES} are read.", remedy="Leave some out."
            )
            self._note(self._columns.images[0], error)
        return images

    def _add_images(self, images: dict[ImageReference, int], column: str, cell: object) -> tuple[int, ...]:
        """Add a cell's images to those of the item, and return their positions."""
        positions = []
        for found in read_image_cells(cell, self._files):
            if isinstance(found, InputError):
                self._note(column, found)
            else:
                positions.append(images.setdefault(found, len(images)))
        return tuple(dict.fromkeys(position for position in positions if position < MAX_IMAGES))

    def _variant(
        self, row: VariantRow, of_item: str, images: dict[ImageReference, int], currency: str | None
    ) -> Variant:
        """One variant of an item with a title. Cells that cannot be read are noted under the names of their roles."""
        cells = row.cells

        def read(role: str, reader: Callable[[object], T], otherwise: T) -> T:
            try:
                return reader(cells.get(role))
            except InputError as error:
                self._note(f"variant {role}", error)
                return otherwise

        currency = read("currency", parse_currency, None) or currency
        default: tuple[int | None, str | None] = (None, currency)
        read_amount = partial(_read_price, currency, self._columns)
        cents = read("price_cents", parse_cents, None)
        price_cents, own_currency = read("price", read_amount, default) if cents is None else (cents, currency)
        sale_cents, sale_currency = read("sale_price", read_amount, default)
        if sale_cents and (price_cents is None or sale_cents < price_cents):
            price_cents, own_currency = sale_cents, sale_currency
        options: dict[str, AttributeValue] = {}
        for name, cell in row.options.items():
            self._add_attributes(options, name, attribute_key(name), cell)
        return Variant(
            sku=read("sku", _read_variant_sku, ""),
            options={name: _one_value(value) for name, value in options.items()},
            price_cents=price_cents,
            currency=own_currency,
            identifiers=tuple(dict.fromkeys(texts_of(cells.get("identifiers")))),
            images=self._add_images(images, "variant image", cells.get("image")),
            url=read("url", read_url, None),
            title=read("title", read_title, "") or whole_title(read("name", read_title, ""), of_item, options.values()),
        )


def _one_value(value: AttributeValue) -> Scalar:
    """An option's value, which is one even where it reads like a list (``Oil, Rubbed``)."""
    return value if not isinstance(value, tuple) else value[0] if len(value) == 1 else ", ".join(map(str, value))


def _read_variant_sku(cell: object) -> str:
    return "" if is_blank(cell) else _read_sku(cell, "sku")


def _read_sku(cell: object, column: str) -> str:
    if isinstance(cell, (list, tuple)) and len(cell) == 1 and isinstance(cell[0], str):
        cell = cell[0]  # of its only variant, as Etsy has it
    if isinstance(cell, (bool, list, tuple, dict, bytes)):
        raise InputError(f"{str(cell)[:60]!r} is not a sku.", remedy="Use a text or a number.")
    text = "" if is_blank(cell) else plain(cell) if isinstance(cell, (int, float)) else key_text(str(cell))
    sku = without_spreadsheet_marks(text).strip()
    if not sku.strip(_INVISIBLE):
        raise InputError(
            f"The row has no sku: {column} is empty.", remedy="Fill it in, or map another column: --map sku=COLUMN."
        )
    if len(sku) > MAX_SKU_CHARS:
        raise _too_long("sku", sku, MAX_SKU_CHARS)
    return sku


def read_title(cell: object) -> str:
    """A variant's title, read as an item's is. Raises InputError for an object, and for one that is too long."""
    title = one_line(_read_text("title", cell))
    if len(title) > MAX_TITLE_CHARS and not (isinstance(cell, str) and len(cell) <= MAX_TITLE_CHARS):
        raise _too_long("title", title, MAX_TITLE_CHARS)
    return title


def _read_text(field: str, cell: object) -> str:
    if is_blank(cell):
        return ""
    document = rich_text(parse_literal(cell) if isinstance(cell, str) and cell[:1] in ("{", "[") else cell)
    cell = cell if document is None else document
    if isinstance(cell, Mapping):
        if (key := text_key(cell, is_title=field == "title")) is not None:
            return _read_text(field, cell[key])
        if field == "description":
            return ""  # whose keys and values are attributes
        raise InputError(
            f"{field} is a nested object with {', '.join(map(str, list(cell)[:10]))}.",
            remedy=f"Map one of its keys, as in: --map {field}={field}.{next(iter(cell))}",
        )
    parts = cell if isinstance(cell, (list, tuple)) else (cell,)
    if parts and isinstance(first := parts[0], Mapping) and first.keys() == {"id", "value"}:
        return _read_text(field, first)  # PrestaShop, by the numbers of languages
    texts = (plain(part) for part in parts if isinstance(part, (str, int, float)) and not is_blank(part))
    return display_text(without_directives("\n".join(texts)))


def _too_long(field: str, text: str, max_chars: int) -> InputError:
    return InputError(
        f"The {field} has {len(text):,} characters ({text[:40]!r}...); the limit is {max_chars:,}.",
        remedy="Shorten it, or map another column to it.",
    )


def _read_price(currency: str | None, columns: Columns, cell: object) -> tuple[int | None, str | None]:
    if isinstance(cell, str) and cell.lstrip()[:1] in ("[", "{"):
        cell = parse_literal(cell)
    cents, code = parse_price(cell, currency, columns.decimal_mark)
    return cents, None if code != currency and is_bare_dollar(str(cell), code) and columns.has_pesos else code


def read_url(cell: object) -> str | None:
    """A web address; None for an empty cell. Raises InputError for any other scheme."""
    if is_blank(cell):
        return None
    if isinstance(cell, Mapping):  # {"base": "https://shop.example/", "path": "/mug"}, as Wix has it
        parts = [part for key in ("base", "path", "url", "href") if isinstance(part := cell.get(key), str)]
        cell = parts[0].rstrip("/") + parts[1] if len(parts) > 1 else next(iter(parts), "")
    if len(str(cell)) > MAX_URL_CHARS:
        raise _too_long("url", str(cell), MAX_URL_CHARS)
    url = "".join(plain(str(cell)).split())
    scheme = _SCHEME.match(url)
    name = scheme.group(1).lower() if scheme else "https"
    if name not in ("http", "https") and (name in _KNOWN_SCHEMES or not _PORT.match(url, len(name) + 1)):
        raise no_web_address(url)
    return url


def no_web_address(url: str) -> InputError:
    """The error for what is not a web address."""
    return InputError(f"The url {url[:80]!r} is not a web address.", remedy="Use an address that starts with https://.")
