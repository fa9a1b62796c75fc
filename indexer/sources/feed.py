"""Product feeds in XML: RSS and Atom for Google Merchant, YML, Heureka, Ceneo, and lists of products of any shop."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from xml.parsers import expat

from vitrina.indexer.sources import onix, wordpress
from vitrina.indexer.sources.base import Rejection, Table, TableRow, union_of_columns
from vitrina.indexer.sources.encodings import FALLBACK, TextEncoding, open_bytes, open_text
from vitrina.indexer.sources.feed_elements import Cells, DefinedEntities, FeedReader, FeedShape, ItemPath
from vitrina.indexer.sources.json_envelopes import opened
from vitrina.indexer.sources.json_ld import MAX_PAGE_BYTES
from vitrina.indexer.sources.page_tables import N_HEAD_CHARS, find_tables, is_excel_2003
from vitrina.search.types.errors import SourceError

_N_PEEKED_BYTES = 1 << 20
_N_SEARCHED_BYTES = 1 << 24
"""How far a header may reach: the classifier of a catalog from 1C comes before its products."""

_CHUNK_BYTES = 1 << 16
_XML = re.compile(r"<\?xml\s")
_TAG = re.compile(r"<(\w+)")
_OF_MESSAGES = frozenset({"br", "b", "i", "p", "pre", "div", "span", "font", "strong", "a"})
"""The tags in which servers write warnings before what they were asked for."""

_DECLARED = re.compile(rb"""[^<]*<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")


@dataclass(frozen=True, slots=True)
class FeedTable:
    """An XML feed: the elements at ``item_path`` are rows, and their elements and attributes the cells.

    Cells have the elements' local names. Google's elements (``g:price``) beat plain ones of the same name;
    ``prefixes`` are those of Google's namespace.
    """

    path: Path
    item_path: ItemPath
    prefixes: frozenset[str]
    encoding: str
    columns: tuple[str, ...] = ()
    n_rows: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def format(self) -> str:
        """Always ``XML feed``."""
        return "XML feed"

    def rows(self) -> Iterator[TableRow | Rejection]:
        """The items, numbered from 1. If the XML is broken, one rejection stands for the rest of the file."""
        number = 0
        try:
            for cells in self._items():
                number += 1
                yield TableRow(f"{self.path.name}#{number}", opened(onix.book_cells(cells)))
        except (expat.ExpatError, LookupError, ValueError) as error:
            reason = f"The XML is broken after item {number:,}: {error}."
            yield Rejection(
                f"{self.path.name}#{number + 1}", reason, "Export the feed again; the items before are read."
            )

    def _items(self) -> Iterator[Cells]:
        """The items; those from a bare ``&`` on by reading the file again without such."""
        n_read = 0
        try:
            for cells in self._read(_decoded(self.path, self.encoding)):
                yield cells
                n_read += 1
        except expat.ExpatError:
            again = _with_escaped_ampersands(_decoded(self.path, self.encoding))
            yield from islice(self._read(again), n_read, None)

    def _read(self, chunks: Iterable[str]) -> Iterator[Cells]:
        reader = FeedReader(self.item_path, self.prefixes)
        for chunk in chain(chunks, ("",)):
            broken: Exception | None = None
            try:
                reader.feed(chunk, last=not chunk)
            except (expat.ExpatError, ValueError) as error:
                broken = error
            yield from reader.taken()  # those before what is broken, too
            if broken is not None:
                raise broken


def open_feed(path: Path, encoding: str | None = None) -> Table:
    """Find the items and learn their columns from the first; ``encoding`` overrides what the file declares.

    Raises ``SourceError`` if there are no items, or if the file defines entities.
    """
    with open_bytes(path) as file:
        start = file.read(_N_PEEKED_BYTES)
    encoding = encoding or _encoding(start)
    if is_excel_2003(start[:N_HEAD_CHARS].decode("ascii", "ignore")):
        text = "".join(_decoded(path, encoding, MAX_PAGE_BYTES + 1))
        if len(text) > MAX_PAGE_BYTES:
            raise SourceError(
                f"{path.name} is larger than {MAX_PAGE_BYTES >> 20} MiB.", remedy="Save it as CSV (UTF-8)."
            )
        if (grid := find_tables(path, text)) is not None:
            return grid
    shape = FeedShape()
    try:
        n_chars = 0
        for chunk in _with_escaped_ampersands(_decoded(path, encoding, _N_SEARCHED_BYTES)):
            shape.feed(chunk)
            n_chars += len(chunk)
            if n_chars >= _N_PEEKED_BYTES and shape.known_path() is not None:
                break
    except DefinedEntities:
        raise SourceError(
            f"{path.name} defines entities in its document type, which feeds do not need.",
            remedy="Remove the <!DOCTYPE ...> from it.",
        ) from None
    except (expat.ExpatError, LookupError):
        pass  # broken XML is reported where the items end
    item_path = shape.item_path()
    prefixes = frozenset(shape.google or {"g"})
    table = FeedTable(path, item_path, prefixes, encoding) if item_path else None
    columns = union_of_columns(table.rows()) if table else ()
    if table is None or not columns:
        raise SourceError(
            f"{path.name} has no <item> or <entry> or other list of products that can be read.",
            remedy="Give a product feed: RSS, Atom, YML, Heureka, or a list of <product> elements.",
        )
    undeclared = sorted(shape.used - shape.declared)
    note = (
        f"{path.name} uses the prefix {undeclared[0]}: without declaring it; it was read all the same."
        if undeclared
        else ""
    )
    table = replace(table, columns=columns, notes=(note,) if note else ())
    return wordpress.with_products(table) if wordpress.PREFIX in shape.used else table


def _encoding(start: bytes) -> str:
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    declared = _DECLARED.match(start.removeprefix(codecs.BOM_UTF8))
    name = declared[1].decode("ascii") if declared else "utf-8"
    try:
        name = codecs.lookup(name).name
    except LookupError:
        name = "utf-8"
    return "utf-8-sig" if name in ("utf-8", "ascii", "utf-16") else name


def _decoded(path: Path, encoding: str, n_bytes: int | None = None) -> Iterator[str]:
    """The file's text in pieces, from its first element on, or from ``<?xml`` if that comes near the beginning; bytes
    that are not in its encoding are read as Windows-1252."""
    errors = FALLBACK if encoding.startswith("utf-8") else "replace"
    with open_text(path, TextEncoding(encoding, errors)) as file:
        n_left, has_begun = n_bytes, False
        while (n_left is None or n_left > 0) and (chunk := file.read(_CHUNK_BYTES)):
            n_left = None if n_left is None else n_left - len(chunk)
            if not has_begun:
                chunk = chunk[_beginning(chunk) :]
                has_begun = bool(chunk)
            if chunk:
                yield chunk


def _beginning(text: str) -> int:
    """Where XML begins in a text with something else before it, as a fence of Markdown or a warning of PHP."""
    declared = _XML.search(text)
    if declared is not None and _OF_MESSAGES.issuperset(map(str.lower, _TAG.findall(text[: declared.start()]))):
        return declared.start()
    start = text.find("<")
    return start if start >= 0 else len(text)


def _with_escaped_ampersands(chunks: Iterable[str]) -> Iterator[str]:
    """The text with ``&amp;`` for each ``&`` that begins no entity, as in feeds that scripts glue together; what CDATA
    encloses stays as it is."""
    held, is_raw = "", False
    for chunk in chain(chunks, ("",)):
        text = held + chunk
        end = max(0, len(text) - _MAX_MARK_CHARS) if chunk else len(text)
        pieces, at = [], 0
        for found in _MARK.finditer(text):
            if found.start() >= end:
                break
            is_bare = found.group() == "&" and not is_raw
            pieces += [text[at : found.start()], "&amp;" if is_bare else found.group()]
            at = found.end()
            is_raw = found.group() == "<![CDATA[" if found.group() != "&" else is_raw
        end = max(end, at)
        held = text[end:]
        yield "".join((*pieces, text[at:end]))


_MARK = re.compile(r"<!\[CDATA\[|\]\]>|&(?!#\d+;|#x[0-9a-fA-F]+;|[A-Za-z]\w*;)")
_MAX_MARK_CHARS = 32
