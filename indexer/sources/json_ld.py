"""schema.org products in JSON-LD: each node of a graph as flat cells, and those that web pages embed."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from vitrina.indexer.sources.base import TableRow, union_of_columns
from vitrina.indexer.sources.encodings import detect_encoding
from vitrina.search.types.errors import SourceError

Node = Mapping[str, object]

PRODUCT_TYPES = frozenset(
    {"Product", "ProductGroup", "ProductModel", "IndividualProduct", "SomeProducts", "Vehicle", "Car", "Book"}
)
MAX_PAGE_BYTES = 1 << 26
_MAX_DEPTH = 12
_SCRIPT = re.compile(
    r"<script\b[^>]{0,500}\btype\s*=\s*[\"']?application/ld\+json[^>]{0,500}>(.*?)</script", re.IGNORECASE | re.DOTALL
)
_WRAPPING = re.compile(r"^\s*(?:<!--|//\s*<!\[CDATA\[|<!\[CDATA\[)|(?:-->|//\s*\]\]>|\]\]>)\s*$")


def is_json_ld(value: Node) -> bool:
    """Whether an object is a node or a graph of JSON-LD."""
    return bool(value.keys() & {"@type", "@graph", "@context"})


def products_of(value: object, depth: int = 0) -> Iterator[dict[str, object]]:
    """Every product in a graph, as cells; a product's variants and related products are not looked for in it."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, list):
        for each in value:
            yield from products_of(each, depth + 1)
    elif isinstance(value, Mapping):
        if _types(value) & PRODUCT_TYPES:
            yield _cells(value)
            return
        for inner in value.values():
            if isinstance(inner, (Mapping, list)):
                yield from products_of(inner, depth + 1)


def _types(node: Node) -> set[str]:
    """A node's types without their vocabulary: ``https://schema.org/Product`` is ``Product``."""
    found = node.get("@type")
    return {re.split(r"[/#:]", str(each))[-1] for each in (found if isinstance(found, list) else [found])}


def _cells(node: Node) -> dict[str, object]:
    cells = {
        key: _plain(value) for key, value in node.items() if key not in ("offers", "hasVariant", "@context", "review")
    }
    cells.update({key: value for key, value in _offer(node.get("offers")).items() if key not in cells})
    variants = node.get("hasVariant")
    nodes = [each for each in (variants if isinstance(variants, list) else [variants]) if isinstance(each, Mapping)]
    if nodes:
        cells["hasVariant"] = [_cells(each) for each in nodes]
    return cells


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
        return f"{value.get('value')} {unit}" if unit else value.get("value")
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


def open_page(path: Path, encoding: str | None = None) -> PageTable:
    """Read a web page's products. Raises ``SourceError`` if it embeds none."""
    if path.stat().st_size > MAX_PAGE_BYTES:
        raise SourceError(f"{path.name} is larger than {MAX_PAGE_BYTES >> 20} MiB.", remedy="Give smaller pages.")
    found = detect_encoding(path, encoding)
    text = path.read_bytes().decode(found.name, errors=found.errors)
    products: list[dict[str, object]] = []
    n_broken = 0
    for match in _SCRIPT.finditer(text):
        try:
            products.extend(products_of(_parsed(match[1])))
        except (ValueError, RecursionError):
            n_broken += 1
    if not products:
        broken = f" ({n_broken} blocks of JSON-LD in it are broken)" if n_broken else ""
        raise SourceError(
            f"{path.name} embeds no schema.org Product as JSON-LD{broken}.",
            remedy="Give a product's own page, or the shop's export or feed.",
        )
    note = (f"{n_broken} blocks of JSON-LD in {path.name} are broken and were left out.",) if n_broken else ()
    return PageTable(path, tuple(products), note)


def _parsed(script: str) -> object:
    text = _WRAPPING.sub("", script)
    try:
        return json.loads(text, strict=False)
    except ValueError:
        return json.loads(html.unescape(text), strict=False)
