"""Pictures inside JSON."""

from __future__ import annotations

import base64
import binascii

from search.errors import ImageError


def decode_data_uri(uri: str) -> bytes:
    """The bytes of a ``data:...;base64,...`` URI (RFC 2397). Raises ImageError for anything else."""
    head, comma, payload = uri.partition(",")
    if not (comma and head.startswith("data:") and head.endswith(";base64")):
        raise ImageError(
            f"{uri[:60]!r} is no data URI.",
            remedy='Send a picture as "data:image/jpeg;base64,..." or name an item as {"sku": "..."}.',
        )
    try:
        return base64.b64decode(payload, validate=True)
    except binascii.Error as error:
        raise ImageError(f"The data URI's base64 is broken: {error}.", remedy="Encode the picture again.") from error
