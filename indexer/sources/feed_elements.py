"""The elements of a product feed in XML: where its items are, their cells, and what its header names."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.etree import ElementTree
from xml.parsers import expat

from vitrina.indexer.sources.column_names import folded, is_named_as, name_table
from vitrina.indexer.sources.currencies import currency_of
from vitrina.indexer.sources.references import NAME_KEYS, PARENT_KEYS, NamedObjects

GOOGLE = "http://base.google.com/ns/1.0"
"""The namespace of Google Merchant's elements, usually ``g:``."""

_ITEM_TAGS = (
    "item", "entry", "offer", "shopitem", "product", "produkt", "produit", "producto", "prodotto", "produto", "article",
    "artikel", "o", "row", "record", "товар", "предложение",
)  # fmt: skip
_NAME_KEYS = ("name", "attribute-id", "attribute", "code", "key")
_VALUE_KEYS = ("href", "url", "src", "value", "path", "file")
"""The attributes of an element that name what it says, and that say it."""

_ODATA = "m:properties"
"""The element of an Atom entry that OData puts an object's own values in."""

_ID_TAGS = frozenset({"id", "ид", "идзначения"})
"""What the id of something that a header names is called: ``ид`` in 1C's CommerceML."""

_LANGUAGE_TAGS = frozenset({"language", "lang", "locale", "translation"})
_ADDRESSES = frozenset({"href", "url", "src"})

_ONE = re.compile(r"\s*1(?:[.,]0*)?\s*")
_ELEMENT = re.compile(rb"<\w")

ItemPath = tuple[str, ...]
Cells = dict[str, object]


class DefinedEntities(ValueError):
    """The file defines entities, which can blow up in memory."""


def _parser() -> expat.XMLParserType:
    """A parser that leaves prefixes as they are, loads nothing, and refuses a file that defines entities."""
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.UseForeignDTD(True)  # so that &nbsp; and its like are skipped, and not errors
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)

    def refuse(*_: object) -> None:
        raise DefinedEntities("The document type defines entities.")

    parser.EntityDeclHandler = refuse
    return parser


class FeedShape:
    """What a feed's beginning looks like: how often each path of elements occurs, and which prefixes there are."""

    def __init__(self) -> None:
        self.used: set[str] = set()
        self.declared: set[str] = {"xml"}
        self.google: set[str] = set()
        self._path: list[str] = []
        self._counts: Counter[ItemPath] = Counter()
        self._parents: set[ItemPath] = set()
        self._priced: set[ItemPath] = set()
        self._titled: set[ItemPath] = set()
        self._parser = _parser()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._data

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
        path = tuple(self._path)
        self._counts[path] += 1
        if len(attributes) > 1 and any(is_named_as("price", folded(name)) for name in attributes):
            self._priced.add(path)
            if any(folded(name) in name_table("names")["title"] for name in attributes):
                self._titled.add(path)

    def _data(self, text: str) -> None:
        if self._priced and not text.isspace() and (path := tuple(self._path)) in self._priced:
            self._titled.add(path)

    def _end(self, tag: str) -> None:
        self._path.pop()

    def item_path(self) -> ItemPath | None:
        """The path of the items: of a known name, or else the elements with children that occur most often, or else
        those that have a price among their attributes, and a title or text rather than none."""
        if (known := self.known_path()) is not None:
            return known
        repeated, priced = (
            [path for path, n in self._counts.items() if path in paths and n > 1 and len(path) > 1]
            for paths in (self._parents, self._titled or self._priced)
        )
        return min(repeated or priced, key=lambda path: (len(path), -self._counts[path]), default=None)

    def known_path(self) -> ItemPath | None:
        """The shortest path of elements with children that have the best known name; of an ``<offer>`` that each
        ``<product>`` has one of, the path of the products."""
        paths = [path for path in self._counts if path in self._parents and len(path) > 1]
        named = ([path for path in paths if path[-1].lower() == tag] for tag in _ITEM_TAGS)
        found = next((min(each, key=len) for each in named if each), ())
        around = found[:-1]
        is_part = around[1:] and around[-1].lower() in _ITEM_TAGS and self._has_more(around, found)
        is_part = is_part and self._counts[around] >= max(2, self._counts[found])
        return around if is_part else found or None

    def _has_more(self, path: ItemPath, inner: ItemPath) -> bool:
        """Whether the elements at a path have others in them than those at ``inner``."""
        return any(each[:-1] == path and each != inner for each in self._counts)


@dataclass(slots=True)
class _Beside:
    """An open element of the header, with what it has said so far."""

    tag: str
    key: str = ""
    name: str = ""
    parent: str = ""
    currency: str | None = None
    texts: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, tag: str, attributes: dict[str, str]) -> _Beside:
        """An element by its start."""
        said = {folded(key): value for key, value in attributes.items()}
        key, name, parent = (
            next((said[each] for each in names if each in said), "") for names in (_ID_TAGS, NAME_KEYS, PARENT_KEYS)
        )
        own, currencies = folded(_local(tag)), name_table("names")["currency"]
        currency = next((said[each] for each in currencies if each in said), key if own in currencies else "")
        is_foreign = _ONE.fullmatch(said.get("rate", "1")) is None  # in YML those have other rates
        return cls(own, key, name, parent, None if is_foreign else _code_in(currency))


class FeedReader:
    """Reads items as they are completed, and forgets everything else but what has an id and a name before them, and the
    one currency that is named there."""

    def __init__(self, item_path: ItemPath, prefixes: frozenset[str]) -> None:
        self._item_path = item_path
        self._prefixes = prefixes
        self._path: list[str] = []
        self._builder: ElementTree.TreeBuilder | None = None
        self._items: list[Cells] = []
        self._named = NamedObjects()
        self._beside: list[_Beside] = []
        self._currencies: set[str] = set()
        self._n_bytes = 0
        self._ends_at: int | None = None
        self._parser = _parser()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._data
        self._parser.SkippedEntityHandler = self._entity

    def feed(self, text: str, *, last: bool = False) -> None:
        """Parse a piece of the text. What follows the last element is passed over if it holds no others."""
        data, begins_at = text.encode(), self._n_bytes
        self._n_bytes += len(data)
        try:
            self._parser.Parse(data, last)
        except expat.ExpatError:
            if self._ends_at is None or _ELEMENT.search(data, max(0, self._ends_at - begins_at)):
                raise

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
        else:
            self._beside.append(_Beside.of(tag, attributes))
            self._add_currency(self._beside[-1].currency)

    def _data(self, text: str) -> None:
        if self._builder is not None:
            self._builder.data(text)
        elif self._beside and (self._beside[-1].texts or not text.isspace()):
            self._beside[-1].texts.append(text)

    def _entity(self, name: str, is_parameter: bool) -> None:
        if not is_parameter:
            self._data(html.unescape(f"&{name};"))

    def _end(self, tag: str) -> None:
        if self._builder is not None:
            element = self._builder.end(tag)
            if tuple(self._path) == self._item_path:
                self._items.append(self._with_currency(self._named.named(_cells(element, self._prefixes))))
                self._builder = None
        else:
            self._close(self._beside.pop())
        self._path.pop()
        if not self._path:
            self._ends_at = self._parser.CurrentByteIndex

    def _add_currency(self, code: str | None) -> None:
        if code is not None:
            self._currencies.add(code)

    def _with_currency(self, cells: Cells) -> Cells:
        """The cells with the header's currency if they name none themselves."""
        if len(self._currencies) != 1 or _says_currency(cells):
            return cells
        return {**cells, "currency": next(iter(self._currencies))}

    def _close(self, closed: _Beside) -> None:
        """Take in an element of the header: the id or the name of the one around it, or one that has both."""
        text = "".join(closed.texts).strip()
        around = self._beside[-1] if self._beside else _Beside("")
        if closed.tag in name_table("names")["currency"]:
            self._add_currency(_code_in(text))
        if closed.tag in _ID_TAGS:
            around.key = text
        elif closed.tag in NAME_KEYS:
            around.name = text
        elif closed.tag in PARENT_KEYS:
            around.parent = text
        elif closed.key:
            above = next((each.key for each in self._beside[::-1] if each.tag == closed.tag), "")
            self._named.add(closed.tag, closed.key, text or closed.name, closed.parent or above)


def _cells(item: ElementTree.Element, prefixes: frozenset[str]) -> Cells:
    item = next((each for part in (item, *item) for each in part if each.tag == _ODATA), item)
    cells: Cells = {key: value for key, value in item.attrib.items() if not key.startswith("xmlns")}
    if not len(item) and item.text and not item.text.isspace():
        cells.setdefault(_local(item.tag), item.text)
    google = {_local(child.tag) for child in item if _is_google(child.tag, prefixes) and _value(child) is not None}
    languages: dict[str, Cells] = {}
    for element in item:
        tag = _local(element.tag)
        if tag in google and not _is_google(element.tag, prefixes):
            continue
        if tag == "category" and re.fullmatch(r"\w+", element.attrib.get("domain", "")):
            tag = element.attrib["domain"]  # as WordPress tells a product's categories from its colours
        language = _language(element)
        _add(languages.setdefault(tag, {}) if language else cells, language or tag, _value(element))
    for tag, texts in languages.items():
        first = min(texts, key=_language_rank)
        for language, value in texts.items():
            _add(cells, tag if language == first else f"{tag}-{language}", value)
    return cells


def _code_in(text: str) -> str | None:
    text = text.strip()
    return currency_of(text, None) if len(text) == 3 else None


def _says_currency(value: object) -> bool:
    """Whether a currency is named somewhere in a cell, or in what it holds."""
    if isinstance(value, dict):
        names = name_table("names")["currency"]
        said = ((folded(key), inner) for key, inner in value.items())
        return any(name in names or _is_priced_in(name) or _says_currency(inner) for name, inner in said)
    return isinstance(value, list) and any(map(_says_currency, value))


def _is_priced_in(name: str) -> bool:
    """Whether a folded name is that of prices in one currency, as ``price_eur`` and Hotline's ``priceRUAH``."""
    prices = (price for price in name_table("names")["price"] if name.startswith(price))
    rest = (name[len(price) :].strip("_") for price in prices)
    return name[-3:] in name_table("codes")["currencies"] and any(each in (name[-3:], f"r{name[-3:]}") for each in rest)


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
        if (currency := _currency_of(element)) is not None:
            inner["currency"] = currency
        for child in element:
            _add(inner, _local(child.tag), _value(child))
        (tag, alone), *_ = inner.items()
        if (
            len(inner) == 1
            and isinstance(alone, str)
            and _local(element.tag).casefold().startswith(tag.casefold()[:-1])
        ):
            return alone  # <prices><price>
        if len(inner) == 1 and isinstance(alone, dict) and alone.keys() == {"name", "value"}:
            return [alone]
        return alone if len(inner) == 1 and isinstance(alone, list) else inner
    text = element.text if element.text and element.text.strip() else None
    currency = _currency_of(element)
    if text is not None and currency is not None:
        return {"amount": text, "currency": currency}
    name = next((element.attrib[key] for key in _NAME_KEYS if key in element.attrib), None)
    value = text or next((element.attrib[key] for key in _VALUE_KEYS if key in element.attrib), element.text)
    if value is None and _is_nil(element):
        return None
    if value is None and element.attrib:
        said = {key: each for key, each in element.attrib.items() if not key.startswith("xml")}
        return said if said.keys() - {"type"} else None
    return {"name": name, "value": value} if name is not None and value is not None else value


def _currency_of(element: ElementTree.Element) -> str | None:
    names = name_table("names")["currency"]
    return next((said for key, said in element.attrib.items() if folded(key) in names), None)


def _is_nil(element: ElementTree.Element) -> bool:
    """Whether an element says that it has no value, as ``xsi:nil`` does, and ``m:null`` of OData."""
    return any(_local(key) in ("nil", "null") and said in ("true", "1") for key, said in element.attrib.items())


def _local(tag: str) -> str:
    return tag.rpartition(":")[2]
