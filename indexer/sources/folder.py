"""A folder of images as a catalog: one item per image, named by its file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from vitrina.indexer.sources.base import ImageReference, Record, Rejection
from vitrina.indexer.sources.cells import clean_text
from vitrina.indexer.sources.rows import MAX_SKU_CHARS
from vitrina.search.types.errors import SourceError
from vitrina.search.types.item import Item

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".avif"})
CATALOG_SUFFIXES = frozenset({".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".xml", ".tar"})

_BETWEEN_WORDS = re.compile(r"[\s_.+-]+")


@dataclass(frozen=True, slots=True)
class ImageFolder:
    """Every image below ``path``: its sku is its path without the ending, its title the words of its file name,
    and its folder, if any, the attribute ``folder``. Hidden files and folders and linked folders are left out.
    """

    path: Path
    n_rows: int
    notes: tuple[str, ...]

    @classmethod
    def open(cls, path: Path) -> ImageFolder:
        """Count the images. Blocks for a walk over the folder. Raises ``SourceError`` if there are none."""
        n_images = sum(1 for _ in _walk(path))
        catalogs = sorted(name.name for name in path.iterdir() if name.suffix.lower() in CATALOG_SUFFIXES)
        names = ", ".join(catalogs[:5])
        if not n_images:
            remedy = f"Index the catalog files in it themselves: {names}." if catalogs else "Check the path."
            raise SourceError(f"The folder {path} holds no images.", remedy=remedy)
        notes = (f"{path} also holds {names}: index that file instead to get its text.",) if catalogs else ()
        return cls(path, n_images, notes)

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.path.resolve().name

    @property
    def dialect(self) -> str:
        """Always ``folder of images``."""
        return "folder of images"

    @property
    def fields(self) -> Mapping[str, str]:
        """What each field is read from."""
        return {"sku": "path", "title": "file name", "image": "file"}

    def rows(self) -> Iterator[Record | Rejection]:
        """One record per image, in the order of their paths."""
        for file in _walk(self.path):
            yield _record(file, self.path, self.name)


def _walk(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        for name in sorted(files):
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES:
                yield Path(parent, name)


def _record(file: Path, root: Path, name: str) -> Record | Rejection:
    relative = file.relative_to(root)
    origin = clean_text(f"{name}/{relative.as_posix()}")
    sku = clean_text(relative.with_suffix("").as_posix())
    if len(sku) > MAX_SKU_CHARS:
        reason = f"The sku {sku[:40]!r}... has {len(sku):,} characters; the limit is {MAX_SKU_CHARS}."
        return Rejection(origin, reason, "Shorten the names of the file and its folders.")
    if not sku:
        return Rejection(origin, "The file's name has no letters that can be read.", "Rename it.")
    title = " ".join(_BETWEEN_WORDS.split(clean_text(file.stem))).strip()
    parent = clean_text(relative.parent.as_posix())
    attributes = {} if parent == "." else {"folder": parent}
    return Record(origin, Item(sku, title, attributes=attributes), (ImageReference(path=file),))
