"""Snapshots: named arrays in one file that is read whole or not at all, an NPZ archive followed by its SHA-256."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from vitrina.search.types.errors import StorageError

MAGIC = b"VITRINA1"
TRAILER_BYTES = hashlib.sha256().digest_size + len(MAGIC)
CHUNK_BYTES = 1 << 22
STALE_S = 3600.0
"""A half-written file this old was left by a process that was killed: no snapshot takes an hour to write."""


class DamagedSnapshotError(StorageError):
    """The file differs from what was written; readers rebuild from the catalog."""


def write_snapshot(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a new file beside ``path``, flush it to the disk, then rename: readers get the old or the new file, whole.

    Raises StorageError if the disk refuses; the old file is then untouched.
    """
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with fresh.open("w+b") as file:
            np.savez(file, allow_pickle=False, **arrays)
            n_bytes = file.seek(0, os.SEEK_END)
            file.write(digest(file, n_bytes) + MAGIC)
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


def sweep(path: Path) -> None:
    """Delete files that killed processes left half-written beside ``path``."""
    for leftover in path.parent.glob(f".{path.name}.*"):
        with suppress(OSError):  # another process may delete or rename it first
            if time.time() - leftover.stat().st_mtime > STALE_S:
                leftover.unlink()


def read_snapshot(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a file. Raises FileNotFoundError, or DamagedSnapshotError if a byte differs."""
    with path.open("rb") as file:
        n_bytes = file.seek(0, os.SEEK_END) - TRAILER_BYTES
        if n_bytes < 0:
            raise damaged(path)
        expected = digest(file, n_bytes) + MAGIC
        if file.read() != expected:
            raise damaged(path)
        file.seek(0)
        try:
            with np.load(file, allow_pickle=False) as archive:
                return dict(archive)
        except (ValueError, zipfile.BadZipFile) as error:
            raise damaged(path) from error


def digest(file: BinaryIO, n_bytes: int) -> bytes:
    """SHA-256 of the first n bytes; leaves the file positioned after them."""
    file.seek(0)
    sha = hashlib.sha256()
    while n_bytes > 0:
        chunk = file.read(min(CHUNK_BYTES, n_bytes))
        sha.update(chunk)
        n_bytes -= len(chunk)
    return sha.digest()


def damaged(path: Path) -> DamagedSnapshotError:
    return DamagedSnapshotError(
        f"The snapshot {path} is damaged.", remedy="It is rebuilt from the catalog; nothing is lost."
    )
