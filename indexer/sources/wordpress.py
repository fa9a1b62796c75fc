"""WordPress's own export (WXR) of a shop with WooCommerce: its products among pages, posts and attachments, as the rows
of WooCommerce's table of products."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from vitrina.indexer.sources.base import Rejection, Table, TableRow, WrappedTable, union_of_columns
from vitrina.indexer.sources.cells import is_blank
from vitrina.indexer.sources.column_names import folded

Cells = Mapping[str, object]

PREFIX = "wp"
"""The prefix of the elements by which such a file is known."""

_TYPES = {"product": "simple", "product_variation": "variation"}
_UNSOLD = frozenset({"trash", "draft", "auto-draft", "pending"})
_NOT_TOLD = re.compile(r"_.*|attribute_.*|total_sales")
"""What WordPress and its plugins note for themselves, and what is read otherwise."""

_ATTRIBUTE = re.compile(r"(?:attribute_)?(?:pa_)?")
_OWN_ATTRIBUTES = re.compile(r's:4:"name";s:\d+:"([^"]+)";s:5:"value";s:\d+:"([^"]+)";')
"""The names and values of a product's own attributes in PHP's serialised arrays."""


@dataclass(frozen=True)
class WordPressTable(WrappedTable):
    """The products and variations of an export; ``images`` are the addresses of attachments by their ids, ``terms`` the
    words of attributes by their folded names, ``n_others`` counts what else there is by its type."""

    images: Mapping[str, str] = field(default_factory=dict)
    terms: Mapping[str, str] = field(default_factory=dict)
    n_others: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns of WooCommerce's table that the products fill."""
        return union_of_columns(self.rows())

    @property
    def notes(self) -> tuple[str, ...]:
        """The table's own, what was left out, and how many images the file does not have."""
        name, notes = self.path.name, list(self.table.notes)
        if self.n_others:
            told = ", ".join(f"{kind} ({n:,})" for kind, n in sorted(self.n_others.items()))
            notes.append(f"{name}: only its products are read, and not: {told}.")
        rows = (row for row in self.table.rows() if isinstance(row, TableRow) and _is_sold(row.cells))
        if n_missing := sum(key not in self.images for row in rows for key in _image_ids(_meta(row.cells))):
            notes.append(f"{name}: images that it names and lacks: {n_missing:,}; export all content to have them.")
        return tuple(notes)

    def rows(self) -> Iterator[TableRow | Rejection]:
        """The products and variations."""
        for row in self.table.rows():
            if isinstance(row, Rejection):
                yield row
            elif _is_sold(row.cells):
                yield replace(row, cells=self._product(row.cells))

    def _product(self, cells: Cells) -> dict[str, object]:
        meta = _meta(cells)
        texts = cells.get("encoded")
        content, excerpt = (*texts, None)[:2] if isinstance(texts, list) else (texts, None)
        price, regular, sale = (meta.get(f"_{key}") for key in ("price", "regular_price", "sale_price"))
        is_variation = cells["post_type"] == "product_variation"
        found = {
            "ID": cells.get("post_id"),
            "Type": _TYPES[str(cells["post_type"])],
            "SKU": meta.get("_sku"),
            "GTIN, UPC, EAN, or ISBN": meta.get("_global_unique_id"),
            "Name": cells.get("title"),
            "Published": 1 if cells.get("status") == "publish" else 0,
            "Short description": excerpt,
            "Description": meta.get("_variation_description") if is_variation else content,
            "Regular price": price if is_blank(regular) else regular,
            "Sale price": sale if sale == price else None,
            "Categories": cells.get("product_cat"),
            "Tags": cells.get("product_tag"),
            "Brands": cells.get("product_brand"),
            "Images": [self.images[key] for key in _image_ids(meta) if key in self.images],
            "Parent": f"id:{cells.get('post_parent')}" if is_variation else None,
            "Permalink": cells.get("link"),
            **{name.title(): meta.get(f"_{name}") for name in ("weight", "length", "width", "height")},
            **{f"Meta: {key}": value for key, value in meta.items() if not _NOT_TOLD.fullmatch(key)},
        }
        for n, (name, value) in enumerate(_attributes(cells, meta), start=1):
            said = self.terms.get(folded(value), value) if is_variation and isinstance(value, str) else value
            found |= {f"Attribute {n} name": name, f"Attribute {n} value(s)": said}
        return {name: cell for name, cell in found.items() if not is_blank(cell)}


def with_products(table: Table) -> Table:
    """The products of an export as WooCommerce's own would have them; the table as it is if it has none."""
    images: dict[str, str] = {}
    terms: dict[str, str] = {}
    n_others: Counter[str] = Counter()
    has_products = False
    for row in table.rows():
        cells = row.cells if isinstance(row, TableRow) else {}
        if "attachment_url" in cells:
            images[str(cells.get("post_id"))] = str(cells["attachment_url"])
        elif _is_sold(cells):
            has_products = True
            for name, value in cells.items() if cells["post_type"] == "product" else ():
                for each in (value if isinstance(value, list) else [value]) if name.startswith("pa_") else ():
                    terms.setdefault(folded(str(each)), str(each))
        elif "post_type" in cells:
            status = cells.get("status")
            n_others[f"{status} {cells['post_type']}" if status in _UNSOLD else str(cells["post_type"])] += 1
    return WordPressTable(table, images, terms, n_others) if has_products else table


def _is_sold(cells: Cells) -> bool:
    return cells.get("post_type") in _TYPES and cells.get("status") not in _UNSOLD


def _meta(cells: Cells) -> dict[str, object]:
    """What a post says by keys; a list where a key comes again."""
    held, found = cells.get("postmeta"), dict[str, list[object]]()
    for each in held if isinstance(held, list) else [held]:
        if isinstance(each, dict) and not is_blank(value := each.get("meta_value")):
            found.setdefault(str(each.get("meta_key")), []).append(value)
    return {key: values[0] if len(values) == 1 else values for key, values in found.items()}


def _image_ids(meta: Cells) -> list[str]:
    texts = (str(meta.get(key) or "") for key in ("_thumbnail_id", "_product_image_gallery"))
    found = (key.strip() for text in texts for key in text.split(","))
    return [key for key in dict.fromkeys(found) if key not in ("", "0")]


def _attributes(cells: Cells, meta: Cells) -> Iterator[tuple[str, object]]:
    """The attributes of a product, and the options of a variation."""
    for key, value in (*cells.items(), *meta.items()):
        if key.startswith(("pa_", "attribute_")):
            yield _ATTRIBUTE.sub("", key, count=1).replace("-", " "), value
    for name, values in _OWN_ATTRIBUTES.findall(str(meta.get("_product_attributes") or "")):
        yield name, [value.strip() for value in values.split("|")]
