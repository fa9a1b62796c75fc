"""Finding the image files that a catalog names, however it spells their paths."""

from __future__ import annotations

import html
import os
import re
import unicodedata
from collections.abc import Iterator
from functools import cached_property, lru_cache
from itertools import islice
from pathlib import Path
from urllib.parse import unquote

from vitrina.search.types.errors import InputError

N_FOLDERS_CACHED = 256

MAX_FOLDERS_WALKED = 100_000
"""Folders below those given for images in which a file is looked for by its name alone."""


class ImageFiles:
    """The folders that a catalog's image paths count from: the catalog file's own, and others given for its images.

    Paths must stay inside, links too: a catalog file often comes from another party, and must not publish other images
    of this machine. ``given`` folders come first; below them a path may also begin with folders of the shop's server,
    and a file that is not where it should be is found by a name that no other file below them has.
    """

    def __init__(self, folder: Path, given: tuple[Path, ...] = (), usual: tuple[Path, ...] = ()) -> None:
        self.folder = folder
        roots = (*given, folder, *(root for root in usual if root.is_dir()))
        self._roots = tuple(map(os.path.abspath, roots))
        self._real_roots = tuple(os.path.realpath(root) for root in self._roots)
        self._n_given = len(given)
        self._real = lru_cache(maxsize=N_FOLDERS_CACHED)(os.path.realpath)
        self._names = lru_cache(maxsize=N_FOLDERS_CACHED)(_names)

    def find(self, text: str) -> Path:
        """The file that a path names: as it is written, or without its leading slash, its query, its escapes; or in
        another letter case or Unicode form. One that does not exist comes as it is written.

        Raises ``InputError`` for a path outside the folders.
        """
        written = _DRIVE.sub("/", text.replace("\\", "/"))
        for spelled in _spellings(written):
            for root in self._roots:
                path = self._inside(root, spelled)
                if path is not None and os.path.isfile(path):
                    return self._checked(path, text)
        return self._alike(written, text) or self._by_name(written, text) or self._absent(written, text)

    def exists(self, text: str) -> bool:
        """Whether a text is the path of a file, or ends in one."""
        try:
            return self.find(text).is_file()
        except (InputError, OSError, ValueError):
            return False

    def is_one(self, text: str) -> bool:
        """Whether a text as a whole is the path of a file, and not only its end, as in ``a.jpg,/x/b.jpg``."""
        return self.exists(text) and _is_whole(self.find(text), text)

    def _inside(self, root: str, text: str) -> str | None:
        path = os.path.normpath(os.path.join(root, text))
        if _is_below(path, root):
            return path
        path = os.path.normpath(os.path.join(root, text.lstrip("/")))
        return path if text.startswith("/") and _is_below(path, root) else None

    def _checked(self, path: str, text: str) -> Path:
        folder, name = os.path.split(path)
        real = os.path.realpath(path) if os.path.islink(path) else os.path.join(self._real(folder), name)
        if not any(_is_below(real, root) for root in (*self._real_roots, *self._roots)):
            raise self._outside(text)
        return Path(path)

    def _alike(self, written: str, text: str) -> Path | None:
        for spelled in _spellings(written):
            parts = [part for part in os.path.normpath(spelled).split("/") if part not in ("", ".", "..")]
            for number, root in enumerate(self._roots):
                is_for_images = number != self._n_given
                least = 1 if is_for_images else 2 if written.startswith("/") else len(parts)
                for start in range(max(1, len(parts) - least + 1)):
                    found = self._find_alike(root, parts[start:])
                    if found is not None:
                        return self._checked(found, text)
        return None

    def _by_name(self, written: str, text: str) -> Path | None:
        """The one file below the given folders that has a path's name."""
        for spelled in _spellings(written) if self._n_given else ():
            found = self._given_names.get(_folded(spelled.rpartition("/")[2]))
            if found:
                return self._checked(found, text)
        return None

    @cached_property
    def _given_names(self) -> dict[str, str]:
        """The files below the given folders by their folded names; an empty text where several have one."""
        found: dict[str, str] = {}
        walked = (each for root in self._roots[: self._n_given] for each in os.walk(root))
        for folder, _, names in islice(walked, MAX_FOLDERS_WALKED):
            for name in names:
                own = _folded(name)
                found[own] = "" if own in found else os.path.join(folder, name)
        return found

    def _find_alike(self, root: str, parts: list[str]) -> str | None:
        """The file below a folder whose path has these parts, whatever their letter case and Unicode form."""
        path = root
        for part in parts:
            name = self._names(path).get(_folded(part))
            if name is None:
                return None
            path = os.path.join(path, name)
        return path if parts and os.path.isfile(path) else None

    def _absent(self, written: str, text: str) -> Path:
        for root in self._roots:
            if (path := self._inside(root, written)) is not None:
                return Path(path)
        raise self._outside(text)

    def _outside(self, text: str) -> InputError:
        return InputError(
            f"The image {text[:200]!r} is outside the catalog's folder {self.folder}.",
            remedy="Put the images inside that folder, or name their own folder: --images DIR.",
        )


_DRIVE = re.compile(r"^[A-Za-z]:/+")
"""A drive of Windows, below which a shop's images were; here its folders are looked for as those of any path."""


def _is_below(path: str, root: str) -> bool:
    return path.startswith(root if root.endswith(os.sep) else root + os.sep)


def _is_whole(path: Path, text: str) -> bool:
    """Whether a file's path ends in all folders that a text names."""
    folder = os.path.dirname(os.path.normpath(text.replace("\\", "/"))).strip("/")
    return _folded(os.path.dirname(path)).endswith(_folded(unquote(folder)))


def _spellings(text: str) -> Iterator[str]:
    """A path as it is written, then without what only an address has."""
    yield text
    plain = text
    if "&" in text:
        plain = html.unescape(plain)
    if "?" in plain or "#" in plain:
        plain = plain.partition("?")[0].partition("#")[0]
    if "%" in plain:
        yield plain
        plain = unquote(plain)
    if plain != text:
        yield plain


def _names(folder: str) -> dict[str, str]:
    """The names in a folder by their folded forms; none if it cannot be read."""
    try:
        return {_folded(name): name for name in os.listdir(folder)}
    except OSError:
        return {}


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
