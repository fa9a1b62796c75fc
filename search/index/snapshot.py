"""Snapshots: named arrays in one file, checked by their SHA-256, whose large arrays are mapped and not read.

The arrays come first, each aligned to 64 bytes, then a directory of them as JSON with the digest of each, then the
directory's own digest and length.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from vitrina.search.types.errors import StorageError

MAGIC, OLD_MAGIC = b"VITRINA2", b"VITRINA1"
REMEDY = "It is rebuilt from the catalog; nothing is lost."
DIGEST_BYTES = hashlib.sha256().digest_size
TRAILER_BYTES = DIGEST_BYTES + 8 + len(MAGIC)
ALIGNED_BYTES = 64
CHUNK_BYTES = 1 << 22

MAPPED_BYTES = 1 << 26
"""Arrays from this size on are mapped, and checked after the file is open: a disk reads them in a tenth of a second."""

STALE_S = 3600.0
"""A half-written file this old was left by a process that was killed: no snapshot takes an hour to write."""


class DamagedSnapshotError(StorageError):
    """The file differs from what was written; readers rebuild from the catalog."""


@dataclass(frozen=True, slots=True)
class SnapshotSection:
    """An array in a file: where it lies, after the padding from ``first`` on, what it is, and the digest of both."""

    name: str
    first: int
    start: int
    end: int
    dtype: str
    shape: tuple[int, ...]
    digest: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The arrays of a file; those that are ``mapped`` are read as they are used, and not yet checked."""

    path: Path
    arrays: Mapping[str, NDArray[Any]]
    mapped: tuple[SnapshotSection, ...]
    file: BinaryIO | None = None

    def check(self) -> None:
        """Check what is mapped, once. Reads it all; raises DamagedSnapshotError if a byte differs."""
        if self.file is None:
            return
        with self.file as file:
            if any(digest(file, each.first, each.end) != each.digest for each in self.mapped):
                raise damaged(self.path)


def write_snapshot(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a new file beside ``path``, flush it to the disk, then rename: readers get the old or the new file, whole.

    Raises StorageError if the disk refuses; the old file is then untouched.
    """
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with fresh.open("wb") as file:
            write_sections(file, arrays)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        sweep(path)
    except OSError as error:
        with suppress(OSError):  # what stopped the write may stop this too
            fresh.unlink()
        raise StorageError(
            f"The snapshot {path} cannot be written: {error.strerror or error}.",
            remedy="Free some space; the catalog itself is complete, and the snapshot is written again next time.",
        ) from error


def write_sections(file: BinaryIO, arrays: Mapping[str, NDArray[Any]]) -> None:
    sections, at = [], 0
    for name, array in arrays.items():
        data = np.ascontiguousarray(array)
        padding = b"\0" * (-at % ALIGNED_BYTES)
        sha = hashlib.sha256(padding)
        file.write(padding)
        content = memoryview(data.reshape(-1).view(np.uint8).data) if data.size else memoryview(b"")
        for start in range(0, len(content), CHUNK_BYTES):
            sha.update(content[start : start + CHUNK_BYTES])
            file.write(content[start : start + CHUNK_BYTES])
        end = at + len(padding) + len(content)
        section = [name, at, at + len(padding), end, data.dtype.str, list(array.shape), sha.hexdigest()]
        sections.append(section)
        at = end
    directory = json.dumps(sections).encode()
    file.write(directory + hashlib.sha256(directory).digest() + len(directory).to_bytes(8, "little") + MAGIC)


def sweep(path: Path) -> None:
    """Delete files that killed processes left half-written beside ``path``."""
    for leftover in path.parent.glob(f".{path.name}.*"):
        with suppress(OSError):  # another process may delete or rename it first
            if time.time() - leftover.stat().st_mtime > STALE_S:
                leftover.unlink()


def read_snapshot(path: Path, mapped_bytes: int = MAPPED_BYTES) -> Snapshot:
    """The arrays of a file, read-only; those of ``mapped_bytes`` and more are mapped.

    Raises FileNotFoundError, or DamagedSnapshotError if a byte of what is read differs.
    """
    file = path.open("rb")
    try:
        sections = read_directory(path, file)
        large = tuple(section for section in sections if section.end - section.start >= mapped_bytes)
        arrays = {each.name: read_section(path, file, each) for each in sections if each not in large}
        if large:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            arrays |= {each.name: array_of(each, content, each.start) for each in large}
            return Snapshot(path, arrays, large, file)
    except BaseException:
        file.close()
        raise
    file.close()
    return Snapshot(path, arrays, ())


def read_directory(path: Path, file: BinaryIO) -> list[SnapshotSection]:
    """The sections of a file, which follow each other to its end."""
    n_bytes = file.seek(0, os.SEEK_END)
    if n_bytes < TRAILER_BYTES:
        raise damaged(path)
    file.seek(n_bytes - TRAILER_BYTES)
    trailer = file.read()
    n_directory = int.from_bytes(trailer[DIGEST_BYTES : DIGEST_BYTES + 8], "little")
    start = n_bytes - TRAILER_BYTES - n_directory
    if trailer.endswith(OLD_MAGIC):
        raise DamagedSnapshotError(f"The snapshot {path} was written by an older Vitrina.", remedy=REMEDY)
    if not trailer.endswith(MAGIC) or start < 0:
        raise damaged(path)
    file.seek(start)
    directory = file.read(n_directory)
    if hashlib.sha256(directory).digest() != trailer[:DIGEST_BYTES]:
        raise damaged(path)
    sections = [
        SnapshotSection(name, first, start, end, dtype, tuple(shape), sha)
        for name, first, start, end, dtype, shape, sha in json.loads(directory)
    ]
    if (sections[-1].end if sections else 0) != start:
        raise damaged(path)
    return sections


def read_section(path: Path, file: BinaryIO, section: SnapshotSection) -> NDArray[Any]:
    file.seek(section.first)
    data = file.read(section.end - section.first)
    if hashlib.sha256(data).hexdigest() != section.digest:
        raise damaged(path)
    return array_of(section, data, section.start - section.first)


def array_of(section: SnapshotSection, data: bytes | mmap.mmap, offset: int) -> NDArray[Any]:
    dtype = np.dtype(section.dtype)
    n = prod(section.shape)
    if not n:
        return np.empty(section.shape, dtype)
    return np.frombuffer(data, dtype, n, offset).reshape(section.shape)


def digest(file: BinaryIO, start: int, end: int) -> str:
    """The SHA-256 of a part of a file."""
    sha = hashlib.sha256()
    for first in range(start, end, CHUNK_BYTES):
        sha.update(os.pread(file.fileno(), min(CHUNK_BYTES, end - first), first))
    return sha.hexdigest()


def damaged(path: Path) -> DamagedSnapshotError:
    return DamagedSnapshotError(f"The snapshot {path} is damaged.", remedy=REMEDY)
