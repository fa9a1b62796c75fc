"""Columns: which column of a table feeds which field of an item."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from indexer.sources.attributes import attribute_key
from search.errors import SourceError

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


@dataclass(frozen=True, slots=True)
class Columns:
    """``fields`` maps a field to its column, ``images`` are the columns with pictures, ``renamed`` maps a column to
    the attribute it was asked to become. Every other column becomes an attribute under its own key.
    """

    fields: Mapping[str, str]
    images: tuple[str, ...]
    renamed: Mapping[str, str]

    @property
    def consumed(self) -> frozenset[str]:
        """The columns that become no attribute."""
        return frozenset({*self.fields.values(), *self.images})


def choose_columns(
    columns: Sequence[str],
    mapping: Mapping[str, str],
    *,
    preferred: Mapping[str, tuple[str, ...]] | None = None,
    source: str,
) -> Columns:
    """Find each field's column: ``mapping`` first, then the dialect's ``preferred`` keys, then well-known names.

    Raises ``SourceError`` for a mapped column that does not exist and when nothing can serve as sku.
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
        f"{source} has no column {column!r}. Its columns are: {_listed(columns)}.",
        remedy="Map the field to one of these: --map FIELD=COLUMN.",
        details={"column": column, "columns": list(columns)},
    )


def _no_sku(columns: Sequence[str], source: str) -> SourceError:
    guess = next((column for column in columns if _SKU_LIKE.search(column)), columns[0])
    spelled = f"sku={guess}" if re.fullmatch(r"[\w.-]+", guess) else f'"sku={guess}"'
    return SourceError(
        f"{source} has no column that looks like a product's key. Its columns are: {_listed(columns)}.",
        remedy=f"Say which one identifies a product, for example: --map {spelled}",
        details={"columns": list(columns)},
    )


def _listed(columns: Sequence[str]) -> str:
    shown = ", ".join(column[:60] for column in columns[:60])
    return shown if len(columns) <= 60 else f"{shown} and {len(columns) - 60} more"
