"""Image cells: bytes, paths, URLs, lists and structs of them, as references."""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from vitrina.indexer.sources.base import ImageReference
from vitrina.indexer.sources.cells import clean_text, is_blank
from vitrina.search.types.errors import InputError

MAX_IMAGES = 250
"""Images one item may have; Shopify's own limit."""

_BETWEEN_URLS = re.compile(r"[\s,;|]+(?=https?://)", re.IGNORECASE)
_BETWEEN_PATHS = re.compile(r"\s*[|;]\s*")
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]+)(?=://)|(?:data|file)(?=:)", re.IGNORECASE)
_MAX_DEPTH = 4
_STRUCT_KEYS = ("bytes", "url", "src", "path")
"""The keys of an image as an object: Hugging Face datasets write bytes and path, shop APIs url or src."""


def read_image_cells(cell: object, folder: Path, depth: int = 0) -> Iterator[ImageReference | InputError]:
    """Every image a cell names, in order: bytes, a path, an http(s) URL, a base64 data URI, ``{bytes, path}``, a
    list of these, a JSON list, or several URLs or paths in one text.

    A path counts from ``folder`` and must stay inside it, absolute or not: a catalog file often comes from somebody
    else, and must not publish other images of this machine. Whether the file exists is not checked here.
    In the place of a path outside, and of anything else that names no image, comes the error that says why.
    """
    if is_blank(cell) or cell == b"":
        return
    if depth > _MAX_DEPTH:
        yield InputError(f"Images nest deeper than {_MAX_DEPTH} levels.", remedy="Write one flat list of them.")
    elif isinstance(cell, (bytes, bytearray, memoryview)):
        yield ImageReference(data=bytes(cell))
    elif isinstance(cell, str):
        for text in _split(clean_text(cell)):
            try:
                yield _reference(text, folder)
            except InputError as error:
                yield error
    elif isinstance(cell, (list, tuple)):
        for part in cell:
            yield from read_image_cells(part, folder, depth + 1)
    elif isinstance(cell, Mapping):
        known = next((cell[key] for key in _STRUCT_KEYS if not is_blank(cell.get(key))), None)
        yield from read_image_cells(known, folder, depth + 1)
    else:
        yield InputError(f"{str(cell)[:60]!r} is not an image.", remedy="Give its bytes, its path or its URL.")


def _split(text: str) -> list[str]:
    if text.startswith("["):
        try:
            parts = json.loads(text)
        except ValueError:
            parts = None
        if isinstance(parts, list) and all(isinstance(part, str) for part in parts):
            return [part for part in map(clean_text, parts) if part]
    if text.lower().startswith(("http://", "https://")):
        return [url.rstrip(",;|") for url in _BETWEEN_URLS.split(text)]
    return [text] if text.startswith("data:") else [part for part in _BETWEEN_PATHS.split(text) if part]


def _reference(text: str, folder: Path) -> ImageReference:
    if text.startswith("//"):
        return ImageReference(url=f"https:{text}")  # shop exports leave the scheme to the page
    scheme = _SCHEME.match(text)
    if scheme is None:
        return ImageReference(path=_inside(text, folder))
    name = scheme.group().lower()
    if name in ("http", "https"):
        return ImageReference(url=text)
    if name == "data":
        return ImageReference(data=_inline(text))
    raise InputError(
        f"Images are not read from {name}: addresses, as in {text[:80]!r}.",
        remedy="Give an http(s) URL, or a path inside the catalog file's folder.",
    )


def _inside(text: str, folder: Path) -> Path:
    root = os.path.abspath(folder)
    path = os.path.normpath(os.path.join(root, text.replace("\\", "/")))
    if os.path.commonpath((root, path)) != root or path == root:
        raise InputError(
            f"The image {text[:200]!r} is outside the catalog's folder {folder}.",
            remedy="Put the images inside that folder, or name their own folder when indexing.",
        )
    return Path(path)


def _inline(uri: str) -> bytes:
    head, _, body = uri.partition(",")
    try:
        if not head.lower().endswith(";base64"):
            raise ValueError(head)
        return base64.b64decode(body, validate=True)
    except (ValueError, binascii.Error) as error:
        raise InputError(
            f"The data URI {uri[:40]!r} is not base64.", remedy="Write data:image/jpeg;base64,..."
        ) from error
