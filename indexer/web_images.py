"""Images behind addresses: fetched, or left alone where their server says that nothing has changed."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from vitrina.indexer.fetch import Fetcher, Validators
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
