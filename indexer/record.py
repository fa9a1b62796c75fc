"""A record: one catalog row, read and validated, its pictures not yet fetched."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from search.item import Item


@dataclass(frozen=True, slots=True)
class ImageReference:
    """Where one picture is: exactly one of its bytes, a local path or an http(s) URL."""

    data: bytes | None = None
    path: Path | None = None
    url: str | None = None

    def __post_init__(self) -> None:
        if sum(place is not None for place in (self.data, self.path, self.url)) != 1:
            raise ValueError("an image reference holds exactly one of data, path and url")


@dataclass(frozen=True, slots=True)
class Record:
    """One item with its pictures in the shop's order. ``origin`` says where it stood, as ``products.csv:17``."""

    origin: str
    item: Item
    images: tuple[ImageReference, ...] = ()


@dataclass(frozen=True, slots=True)
class Rejection:
    """A row that could not become an item: where it stood, why, and what to do. One dead-letter line."""

    origin: str
    reason: str
    remedy: str
    sku: str | None = None
