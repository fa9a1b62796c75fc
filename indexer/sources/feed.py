"""Product feeds in XML: RSS 2.0 and Atom, as for Google Merchant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

from vitrina.indexer.sources.base import Rejection, TableRow, union_of_columns
from vitrina.search.types.errors import SourceError

_ITEM_TAGS = frozenset({"item", "entry"})
_ENTITIES = re.compile(rb"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_NAMESPACE = re.compile(r"^\{[^}]*\}")


@dataclass(frozen=True, slots=True)
class FeedTable:
    """An XML feed: each ``item`` or ``entry`` is a row, its elements are the cells, without their namespaces."""

    path: Path
    columns: tuple[str, ...]
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
            for item in _items(self.path):
                number += 1
                yield TableRow(f"{self.path.name}#{number}", _cells(item))
        except (ElementTree.ParseError, LookupError, ValueError) as error:
            reason = f"The XML is broken after item {number:,}: {error}."
            yield Rejection(
                f"{self.path.name}#{number + 1}", reason, "Export the feed again; the items before are read."
            )


def open_feed(path: Path) -> FeedTable:
    """Learn the columns from the first items. Raises ``SourceError`` if there are none, or if the file defines
    entities, which can blow up in memory.
    """
    with path.open("rb") as file:
        if _ENTITIES.search(file.read(1 << 16)):
            raise SourceError(
                f"{path.name} has a document type of its own, which feeds do not need.",
                remedy="Remove the <!DOCTYPE ...> from it.",
            )
    table = FeedTable(path, ())
    columns = union_of_columns(table.rows())
    if not columns:
        raise SourceError(
            f"{path.name} has no <item> or <entry> that can be read.", remedy="Give an RSS or Atom product feed."
        )
    return replace(table, columns=columns)


def _items(path: Path) -> Iterator[ElementTree.Element]:
    """Each item, complete; what was read before it is freed."""
    open_elements: list[ElementTree.Element] = []
    with path.open("rb") as file:
        for event, element in ElementTree.iterparse(file, events=("start", "end")):
            if event == "start":
                open_elements.append(element)
                continue
            open_elements.pop()
            if _tag(element) in _ITEM_TAGS:
                yield element
                for parent in open_elements:
                    parent.clear()


def _cells(item: ElementTree.Element) -> dict[str, object]:
    cells: dict[str, object] = {}
    for element in item:
        tag, value = _tag(element), _value(element)
        if tag in cells:
            before = cells[tag]
            cells[tag] = [*before, value] if isinstance(before, list) else [before, value]
        else:
            cells[tag] = value
    return cells


def _value(element: ElementTree.Element) -> object:
    if len(element):
        return {_tag(child): child.text for child in element}
    return element.text if element.text is not None else element.get("href")  # Atom writes <link href="..."/>


def _tag(element: ElementTree.Element) -> str:
    return _NAMESPACE.sub("", element.tag)
