"""Catalog files for the tests to read."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from vitrina.indexer.sources import open_source
from vitrina.indexer.sources.base import Record, Rejection


def make_image(colour: str = "red") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (4, 4), colour).save(out, "PNG")
    return out.getvalue()


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(path: Path, mapping: Mapping[str, str] | None = None) -> tuple[list[Record], list[Rejection]]:
    """A catalog's records and rejections."""
    rows = list(open_source(str(path), mapping or {}).rows())
    return [row for row in rows if isinstance(row, Record)], [row for row in rows if isinstance(row, Rejection)]


def only(path: Path, mapping: Mapping[str, str] | None = None) -> Record:
    """The one record of a catalog that has no rejections."""
    records, rejections = read(path, mapping)
    assert rejections == []
    (record,) = records
    return record


def only_rejection(path: Path, mapping: Mapping[str, str] | None = None) -> Rejection:
    """The one rejection of a catalog that has no records."""
    records, rejections = read(path, mapping)
    assert records == []
    (rejection,) = rejections
    return rejection
