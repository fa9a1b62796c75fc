"""A folder of images as a catalog: one item per image, named by its file."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from vitrina.indexer.sources.base import ImageReference, Record, Rejection
from vitrina.indexer.sources.cells import clean_text
from vitrina.indexer.sources.rows import MAX_SKU_CHARS
from vitrina.search.types.errors import SourceError
from vitrina.search.types.item import Item

IMAGE_SUFFIXES = frozenset(
    {
        ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".avif", ".heic",
        ".heif", ".jxl",
    }
)  # fmt: skip
CATALOG_SUFFIXES = frozenset(
    {".csv", ".tsv", ".xlsx", ".json", ".jsonl", ".jl", ".ndjson", ".parquet", ".xml", ".tar", ".zip"}
)

MAX_NAMED = 5
"""Catalog files in a folder of images that are named."""

_BETWEEN_WORDS = re.compile(r"[\s_.+-]+")


@dataclass(frozen=True, slots=True)
class ImageFolder:
    """Every image below ``path``: its sku is its path without the ending, its title the words of its file name,
    and its folder, if any, the attribute ``folder``. Hidden files and folders, links to folders, and links to files
    outside are left out.
    """

    path: Path
    n_rows: int
    notes: tuple[str, ...]

    @classmethod
    def open(cls, path: Path) -> ImageFolder:
        """Count the images. Blocks for a walk over the folder. Raises ``SourceError`` if there are none."""
        walk = Walk(path)
        n_images = sum(isinstance(found, Path) for found in walk)
        catalogs = walk.catalogs
        names = ", ".join(catalogs)
        if not n_images:
            remedy = f"Index the catalog files in it themselves: {names}." if catalogs else "Check the path."
            raise SourceError(f"The folder {path} holds no images.", remedy=remedy)
        notes = [f"{path} also holds {names}: index that file instead to get its text."] if catalogs else []
        if left_out := walk.left_out():
            notes.append(f"{path}: left out {left_out}.")
        return cls(path, n_images, tuple(notes))

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
        """One record per image, in the order of their paths; a rejection for each folder that cannot be read."""
        for found in Walk(self.path):
            if isinstance(found, Path):
                yield _record(found, self.path, self.name)
            else:
                origin = clean_text(os.path.relpath(os.fspath(found.filename or self.path), self.path))
                yield unreadable(f"{self.name}/{origin}", found)


class Walk:
    """Walks over the images below a folder, and counts what it leaves out. ``catalogs`` are the first of its catalog
    files, by their paths in it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._real = os.path.realpath(root)
        self._others: Counter[str] = Counter()
        self._links: list[str] = []
        self._n_hidden = 0
        self.catalogs: list[str] = []
        self._errors: list[OSError] = []

    def __iter__(self) -> Iterator[Path | OSError]:
        """The images' paths in order, and the error of each folder that cannot be read."""
        for parent, folders, files in os.walk(self._root, onerror=self._errors.append):
            yield from self._unreadable()
            folders[:] = [name for name in sorted(folders) if self._is_walked(parent, name)]
            for name in sorted(files):
                if self._is_read(parent, name):
                    yield Path(parent, name)
        yield from self._unreadable()

    def left_out(self) -> str:
        """What the walk left out, counted and named; empty if nothing."""
        kinds = ", ".join(f"{n:,} {suffix or 'without an ending'}" for suffix, n in self._others.most_common(10))
        parts = (
            (self._others.total(), "file that is no image", "files that are no images", kinds),
            (len(self._links), "link", "links", ", ".join(sorted(self._links)[:10])),
            (self._n_hidden, "hidden file or folder", "hidden files and folders", ""),
        )
        return "; ".join(
            f"{n:,} {one if n == 1 else several}" + (f" ({names})" if names else "")
            for n, one, several, names in parts
            if n
        )

    def _unreadable(self) -> Iterator[OSError]:
        while self._errors:
            yield self._errors.pop(0)

    def _is_walked(self, parent: str, name: str) -> bool:
        if name.startswith((".", "__MACOSX")):
            self._n_hidden += 1
            return False
        if os.path.islink(path := os.path.join(parent, name)):
            self._links.append(os.path.relpath(path, self._root))
            return False
        return True

    def _is_read(self, parent: str, name: str) -> bool:
        suffix = os.path.splitext(name)[1].lower()
        if name.startswith("."):
            self._n_hidden += 1
        elif suffix not in IMAGE_SUFFIXES:
            if suffix not in CATALOG_SUFFIXES:
                self._others[suffix] += 1
            elif len(self.catalogs) < MAX_NAMED:
                self.catalogs.append(os.path.relpath(os.path.join(parent, name), self._root))
        elif os.path.islink(path := os.path.join(parent, name)) and not self._is_inside(path):
            self._links.append(os.path.relpath(path, self._root))
        else:
            return True
        return False

    def _is_inside(self, path: str) -> bool:
        return os.path.realpath(path).startswith(self._real + os.sep)


def _record(file: Path, root: Path, name: str) -> Record | Rejection:
    relative = file.relative_to(root)
    origin = clean_text(f"{name}/{relative.as_posix()}")
    sku = clean_text(relative.with_suffix("").as_posix())
    if len(sku) > MAX_SKU_CHARS:
        reason = f"The sku {sku[:40]!r}... has {len(sku):,} characters; the limit is {MAX_SKU_CHARS}."
        return Rejection(origin, reason, "Shorten the names of the file and its folders.")
    if not sku:
        return Rejection(origin, "The file's name has no letters that can be read.", "Rename it.")
    title = title_of(file)
    parent = clean_text(relative.parent.as_posix())
    attributes = {} if parent == "." else {"folder": parent}
    return Record(origin, Item(sku, title, attributes=attributes), (ImageReference(path=file),))


def unreadable(origin: str, error: OSError) -> Rejection:
    """The rejection of a folder that cannot be read."""
    return Rejection(origin, f"The folder cannot be read: {error.strerror or error}.", "Check its permissions.")


def title_of(file: Path) -> str:
    """The words of a file's name."""
    return " ".join(_BETWEEN_WORDS.split(clean_text(file.stem))).strip()
