"""JSON documents: an array of products, or an object that holds one, as shop APIs answer; JSON-LD among them."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TextIO

import ijson

from vitrina.indexer.sources.base import Rejection, TableRow, first_names, union_of_columns
from vitrina.indexer.sources.column_names import folded, is_called
from vitrina.indexer.sources.encodings import TextEncoding, open_text
from vitrina.indexer.sources.json_envelopes import linked_products, plain_cells
from vitrina.indexer.sources.json_ld import GraphReader, is_json_ld
from vitrina.indexer.sources.json_places import (
    LISTS,
    OF_PRODUCT,
    SOLD,
    TITLES,
    Utf8Bytes,
    are_named,
    are_pages,
    are_products,
    find_prefix,
    first_events,
    is_line,
    keyed_prefix,
    list_within,
    lists_beside,
)
from vitrina.indexer.sources.references import NamedObjects, gathered, kind_of
from vitrina.search.types.errors import SourceError

_BY_COLUMNS = re.compile(r'\[\s*\[|\{\s*"range"\s*:|\{\s*"[^"]*"\s*:\s*(?:\{\s*"0"\s*:|\[\s*")')
"""How a document begins that holds a table by its columns, or by its names and then its rows."""

_OF_PHPMYADMIN = re.compile(r'\[\s*\{\s*"type"\s*:\s*"header"')
"""How an export of phpMyAdmin begins, in which tables stand beside what says of what they are."""

_MAX_WHOLE_BYTES = 1 << 28


@dataclass(frozen=True, slots=True)
class JsonDocumentTable:
    """A JSON document whose products are at ``prefix``, as ijson spells it: ``products.item``; if it ``is_keyed``, in
    an object under their keys; with ``within``, in lists of this name in the sections there, whose names are their
    products' categories; with ``beside``, in these lists as well. The document's ``currency`` is that of products which
    name none, and ``named`` are what it names beside them."""

    path: Path
    prefix: str
    encoding: TextEncoding
    columns: tuple[str, ...] = ()
    n_rows: int | None = None
    notes: tuple[str, ...] = ()
    is_keyed: bool = False
    within: str = ""
    beside: tuple[str, ...] = ()
    currency: str = ""
    named: NamedObjects = field(default_factory=NamedObjects)

    @property
    def format(self) -> str:
        """Always ``JSON``."""
        return "JSON"

    def rows(self) -> Iterator[TableRow | Rejection]:
        """The products, numbered from 1. If the JSON is broken, one rejection stands for the rest of the file."""
        number, reader = 0, GraphReader()
        try:
            with open_text(self.path, self.encoding) as file:
                for value in self._values(file):
                    if kind_of(value) not in ("", "item"):
                        continue  # an image or a category of a list of several kinds
                    for cells in _products(value, reader):
                        number += 1
                        if self.currency and isinstance(cells, dict) and not _OF_MONEY.intersection(cells):
                            cells = {**cells, "currency": self.currency}
                        yield self._row(f"{self.path.name}#{number}", cells)
        except (ijson.JSONError, RecursionError, OverflowError) as error:
            reason = f"The JSON is broken after product {number:,}: {' '.join(str(error).split())[:200]}."
            yield Rejection(f"{self.path.name}#{number + 1}", reason, "Export it again; the products before are read.")

    def _row(self, origin: str, cells: object) -> TableRow | Rejection:
        if isinstance(cells, dict):
            return TableRow(origin, self.named.named(plain_cells(cells)))
        return Rejection(origin, f"The product is a JSON {type(cells).__name__}.", "Write each product as an object.")

    def _values(self, file: TextIO) -> Iterator[object]:
        if self.beside:
            yield from _of_lists(ijson.parse(Utf8Bytes(file), use_float=True), {self.prefix, *self.beside})
        elif not self.is_keyed:
            is_one = not self.prefix  # or several documents, one after the other
            values = ijson.items(Utf8Bytes(file), self.prefix, use_float=True, multiple_values=is_one)
            yield from _of_sections(values, self.within) if self.within else values
        else:
            for key, value in ijson.kvitems(Utf8Bytes(file), self.prefix, use_float=True):
                yield {"key": key, **value} if isinstance(value, dict) else value


@dataclass(frozen=True, slots=True)
class JsonColumnsTable:
    """A JSON document that holds a table by columns, or its names and then its rows, as pandas writes it. It is read as
    a whole."""

    path: Path
    columns: tuple[str, ...]
    cells: tuple[dict[str, object], ...]
    notes: tuple[str, ...] = ()

    @property
    def format(self) -> str:
        """Always ``JSON``."""
        return "JSON"

    @property
    def n_rows(self) -> int:
        """How many rows there are."""
        return len(self.cells)

    def rows(self) -> Iterator[TableRow | Rejection]:
        """The rows, numbered from 1."""
        for number, cells in enumerate(self.cells, start=1):
            yield TableRow(f"{self.path.name}#{number}", cells)


def open_linked(path: Path, encoding: TextEncoding) -> JsonColumnsTable | None:
    """The table of an answer that lists beside its products what they link to, which is read as a whole; None for any
    other document, and one too large for that."""
    document = (
        _whole(path, encoding) if path.stat().st_size <= _MAX_WHOLE_BYTES and _has_links(path, encoding) else None
    )
    rows = linked_products(document)
    columns = dict.fromkeys(name for row in rows or () for name in row)
    return JsonColumnsTable(path, (*columns,), (*rows,), encoding.notes) if rows else None


def _has_links(path: Path, encoding: TextEncoding) -> bool:
    with open_text(path, encoding) as file:
        return any('"included"' in line or '"includes"' in line for line in iter(lambda: file.read(1 << 20), ""))


def _whole(path: Path, encoding: TextEncoding) -> object:
    try:
        with open_text(path, encoding) as file:
            return json.load(file, parse_constant=lambda name: None)
    except (ValueError, RecursionError):
        return None


def open_columns(path: Path, encoding: TextEncoding) -> JsonColumnsTable | None:
    """The table in a document by its columns, ``{"sku": {"0": "A"}}``, or by ``columns`` and ``data``, or by lists of
    which the first has the names; None for any other document, and one too large to be read as a whole."""
    if path.stat().st_size > _MAX_WHOLE_BYTES:
        return None
    rows = _rows_of(_whole(path, encoding))
    return JsonColumnsTable(path, tuple(rows[0]), tuple(rows), encoding.notes) if rows else None


def _rows_of(document: object) -> list[dict[str, object]]:
    if (
        isinstance(document, dict)
        and isinstance(document.get("columns"), list)
        and isinstance(document.get("data"), list)
    ):
        document = [document["columns"], *document["data"]]
    if isinstance(document, dict) and isinstance(document.get("values"), list):  # of Google's spreadsheets
        document = document["values"]
    if isinstance(document, list) and document and all(isinstance(each, list) for each in document):
        names, *rows = document
        named = names and all(isinstance(name, str) for name in names)
        return [dict(zip(names, row, strict=False)) for row in rows] if named else []
    if not isinstance(document, dict) or not document or not all(isinstance(each, dict) for each in document.values()):
        return []
    keys = next(iter(document.values())).keys()
    if not keys or keys - set(map(str, range(len(keys)))) or any(each.keys() != keys for each in document.values()):
        return []
    return [{name: column[key] for name, column in document.items()} for key in keys]


def open_document(path: Path, encoding: TextEncoding) -> JsonDocumentTable | JsonColumnsTable | None:
    """The file as one JSON document; None if it holds one object a line. Raises ``SourceError`` for a document without
    a list of objects."""
    with open_text(path, encoding) as file:
        start = file.read(1 << 16).lstrip()
    lines = [line for line in start.splitlines() if line.strip()]
    if _BY_COLUMNS.match(start) and (by_columns := open_columns(path, encoding)) is not None:
        return by_columns
    if not lines or lines[0].lstrip()[:1] not in ("[", "{") or is_line(lines):
        return None
    if start.startswith("{") and (keyed := keyed_prefix(path, encoding)):
        return _opened(path, keyed, encoding, is_keyed=True)
    if start.startswith("{") and are_products(path, encoding):
        return _opened(path, "", encoding, is_keyed=True)
    prefix = "item.data.item" if _OF_PHPMYADMIN.match(start) else find_prefix(path, encoding)
    if prefix is None and start.startswith("{") and are_named(path, encoding):
        return _opened(path, "", encoding, is_keyed=True)
    if prefix is None:
        if start.startswith("{") and len(lines) > 1:
            return None  # lines, the first of which is damaged
        raise SourceError(
            f"{path.name} is a JSON document without a list of objects.",
            remedy="Give an array of products, or one JSON object a line.",
        )
    if prefix in ("data.item", "items.item") and (linked := open_linked(path, encoding)) is not None:
        return linked
    if prefix == "item" and are_pages(path, encoding, prefix):
        return _opened(path, prefix, encoding, is_keyed=True)
    table = _opened(path, prefix, encoding)
    columns = table.columns
    known = {folded(column) for column in columns}
    is_section = OF_PRODUCT.isdisjoint(known) or SOLD.isdisjoint(known)
    inner = next((name for name in LISTS if name in columns and is_section), None)
    if inner is not None:  # sections, each with its products
        is_held = not TITLES.isdisjoint(columns) and path.stat().st_size <= _MAX_WHOLE_BYTES
        own = replace(table, within=inner) if is_held else replace(table, prefix=f"{prefix}.{inner}.item")
        if _are_of_products(own):
            table, columns = own, union_of_columns(own.rows())
    elif columns and not _are_products(table) and (within := list_within(path, encoding, prefix)) is not None:
        table = _opened(path, within, encoding)
        columns = table.columns
    if not columns:
        raise SourceError(
            f"{path.name} holds no products that can be read.", remedy="Give an array of JSON objects, or one a line."
        )
    return _with_lists_beside(replace(table, columns=columns))


def _are_products(table: JsonDocumentTable) -> bool:
    """Whether the first objects of a list have what a product has of its own and a section of an answer has not: a
    title, a price or a text, or a key, which is another one in each of several."""
    rows = [row.cells for row in islice(table.rows(), 10) if isinstance(row, TableRow)]
    names = {column: folded(column) for column in table.columns}
    titled = any(is_called(field, name) for name in names.values() for field in ("title", "price"))
    texts = [row.get(column) for column, name in names.items() if is_called("description", name) for row in rows]
    keys = [[row.get(column) for row in rows] for column, name in names.items() if _is_key(name)]
    is_keyed = any(isinstance(own[0], (str, int)) and 1 < len(rows) == len({*map(str, own)}) for own in keys if own)
    return titled or is_keyed or any(isinstance(text, str) and any(map(str.isalpha, text)) for text in texts)


def _is_key(name: str) -> bool:
    """Whether a folded name is that of a product's key; the ``key`` of a section says which of them it is."""
    return is_called("sku", name) and name != "key"


def _with_lists_beside(table: JsonDocumentTable) -> JsonDocumentTable:
    """The table with the lists beside its own that hold the same, and a note of those that it leaves out."""
    if not table.prefix.endswith(".item") or table.prefix.split(".").count("item") > 1:
        return table
    lists = lists_beside(table.path, table.encoding, table.prefix)
    if not table.within and (alike := tuple(at for at, is_alike in lists.items() if is_alike)):
        table = replace(table, beside=alike)
        table = replace(table, columns=union_of_columns(table.rows()))
    if left := [at.removesuffix(".item") for at in lists if at not in table.beside]:
        own = table.prefix.removesuffix(".item")
        note = (
            f"Products are read from {own}, not from {first_names(left)} with names and prices too; each can be a "
            "file of its own."
        )
        table = replace(table, notes=(*table.notes, note))
    return table


def _opened(path: Path, prefix: str, encoding: TextEncoding, *, is_keyed: bool = False) -> JsonDocumentTable:
    """The table at a place of a document, with what stands beside it."""
    table = JsonDocumentTable(path, prefix, encoding, notes=encoding.notes, is_keyed=is_keyed)
    if prefix:
        currency = _currency_beside(path, encoding) if prefix != "item" else ""
        table = replace(table, currency=currency, named=_named_beside(path, encoding, prefix))
    return replace(table, columns=union_of_columns(table.rows()))


_OF_MONEY = frozenset(
    {"currency", "currencyCode", "currency_code", "currencyId", "priceCurrency", "price_currency", "moneda", "moeda"}
)


def _currency_beside(path: Path, encoding: TextEncoding) -> str:
    """The ISO 4217 code that a document has beside its list of products; empty if there is none."""
    return next(
        (
            str(value)
            for prefix, event, value in first_events(path, encoding)
            if event == "string" and prefix in _OF_MONEY and re.fullmatch("[A-Z]{3}", str(value))
        ),
        "",
    )


def _named_beside(path: Path, encoding: TextEncoding, prefix: str) -> NamedObjects:
    """What a document names beside its products at ``prefix``. Reads it once more, in a twentieth of the time that the
    products take."""
    with open_text(path, encoding) as file:
        return gathered(ijson.parse(Utf8Bytes(file), use_float=True), prefix)


_CATEGORIES = frozenset({"category", "categories", "categoria", "categoría", "categorie", "catégorie", "kategorie"})


def _of_sections(sections: Iterator[object], within: str) -> Iterator[object]:
    """The products of sections such as ``{"name": "Mugs", "products": [...]}``, with the section's name as category."""
    for section in sections:
        own = section if isinstance(section, dict) else {}
        held, name = own.get(within), next((cell for key, cell in own.items() if key in TITLES and cell), None)
        named = NamedObjects()
        named.add_object("category", own)
        for product in held if isinstance(held, list) else ():
            if isinstance(product, dict):
                product = named.named(product)
            is_told = not isinstance(product, dict) or not _CATEGORIES.isdisjoint(product)
            yield product if is_told or not isinstance(name, str) else {**product, "category": name}


_KIND = re.compile(r"[^\W\d_]+(?:[ '’&,/-]+[^\W\d_]+)*")
"""A name in words alone, as those of kinds are."""

_SHOWN = frozenset({"featured", "recommended", "popular", "related", "new", "sale", "stock", "all", "bestsellers"})
"""What lists are called by how a shop shows their products, and not by what these are."""


def _of_lists(events: Iterable[tuple[str, str, object]], prefixes: Collection[str]) -> Iterator[object]:
    """The values of several lists, in their order; the lists' names are the categories of their products."""
    builder, place = None, ""
    for at, event, value in events:
        if builder is None:
            if at not in prefixes:
                continue
            builder, place = ijson.ObjectBuilder(), at
        builder.event(event, value)
        if at == place and not event.startswith("start_") and event != "map_key":
            name = at.removesuffix(".item").rpartition(".")[2]
            is_told = not isinstance(builder.value, dict) or not _CATEGORIES.isdisjoint(builder.value)
            is_kind = _KIND.fullmatch(name) is not None and name.casefold() not in _SHOWN
            yield builder.value if is_told or not is_kind else {**builder.value, "category": name}
            builder = None


def _are_of_products(table: JsonDocumentTable) -> bool:
    """Whether most of the first objects have a key that products have."""
    first = [row for row in islice(table.rows(), 10) if isinstance(row, TableRow)]
    return 2 * sum(not OF_PRODUCT.isdisjoint(row.cells) for row in first) > len(first)


def _products(value: object, reader: GraphReader) -> Iterator[object]:
    """The products in one value of the list: itself, or those of a JSON-LD graph."""
    if isinstance(value, dict) and is_json_ld(value):
        yield from reader.products(value)
    else:
        yield value
