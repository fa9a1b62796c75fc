"""JSON documents: an array of products, or an object that holds one, as shop APIs answer; JSON-LD among them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TextIO

import ijson

from vitrina.indexer.sources.base import Rejection, TableRow, union_of_columns
from vitrina.indexer.sources.cells import parse_literal
from vitrina.indexer.sources.column_names import folded
from vitrina.indexer.sources.encodings import TextEncoding, open_text
from vitrina.indexer.sources.json_envelopes import linked_products, plain_cells
from vitrina.indexer.sources.json_ld import GraphReader, is_json_ld
from vitrina.indexer.sources.references import NamedObjects, gathered, kind_of
from vitrina.search.types.errors import SourceError

_LISTS = (
    "products", "items", "articles", "goods", "productos", "articulos", "artículos", "produits", "produkte", "artikel",
    "prodotti", "articoli", "produtos", "artigos", "producten", "artikelen", "produkty", "zbozi", "zboží", "produkter",
    "varer", "tuotteet", "termekek", "termékek", "produse", "urunler", "ürünler", "товары", "товари", "продукты",
    "προϊόντα", "商品", "商品一覧", "商品列表", "产品", "상품", "상품목록", "produk", "منتجات", "المنتجات", "מוצרים",
)  # fmt: skip
"""What lists of products are called."""

CONTAINERS = (
    *_LISTS, "item_list_element", "itemListElement", "@graph", "data", "results", "records", "rows",
    "entries", "catalog", "catalogo", "catálogo", "katalog", "offers",
    "listings", "hits", "docs", "nodes", "edges", "list",
    "content", "value", "product", "objects", "elements", "response", "documents", "product_list", "productlist",
    "payload", "result", "search_results", "searchresults", "skus", "feed", "store", "models", "sections",
)  # fmt: skip
"""Keys under which APIs put their lists of products."""

_TITLES = frozenset(
    {
        "title", "name", "nombre", "titulo", "título", "nom", "titre", "libelle", "titel", "bezeichnung", "nome",
        "titolo", "nazwa", "tytul", "nazev", "název", "nazov", "naam", "navn", "namn", "nimi", "nev", "denumire",
        "название", "наименование", "назва", "商品名", "商品名称", "名称", "상품명", "nama", "اسم", "الاسم",
    }
)  # fmt: skip
"""Keys of what a product, or a section of a shop, is called."""

_OF_PRODUCT = _TITLES | {"sku", "handle", "product_name", "@type", "__parentId"}
"""Keys of an object that is a product itself, whatever lists it holds."""

_SOLD = frozenset(
    {
        "sku", "price", "prices", "handle", "@type", "product_name", "variants", "variations", "offers", "image",
        "images", "precio", "prix", "preis", "prezzo", "preco", "preço", "prijs", "cena", "pris", "hinta", "ar", "pret",
        "fiyat", "цена", "ціна", "価格", "价格", "가격", "harga", "السعر", "imagen", "imagenes", "bild", "immagine",
        "imagem", "afbeelding", "zdjecie", "resim",
    }
)  # fmt: skip
"""Keys of what is sold, and no section of a shop."""

_BY_COLUMNS = re.compile(r'\[\s*\[|\{\s*"range"\s*:|\{\s*"[^"]*"\s*:\s*(?:\{\s*"0"\s*:|\[\s*")')
"""How a document begins that holds a table by its columns, or by its names and then its rows."""

_OF_PHPMYADMIN = re.compile(r'\[\s*\{\s*"type"\s*:\s*"header"')
"""How an export of phpMyAdmin begins, in which tables stand beside what says of what they are."""

_MAX_WHOLE_BYTES = 1 << 28
_N_PEEKED_EVENTS = 200_000


@dataclass(frozen=True, slots=True)
class JsonDocumentTable:
    """A JSON document whose products are at ``prefix``, as ijson spells it: ``products.item``; if it ``is_keyed``, in
    an object under their keys; with ``within``, in lists of this name in the sections there, whose names are their
    products' categories. The document's ``currency`` is that of products which name none, and ``named`` are what it
    names beside them."""

    path: Path
    prefix: str
    encoding: TextEncoding
    columns: tuple[str, ...] = ()
    n_rows: int | None = None
    notes: tuple[str, ...] = ()
    is_keyed: bool = False
    within: str = ""
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
        if not self.is_keyed:
            is_one = not self.prefix  # or several documents, one after the other
            values = ijson.items(_Bytes(file), self.prefix, use_float=True, multiple_values=is_one)
            yield from _of_sections(values, self.within) if self.within else values
            return
        for key, value in ijson.kvitems(_Bytes(file), self.prefix, use_float=True):
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
    if not lines or lines[0].lstrip()[:1] not in ("[", "{") or _is_line(lines):
        return None
    prefix = "item.data.item" if _OF_PHPMYADMIN.match(start) else _find_prefix(path, encoding)
    if prefix is None and start.startswith("{") and _are_products(path, encoding):
        table = JsonDocumentTable(path, "", encoding, notes=encoding.notes, is_keyed=True)
        return replace(table, columns=union_of_columns(table.rows()))
    if prefix is None:
        if start.startswith("{") and len(lines) > 1:
            return None  # lines, the first of which is damaged
        raise SourceError(
            f"{path.name} is a JSON document without a list of objects.",
            remedy="Give an array of products, or one JSON object a line.",
        )
    if prefix in ("data.item", "items.item") and (linked := open_linked(path, encoding)) is not None:
        return linked
    currency = _currency_beside(path, encoding) if start.startswith("{") and prefix else ""
    named = _named_beside(path, encoding, prefix) if prefix else NamedObjects()
    table = JsonDocumentTable(path, prefix, encoding, notes=encoding.notes, currency=currency, named=named)
    columns = union_of_columns(table.rows())
    known = {folded(column) for column in columns}
    is_section = _OF_PRODUCT.isdisjoint(known) or _SOLD.isdisjoint(known)
    inner = next((name for name in _LISTS if name in columns and is_section), None)
    if inner is not None:  # sections, each with its products
        is_held = not _TITLES.isdisjoint(columns) and path.stat().st_size <= _MAX_WHOLE_BYTES
        own = replace(table, within=inner) if is_held else replace(table, prefix=f"{prefix}.{inner}.item")
        if _are_of_products(own):
            table, columns = own, union_of_columns(own.rows())
    if not columns:
        raise SourceError(
            f"{path.name} holds no products that can be read.", remedy="Give an array of JSON objects, or one a line."
        )
    return replace(table, columns=columns)


_OF_MONEY = frozenset(
    {"currency", "currencyCode", "currency_code", "currencyId", "priceCurrency", "price_currency", "moneda", "moeda"}
)


def _currency_beside(path: Path, encoding: TextEncoding) -> str:
    """The ISO 4217 code that a document has beside its list of products; empty if there is none."""
    try:
        with open_text(path, encoding) as file:
            events = ijson.parse(_Bytes(file), use_float=True)
            for _, (prefix, event, value) in zip(range(_N_PEEKED_EVENTS), events, strict=False):
                if event == "string" and prefix in _OF_MONEY and re.fullmatch("[A-Z]{3}", value):
                    return str(value)
    except (ijson.JSONError, RecursionError):
        pass  # reported where the products end
    return ""


def _named_beside(path: Path, encoding: TextEncoding, prefix: str) -> NamedObjects:
    """What a document names beside its products at ``prefix``. Reads it once more, in a twentieth of the time that the
    products take."""
    with open_text(path, encoding) as file:
        return gathered(ijson.parse(_Bytes(file), use_float=True), prefix)


_CATEGORIES = frozenset({"category", "categories", "categoria", "categoría", "categorie", "catégorie", "kategorie"})


def _of_sections(sections: Iterator[object], within: str) -> Iterator[object]:
    """The products of sections such as ``{"name": "Mugs", "products": [...]}``, with the section's name as category."""
    for section in sections:
        own = section if isinstance(section, dict) else {}
        held, name = own.get(within), next((cell for key, cell in own.items() if key in _TITLES and cell), None)
        for product in held if isinstance(held, list) else ():
            is_told = not isinstance(product, dict) or not _CATEGORIES.isdisjoint(product)
            yield product if is_told or not isinstance(name, str) else {**product, "category": name}


def _are_of_products(table: JsonDocumentTable) -> bool:
    """Whether most of the first objects have a key that products have."""
    first = [row for row in islice(table.rows(), 10) if isinstance(row, TableRow)]
    return 2 * sum(not _OF_PRODUCT.isdisjoint(row.cells) for row in first) > len(first)


def _are_products(path: Path, encoding: TextEncoding) -> bool:
    """Whether a document is an object of products by their keys."""
    try:
        with open_text(path, encoding) as file:
            first = [
                value for _, (_, value) in zip(range(3), ijson.kvitems(_Bytes(file), "", use_float=True), strict=False)
            ]
    except (ijson.JSONError, RecursionError):
        return False
    return len(first) > 1 and all(isinstance(each, dict) and not _OF_PRODUCT.isdisjoint(each) for each in first)


class _Bytes:
    """A text file as the UTF-8 bytes that ijson reads."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def read(self, n_chars: int = -1) -> bytes:
        """Up to n characters, as bytes."""
        return self._file.read(n_chars).encode("utf-8", errors="replace")


def _is_line(lines: list[str]) -> bool:
    """Whether the first line is an object for itself, and not one that holds the list of products."""
    try:
        first = json.loads(lines[0].strip().removesuffix(",") if len(lines) > 1 else lines[0])
    except (ValueError, RecursionError):
        return isinstance(parse_literal(lines[0]), dict)  # Python, not JSON
    if not isinstance(first, dict) or len(lines) > 1:
        return isinstance(first, dict)
    if len(first) > 1 and all(isinstance(each, dict) and not _OF_PRODUCT.isdisjoint(each) for each in first.values()):
        return False  # products by their keys
    if len(first) == 1 and isinstance(only := next(iter(first.values())), list) and only and isinstance(only[0], dict):
        return False
    is_shop = _SOLD.isdisjoint(first) and any(_is_list(first.get(name)) for name in _LISTS)
    return not is_json_ld(first) and not is_shop and not (_OF_PRODUCT.isdisjoint(first) and _holds_list(first))


def _is_list(value: object) -> bool:
    """Whether this is a list of objects."""
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _holds_list(value: Mapping[str, object], depth: int = 0) -> bool:
    found = [inner for key, inner in value.items() if key in CONTAINERS or key.casefold() in CONTAINERS]
    if any(map(_is_list, found)):
        return True
    lists = (each for key, each in value.items() if key not in _SOLD and isinstance(each, list) and each)
    if any(isinstance(each[0], dict) and _is_sold(each[0]) for each in lists):
        return True
    return depth < 4 and any(_holds_list(each, depth + 1) for each in value.values() if isinstance(each, dict))


def _is_sold(value: Mapping[str, object]) -> bool:
    """Whether an object is a product by its keys."""
    return not _OF_PRODUCT.isdisjoint(value) and not _SOLD.isdisjoint(value)


def _find_prefix(path: Path, encoding: TextEncoding) -> str | None:
    """Where the products are: the first list of objects under a known key, else the object itself if it is a product,
    else the first list of objects."""
    lists: dict[str, None] = {}
    keys: set[str] = set()
    single = None
    try:
        with open_text(path, encoding) as file:
            events = ijson.parse(_Bytes(file), use_float=True)  # without it a long number crashes the process
            for _, (prefix, event, value) in zip(range(_N_PEEKED_EVENTS), events, strict=False):
                if event == "start_map" and prefix.endswith("item") and prefix.split(".").count("item") == 1:
                    lists[prefix] = None
                elif event == "map_key" and prefix == "":
                    keys.add(str(value))
                elif event == "map_key" and value in _OF_PRODUCT and prefix in ("product", "data.product"):
                    single = prefix
                if prefix == "item":
                    return "item"
    except (ijson.JSONError, RecursionError):
        pass  # reported where the products end
    last = {prefix: prefix.removesuffix(".item").rpartition(".")[2] for prefix in lists}
    known = (prefix for prefix, key in last.items() if key in CONTAINERS or key.casefold() in CONTAINERS)
    own = "" if keys & _OF_PRODUCT else single
    if own is not None and "@graph" not in keys:
        return own
    return next(known, next(iter(lists), "" if keys & {"@context"} else None))


def _products(value: object, reader: GraphReader) -> Iterator[object]:
    """The products in one value of the list: itself, or those of a JSON-LD graph."""
    if isinstance(value, dict) and is_json_ld(value):
        yield from reader.products(value)
    else:
        yield value
