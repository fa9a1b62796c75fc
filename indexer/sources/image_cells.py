"""Image cells: bytes, paths, URLs, lists and objects of them, as references."""

from __future__ import annotations

import base64
import binascii
import csv
import html
import re
from collections.abc import Iterator, Mapping

from vitrina.indexer.sources.base import ImageReference
from vitrina.indexer.sources.cells import clean_text, is_blank, parse_literal
from vitrina.indexer.sources.image_files import ImageFiles
from vitrina.search.types.errors import InputError

MAX_IMAGES = 250
"""Images one item may have; Shopify's own limit."""

_SUFFIX = re.compile(r"\.(?:jpe?g|jpe|jfif|png|gif|webp|avif|heic|heif|bmp|tiff?|mpo|jxl)(?:[?#]\S*)?$", re.IGNORECASE)
_BETWEEN_URLS = re.compile(r"(?:&&|[\s,;|])+(?=(?:https?:)?//)|[~^#>*\s]+(?=https?://)|\s*[|\n]\s*", re.IGNORECASE)
_BETWEEN_PATHS = re.compile(r"\s*[|;\n\t]\s*")
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]+)(?=://)|(?:data|file)(?=:)", re.IGNORECASE)
_EMBEDDED = re.compile(
    r"""<img\b[^<>]*?\bsrc\s*=\s*["']?([^"'\s<>]+)"""
    r"""|^=\w+\(\s*"([^"]+)"|\((https?://[^()\s]+)\)|\bURL: (https?://[^\s,|]+)""",
    re.IGNORECASE,
)
"""Images in HTML, in a spreadsheet's ``=IMAGE("...")``, beside a file's name as Airtable writes them, and behind a
label, as BigCommerce does."""

_HOST = re.compile(
    r"(?:[a-z0-9-]+\.)+(?:com|net|org|io|de|fr|nl|be|it|es|pt|pl|cz|se|dk|no|fi|at|ch|eu|co|uk|us|ca|au|nz|in|br|mx|ru|jp|cn|kr|shop|store"
    r"|app|cloud|dev|info|biz)/\S",
    re.IGNORECASE,
)
"""An address without its scheme: a host, and a path on it."""

_OF_WIX = re.compile(r"(?:wix:image://v1/)?([0-9a-f]{6}_[0-9a-f]{32}(?:~mv2\w*)?\.\w{3,4})(?:/[^/]*)?")
"""A file that a shop at Wix keeps there, named without its address."""

_SIZE = re.compile(r"(large|big|full|original|zoom|hi_?res)|(small|thumb|tiny|mini|icon)|medium", re.IGNORECASE)
"""Words for the sizes in which an object has one image."""

_BASE64_STARTS = ("iVBORw0KGgo", "/9j/", "R0lGOD", "UklGR")
"""How PNG, JPEG, GIF and WebP files begin in base64, in which Odoo and databases export them."""

_MIN_BASE64_CHARS = 200

_WITHIN = re.compile(
    r"https?://[^\s,;|\"'<>\])]+|(?<![^\s,;|])[^\s,;|:=]+\.(?:jpe?g|jfif|png|gif|webp|avif|heic|tiff?)(?=$|[\s,;|])",
    re.IGNORECASE,
)
"""Addresses in a text, and the paths beside them."""

_HTTP = re.compile(r"(?:https?:)?//", re.IGNORECASE)
_VIDEO = re.compile(
    r"//(?:www\.|m\.|player\.)?(?:youtube\.com|youtu\.be|vimeo\.com)/|\.(?:mp4|mov|webm|avi|m3u8)(?:[?#]|$)",
    re.IGNORECASE,
)
_LABEL = re.compile(r"#\{[^{}]*\}|\s*!\s*(?:alt|title|desc|caption)\s*:[^|!]*")
"""What CS-Cart writes behind an image, ``tv.jpg#{[en]:A television;}``, and WebToffee for WooCommerce, ``tv.jpg ! alt :
A television ! title : tv``."""

_PLACEHOLDERS = frozenset({"no_selection", "no selection", "no image", "no_image", "noimage", "no-image"})
_TRUTH_VALUES = frozenset({"true", "false", "yes", "no"})
"""What another column has in a row that is out of step with the header, or a column that says whether there is one."""

_MAX_DEPTH = 8
_OBJECT_KEYS = (
    "bytes", "url", "src", "source", "original_url", "hi_res", "hiRes", "original", "full", "xl", "large", "contentUrl",
    "href", "link", "image_url", "imageUrl", "image", "img", "path", "file", "medium", "small", "thumb", "thumbnail",
    "preview",
)  # fmt: skip
"""The keys of an image as an object, the largest image first: Hugging Face data sets write bytes and path."""


def read_image_cells(cell: object, files: ImageFiles, depth: int = 0) -> Iterator[ImageReference | InputError]:
    """Every image a cell names, in order: bytes, a path, an http(s) URL, a base64 data URI, ``{bytes, path}``, a
    list of these, such a list as text, or several URLs or paths in one text.

    In the place of a path outside the folders of ``files``, and of anything else that names no image, comes the error
    that says why. Files that do not exist come as they are named.
    """
    if is_blank(cell) or cell == b"":
        return
    if depth > _MAX_DEPTH:
        yield InputError(f"Images nest deeper than {_MAX_DEPTH} levels.", remedy="Write one flat list of them.")
    elif isinstance(cell, (bytes, bytearray, memoryview)):
        yield ImageReference(data=bytes(cell))
    elif isinstance(cell, str):
        yield from _read_text(clean_text(cell).rstrip(",;|"), files, depth)
    elif isinstance(cell, (list, tuple)):
        for part in cell:
            yield from read_image_cells(part, files, depth + 1)
    elif isinstance(cell, Mapping):
        yield from read_image_cells(_of_object(cell), files, depth + 1)
    else:
        yield _no_image(cell)


def _no_image(cell: object) -> InputError:
    return InputError(f"{str(cell)[:60]!r} is not an image.", remedy="Give its bytes, its path or its URL.")


def _read_text(text: str, files: ImageFiles, depth: int) -> Iterator[ImageReference | InputError]:
    text = text.replace("\\/", "/") if "\\/" in text else text  # as PHP writes JSON
    text = html.unescape(text) if "&lt;" in text or "&quot;" in text else text
    literal = parse_literal(text) if text[:1] in ("[", "{", "(", "a") else text
    if text[:1] == text[-1:] == '"' and len(text) > 1:
        literal = next(csv.reader([text], skipinitialspace=True), [])  # "a.jpg","b.jpg"
    if not isinstance(literal, str):
        yield from read_image_cells(literal, files, depth + 1)
        return
    text = _ARRAY_OF_ONE.sub(r"\1", text)
    text = _NOTHING.sub("", text) if "no_selection" in text and text != "no_selection" else text
    for part in _split(_LABEL.sub("", text) if "#{" in text or " ! " in text else text, files):
        if part.lower() in _PLACEHOLDERS or (part == "0" and not files.is_one(part)):
            continue
        if part.lower() in _TRUTH_VALUES and not files.is_one(part):
            yield _no_image(part)
            continue
        try:
            yield _reference(part, files)
        except InputError as error:
            yield error


_NOTHING = re.compile(r"(?:^|[,;|])\s*no_selection\s*(?=$|[,;|])")  # of Magento, among other images
_ARRAY_OF_ONE = re.compile(r"^\{([^{}]+)\}$")  # of PostgreSQL


def _of_object(cell: Mapping[object, object]) -> object:
    """What an object holds of an image: under the first known key, or else in the objects and lists inside it."""
    known = next((cell[key] for key in _OBJECT_KEYS if not is_blank(cell.get(key)) and cell[key] != [None]), None)
    if isinstance(known, (list, tuple)) and any(map(is_blank, known)):  # the largest size that each image has
        lists = (cell.get(key) for key in _OBJECT_KEYS)
        sizes = [each for each in lists if isinstance(each, (list, tuple)) and len(each) == len(known)]
        return [next((one for one in several if not is_blank(one)), None) for several in zip(*sizes, strict=True)]
    if isinstance(known, str) and (further := [each for each in cell.values() if _are_objects(each)]):
        return [known, *further]
    if known is not None or not cell:
        return known
    named = {str(key): value for key, value in cell.items() if isinstance(value, str) and _SUFFIX.search(value)}
    if any(map(_SIZE.search, named)):
        return named[min(named, key=_size_rank)]
    return list(named.values()) or [value for value in cell.values() if isinstance(value, (Mapping, list, tuple))]


def _are_objects(value: object) -> bool:
    """Whether this is a list of objects that each have an image's key: further images beside the main one."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(each, Mapping) and _has_address(each) for each in value)
    )


def _has_address(value: Mapping[object, object]) -> bool:
    return any(isinstance(value.get(key), str) and _HTTP.match(str(value[key])) for key in _OBJECT_KEYS)


def _size_rank(key: str) -> int:
    """How large an image is by its key, the largest first."""
    found = _SIZE.search(key)
    return 1 if found is None else 0 if found[1] else 3 if found[2] else 2


def _split(text: str, files: ImageFiles) -> list[str]:
    """The images that a text names, one by one."""
    if "<" in text or "(" in text or "URL: " in text:
        embedded = [next(filter(None, found.groups())) for found in _EMBEDDED.finditer(text)]
        if embedded:
            return embedded
    lowered = text[:8].lower()
    if lowered.startswith("data:"):
        return [text]
    if lowered.startswith(("http://", "https://", "//")):
        text = _WRAPPED.sub(r"\1\2", text)
        urls = [url.strip(" ,;|") for url in _BETWEEN_URLS.split(text) if url.strip(" ,;|")]
        return [_largest(urls)] if all(map(_OF_SET.search, urls)) else urls
    if "://" in text and (found := [each.group() for each in _WITHIN.finditer(text)]):
        return found  # Red=https://a.example/1.jpg|Blue=https://a.example/2.jpg, or /a.jpg,https://a.example/2.jpg
    if not any(sign in text for sign in ",;| \n\t"):
        return [text]
    if files.is_one(text):
        return [text]
    return [path for part in _BETWEEN_PATHS.split(text) if part for path in _between_commas(part, files)]


def _largest(urls: list[str]) -> str:
    """The largest of one image's sizes in a ``srcset``, as ``a.jpg 300w, b.jpg 800w``."""
    sizes = {float(found[1]): url[: found.start()] for url in urls if (found := _OF_SET.search(url))}
    return sizes[max(sizes)]


_WRAPPED = re.compile(r"(\?\S*)[ \t]*\r?\n[ \t]*([\w&=%-]+)(?=\s*$)", re.MULTILINE)
"""An address whose query a line end cuts in two, as ``a.jpg?v=17`` above ``46``."""

_OF_SET = re.compile(r"\s+(\d+(?:\.\d+)?)[wx]$")


def _between_commas(text: str, files: ImageFiles) -> list[str]:
    """Paths with commas or blanks between them: each ends with an image's ending, so that a name with a comma in it
    stays whole, or is a file."""
    for mark in (",", " "):
        if mark not in text or (mark == " " and files.is_one(text)):
            continue
        paths: list[str] = []
        for piece in text.split(mark):
            if not piece.strip() and (not paths or _is_image(paths[-1], files)):
                continue
            if paths and not _is_image(paths[-1], files):
                paths[-1] = f"{paths[-1]}{mark}{piece}"
            else:
                paths.append(piece)
        if len(paths) > 1 and all(_is_image(path, files) for path in paths if path.strip()):
            return [found for path in paths if path.strip() for found in _between_commas(path.strip(), files)]
    return [text]


def _is_image(path: str, files: ImageFiles) -> bool:
    path = path.strip()
    return _SUFFIX.search(path) is not None or (bool(path) and files.is_one(path))


def _reference(text: str, files: ImageFiles) -> ImageReference:
    if _VIDEO.search(text):
        raise InputError(f"{text[:80]!r} is a video.", remedy="Give images only; a frame of it may be one.")
    if text.startswith("//"):
        return ImageReference(url=f"https:{text}")  # shop exports leave the scheme to the page
    if text[:4].lower() == "www.":
        return ImageReference(url=f"https://{text}")
    if _HOST.match(text) and not files.exists(text):
        return ImageReference(url=f"https://{text}")
    if (wix := _OF_WIX.fullmatch(text)) and not files.exists(text):
        return ImageReference(url=f"https://static.wixstatic.com/media/{wix[1]}")
    scheme = _SCHEME.match(text)
    if scheme is None and len(text) > _MIN_BASE64_CHARS and text.startswith(_BASE64_STARTS):
        return ImageReference(data=_inline(f"data:;base64,{text}"))
    if scheme is None:
        return ImageReference(path=files.find(text))
    name = scheme.group().lower()
    if name in ("http", "https"):
        return ImageReference(url=text)
    if name == "data":
        return ImageReference(data=_inline(text))
    if name == "file" and files.exists(path := re.sub(r"^file:/*", "/", text, flags=re.IGNORECASE)):
        return ImageReference(path=files.find(path))
    raise InputError(
        f"Images are not read from {name}: addresses, as in {text[:80]!r}.",
        remedy="Give an http(s) URL, or a path inside the catalog file's folder or the one of --images.",
    )


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
