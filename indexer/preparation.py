"""Preparing items for the encoder, from a source's records or from the store, and embedding them."""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitrina.indexer.features import FeatureStage
from vitrina.indexer.fetch import Fetcher
from vitrina.indexer.sources.base import ImageReference, Record, Rejection
from vitrina.indexer.web_images import FetchedImage, KeptImage, KnownImages, WebAnswer, ask
from vitrina.search.encoders.base import Encoder
from vitrina.search.encoders.late_interaction import encoded_texts
from vitrina.search.images.decode import decode_image
from vitrina.search.images.fingerprint import fingerprint
from vitrina.search.store.images import image_id_of, storable
from vitrina.search.store.store import Store
from vitrina.search.store.web_images import WebImage
from vitrina.search.types.errors import ImageError, InputError, NotFoundError
from vitrina.search.types.item import (
    INCOMPLETE,
    IndexedItem,
    Item,
    ItemVectors,
    StoredItem,
    Variant,
    embedding_text,
    has_words,
)
from vitrina.search.types.models import Pixels

ITEM_FIELDS = tuple(field.name for field in fields(Item))


def content_hash(item: Item, image_digests: Sequence[str]) -> str:
    """SHA-256 (hex) of an item's fields and images: equal exactly if nothing changed."""
    values = {field: getattr(item, field) for field in ITEM_FIELDS if field not in ("variants", "price_to_cents")}
    if item.price_to_cents is not None:
        values["price_to_cents"] = item.price_to_cents
    if item.variants:  # what was indexed before there were any keeps its hash
        values["variants"] = list(map(variant_fields, item.variants))
    content = json.dumps([values, list(image_digests)], sort_keys=True, ensure_ascii=False, default=dict)
    return hashlib.sha256(content.encode()).hexdigest()


def variant_fields(variant: Variant) -> dict[str, object]:
    """The fields of a variant, its title only if it has one: what was indexed before there were any keeps its hash."""
    return {field: value for field, value in asdict(variant).items() if field != "title" or value}


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
class KeptVector:
    """The vector of an image that has not changed, in place of its pixels; shape (dimension,)."""

    vector: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PreparedItem:
    """An item whose images are ready for the encoder.

    ``files`` are the image files to store, those of ``image_ids`` that are not stored already; ``fingerprints`` are
    those of all, empty for stored ones. ``failures`` are the images that could not be used. ``shown`` is the first
    image as a reranker is shown it, if its features are computed; ``found`` says what is behind addresses.
    """

    item: Item
    content_hash: str
    image_ids: tuple[str, ...]
    pixels: tuple[Pixels | KeptVector, ...]
    text: str
    is_new: bool
    files: tuple[bytes, ...] = ()
    fingerprints: tuple[bytes, ...] = ()
    failures: tuple[Rejection, ...] = ()
    shown: Image.Image | None = None
    found: tuple[WebImage, ...] = ()


def embed(encoder: Encoder, batch: Sequence[PreparedItem]) -> list[IndexedItem]:
    """Embed every image and every item's text; an item without text gets no text vector. Blocks."""
    given = [pixels for prepared in batch for pixels in prepared.pixels if not isinstance(pixels, KeptVector)]
    images = encoder.encode_pixels(given)
    texts = iter(encoded_texts(encoder, [prepared.text for prepared in batch if prepared.text]))
    image_rows = iter(images)
    entries = []
    for prepared in batch:
        of_images = [each.vector if isinstance(each, KeptVector) else next(image_rows) for each in prepared.pixels]
        of_text = next(texts).rows if prepared.text else {}
        vectors: ItemVectors = {"image": np.stack(of_images) if of_images else images[:0], **of_text}
        entries.append(IndexedItem(prepared.item, prepared.content_hash, prepared.image_ids, vectors))
    return entries


OVERSAMPLING = 1.5
"""How many pixels an image has for one of the encoder's, along a side: from fewer its own resampling would blur."""

MIN_WORKING_SIDE_PX = 192
"""The size at which stored images are compared."""

Prepare = Callable[[Image.Image], Pixels]
"""``Encoder.prepare``."""

LoadedImage = bytes | WebAnswer
"""An image's bytes, what is behind its address, or why there is nothing."""


@dataclass(frozen=True, slots=True)
class FetchedRecord:
    """A record that is new in the catalog or differs from it, with the bytes of its images."""

    record: Record
    content_hash: str
    is_new: bool
    images: tuple[LoadedImage, ...]


def weigh(row: object) -> int:
    """The bytes of images and pixels that a row of any stage keeps in memory."""
    if isinstance(row, Record):
        return sum(len(image.data or b"") for image in row.images)
    if isinstance(row, FetchedRecord):
        loaded = (image.data if isinstance(image, FetchedImage) else image for image in row.images)
        return sum(len(data) for data in loaded if isinstance(data, bytes))
    if isinstance(row, PreparedItem):
        shown = 4 * row.shown.width * row.shown.height if row.shown is not None else 0
        return sum(map(len, row.files)) + sum(map(n_bytes_of, row.pixels)) + shown
    return 0


def n_bytes_of(pixels: Pixels | KeptVector) -> int:
    """The memory of an image's pixels, or of its vector."""
    return pixels.vector.nbytes if isinstance(pixels, KeptVector) else pixels.nbytes


class Preparer:
    """Prepares a source's records for the encoder; safe to call from several threads."""

    def __init__(
        self, known: KnownImages, prepare: Prepare, fetcher: Fetcher, features: FeatureStage | None = None
    ) -> None:
        self.fetcher = fetcher
        self.working_side_px = working_side_px(prepare)
        self._known = known
        self._prepare = prepare
        self._features = features

    def compare(self, record: Record, known_hash: str | None) -> FetchedRecord | None:
        """The record with those images that need no web, if its content hash is not the known one; None if it is.

        An image counts by its bytes; behind a URL by its address, and is not fetched here. Blocks on disk.
        """
        loaded = [self._load(reference) if reference.url is None else None for reference in record.images]
        digests = [
            reference.url or (hashlib.sha256(data).hexdigest() if isinstance(data, bytes) else "unreadable")
            for reference, data in zip(record.images, loaded, strict=True)
        ]
        if (digest := content_hash(record.item, digests)) == known_hash:
            return None
        return FetchedRecord(record, digest, known_hash is None, tuple(data or b"" for data in loaded))

    def fetch(self, record: Record, known_hash: str | None) -> FetchedRecord | None:
        """The record with all its images, if it is not as the catalog has it; None if it is. Blocks on disk and
        network.

        Images behind addresses are fetched, and of a known item only those that are not as they were when they were
        fetched last, as far as their servers tell; a server that does not answer has not changed an item.
        """
        found = self.compare(record, known_hash)
        urls = list(dict.fromkeys(reference.url for reference in record.images if reference.url is not None))
        if not urls:
            return found
        known = {} if known_hash is None else self._known.behind(urls)
        answers = {url: ask(self.fetcher, url, known.get(url)) for url in (urls if found else known)}
        if found is None:
            if not any(isinstance(answer, FetchedImage) for answer in answers.values()):
                return None
            found = replace(self._with_local_images(record), is_new=False)
            answers |= {url: ask(self.fetcher, url, None) for url in urls if url not in known}
        images = (
            data if reference.url is None else answers[reference.url]
            for reference, data in zip(record.images, found.images, strict=True)
        )
        return replace(found, images=tuple(images))

    def _with_local_images(self, record: Record) -> FetchedRecord:
        found = self.compare(record, None)
        assert found is not None
        return found

    def _load(self, reference: ImageReference) -> LoadedImage:
        try:
            return load_image(reference, self.fetcher)
        except InputError as error:
            return error

    def decode(self, fetched: FetchedRecord) -> PreparedItem | Rejection:
        """Decode, verify and prepare a record's images. Blocks; computes on one core.

        Images that cannot be used become the item's failures; it is rejected if it has neither other images nor words.
        """
        record = fetched.record
        images, failures = _Images(self._known, self._prepare, self.working_side_px, self._features), []
        if any(isinstance(data, KeptImage) for data in fetched.images):
            images.vectors = self._known.vectors(record.item.sku)
        positions: dict[int, int] = {}
        for at, data in enumerate(fetched.images):
            try:
                images.add(data)
            except (InputError, NotFoundError) as error:
                failures.append(Rejection(record.origin, error.message, error.remedy, record.item.sku))
                continue
            positions[at] = len(images.ids) - 1
        if failures and not images.ids and not has_words(record.item):
            return replace(failures[0], n_rows=record.n_rows)
        return PreparedItem(
            item=with_images(record.item, positions),
            content_hash=INCOMPLETE if failures else fetched.content_hash,
            image_ids=tuple(images.ids),
            pixels=tuple(images.pixels),
            text=embedding_text(record.item),
            is_new=fetched.is_new,
            files=tuple(images.files),
            fingerprints=tuple(images.fingerprints),
            failures=tuple(failures),
            shown=images.shown,
            found=tuple(images.found),
        )


class _Images:
    """An item's images, as they are decoded; ``vectors`` are those that the catalog has of them, by their ids."""

    def __init__(self, known: KnownImages, prepare: Prepare, side_px: int, features: FeatureStage | None) -> None:
        self.vectors: Mapping[str, NDArray[np.float32]] = {}
        self.ids: list[str] = []
        self.pixels: list[Pixels | KeptVector] = []
        self.files: list[bytes] = []
        self.fingerprints: list[bytes] = []
        self.found: list[WebImage] = []
        self.shown: Image.Image | None = None
        self._known = known
        self._prepare = prepare
        self._side_px = side_px
        self._features = features

    def add(self, loaded: LoadedImage) -> None:
        """Decode an image, and add it. Raises InputError for one that cannot be decoded or was not loaded, and
        NotFoundError for one that is gone from the store."""
        if isinstance(loaded, InputError):
            raise loaded
        if isinstance(loaded, KeptImage) and (vector := self.vectors.get(loaded.found.image_id)) is not None:
            self.ids.append(loaded.found.image_id)
            self.pixels.append(KeptVector(vector))
            self.fingerprints.append(b"")
            self.found.append(loaded.found)
            return
        self._decode(self._bytes(loaded))
        if isinstance(loaded, FetchedImage) and (found := loaded.stored_as(self.ids[-1])) is not None:
            self.found.append(found)

    def _bytes(self, loaded: bytes | FetchedImage | KeptImage) -> bytes:
        if isinstance(loaded, KeptImage):
            return self._known.read(loaded.found.image_id)
        return loaded.data if isinstance(loaded, FetchedImage) else loaded

    def _decode(self, data: bytes) -> None:
        image = decode_image(data, working_side_px=self._side_px)
        if self._features is not None and not self.ids:
            self.shown = self._features.shown(image.pixels)
        self.files.append(storable(image, data))
        self.ids.append(image_id_of(self.files[-1]))
        self.pixels.append(self._prepare(image.pixels))
        self.fingerprints.append(fingerprint(image.pixels))


def working_side_px(prepare: Prepare) -> int:
    """The shorter side that images need for the encoder whose ``prepare`` is given, and to tell one photo from
    another."""
    side_px: int = max(prepare(Image.new("RGB", (8, 8))).shape[-2:])
    return max(MIN_WORKING_SIDE_PX, round(OVERSAMPLING * side_px))


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


def prepare_stored(
    store: Store,
    encoder: Encoder,
    stored: StoredItem,
    side_px: int,
    vectors: Mapping[str, NDArray[np.float32]] = MappingProxyType({}),
) -> PreparedItem:
    """Prepare an item of the catalog, with those of its images whose ``vectors`` are known, by their ids, or that are
    in the image store and intact; ``side_px`` is the encoder's ``working_side_px``. Blocks."""
    pixels: list[Pixels | KeptVector] = []
    failures = []
    for image_id in stored.image_ids:
        if image_id in vectors:
            pixels.append(KeptVector(vectors[image_id]))
            continue
        try:
            data = store.images.read(image_id)
            pixels.append(encoder.prepare(decode_image(data, working_side_px=side_px).pixels))
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
