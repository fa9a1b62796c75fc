"""Reading a row as a validated record, and choosing the columns of each field."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TypeVar

from vitrina.indexer.sources.attributes import attribute_key, check_attribute, flatten
from vitrina.indexer.sources.base import CellProblem, ImageReference, Record, Rejection, TableRow
from vitrina.indexer.sources.cells import is_blank, parse_cents, parse_currency, parse_price, plain, without_markup
from vitrina.indexer.sources.image_cells import MAX_IMAGES, read_image_cells
from vitrina.search.types.errors import InputError, SourceError
from vitrina.search.types.item import AttributeValue, Item

T = TypeVar("T")

FIELDS = ("sku", "title", "description", "price", "price_cents", "currency", "url", "image")
"""What ``--map FIELD=COLUMN`` may name; any other name makes the column an attribute of that name."""

_KNOWN: Mapping[str, tuple[str, ...]] = {
    "sku": (
        "sku", "product_sku", "item_sku", "id", "product_id", "item_id", "productid", "itemid",
        "article_number", "article_id", "item_number", "product_number", "product_code", "item_code",
        "asin", "parent_asin", "uniq_id", "handle", "key", "__key__",
    ),
    "title": ("title", "name", "product_name", "product_title", "productname", "product_display_name", "display_name",
              "item_name", "prod_name", "caption"),
    "description": ("description", "long_description", "product_description", "body", "body_html", "detail_desc",
                    "short_description", "text"),
    "price": ("price", "current_price", "list_price", "product_price"),
    "price_cents": ("price_cents", "price_in_cents"),
    "currency": ("currency", "price_currency", "currency_code"),
    "url": ("url", "link", "product_url", "product_link", "page_url"),
}  # fmt: skip
"""Column names taken for each field, the surest first, spelled as attribute keys."""

_IMAGE = (
    "image", "image_link", "image_url", "image_src", "image_path", "image_file", "images", "image_urls", "image_links",
    "image_paths", "main_image", "main_image_url", "primary_image", "picture", "picture_url", "photo", "photo_url",
    "img", "img_url", "image_name", "file_name", "filename", "file", "jpg", "jpeg", "png", "webp",
)  # fmt: skip
_MORE_IMAGES = re.compile(
    r"(?:additional_|other_|variant_)?(?:image|picture|photo|img)(?:_(?:url|link|path|src))?(?:s|_?\d+)"
    r"|(?:additional|other|variant)_(?:image|picture|photo)(?:_(?:url|link|path|src))?"
)
_SKU_LIKE = re.compile(r"sku|id\b|id$|code|number|key|handle|ref|ean|gtin", re.IGNORECASE)


@dataclass(frozen=True)
class Columns:
    """``fields`` maps a field to its column, ``images`` are the columns with images, ``renamed`` maps a column to
    the attribute it is to become. Every other column becomes an attribute under its own key.
    """

    fields: Mapping[str, str]
    images: tuple[str, ...]
    renamed: Mapping[str, str]

    @cached_property
    def consumed(self) -> frozenset[str]:
        """The columns that do not become attributes."""
        return frozenset({*self.fields.values(), *self.images})


def choose_columns(
    columns: Sequence[str],
    mapping: Mapping[str, str],
    *,
    preferred: Mapping[str, tuple[str, ...]] | None = None,
    source: str,
) -> Columns:
    """Find each field's column: ``mapping`` first, then the dialect's ``preferred`` keys, then well-known names.

    Raises ``SourceError`` for a mapped column that does not exist and if no column can serve as sku.
    """
    chosen = {
        field: _existing(column, columns, source)
        for field, column in mapping.items()
        if field not in ("image", "images")
    }
    images = _chosen_images(columns, mapping, source)
    by_key = {attribute_key(column): column for column in reversed(columns)}
    fields = {field: column for field, column in chosen.items() if field in FIELDS}
    taken = {*chosen.values(), *images}
    for field, names in _KNOWN.items():
        candidates = (by_key[name] for name in (*(preferred or {}).get(field, ()), *names) if name in by_key)
        found = next((column for column in candidates if column not in taken), None)
        if found is not None and field not in fields:
            fields[field] = found
            taken.add(found)
    if "sku" not in fields:
        raise _no_sku(columns, source)
    renamed = {column: attribute_key(field) or field for field, column in chosen.items() if field not in FIELDS}
    return Columns(fields, images or _known_images(by_key, columns, taken, preferred or {}), renamed)


def _chosen_images(columns: Sequence[str], mapping: Mapping[str, str], source: str) -> tuple[str, ...]:
    named = mapping.get("image", mapping.get("images"))
    if named is None:
        return ()
    names = [named] if named in columns else named.split(",")
    return tuple(_existing(name.strip(), columns, source) for name in names)


def _known_images(
    by_key: Mapping[str, str], columns: Sequence[str], taken: Iterable[str], preferred: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...]:
    names = (*preferred.get("image", ()), *_IMAGE)
    main = next((by_key[name] for name in names if name in by_key and by_key[name] not in taken), None)
    more = (column for column in columns if _MORE_IMAGES.fullmatch(attribute_key(column)) and column not in taken)
    return tuple(dict.fromkeys((*((main,) if main else ()), *more)))


def _existing(column: str, columns: Sequence[str], source: str) -> str:
    if column in columns:
        return column
    alike = [name for name in columns if attribute_key(name) == attribute_key(column)]
    if len(alike) == 1:
        return alike[0]
    if "." in column and column.split(".")[0] in columns:
        return column
    raise SourceError(
        f"{source} has no column {column!r}. Its columns are: {_joined(columns)}.",
        remedy="Map the field to one of these: --map FIELD=COLUMN.",
        details={"column": column, "columns": list(columns)},
    )


def _no_sku(columns: Sequence[str], source: str) -> SourceError:
    guess = next((column for column in columns if _SKU_LIKE.search(column)), columns[0])
    spelled = f"sku={guess}" if re.fullmatch(r"[\w.-]+", guess) else f'"sku={guess}"'
    return SourceError(
        f"{source} has no column that looks like a product's key. Its columns are: {_joined(columns)}.",
        remedy=f"Say which one identifies a product, for example: --map {spelled}",
        details={"columns": list(columns)},
    )


def _joined(columns: Sequence[str]) -> str:
    shown = ", ".join(column[:60] for column in columns[:60])
    return shown if len(columns) <= 60 else f"{shown} and {len(columns) - 60} more"


MAX_SKU_CHARS = 256
MAX_TITLE_CHARS = 2_000
MAX_DESCRIPTION_CHARS = 100_000
MAX_URL_CHARS = 4_096

_ENGLISH = ("en_US", "en-US", "en_GB", "en-GB", "en", "default", "value", "text", "name")
_LANGUAGE = re.compile(r"[a-z]{2}(?:[_-][A-Za-z]{2,4})?")
_SCHEME = re.compile(r"\s*([a-zA-Z][a-zA-Z0-9+.-]*):(?!\d)")


def read_row(row: TableRow, columns: Columns, folder: Path) -> Record | Rejection:
    """One row as a record, or why it cannot be one. ``folder`` is where relative image paths count from.

    A cell that cannot be read, or is past a limit, is left out, or cut, and noted in the record's ``problems``.
    Rejected are only rows without a sku, and rows with neither image nor text.
    """
    sku = None
    try:
        sku = _read_sku(_cell(row.cells, columns.fields["sku"]), columns.fields["sku"])
        return _RowReader(row, columns, folder).record(sku)
    except InputError as error:
        return Rejection(row.origin, error.message, error.remedy, sku, row.n_rows)


class _RowReader:
    """Reads one row's cells, and notes those that cannot be read."""

    def __init__(self, row: TableRow, columns: Columns, folder: Path) -> None:
        self._row = row
        self._columns = columns
        self._folder = folder
        self._problems: list[CellProblem] = []

    def record(self, sku: str) -> Record:
        """The row under this sku. Raises InputError if it has neither image nor text."""
        title = self._text("title", MAX_TITLE_CHARS).replace("\n", " ")
        description = self._text("description", MAX_DESCRIPTION_CHARS)
        attributes = self._attributes()
        price_cents, currency = self._price()
        images = self._images()
        if not (title or description or attributes or images):
            first = f" {self._problems[0].reason}" if self._problems else ""
            raise InputError(
                f"The row has neither an image nor any text.{first}",
                remedy="Give it a title, a description or an image.",
            )
        item = Item(sku, title, description, attributes, price_cents, currency, self._url())
        return Record(self._row.origin, item, images, tuple(self._problems), self._row.n_rows)

    def _field(self, field: str) -> object:
        column = self._columns.fields.get(field)
        return None if column is None else _cell(self._row.cells, column)

    def _note(self, column: str, error: InputError) -> None:
        self._problems.append(CellProblem(column, error.message, error.remedy))

    def _read(self, field: str, read: Callable[[object], T], default: T) -> T:
        """What ``read`` makes of a field's cell, or the default where it cannot be read."""
        try:
            return read(self._field(field))
        except InputError as error:
            self._note(self._columns.fields[field], error)
            return default

    def _text(self, field: str, max_chars: int) -> str:
        text = self._read(field, partial(_read_text, field), "")
        if len(text) <= max_chars:
            return text
        self._note(self._columns.fields[field], _too_long(field, text, max_chars))
        return text[:max_chars].rstrip()

    def _price(self) -> tuple[int | None, str | None]:
        currency = self._read("currency", parse_currency, None)
        cents = self._read("price_cents", parse_cents, None)
        if cents is not None:
            return cents, currency
        default: tuple[int | None, str | None] = (None, currency)
        return self._read("price", partial(_read_price, currency), default)

    def _url(self) -> str | None:
        return self._read("url", _read_url, None)

    def _attributes(self) -> Mapping[str, AttributeValue]:
        attributes: dict[str, AttributeValue] = {}
        for column, cell in self._row.cells.items():
            if column in self._columns.consumed or is_blank(cell):
                continue
            key = self._columns.renamed.get(column) or attribute_key(column)
            if key == "attributes":
                cell = _parsed(cell)
                key = "" if isinstance(cell, Mapping) else key
            elif not key:
                continue
            self._add_attributes(attributes, column, key, cell)
        for column, key in self._columns.renamed.items():
            if column not in self._row.cells:
                self._add_attributes(attributes, column, key, _cell(self._row.cells, column))
        return attributes

    def _add_attributes(self, attributes: dict[str, AttributeValue], column: str, key: str, cell: object) -> None:
        try:
            for name, value in flatten(key, cell):
                check_attribute(name, value, len(attributes))
                attributes.setdefault(name, value)
        except InputError as error:
            self._note(column, error)

    def _images(self) -> tuple[ImageReference, ...]:
        images: dict[ImageReference, None] = {}
        for column in self._columns.images:
            for found in read_image_cells(_cell(self._row.cells, column), self._folder):
                if isinstance(found, InputError):
                    self._note(column, found)
                else:
                    images[found] = None
        if len(images) > MAX_IMAGES:
            error = InputError(
                f"The row has {len(images):,} images; the first {MAX_IMAGES} are read.", remedy="Leave some out."
            )
            self._note(self._columns.images[0], error)
        return tuple(images)[:MAX_IMAGES]


def _cell(cells: Mapping[str, object], column: str) -> object:
    """The cell under a column's name, or under a dotted path into nested objects."""
    if column in cells or "." not in column:
        return cells.get(column)
    head, _, rest = column.partition(".")
    inner = cells.get(head)
    return _cell(inner, rest) if isinstance(inner, Mapping) else None


def _read_sku(cell: object, column: str) -> str:
    if isinstance(cell, (bool, list, tuple, dict, bytes)):
        raise InputError(f"{str(cell)[:60]!r} is not a sku.", remedy="Use a text or a number.")
    sku = "" if is_blank(cell) else " ".join(plain(cell if isinstance(cell, (int, float)) else str(cell)).split())
    if not sku:
        raise InputError(
            f"The row has no sku: {column} is empty.", remedy="Fill it in, or map another column: --map sku=COLUMN."
        )
    if len(sku) > MAX_SKU_CHARS:
        raise _too_long("sku", sku, MAX_SKU_CHARS)
    return sku


def _read_text(field: str, cell: object) -> str:
    if is_blank(cell):
        return ""
    if isinstance(cell, Mapping):
        key = next((key for key in (*_ENGLISH, *cell) if _is_text_of(cell, key)), None)
        if key is not None:
            return _read_text(field, cell[key])
        raise InputError(
            f"{field} is a nested object with {', '.join(map(str, list(cell)[:10]))}.",
            remedy=f"Map one of its keys, as in: --map {field}={field}.{next(iter(cell))}",
        )
    parts = cell if isinstance(cell, (list, tuple)) else (cell,)
    texts = (plain(part) for part in parts if isinstance(part, (str, int, float)) and not is_blank(part))
    return without_markup("\n".join(texts))


def _is_text_of(cell: Mapping[str, object], key: str) -> bool:
    """Whether an object's key says that it holds the text itself, or the text in one language."""
    named = key in _ENGLISH or _LANGUAGE.fullmatch(key) is not None
    return named and isinstance(cell.get(key), str) and not is_blank(cell[key])


def _too_long(field: str, text: str, max_chars: int) -> InputError:
    return InputError(
        f"The {field} has {len(text):,} characters ({text[:40]!r}...); the limit is {max_chars:,}.",
        remedy="Shorten it, or map another column to it.",
    )


def _parsed(cell: object) -> object:
    """A column named ``attributes`` holds them all; a CSV file writes them as a JSON object."""
    if isinstance(cell, str) and cell.lstrip().startswith("{"):
        try:
            return json.loads(cell)
        except (ValueError, RecursionError):
            return cell
    return cell


def _read_price(currency: str | None, cell: object) -> tuple[int | None, str | None]:
    prices = cell if isinstance(cell, (list, tuple)) else (cell,)
    parsed = [parse_price(value, currency) for value in prices if not is_blank(value)]
    return min(parsed, key=lambda pair: pair[0] or 0, default=(None, currency))


def _read_url(cell: object) -> str | None:
    if is_blank(cell):
        return None
    url = "".join(plain(str(cell)).split())
    if len(url) > MAX_URL_CHARS:
        raise _too_long("url", url, MAX_URL_CHARS)
    scheme = _SCHEME.match(url)
    if scheme and scheme.group(1).lower() not in ("http", "https"):
        raise InputError(
            f"The url {url[:80]!r} is not a web address.", remedy="Use an address that starts with https://."
        )
    return url
