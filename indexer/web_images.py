"""Images behind addresses: fetched, or left alone where their server says that nothing has changed."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vitrina.indexer.fetch import Fetcher, Validators
from vitrina.search.store.store import Store
from vitrina.search.store.web_images import WebImage
from vitrina.search.types.errors import InputError


@dataclass(frozen=True, slots=True)
class FetchedImage:
    """The bytes of an image that was fetched from ``url``, with what its server said."""

    url: str
    data: bytes
    validators: Validators
    fresh_until: float

    def stored_as(self, image_id: str) -> WebImage | None:
        """What to keep of it; None where the server sent nothing to ask by."""
        if not self.validators:
            return None
        return WebImage(self.url, image_id, self.validators.etag, self.validators.last_modified, self.fresh_until)


@dataclass(frozen=True, slots=True)
class KeptImage:
    """An image of the store that is still what is behind its address."""

    found: WebImage


class KnownImages(Protocol):
    """What a store knows of the images that it holds."""

    def behind(self, urls: Collection[str]) -> Mapping[str, WebImage]:
        """The images that were fetched from these addresses before, at most some hundreds, by address."""

    def vectors(self, sku: str) -> Mapping[str, NDArray[np.float32]]:
        """The vectors of an item's images, by the images' ids."""

    def read(self, image_id: str) -> bytes:
        """An image's bytes. Raises NotFoundError."""


class StoredImages:
    """The images of a store, and their vectors of one index version."""

    def __init__(self, store: Store, version: int) -> None:
        self._store = store
        self._version = version

    def behind(self, urls: Collection[str]) -> Mapping[str, WebImage]:
        """Those that were fetched from these addresses."""
        return self._store.web_images.known(urls)

    def vectors(self, sku: str) -> Mapping[str, NDArray[np.float32]]:
        """The vectors of an item's images; none if not of all."""
        with self._store.catalog.reading() as reader:
            return reader.image_vectors(self._version, sku)

    def read(self, image_id: str) -> bytes:
        """An image's bytes. Raises NotFoundError, and StorageError where they are damaged."""
        return self._store.images.read(image_id)


WebAnswer = FetchedImage | KeptImage | InputError
"""What is behind an address, or why that is not known."""


def ask(fetcher: Fetcher, url: str, before: WebImage | None) -> WebAnswer:
    """Fetch an image, unless its server says that it is the one from before, or said then until when it would be.
    Blocks."""
    now = time.time()
    if before is not None and before.fresh_until > now:
        return KeptImage(before)
    known = Validators() if before is None else Validators(before.etag, before.last_modified)
    try:
        fetched = fetcher.fetch_changed(url, known)
    except InputError as error:
        return error
    fresh_until = now + fetched.fresh_s
    if fetched.data is not None:
        return FetchedImage(url, fetched.data, fetched.validators, fresh_until)
    assert before is not None
    told = fetched.validators
    return KeptImage(replace(before, etag=told.etag, last_modified=told.last_modified, fresh_until=fresh_until))
