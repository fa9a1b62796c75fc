"""Product feeds in XML: RSS and Atom for Google Merchant, YML, Heureka, Ceneo, and lists of products of any shop."""

from __future__ import annotations

import codecs
import html
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat

from vitrina.indexer.sources.base import Rejection, TableRow, union_of_columns
from vitrina.indexer.sources.column_names import folded, name_table
from vitrina.indexer.sources.encodings import FALLBACK, TextEncoding, open_bytes, open_text
from vitrina.indexer.sources.json_envelopes import opened
from vitrina.search.types.errors import SourceError

GOOGLE = "http://base.google.com/ns/1.0"
"""The namespace of Google Merchant's elements, usually ``g:``."""

_ITEM_TAGS = (
    "item", "entry", "offer", "shopitem", "product", "produkt", "produit", "producto", "prodotto", "produto", "article",
    "artikel", "o", "row", "record",
)  # fmt: skip
_NAME_KEYS = ("name", "attribute-id", "attribute", "code", "key")
_VALUE_KEYS = ("href", "url", "src", "value", "path", "file")
"""The attributes of an element that name what it says, and that say it."""

_LANGUAGE_TAGS = frozenset({"language", "lang", "locale", "translation"})
_ADDRESSES = frozenset({"href", "url", "src"})

_N_PEEKED_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 16
_DECLARED = re.compile(rb"""^\s*<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")

ItemPath = tuple[str, ...]
Cells = dict[str, object]


class _Entities(ValueError):
    """The file defines entities, which can blow up in memory."""


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
                yield TableRow(f"{self.path.name}#{number}", opened(cells))
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
        reader = _Reader(self.item_path, self.prefixes)
        for chunk in chain(chunks, ("",)):
            broken: Exception | None = None
            try:
                reader.feed(chunk, last=not chunk)
            except (expat.ExpatError, ValueError) as error:
                broken = error
            yield from reader.taken()  # those before what is broken, too
            if broken is not None:
                raise broken


def open_feed(path: Path, encoding: str | None = None) -> FeedTable:
    """Find the items and learn their columns from the first; ``encoding`` overrides what the file declares.

    Raises ``SourceError`` if there are no items, or if the file defines entities.
    """
    with open_bytes(path) as file:
        start = file.read(_N_PEEKED_BYTES)
    encoding = encoding or _encoding(start)
    shape = _Shape()
    try:
        for chunk in _with_escaped_ampersands(_decoded(path, encoding, len(start))):
            shape.feed(chunk)
    except _Entities:
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
    return replace(table, columns=columns, notes=(note,) if note else ())


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
    """The file's text in pieces; bytes that are not in its encoding are read as Windows-1252."""
    errors = FALLBACK if encoding.startswith("utf-8") else "replace"
    with open_text(path, TextEncoding(encoding, errors)) as file:
        n_left = n_bytes
        while (n_left is None or n_left > 0) and (chunk := file.read(_CHUNK_BYTES)):
            n_left = None if n_left is None else n_left - len(chunk)
            yield chunk


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


def _parser() -> expat.XMLParserType:
    """A parser that leaves prefixes as they are, loads nothing, and refuses a file that defines entities."""
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.UseForeignDTD(True)  # so that &nbsp; and its like are skipped, and not errors
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)

    def refuse(*_: object) -> None:
        raise _Entities("The document type defines entities.")

    parser.EntityDeclHandler = refuse
    return parser


class _Shape:
    """What a feed's beginning looks like: how often each path of elements occurs, and which prefixes there are."""

    def __init__(self) -> None:
        self.used: set[str] = set()
        self.declared: set[str] = {"xml"}
        self.google: set[str] = set()
        self._path: list[str] = []
        self._counts: Counter[ItemPath] = Counter()
        self._parents: set[ItemPath] = set()
        self._parser = _parser()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end

    def feed(self, text: str) -> None:
        """Take in a piece of the text."""
        self._parser.Parse(text, False)

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._parents.add(tuple(self._path))
        prefix, colon, _ = tag.partition(":")
        if colon:
            self.used.add(prefix)
        for name, value in attributes.items():
            if name == "xmlns" or name.startswith("xmlns:"):
                own = name.partition(":")[2]
                self.declared.add(own)
                if value.rstrip("/").lower() in (GOOGLE, GOOGLE.replace("http:", "https:")):
                    self.google.add(own)
        self._path.append(_local(tag))
        self._counts[tuple(self._path)] += 1

    def _end(self, tag: str) -> None:
        self._path.pop()

    def item_path(self) -> ItemPath | None:
        """The path of the items: of a known name, or else the elements with children that occur most often."""
        paths = [path for path in self._counts if path in self._parents or len(path) > 1]
        for tag in _ITEM_TAGS:
            known = [path for path in paths if path[-1].lower() == tag and path in self._parents and len(path) > 1]
            if known:
                return min(known, key=len)
        repeated = [path for path in paths if self._counts[path] > 1 and path in self._parents and len(path) > 1]
        return min(repeated, key=lambda path: (len(path), -self._counts[path]), default=None)


class _Reader:
    """Reads items as they are completed, and forgets everything else but the names of categories."""

    def __init__(self, item_path: ItemPath, prefixes: frozenset[str]) -> None:
        self._item_path = item_path
        self._prefixes = prefixes
        self._path: list[str] = []
        self._builder: ElementTree.TreeBuilder | None = None
        self._items: list[Cells] = []
        self._categories: dict[str, tuple[str, str]] = {}
        self._category: str | None = None
        self._parser = _parser()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._data
        self._parser.SkippedEntityHandler = self._entity

    def feed(self, text: str, *, last: bool = False) -> None:
        """Parse a piece of the text."""
        self._parser.Parse(text, last)

    def taken(self) -> Iterator[Cells]:
        """The items completed since the last call."""
        items, self._items = self._items, []
        yield from items

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._path.append(_local(tag))
        if self._builder is None and tuple(self._path) == self._item_path:
            self._builder = ElementTree.TreeBuilder()
        if self._builder is not None:
            self._builder.start(tag, attributes)
        elif tag.lower() == "category" and "id" in attributes:
            self._category = attributes["id"]
            self._categories[self._category] = ("", attributes.get("parentId", ""))

    def _data(self, text: str) -> None:
        if self._builder is not None:
            self._builder.data(text)
        elif self._category is not None:
            name, parent = self._categories[self._category]
            self._categories[self._category] = (name + text, parent)

    def _entity(self, name: str, is_parameter: bool) -> None:
        if not is_parameter:
            self._data(html.unescape(f"&{name};"))

    def _end(self, tag: str) -> None:
        self._category = None
        if self._builder is not None:
            element = self._builder.end(tag)
            if tuple(self._path) == self._item_path:
                self._items.append(self._named_category(_cells(element, self._prefixes)))
                self._builder = None
        self._path.pop()

    def _named_category(self, cells: Cells) -> Cells:
        """The cells with the category that a YML offer gives the number of."""
        number, names, passed = str(cells.get("categoryId", "")), [], set[str]()
        while number in self._categories and number not in passed and len(passed) < 20:
            passed.add(number)
            name, number = self._categories[number]
            names.append(name.strip())
        return {**cells, "category": " / ".join(reversed(names))} if names and "category" not in cells else cells


def _cells(item: ElementTree.Element, prefixes: frozenset[str]) -> Cells:
    cells: Cells = {key: value for key, value in item.attrib.items() if not key.startswith("xmlns")}
    google = {_local(child.tag) for child in item if _is_google(child.tag, prefixes) and _value(child) is not None}
    languages: dict[str, Cells] = {}
    for element in item:
        tag = _local(element.tag)
        if tag in google and not _is_google(element.tag, prefixes):
            continue
        language = _language(element)
        _add(languages.setdefault(tag, {}) if language else cells, language or tag, _value(element))
    for tag, texts in languages.items():
        first = min(texts, key=_language_rank)
        for language, value in texts.items():
            _add(cells, tag if language == first else f"{tag}-{language}", value)
    return cells


def _language(element: ElementTree.Element) -> str | None:
    """The language that an element says its text is in."""
    return next(
        (element.attrib[key] for key in ("xml:lang", "lang", "language", "locale") if key in element.attrib), None
    )


def _language_rank(language: str) -> int:
    """The shop's own language first, then English."""
    own = language.casefold()
    return 0 if own in ("x-default", "default") else 1 if own.startswith("en") else 2


def _add(cells: Cells, tag: str, value: object) -> None:
    """Put a value under a tag; several values of one tag are a list."""
    held = cells.get(tag)
    cells[tag] = value if tag not in cells else [*(held if isinstance(held, list) else [held]), value]


def _is_google(tag: str, prefixes: frozenset[str]) -> bool:
    prefix, colon, _ = tag.partition(":")
    return (prefix if colon else "") in prefixes and (bool(colon) or "" in prefixes)


def _value(element: ElementTree.Element) -> object:
    """An element's text; of one with elements inside, those by their names; of a named one, its name and text."""
    if len(element):
        if all(_local(child.tag) in _LANGUAGE_TAGS for child in element):
            first = min(element, key=lambda child: _language_rank(" ".join(child.attrib.values())))
            return _value(first)
        inner: dict[str, object] = {key: value for key, value in element.attrib.items() if _local(key) in _ADDRESSES}
        for child in element:
            _add(inner, _local(child.tag), _value(child))
        alone = next(iter(inner.values()))
        if len(inner) == 1 and isinstance(alone, dict) and alone.keys() == {"name", "value"}:
            return [alone]
        return alone if len(inner) == 1 and isinstance(alone, list) else inner
    text = element.text if element.text and element.text.strip() else None
    currency = next(
        (said for key, said in element.attrib.items() if folded(key) in name_table("names")["currency"]), None
    )
    if text is not None and currency is not None:
        return {"amount": text, "currency": currency}
    name = next((element.attrib[key] for key in _NAME_KEYS if key in element.attrib), None)
    value = text or next((element.attrib[key] for key in _VALUE_KEYS if key in element.attrib), element.text)
    if value is None and element.attrib:
        return {key: said for key, said in element.attrib.items() if not key.startswith("xml")} or None
    return {"name": name, "value": value} if name is not None and value is not None else value


def _local(tag: str) -> str:
    return tag.rpartition(":")[2]
