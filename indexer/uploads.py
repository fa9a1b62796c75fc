"""Files that strangers send: their names, the disk that they may fill, and archives of them, opened safely."""

from __future__ import annotations

import errno
import gzip
import lzma
import re
import shutil
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO, Final

from vitrina.indexer.sources.folder import IMAGE_SUFFIXES
from vitrina.search.plugins import SOURCES, registered
from vitrina.search.types.errors import SourceError, StorageError

RESERVED_BYTES = 256 * 2**20
"""What uploads leave free on the disk: the catalog and its index must still be written."""

NOT_ALLOWED: Final = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})

CHECK_EVERY_BYTES = 16 * 2**20
CHUNK_BYTES = 1 << 20
MAX_FILES = 500_000
"""Files in one archive."""

DAMAGED = (
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    lzma.LZMAError,
    struct.error,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What Python's readers raise on archives that are damaged, encrypted, or packed in a way that they do not know."""

MAX_UNPACKED_BYTES = 20 * 2**30

MAX_SCANNED = 10_000
"""Files of a compressed tar that are searched for a catalog: what is before them must be decompressed."""

MAX_NAME_CHARS = 100
_UNSAFE = re.compile(r"[^\w.+=@ -]+")


def safe_name(name: str) -> str:
    """A name for a file on this disk by what a stranger calls it: without folders, and without signs that a system
    reads as anything else. Its endings stay."""
    base = re.split(r"[/\\]", name)[-1]
    cleaned = _UNSAFE.sub("_", base).strip(" .")
    return cleaned[-MAX_NAME_CHARS:].lstrip(" .-") or "catalog"


def no_room(error: OSError) -> StorageError:
    """The error where the disk refuses what was sent."""
    what = "Make the store's folder writable" if error.errno in NOT_ALLOWED else "Free some space on the store's disk"
    return StorageError(
        f"What was sent cannot be written: {error.strerror or error}.", remedy=f"{what}, and send it again."
    )


class FreeDisk:
    """Watches over the free space of a folder's disk while something is written to it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._n_unchecked = CHECK_EVERY_BYTES

    def take(self, n_bytes: int) -> None:
        """Note that so many bytes will be written. Raises StorageError where they would leave too little."""
        self._n_unchecked += n_bytes
        if self._n_unchecked < CHECK_EVERY_BYTES:
            return
        self._n_unchecked = 0
        free = shutil.disk_usage(self._folder).free
        if free < RESERVED_BYTES + n_bytes:
            raise StorageError(
                f"The store's disk has {free:,} bytes left, of which {RESERVED_BYTES:,} are kept free.",
                remedy="Free some space, and send it again.",
            )


@dataclass(slots=True)
class Unpacker:
    """Unpacks archives into a folder: plain files alone, none outside it, and no more than ``max_bytes`` of all
    together. ``on_bytes`` is told how many there are so far, and may raise."""

    folder: Path
    max_bytes: int
    on_bytes: Callable[[int], None] = lambda _: None
    n_bytes: int = 0
    n_left_out: int = 0
    _disk: FreeDisk = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._disk = FreeDisk(self.folder)

    def unpack(self, archive: Path) -> None:
        """Unpack a zip or tar. Raises SourceError for one that is damaged, too large, encrypted, or has names that lead
        out of it, and StorageError where the disk refuses."""
        try:
            members = zip_members(archive) if archive.suffix.lower() == ".zip" else tar_members(archive)
            for number, (name, file) in enumerate(members, start=1):
                if number > MAX_FILES:
                    raise SourceError(
                        f"{archive.name} holds more than {MAX_FILES:,} files.", remedy="Pack the catalog in parts."
                    )
                if file is None:
                    self.n_left_out += 1
                    continue
                self._write(archive, self._path(archive, name), file)
        except DAMAGED as error:
            raise damaged(archive, error) from error
        except OSError as error:
            raise (no_room(error) if error.errno else damaged(archive, error)) from error  # bz2 gives none

    def decompress(self, file: Path) -> Path:
        """Decompress a gzip file beside it; returns the new one. Raises as ``unpack`` does."""
        target = file.with_suffix(".tar" if file.suffix.lower() == ".tgz" else "")
        try:
            with gzip.open(file) as source:
                self._write(file, target, source)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise damaged(file, error) from error
        except OSError as error:
            raise no_room(error) from error
        file.unlink()
        return target

    def _path(self, archive: Path, name: str) -> Path:
        parts = PurePosixPath(name.replace("\\", "/")).parts
        is_outside = not parts or ".." in parts or parts[0].startswith("/") or ":" in parts[0] or "\0" in name
        if is_outside:
            raise SourceError(
                f"{archive.name} holds a file {name[:200]!r}, which leads out of it.", remedy="Pack the folder again."
            )
        return self.folder.joinpath(*parts)

    def _write(self, archive: Path, path: Path, source: IO[bytes] | gzip.GzipFile) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as target:
            while chunk := source.read(CHUNK_BYTES):
                self.n_bytes += len(chunk)
                if self.n_bytes > self.max_bytes:
                    raise SourceError(
                        f"{archive.name} has more than {self.max_bytes:,} bytes when it is unpacked.",
                        remedy="Split it, or raise VITRINA_MAX_UNPACKED_BYTES.",
                    )
                self._disk.take(len(chunk))
                target.write(chunk)
                self.on_bytes(self.n_bytes)


@contextmanager
def unpacked(location: str, max_bytes: int = MAX_UNPACKED_BYTES) -> Iterator[str]:
    """The catalog in a zip or tar, unpacked as long as this lasts; any other file or folder as it is.

    Raises as ``Unpacker.unpack`` does, and SourceError where it cannot be told which file is the catalog.
    """
    archive = Path(location).expanduser()
    is_zip = archive.suffix.lower() == ".zip"
    if not (archive.is_file() and (is_zip or is_packed_catalog(archive))):
        yield location
        return
    with tempfile.TemporaryDirectory(prefix="vitrina-") as folder:
        unpacker = Unpacker(Path(folder), max_bytes)
        unpacker.unpack(archive)
        try:
            catalog = catalog_in(unpacker.folder)
        except SourceError as error:
            message = error.message.replace("It holds", f"{archive.name} holds", 1)
            raise SourceError(message, remedy="Unpack it, and index the file with the products.") from error
        yield str(catalog)


def damaged(archive: Path, error: Exception) -> SourceError:
    """The error of an archive that cannot be read."""
    return SourceError(f"{archive.name} cannot be unpacked: {str(error)[:200]}.", remedy="Pack or download it again.")


def zip_members(archive: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    """The files of a zip, each open; None for one that is no plain file."""
    with zipfile.ZipFile(archive) as packed:
        for info in packed.infolist():
            if info.is_dir():
                continue
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG):
                yield info.filename, None
                continue
            with packed.open(info) as file:
                yield info.filename, file


def tar_members(archive: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    """The files of a tar, each open; None for one that is no plain file."""
    with tarfile.open(archive, "r|*") as packed:
        for member in packed:
            if member.isdir():
                continue
            file = packed.extractfile(member) if member.isreg() else None
            yield member.name, file


def is_packed_catalog(archive: Path) -> bool:
    """Whether a file is a tar of a folder with a catalog file in it, and no WebDataset."""
    endings = catalog_endings()
    if ending_of(archive.name) not in ("tar", "tgz"):
        return False
    n_scanned = None if archive.suffix.lower() == ".tar" else MAX_SCANNED
    try:
        with tarfile.open(archive) as packed:
            return any(member.isreg() and ending_of(member.name) in endings for member in islice(packed, n_scanned))
    except (*DAMAGED, OSError):
        return False  # its reader says what is wrong


def catalog_endings() -> frozenset[str]:
    """The endings of catalog files in archives. A text or JSON file may also belong to a single image."""
    return frozenset(registered(SOURCES)) - {"folder", "tar", "txt", "json", "html", "htm"}


def ending_of(name: str) -> str:
    """A file name's last ending, that of a compressed one the one before: ``csv`` for ``products.csv.gz``."""
    suffixes = [each.lower().lstrip(".") for each in PurePosixPath(name).suffixes[-2:]]
    return suffixes[0] if len(suffixes) == 2 and suffixes[1] == "gz" else "".join(suffixes[-1:])


def catalog_in(folder: Path, wanted: str = "") -> Path:
    """What to index of an unpacked archive: the file that is ``wanted``, else its only catalog file, else the folder of
    its images. Raises SourceError where that cannot be told."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and is_shown(path.relative_to(folder)))
    if wanted:
        named = [path for path in files if path.relative_to(folder).as_posix().endswith(wanted.strip("/"))]
        if len(named) == 1:
            return named[0]
        raise SourceError(f"There is no file {wanted[:200]!r} in it.", remedy=f"It holds: {names_in(folder, files)}.")
    images = any(path.suffix.lower() in IMAGE_SUFFIXES for path in files)
    others = ("json", "tar") if images else ("json", "tar", "txt", "html", "htm")
    found = shallowest(files, catalog_endings()) or shallowest(files, others)
    if len(found) == 1:
        return found[0]
    if found and not (images and ending_of(found[0].name) in others):  # beside images such files may be about each
        raise SourceError(
            f"It holds several catalog files: {names_in(folder, found)}.", remedy='Name the one to index as "catalog".'
        )
    if not images:
        raise SourceError(
            f"It holds neither a catalog file nor images: {names_in(folder, files)}.", remedy="Pack the catalog again."
        )
    return without_wrapper(folder)


def shallowest(files: Sequence[Path], endings: Collection[str]) -> list[Path]:
    """Of the files with one of the endings those in the fewest folders."""
    found = [path for path in files if ending_of(path.name) in endings]
    depth = min((len(path.parts) for path in found), default=0)
    return [path for path in found if len(path.parts) == depth]


def without_wrapper(folder: Path) -> Path:
    """The folder, or the one that is all that is in it, as archivers add."""
    shown = [path for path in folder.iterdir() if is_shown(path.relative_to(folder))]
    return without_wrapper(shown[0]) if len(shown) == 1 and shown[0].is_dir() else folder


def is_shown(path: Path) -> bool:
    """Whether a file is none that a system hides."""
    return not any(part.startswith((".", "__MACOSX")) for part in path.parts)


def names_in(folder: Path, files: list[Path]) -> str:
    """Some of the files' names."""
    shown = ", ".join(path.relative_to(folder).as_posix()[:100] for path in files[:10])
    return f"{shown} and {len(files) - 10:,} more" if len(files) > 10 else shown or "nothing"
