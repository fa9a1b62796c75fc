"""Snapshots: named arrays in one file that is read whole or not at all, an NPZ archive followed by its SHA-256."""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import threading
import time
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from vitrina.search.index.base import MakeIndex, VectorIndex, restored_index
from vitrina.search.index.facet_index import FacetIndex
from vitrina.search.lexical.lexical_index import LexicalIndex
from vitrina.search.plugins import INDEXES, load_plugin
from vitrina.search.store.catalog import Catalog
from vitrina.search.store.store import VECTOR_INDEX, Store
from vitrina.search.types.errors import StorageError, VitrinaError
from vitrina.search.types.item import MODALITIES, EmbeddingRows, Modality
from vitrina.search.types.models import EncoderIdentity

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


log = logging.getLogger(__name__)

INTERVAL_S = 0.25
"""How often the catalog's sequence number is read. One read takes 0.1 ms; changes must be searchable within 2 s."""


class Synced(Protocol):
    """Something derived from a catalog, as an index replica is."""

    def catch_up(self) -> bool:
        """Apply what was committed since; returns whether anything was. Cheap if nothing was."""

    def save(self) -> bool:
        """Write a snapshot if enough changed; returns whether it did."""


class SyncThread:
    """A thread that keeps a replica caught up and writes its snapshot from time to time. Use as a context manager."""

    def __init__(self, replica: Synced, interval_s: float = INTERVAL_S) -> None:
        self.replica = replica
        self.interval_s = interval_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._sync, name="replica-sync", daemon=True)

    def __enter__(self) -> SyncThread:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        self._save()

    def _sync(self) -> None:
        last_error = ""
        while not self._stopped.wait(self.interval_s):
            try:
                idle = not self.replica.catch_up()
            except Exception as error:
                if str(error) != last_error:
                    last_error = str(error)
                    log.warning("The index replica could not catch up and tries again", exc_info=error)
                continue
            last_error = ""
            if idle:
                self._save()

    def _save(self) -> None:
        try:
            self.replica.save()
        except VitrinaError as error:
            log.warning("%s", error)


SNAPSHOT_EVERY = 0.1
"""A snapshot is written once this share of the rows is newer than the last one, so that catching up at start stays
cheap and a growing catalog is not written too often."""


class IndexReplica:
    """The image and text vectors of one index version, searchable, as the catalog has them at change ``sequence``, and
    beside them its words, in ``lexical``, and its items' values, in ``facets``."""

    def __init__(
        self, catalog: Catalog, identity: EncoderIdentity, version_id: int, path: Path, vector_index: str = VECTOR_INDEX
    ) -> None:
        """Load the snapshot at ``path``, if there is an intact one, then catch up. Blocks for as long as that takes.

        ``vector_index`` names a plug-in of the group ``vitrina.indexes``. Raises PluginError if there is none.
        """
        self.catalog = catalog
        self.version_id = version_id
        self.path = path
        self.sequence = 0
        self.lexical = LexicalIndex(catalog)
        self.facets = FacetIndex(catalog)
        self._make_index: MakeIndex = load_plugin(INDEXES, vector_index)
        self.indexes: dict[Modality, VectorIndex] = {m: self._make_index(identity.dimension) for m in MODALITIES}
        self._catching_up = threading.Lock()
        self._rows_since_snapshot = 0
        self._load(identity.dimension)
        self.catch_up()

    @classmethod
    def open(cls, store: Store, identity: EncoderIdentity, version_id: int) -> IndexReplica:
        """The replica of an encoder's index version, caught up. Blocks while a large catalog is read.

        Raises EncoderReplacedError where the version was dropped.
        """
        return cls(store.catalog, identity, version_id, store.snapshot_file(identity), store.vector_index)

    def __len__(self) -> int:
        return sum(len(index) for index in self.indexes.values())

    def catch_up(self) -> bool:
        """Apply what was committed since; returns whether anything was. Cheap if nothing was.

        Raises StorageError, and EncoderReplacedError where the index version was dropped.
        """
        with self._catching_up:
            self.lexical.catch_up()
            self.facets.catch_up()
            newest = self.catalog.sequence()
            if newest == self.sequence:
                return False
            if newest < self.sequence:
                log.warning(
                    "The catalog has gone back from change %d to %d: rebuilding the index", self.sequence, newest
                )
                self._rebuild()
                return True
            changes = self.catalog.changes(self.version_id, self.sequence)
            for modality, index in self.indexes.items():
                index.apply(changes.touched_items, changes.rows[modality])
            self.sequence = changes.sequence
            self._rows_since_snapshot += len(changes.touched_items) + sum(map(len, changes.rows.values()))
            return True

    def save(self, *, force: bool = False) -> bool:
        """Write the snapshot if enough changed since the last one (always with ``force``); returns whether it did.

        Catching up goes on meanwhile. Raises StorageError where the disk refuses; without ``force`` the next attempt
        comes after as many changes again, so that a full disk is not written to over and over.
        """
        with self._catching_up:
            if not force and self._rows_since_snapshot <= SNAPSHOT_EVERY * len(self):
                return False
            arrays = {
                f"{modality}_{name}": array
                for modality, index in self.indexes.items()
                for name, array in arrays_of(index.rows()).items()
            }
            head = {"catalog": np.array(self.catalog.name), "sequence": np.array(self.sequence)}
            self._rows_since_snapshot = 0
        write_snapshot(self.path, {**head, **arrays})
        return True

    def rebuild(self) -> None:
        """Delete the snapshot and build the indexes from the catalog again."""
        self.path.unlink(missing_ok=True)
        with self._catching_up:
            self._rebuild()
        self.save(force=True)

    def _rebuild(self) -> None:
        changes = self.catalog.changes(self.version_id, 0)
        for modality, rows in changes.rows.items():
            index = self._make_index(rows.vectors.shape[1])
            index.apply(changes.touched_items, rows)
            self.indexes[modality] = index
        self.sequence = changes.sequence
        self._rows_since_snapshot += len(self)

    def _load(self, dimension: int) -> None:
        try:
            arrays = read_snapshot(self.path)
            indexes = {m: self._restored(m, arrays, dimension) for m in MODALITIES}
            catalog, sequence = str(arrays["catalog"]), int(arrays["sequence"])
        except FileNotFoundError:
            return
        except (OSError, StorageError, ValueError, KeyError) as error:
            log.warning("%s; rebuilding the index from the catalog", error)
            return
        if catalog != self.catalog.name or sequence > self.catalog.sequence():
            log.warning("The snapshot %s is not of this catalog; rebuilding the index from the catalog", self.path)
            return
        self.indexes.update(indexes)
        self.sequence = sequence

    def _restored(self, modality: Modality, arrays: Mapping[str, NDArray[Any]], dimension: int) -> VectorIndex:
        vectors, row_ids, item_ids = (arrays[f"{modality}_{name}"] for name in ("vectors", "row_ids", "item_ids"))
        return restored_index(self._make_index, dimension, vectors, row_ids, item_ids)


def arrays_of(rows: EmbeddingRows) -> dict[str, NDArray[Any]]:
    """Rows as a snapshot names them."""
    return {"vectors": rows.vectors, "row_ids": rows.row_ids, "item_ids": rows.item_ids}
