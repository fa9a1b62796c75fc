"""From a record to everything the encoder needs: pictures fetched, verified and prepared."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from indexer.content import content_hash
from indexer.fetch import Fetcher
from indexer.images import load_image
from indexer.record import ImageReference, Record, Rejection
from search.catalog.entry import INCOMPLETE
from search.catalog.words import item_words
from search.encoders.base import Encoder, Pixels
from search.errors import InputError
from search.images.decode import decode_image
from search.images.store import image_id_of, storable
from search.item import Item


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
