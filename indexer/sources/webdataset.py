"""WebDataset tars, and folders like them: the files of one product share a name and differ in their endings."""

from __future__ import annotations

import json
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path, PurePosixPath

from vitrina.indexer.sources.base import N_PEEKED_ROWS, CellProblem, Rejection, TableRow, union_of_columns
from vitrina.indexer.sources.encodings import FALLBACK
from vitrina.indexer.sources.folder import IMAGE_SUFFIXES, Walk, title_of, unreadable
from vitrina.indexer.sources.image_cells import MAX_IMAGES
from vitrina.search.types.errors import SourceError

MAX_MEMBER_BYTES = 1 << 26
"""The largest file taken out of a tar: 64 MiB."""

_TEXT_COLUMNS = {"txt": "title", "text": "title", "caption": "title", "cls": "class"}


@dataclass(frozen=True, slots=True)
class WebDatasetTable:
    """A tar read once from front to back. A sample is a run of files whose names are equal up to the first dot; its
    JSON's keys are cells, its text is the title, its key is the cell ``__key__``, its images are ``image``.
    """

    path: Path
    columns: tuple[str, ...]
    n_rows: int | None = None
    notes: tuple[str, ...] = ()
    max_member_bytes: int = MAX_MEMBER_BYTES

    @property
    def format(self) -> str:
        """Always ``WebDataset``."""
        return "WebDataset"

    def rows(self) -> Iterator[TableRow | Rejection]:
        """The samples in the tar's order. If the tar is damaged, one rejection stands for the rest of it."""
        sample: _Sample | None = None
        try:
            with tarfile.open(self.path, "r|*") as tar:
                for member in tar:
                    key, ending = _split(member.name)
                    if not member.isfile() or not ending:
                        continue
                    if sample is not None and sample.key != key:
                        yield sample.row()
                        sample = None
                    sample = sample or _Sample(key, f"{self.path.name}:{key}")
                    sample.add(tar, member, ending, self.max_member_bytes)
            if sample is not None:
                yield sample.row()
            if _is_cut(self.path):
                raise tarfile.ReadError("it ends without its end mark")
        except (tarfile.TarError, EOFError, OSError, ValueError, lzma.LZMAError, zlib.error) as error:
            last = sample.key if sample else "the start"
            reason = f"The tar is damaged or cut short after {last}: {str(error)[:200]}."
            yield Rejection(
                f"{self.path.name}:{last}", reason, "Pack or download it again; the samples before are read."
            )


class _Sample:
    """The files of one key."""

    def __init__(self, key: str, origin: str, *, has_image: bool = False) -> None:
        self._has_image = has_image
        self.key = key
        self._origin = origin
        self._cells: dict[str, object] = {}
        self._images: list[bytes] = []
        self._problems: list[CellProblem] = []

    def add(self, tar: tarfile.TarFile, member: tarfile.TarInfo, ending: str, max_bytes: int) -> None:
        """Add a member's content as an image, as cells or as text; other members are skipped."""
        last = ending.rsplit(".", 1)[-1]
        is_image = f".{last}" in IMAGE_SUFFIXES
        if not is_image and last != "json" and last not in _TEXT_COLUMNS:
            return
        if member.size > max_bytes:
            self.note_too_large(member.name, last, member.size, max_bytes)
            return
        file = tar.extractfile(member)
        data = file.read() if file else b""
        if is_image:
            self._add_image(data)
        else:
            self.add_text(member.name, last, data)

    def add_text(self, name: str, ending: str, data: bytes) -> None:
        """Add a JSON's cells, or a text."""
        if ending == "json":
            self._add_json(name, data)
        else:
            self._cells.setdefault(_TEXT_COLUMNS[ending], data.decode("utf-8-sig", errors=FALLBACK))

    def note_too_large(self, name: str, column: str, n_bytes: int, max_bytes: int) -> None:
        """Say that a file is left out for its size."""
        self._note(column, f"{name} has {n_bytes:,} bytes; the limit is {max_bytes:,}.", "Leave it out, or shrink it.")

    def row(self) -> TableRow | Rejection:
        """The sample as one row without what could not be read, or why it cannot be one."""
        if self._problems and not (self._cells or self._images or self._has_image):
            first = self._problems[0]
            return Rejection(self._origin, first.reason, first.remedy, sku=self.key[:256])
        cells = {"__key__": self.key, **self._cells}
        images = {"image": self._images} if self._images else {}
        return TableRow(self._origin, {**cells, **images}, problems=tuple(self._problems))

    def _note(self, column: str, reason: str, remedy: str) -> None:
        self._problems.append(CellProblem(column, reason, remedy))

    def _add_image(self, data: bytes) -> None:
        if len(self._images) < MAX_IMAGES:
            self._images.append(data)
        elif not any(problem.column == "image" for problem in self._problems):
            self._note("image", f"The sample has more than {MAX_IMAGES} images; the first are read.", "Leave some out.")

    def _add_json(self, name: str, data: bytes) -> None:
        try:
            found = json.loads(data.decode("utf-8-sig", errors=FALLBACK), parse_constant=lambda constant: None)
        except (ValueError, RecursionError) as error:
            self._note("json", f"{name} is not JSON: {str(error)[:200]}.", "Write one JSON object.")
            return
        if isinstance(found, dict):
            self._cells.update(found)
        else:
            self._note("json", f"{name} is a JSON {type(found).__name__}.", "Write one JSON object.")


@dataclass(frozen=True, slots=True)
class SampleFolder:
    """A folder of images with a text or JSON file of the same name beside most of them, as img2dataset writes it.
    ``path`` stands for all files in it. The key is an image's path without the ending; images without a text are
    titled by their names."""

    path: Path
    columns: tuple[str, ...]
    n_rows: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def format(self) -> str:
        """Always ``folder``."""
        return "folder"

    def rows(self) -> Iterator[TableRow | Rejection]:
        """A row for each image, in the order of their paths."""
        folder = self.path.parent
        for found in Walk(folder):
            if isinstance(found, OSError):
                yield unreadable(str(found.filename or folder), found)
                continue
            image = found.relative_to(folder)
            sample = _Sample(image.with_suffix("").as_posix(), f"{folder.name}/{image.as_posix()}", has_image=True)
            for side in _sides(found):
                if (n_bytes := side.stat().st_size) <= MAX_MEMBER_BYTES:
                    sample.add_text(side.name, side.suffix[1:], side.read_bytes())
                else:
                    sample.note_too_large(side.name, side.suffix[1:], n_bytes, MAX_MEMBER_BYTES)
            row = sample.row()
            if isinstance(row, TableRow):
                own: dict[str, object] = {"title": title_of(found)} if len(row.cells) == 1 else {}
                place = {} if image.parent == Path() else {"folder": image.parent.as_posix()}
                cells = {**own, **place, **row.cells, "image": image.as_posix()}
                row = replace(row, cells=cells)
            yield row


def open_samples(folder: Path) -> SampleFolder | None:
    """A folder as samples, if at least half of its first images have a text or JSON file of their name beside them."""
    first = [found for found in islice(Walk(folder), N_PEEKED_ROWS) if isinstance(found, Path)]
    if 2 * sum(any(_sides(found)) for found in first) < max(1, len(first)):
        return None
    table = SampleFolder(folder / "*", ())
    return replace(table, columns=union_of_columns(table.rows()))


def _sides(image: Path) -> list[Path]:
    """The files of an image's name that say something of it."""
    return [side for ending in ("json", "txt", "caption") if (side := image.with_suffix(f".{ending}")).is_file()]


def open_webdataset(path: Path) -> WebDatasetTable:
    """Learn the columns from the first samples. Raises ``SourceError`` if there are none."""
    table = WebDatasetTable(path, ())
    columns = union_of_columns(table.rows())
    if not columns:
        raise SourceError(f"{path.name} is not a tar with readable samples.", remedy="Give a WebDataset shard.")
    return replace(table, columns=columns)


def _is_cut(path: Path) -> bool:
    """Whether an uncompressed tar ends without the blocks of zeros that end every tar."""
    with path.open("rb") as file:
        if file.read(262)[257:] != b"ustar":
            return False
        size = file.seek(0, 2)
        file.seek(max(0, size - tarfile.BLOCKSIZE))
        return size % tarfile.BLOCKSIZE != 0 or any(file.read())


def _split(name: str) -> tuple[str, str]:
    """A member's key and ending: ``a/b.seg.png`` to ``a/b`` and ``seg.png``; no ending for hidden files."""
    path = PurePosixPath(name)
    stem, _, ending = path.name.partition(".")
    return (str(path.parent / stem), ending.lower()) if stem else (name, "")
