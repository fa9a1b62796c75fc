"""Items that come over HTTP, as records: under the same rules as every catalog row."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from vitrina.api.request_schemas import URL
from vitrina.api.requests import ItemIn, VariantIn, decode_data_uri
from vitrina.indexer.sources.attributes import attribute_key
from vitrina.indexer.sources.base import Record, Rejection, TableRow
from vitrina.indexer.sources.cells import key_text
from vitrina.indexer.sources.columns import Columns
from vitrina.indexer.sources.image_files import ImageFiles
from vitrina.indexer.sources.rows import MAX_SKU_CHARS, no_web_address, read_row, read_title, read_url
from vitrina.search.types.errors import InputError
from vitrina.search.types.item import Variant

FIELDS = ("sku", "title", "description", "price_cents", "currency", "url")
COLUMNS = Columns(fields={name: (name,) for name in FIELDS}, images=("images",))
"""How ``ItemIn`` maps to a catalog row: its fields keep their names."""


def record_of(sku: str, item: ItemIn, n_images: int = 0) -> Record:
    """The item as a record, under the same rules as every catalog row, but for its sku, which is what the request
    names, whatever a spreadsheet would mean by it. ``n_images`` is how many images it has where the request has none.
    Raises InputError."""
    key = key_text(sku)
    if not key or len(sku) > MAX_SKU_CHARS:
        raise InputError(
            f"The sku {sku[:60]!r} has {len(sku) if key else 0:,} characters; 1 to {MAX_SKU_CHARS} are possible.",
            remedy="Use the shop's own key of the item.",
        )
    cells = {
        "sku": "as named",
        **item.model_dump(exclude={"images", "variants"}),
        "url": web_address(item.url),
        "images": [image_cell(i) for i in item.images],
    }
    record = read_row(TableRow(f"PUT {sku}", cells), COLUMNS, ImageFiles(Path()))
    if isinstance(record, Rejection):
        raise InputError(record.reason, remedy=record.remedy)
    if record.problems:  # a request is answered: what is wrong in it can be mended, so nothing is left out
        raise InputError(record.problems[0].reason, remedy=record.problems[0].remedy)
    variants = tuple(variant_of(variant, len(record.images) or n_images) for variant in item.variants)
    return replace(record, item=replace(record.item, sku=key, variants=variants))


def variant_of(variant: VariantIn, n_images: int) -> Variant:
    """A variant of an item with so many images. Raises InputError for an image that it has not, and for an address that
    is none of the web."""
    check_positions(variant, n_images)
    options = {attribute_key(name) or key_text(name): value for name, value in variant.options.items()}
    identifiers = (key_text(each) for each in variant.identifiers)
    return Variant(
        sku=key_text(variant.sku),
        options={name: key_text(value) if isinstance(value, str) else value for name, value in options.items()},
        price_cents=variant.price_cents,
        currency=variant.currency,
        identifiers=tuple(dict.fromkeys(each for each in identifiers if each)),
        images=tuple(variant.images),
        url=read_url(web_address(variant.url)),
        title=read_title(variant.title),
    )


def check_positions(variant: VariantIn | Variant, n_images: int) -> None:
    """Raises InputError for an image of a variant that the item, with so many, has not."""
    if any(at >= n_images for at in variant.images):
        raise InputError(
            f"The variant {variant.sku!r} has an image {max(variant.images)} of {n_images}.",
            remedy='Count from 0 in "images" of the item.',
        )


WEB = ("http://", "https://")
WEB_ADDRESS = re.compile(URL["pattern"])


def web_address(url: str | None) -> str | None:
    """The same. Raises InputError for what the OpenAPI document does not take for a web address."""
    if url is not None and not WEB_ADDRESS.fullmatch(url):
        raise no_web_address(url)
    return url


NOT_IN_URLS = re.compile(r"[\s<>|\"\\^`{}\x00-\x1f\x7f-\x9f]")
"""What an address has in it only with ``%``. In a catalog's cell it ends one image and begins another, or a path."""


def fetches(images: Sequence[str]) -> bool:
    """Whether some of an item's images are fetched."""
    return any(image.startswith(WEB) for image in images)


def image_cell(image: str) -> str | bytes:
    """A URL, or the bytes of a data URI; a request never names a local file."""
    if not image.startswith(WEB):
        return decode_data_uri(image)
    return NOT_IN_URLS.sub(lambda found: quote(found.group()), image)
