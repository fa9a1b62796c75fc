"""From a record to everything the encoder needs: images fetched, verified and prepared."""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from vitrina.indexer.fetch import Fetcher
from vitrina.indexer.sources.base import ImageReference, Record, Rejection
from vitrina.search.encoders.base import Encoder
from vitrina.search.images.decode import decode_image
from vitrina.search.store.full_text import item_words
from vitrina.search.store.images import image_id_of, storable
from vitrina.search.types.errors import ImageError, InputError
from vitrina.search.types.item import INCOMPLETE, Item
from vitrina.search.types.models import Pixels

ITEM_FIELDS = tuple(field.name for field in fields(Item))


def content_hash(item: Item, image_digests: Sequence[str]) -> str:
    """SHA-256 (hex) over everything a shop says of an item: equal exactly when nothing changed."""
    stated = {field: getattr(item, field) for field in ITEM_FIELDS}
    said = json.dumps([stated, list(image_digests)], sort_keys=True, ensure_ascii=False, default=dict)
    return hashlib.sha256(said.encode()).hexdigest()


def load_image(reference: ImageReference, fetcher: Fetcher) -> bytes:
    """The bytes a reference stands for, at most ``fetcher.max_bytes`` of them, not yet decoded. Blocks.

    Raises ``ImageError`` for a file that is missing, too large or no file, ``FetchError`` for a URL that cannot be
    fetched.
    """
    if reference.url is not None:
        return fetcher.fetch(reference.url)
    if reference.path is not None:
        return _read_file(reference.path, fetcher.max_bytes)
    data = reference.data or b""
    _check_size(len(data), "The picture", fetcher.max_bytes)
    return data


def _read_file(path: Path, max_bytes: int) -> bytes:
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            raise ImageError(f"{path} is no file.", remedy="Name a picture file.")
        _check_size(state.st_size, str(path), max_bytes)
        with path.open("rb") as file:
            return file.read(max_bytes)
    except FileNotFoundError as error:
        raise ImageError(
            f"The picture {path} does not exist.", remedy="Put it there, or correct its path in the catalog."
        ) from error
    except (OSError, ValueError) as error:
        raise ImageError(f"The picture {path} cannot be read: {error}.", remedy="Check its permissions.") from error


def _check_size(n_bytes: int, name: str, max_bytes: int) -> None:
    if n_bytes > max_bytes:
        raise ImageError(
            f"{name} has {n_bytes:,} bytes; the limit is {max_bytes:,}.",
            remedy="Shrink it; 1,024 pixels on the longer side are plenty.",
            details={"n_bytes": n_bytes, "max_bytes": max_bytes},
        )


@dataclass(frozen=True, slots=True)
class Prepared:
    """An item whose pictures are ready for the encoder, and to be ``kept`` under their ``image_ids``; ``complaints``
    are those that could not be used."""

    item: Item
    content_hash: str
    image_ids: tuple[str, ...]
    pixels: tuple[Pixels, ...]
    words: str
    is_new: bool
    kept: tuple[bytes, ...] = ()
    complaints: tuple[Rejection, ...] = ()


class Preparer:
    """Prepares records; safe to call from several threads."""

    def __init__(self, encoder: Encoder, fetcher: Fetcher) -> None:
        self.encoder = encoder
        self.fetcher = fetcher

    def digest(self, record: Record) -> str:
        """The record's content hash. A picture counts by its bytes; behind a URL, not fetched here, by its address."""
        return content_hash(record.item, [self._image_digest(reference) for reference in record.images])

    def _image_digest(self, reference: ImageReference) -> str:
        if reference.url is not None:
            return reference.url
        try:
            return hashlib.sha256(load_image(reference, self.fetcher)).hexdigest()
        except InputError:
            return "unreadable"

    def prepare(self, record: Record, digest: str, *, is_new: bool) -> Prepared | Rejection:
        """Fetch, verify and prepare a record's pictures. Blocks on disk and network.

        An item is rejected when it has pictures and none can be used; when some can, the others become complaints.
        """
        kept, pixels, complaints = [], [], []
        for reference in record.images:
            try:
                data = load_image(reference, self.fetcher)
                image = decode_image(data)
            except InputError as error:
                complaints.append(Rejection(record.origin, error.message, error.remedy, record.item.sku))
                continue
            kept.append(storable(image, data))
            pixels.append(self.encoder.prepare(image.pixels))
        if complaints and not kept:
            return complaints[0]
        return Prepared(
            item=record.item,
            content_hash=INCOMPLETE if complaints else digest,
            image_ids=tuple(image_id_of(data) for data in kept),
            pixels=tuple(pixels),
            words=item_words(record.item),
            is_new=is_new,
            kept=tuple(kept),
            complaints=tuple(complaints),
        )
