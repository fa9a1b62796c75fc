"""Preparing items for the encoder, from a source's records or from the store, and embedding them."""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from vitrina.indexer.fetch import Fetcher
from vitrina.indexer.sources.base import ImageReference, Record, Rejection
from vitrina.search.encoders.base import Encoder
from vitrina.search.images.decode import decode_image
from vitrina.search.images.fingerprint import fingerprint
from vitrina.search.store.images import image_id_of, storable
from vitrina.search.store.store import Store
from vitrina.search.types.errors import ImageError, InputError, NotFoundError
from vitrina.search.types.item import INCOMPLETE, IndexedItem, Item, Modality, StoredItem, embedding_text, has_words
from vitrina.search.types.models import Pixels, Vectors

ITEM_FIELDS = tuple(field.name for field in fields(Item))


def content_hash(item: Item, image_digests: Sequence[str]) -> str:
    """SHA-256 (hex) of an item's fields and images: equal exactly if nothing changed."""
    values = {field: getattr(item, field) for field in ITEM_FIELDS if field not in ("variants", "price_to_cents")}
    if item.price_to_cents is not None:
        values["price_to_cents"] = item.price_to_cents
    if item.variants:  # what was indexed before there were any keeps its hash
        values["variants"] = [asdict(variant) for variant in item.variants]
    content = json.dumps([values, list(image_digests)], sort_keys=True, ensure_ascii=False, default=dict)
    return hashlib.sha256(content.encode()).hexdigest()


def absent_images(record: Record) -> list[Rejection]:
    """The images that a record names by paths where no file is, as they would fail."""
    failures = []
    for image in record.images:
        if image.path is not None and not image.path.exists():
            try:
                _read_file(image.path, 0)
            except ImageError as error:
                failures.append(Rejection(record.origin, error.message, error.remedy, record.item.sku))
    return failures


def load_image(reference: ImageReference, fetcher: Fetcher) -> bytes:
    """The bytes of a referenced image, at most ``fetcher.max_bytes``, not yet decoded. Blocks.

    Raises ``ImageError`` for a file that is missing, too large or not a regular file, ``FetchError`` for a URL that
    cannot be fetched.
    """
    if reference.url is not None:
        return fetcher.fetch(reference.url)
    if reference.path is not None:
        return _read_file(reference.path, fetcher.max_bytes)
    data = reference.data or b""
    _check_size(len(data), "The image", fetcher.max_bytes)
    return data


def _read_file(path: Path, max_bytes: int) -> bytes:
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            raise ImageError(f"{path} is not a file.", remedy="Give the path of an image file.")
        _check_size(state.st_size, str(path), max_bytes)
        with path.open("rb") as file:
            return file.read(max_bytes)
    except FileNotFoundError as error:
        raise ImageError(
            f"The image {path} does not exist.",
            remedy="Put it there, correct its path in the catalog, or name the images' folder: --images DIR.",
        ) from error
    except (OSError, ValueError) as error:
        raise ImageError(f"The image {path} cannot be read: {error}.", remedy="Check its permissions.") from error


def _check_size(n_bytes: int, name: str, max_bytes: int) -> None:
    if n_bytes > max_bytes:
        raise ImageError(
            f"{name} has {n_bytes:,} bytes; the limit is {max_bytes:,}.",
            remedy="Shrink it; 1,024 pixels on the longer side are plenty.",
            details={"n_bytes": n_bytes, "max_bytes": max_bytes},
        )


@dataclass(frozen=True, slots=True)
class PreparedItem:
    """An item whose images are ready for the encoder.

    ``files`` are the image files to store under ``image_ids``, empty for an item that is stored already, with their
    ``fingerprints``; ``failures`` are the images that could not be used.
    """

    item: Item
    content_hash: str
    image_ids: tuple[str, ...]
    pixels: tuple[Pixels, ...]
    text: str
    is_new: bool
    files: tuple[bytes, ...] = ()
    fingerprints: tuple[bytes, ...] = ()
    failures: tuple[Rejection, ...] = ()


def embed(encoder: Encoder, batch: Sequence[PreparedItem]) -> list[IndexedItem]:
    """Embed every image and every item's text; an item without text gets no text vector. Blocks."""
    images = encoder.encode_pixels([pixels for prepared in batch for pixels in prepared.pixels])
    texts = encoder.encode_texts([prepared.text for prepared in batch if prepared.text])
    entries, image_at, text_at = [], 0, 0
    for prepared in batch:
        image_end, text_end = image_at + len(prepared.pixels), text_at + bool(prepared.text)
        vectors: dict[Modality, Vectors] = {"image": images[image_at:image_end], "text": texts[text_at:text_end]}
        entries.append(IndexedItem(prepared.item, prepared.content_hash, prepared.image_ids, vectors))
        image_at, text_at = image_end, text_end
    return entries


class Preparer:
    """Prepares a source's records for the encoder; safe to call from several threads."""

    def __init__(self, encoder: Encoder, fetcher: Fetcher) -> None:
        self.encoder = encoder
        self.fetcher = fetcher

    def digest(self, record: Record) -> str:
        """The record's content hash. An image counts by its bytes; behind a URL, not fetched here, by its address."""
        return content_hash(record.item, [self._image_digest(reference) for reference in record.images])

    def _image_digest(self, reference: ImageReference) -> str:
        if reference.url is not None:
            return reference.url
        try:
            return hashlib.sha256(load_image(reference, self.fetcher)).hexdigest()
        except InputError:
            return "unreadable"

    def prepare(self, record: Record, digest: str, *, is_new: bool) -> PreparedItem | Rejection:
        """Fetch, verify and prepare a record's images. Blocks on disk and network.

        Images that cannot be used become the item's failures; it is rejected if it has neither other images nor words.
        """
        files: list[bytes] = []
        pixels, fingerprints, failures = [], [], []
        positions: dict[int, int] = {}
        for at, reference in enumerate(record.images):
            try:
                data = load_image(reference, self.fetcher)
                image = decode_image(data)
            except InputError as error:
                failures.append(Rejection(record.origin, error.message, error.remedy, record.item.sku))
                continue
            positions[at] = len(files)
            files.append(storable(image, data))
            pixels.append(self.encoder.prepare(image.pixels))
            fingerprints.append(fingerprint(image.pixels))
        if failures and not files and not has_words(record.item):
            return replace(failures[0], n_rows=record.n_rows)
        return PreparedItem(
            item=with_images(record.item, positions),
            content_hash=INCOMPLETE if failures else digest,
            image_ids=tuple(image_id_of(data) for data in files),
            pixels=tuple(pixels),
            text=embedding_text(record.item),
            is_new=is_new,
            files=tuple(files),
            fingerprints=tuple(fingerprints),
            failures=tuple(failures),
        )


def with_images(item: Item, positions: Mapping[int, int]) -> Item:
    """An item whose variants count only those images that could be used; ``positions`` says where each is now."""
    if not item.variants:
        return item
    variants = (
        replace(variant, images=tuple(positions[at] for at in variant.images if at in positions))
        for variant in item.variants
    )
    return replace(item, variants=tuple(variants))


LOST_REMEDY = "Index the catalog that lists this item again, with the image in its place."


def prepare_stored(store: Store, encoder: Encoder, stored: StoredItem) -> PreparedItem:
    """Prepare an item of the catalog, with those of its images that are in the image store and intact. Blocks."""
    pixels, failures = [], []
    for image_id in stored.image_ids:
        try:
            pixels.append(encoder.prepare(decode_image(store.images.read(image_id)).pixels))
        except (InputError, NotFoundError) as error:
            failures.append(Rejection(f"image {image_id}", error.message, LOST_REMEDY, stored.item.sku))
    return PreparedItem(
        item=stored.item,
        content_hash=stored.content_hash,
        image_ids=stored.image_ids,
        pixels=tuple(pixels),
        text=embedding_text(stored.item),
        is_new=False,
        failures=tuple(failures),
    )
