"""schema.org products in JSON-LD: each node of a graph as flat cells, and those that web pages embed."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vitrina.indexer.sources.base import TableRow, union_of_columns
from vitrina.indexer.sources.encodings import detect_encoding
from vitrina.indexer.sources.page_tables import N_HEAD_CHARS, GridTable, find_tables
from vitrina.search.types.errors import SourceError

Node = Mapping[str, object]

PRODUCT_TYPES = frozenset(
    {"Product", "ProductGroup", "ProductModel", "IndividualProduct", "SomeProducts", "Vehicle", "Car", "Book"}
)
MAX_PAGE_BYTES = 1 << 26
_MAX_DEPTH = 12
_READ_APART = frozenset({"offers", "hasVariant", "isVariantOf", "inProductGroupWithID", "@context", "@id", "review"})
_SCRIPT = re.compile(
    r"<script\b[^>]{0,500}\btype\s*=\s*[\"']?application/ld\+json[^>]{0,500}>(.*?)</script", re.IGNORECASE | re.DOTALL
)
_DECLARED = re.compile(rb"charset\s*=\s*[\"']?([\w-]+)", re.IGNORECASE)

_WRAPPING = re.compile(r"^\s*(?:<!--|//\s*<!\[CDATA\[|<!\[CDATA\[)|(?:-->|//\s*\]\]>|\]\]>)\s*$")


def is_json_ld(value: Node) -> bool:
    """Whether an object is a node or a graph of JSON-LD."""
    return bool(value.keys() & {"@type", "@graph", "@context"})


class GraphReader:
    """Reads the products of graphs as cells, each variant after its product with the key of it as ``product_group``.

    A group that only its variants describe (``isVariantOf``) is read once. ``variant_ids`` are the nodes that a group
    names as its variants and describes elsewhere.
    """

    def __init__(self) -> None:
        self._groups: set[str] = set()

    def products(self, value: object, depth: int = 0) -> Iterator[dict[str, object]]:
        """Every product in a value; related products inside of one are not looked for."""
        if depth > _MAX_DEPTH:
            return
        if isinstance(value, list):
            for each in value:
                yield from self.products(each, depth + 1)
        elif isinstance(value, Mapping):
            if _types(value) & PRODUCT_TYPES:
                yield from self._product(value)
                return
            for inner in value.values():
                if isinstance(inner, (Mapping, list)):
                    yield from self.products(inner, depth + 1)

    def _product(self, node: Node) -> Iterator[dict[str, object]]:
        cells = _cells(node)
        held = node.get("hasVariant")
        variants = [each for each in (held if isinstance(held, list) else [held]) if isinstance(each, Mapping)]
        if "ProductGroup" in _types(node) or variants:
            self._groups.add(key := _group_key(node))
            cells["productGroupID"] = key
            cells["variant_ids"] = [each["@id"] for each in variants if "@id" in each] or None
        group = node.get("isVariantOf") or node.get("inProductGroupWithID")
        group = group[0] if isinstance(group, list) and group else group
        if group:
            key = _group_key(group) if isinstance(group, Mapping) else str(group)
            cells["product_group"] = key
            if isinstance(group, Mapping) and "name" in group and key not in self._groups:
                yield from self._product(group)
            self._groups.add(key)
        yield cells
        for each in variants:
            if each.keys() - {"@id", "@type"}:
                yield {**_cells(each), "product_group": cells["productGroupID"]}


def _group_key(node: Node) -> str:
    return str(next((node[key] for key in ("productGroupID", "@id", "sku", "url", "name") if node.get(key)), ""))


def _types(node: Node) -> set[str]:
    """A node's types without their vocabulary: ``https://schema.org/Product`` is ``Product``."""
    found = node.get("@type")
    return {re.split(r"[/#:]", str(each))[-1] for each in (found if isinstance(found, list) else [found])}


def _cells(node: Node) -> dict[str, object]:
    cells = {key: _plain(value) for key, value in node.items() if key not in _READ_APART}
    cells.update({key: value for key, value in _offer(node.get("offers")).items() if key not in cells})
    return {**cells, "node_id": node["@id"]} if "@id" in node else cells


def _plain(value: object) -> object:
    """A value without its JSON-LD wrapping: names of brands, addresses of images, quantities with their units."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    kinds = _types(value)
    if "@value" in value:
        return value["@value"]
    if "ImageObject" in kinds:
        return value.get("contentUrl") or value.get("url") or value.get("@id")
    if "QuantitativeValue" in kinds:
        unit = value.get("unitText") or value.get("unitCode")
        bounds = [str(value[key]) for key in ("minValue", "maxValue") if value.get(key) is not None]
        found = value.get("value", "-".join(bounds) or None)
        return f"{found} {unit}" if unit and found is not None else found
    if "AggregateRating" in kinds:
        return value.get("ratingValue")
    if "PropertyValue" not in kinds and isinstance(value.get("name"), str):
        return value["name"]
    return {key: _plain(inner) for key, inner in value.items() if key != "@type"}


def _offer(offers: object) -> dict[str, object]:
    """What the offers of a product say: all their prices, and the rest as the first says it."""
    found: dict[str, object] = {}
    prices: list[object] = []
    for offer in offers if isinstance(offers, list) else [offers]:
        if not isinstance(offer, Mapping):
            continue
        specified = offer.get("priceSpecification")
        specified = specified[0] if isinstance(specified, list) and specified else specified
        inner: Node = specified if isinstance(specified, Mapping) else {}
        named = (offer.get("price"), offer.get("lowPrice"), inner.get("price"))
        prices += [price for price in named if price is not None][:1]
        rest = {**inner, **offer}
        for key in ("priceCurrency", "availability", "url", "itemCondition", "sku"):
            if isinstance(value := rest.get(key), str):
                found.setdefault(key, value.rpartition("/")[2] if key in ("availability", "itemCondition") else value)
        if not prices and offer.get("offers") is not None:
            found = {**_offer(offer["offers"]), **found}
    return {"price": prices if len(prices) > 1 else prices[0], **found} if prices else found


@dataclass(frozen=True, slots=True)
class PageTable:
    """The products that a web page embeds as JSON-LD."""

    path: Path
    products: tuple[dict[str, object], ...]
    notes: tuple[str, ...] = ()

    @property
    def format(self) -> str:
        """Always ``web page``."""
        return "web page"

    @property
    def columns(self) -> tuple[str, ...]:
        """The keys of the first products."""
        return union_of_columns(self.rows())

    @property
    def n_rows(self) -> int:
        """How many products the page has."""
        return len(self.products)

    def rows(self) -> Iterator[TableRow]:
        """The products, numbered from 1."""
        for number, cells in enumerate(self.products, 1):
            yield TableRow(f"{self.path.name}#{number}", cells)


def open_page(path: Path, encoding: str | None = None) -> PageTable | GridTable:
    """Read the products that a web page embeds, or else those in its tables. Raises ``SourceError`` if it has none."""
    text = page_text(path, encoding)
    products: list[dict[str, object]] = []
    reader, n_broken = GraphReader(), 0
    for match in _SCRIPT.finditer(text):
        try:
            products.extend(reader.products(_parsed(match[1])))
        except (ValueError, RecursionError):
            n_broken += 1
    if not products and (table := find_tables(path, text)) is not None:
        return table
    if not products:
        broken = f" ({n_broken} blocks of JSON-LD in it are broken)" if n_broken else ""
        raise SourceError(
            f"{path.name} embeds no schema.org Product as JSON-LD{broken}, and has no table of products.",
            remedy="Give a product's own page, or the shop's export or feed.",
        )
    note = (f"{n_broken} blocks of JSON-LD in {path.name} are broken and were left out.",) if n_broken else ()
    return PageTable(path, tuple(products), note)


def page_text(path: Path, encoding: str | None = None) -> str:
    """A page's text, in its encoding or as it says. Raises ``SourceError`` if it is too large."""
    if path.stat().st_size > MAX_PAGE_BYTES:
        raise SourceError(f"{path.name} is larger than {MAX_PAGE_BYTES >> 20} MiB.", remedy="Give smaller pages.")
    data = path.read_bytes()
    with suppress(UnicodeDecodeError, LookupError):
        return data.decode(encoding or "utf-8-sig")
    declared = _DECLARED.search(data[:N_HEAD_CHARS])
    with suppress(UnicodeDecodeError, LookupError):
        return data.decode(declared[1].decode("ascii") if declared else "utf-8")
    found = detect_encoding(path, encoding)
    return data.decode(found.name, errors=found.errors)


def _parsed(script: str) -> object:
    text = _WRAPPING.sub("", script)
    try:
        return json.loads(text, strict=False)
    except ValueError:
        return json.loads(html.unescape(text), strict=False)
