"""What stands beside the cells of an Excel sheet: which are merged, and the images that lie on them."""

from __future__ import annotations

import re
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from posixpath import normpath
from xml.etree import ElementTree

MAX_PARTS = 200_000
"""Merged ranges and images that are looked at."""

MAX_IMAGE_BYTES = 64 << 20

_MERGED = re.compile(rb'<(?:\w+:)?mergeCell ref="([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})"')
_TAIL_BYTES = 8 << 20
"""Merged cells stand at a sheet's end."""


@dataclass(frozen=True, slots=True)
class SheetParts:
    """The images that begin in each row, and the ranges of merged cells that span rows: for each row the positions of
    their columns."""

    images: Mapping[int, tuple[bytes, ...]] = field(default_factory=dict)
    merged: Mapping[int, tuple[int, ...]] = field(default_factory=dict)

    def merged_at(self, number: int, columns: Sequence[str]) -> list[str]:
        """The columns whose cell in this row is a part of a larger one."""
        return [columns[at] for at in self.merged.get(number, ()) if at < len(columns) and columns[at]]


def read_parts(path: Path, names: Sequence[str]) -> dict[str, SheetParts]:
    """The parts of a workbook's sheets by their names; none of what cannot be read."""
    found = {name: SheetParts() for name in names}
    try:
        with zipfile.ZipFile(path) as packed:
            members = frozenset(packed.namelist())
            for name, member in _sheet_members(packed):
                if name in found and member in members:
                    images = _images(packed, member, members)
                    found[name] = SheetParts(images, _merged(packed, member))
    except (
        zipfile.BadZipFile,
        KeyError,
        ValueError,
        ElementTree.ParseError,
        OSError,
        RuntimeError,
        NotImplementedError,
    ):
        return found
    return found


def _sheet_members(packed: zipfile.ZipFile) -> Iterator[tuple[str, str]]:
    """Each sheet's name and its part's."""
    targets = _targets(packed, "xl/workbook.xml")
    for sheet in _parsed(packed, "xl/workbook.xml").iter():
        if _local(sheet.tag) == "sheet":
            key = next((value for name, value in sheet.attrib.items() if _local(name) == "id"), "")
            yield sheet.get("name", ""), targets.get(key, ("", ""))[1]


def _targets(packed: zipfile.ZipFile, member: str) -> dict[str, tuple[str, str]]:
    """What a part refers to, by its keys: the kinds and the parts' names."""
    folder, name = str(PurePosixPath(member).parent), PurePosixPath(member).name
    rels = f"{folder}/_rels/{name}.rels"
    if rels not in packed.namelist():
        return {}
    found = {}
    for each in _parsed(packed, rels):
        target = each.get("Target", "")
        place = target.lstrip("/") if target.startswith("/") else normpath(f"{folder}/{target}")
        found[each.get("Id", "")] = (each.get("Type", "").rpartition("/")[2], place)
    return found


def _merged(packed: zipfile.ZipFile, member: str) -> dict[int, tuple[int, ...]]:
    tail = b""
    with packed.open(member) as file:
        while chunk := file.read(1 << 20):
            tail = (tail + chunk)[-_TAIL_BYTES:]
    rows: dict[int, list[int]] = defaultdict(list)
    n_left = MAX_PARTS
    for left, top, right, bottom in (match.groups() for match in _MERGED.finditer(tail)):
        first, last = int(top), int(bottom)
        if first == last or left != right or last - first > n_left:
            continue
        n_left -= last - first
        for number in range(first, last + 1):
            rows[number].append(_position(left))
    return {number: tuple(positions) for number, positions in rows.items()}


def _position(letters: bytes) -> int:
    """A column's position: 0 for A, 26 for AA."""
    position = 0
    for letter in letters:
        position = 26 * position + letter - 64
    return position - 1


def _images(packed: zipfile.ZipFile, member: str, members: frozenset[str]) -> dict[int, tuple[bytes, ...]]:
    """The images on a sheet by the rows that their upper halves lie on."""
    found: dict[int, list[bytes]] = defaultdict(list)
    for kind, drawing in _targets(packed, member).values():
        if kind != "drawing" or drawing not in members:
            continue
        targets = _targets(packed, drawing)
        for number, key in _anchors(_parsed(packed, drawing)):
            media = targets.get(key, ("", ""))[1]
            if media in members and packed.getinfo(media).file_size <= MAX_IMAGE_BYTES:
                found[number].append(packed.read(media))
    return {number: tuple(images) for number, images in found.items()}


def _anchors(drawing: ElementTree.Element) -> Iterator[tuple[int, str]]:
    """The row of each image in a drawing, and the key of its file."""
    for anchor in drawing:
        row = next((each.text for each in anchor.iterfind("{*}from/{*}row")), None)
        for blip in anchor.iterfind(".//{*}blip"):
            key = next((value for name, value in blip.attrib.items() if _local(name) == "embed"), "")
            if row is not None and row.isdecimal() and key:
                yield int(row) + 1, key


def _parsed(packed: zipfile.ZipFile, member: str) -> ElementTree.Element:
    if packed.getinfo(member).file_size > MAX_IMAGE_BYTES:
        raise ValueError(f"{member} is too large")
    return ElementTree.fromstring(packed.read(member))


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
