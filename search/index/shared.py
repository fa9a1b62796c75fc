"""Vectors outside this process, which the services of one catalog share: one at a time brings them up to date."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from filelock import Timeout

from vitrina.search.index.base import SharedIndex
from vitrina.search.store.store import Store
from vitrina.search.types.item import MODALITIES, Modality
from vitrina.search.types.models import EncoderIdentity

log = logging.getLogger(__name__)

WAIT_S = 0.5
"""So long a service waits for its turn before it goes on with what another has written so far."""

CHECK_EVERY_S = 5.0
"""How often a service asks whether the rows are still there, when the catalog has not changed."""


class SharedVectors:
    """The rows of one index version in Milvus. The change of the catalog up to which they are written is kept beside
    them, and moves on after they do: what a killed process had begun is done again by the next."""

    def __init__(self, store: Store, address: str, identity: EncoderIdentity, version_id: int) -> None:
        from vitrina.search.index.milvus import MilvusIndex  # an extra, and half a second to import
        from vitrina.search.index.milvus_server import MilvusServer

        self._catalog = store.catalog
        self._version_id = version_id
        self._lock = store.vectors_lock()
        self._server = MilvusServer(address)
        self._prefix = f"vitrina_{re.sub(r'[^0-9A-Za-z]', '_', store.catalog.name)}_"
        self._name = f"{self._prefix}{version_id}"
        self._checked_at = 0.0
        with self._turn(-1):
            self._forget_lost()
            self.indexes: Mapping[Modality, SharedIndex] = {
                modality: MilvusIndex(self._server, collection, identity.dimension, store.options.recall)
                for modality, collection in self._collections().items()
            }
            self._drop_others()

    @contextmanager
    def _turn(self, wait_s: float) -> Iterator[None]:
        """Have the turn to write. Raises filelock.Timeout after ``wait_s``, unless that is below 0."""
        try:
            self._lock.acquire(timeout=WAIT_S if wait_s < 0 else wait_s)
        except Timeout:
            if wait_s >= 0:
                raise
            log.warning("Waiting for another process that writes vectors to %s", self._server)
            self._lock.acquire()
        try:
            yield
        finally:
            self._lock.release()

    def _collections(self) -> dict[Modality, str]:
        return {modality: f"{self._name}_{modality}" for modality in MODALITIES}

    def _forget_lost(self) -> bool:
        """Begin with the first change again where a collection is missing; returns whether one is."""
        is_lost = not set(self._collections().values()) <= set(self._server.collections())
        if is_lost:
            self._server.keep_sequence(self._name, 0)  # before an empty one takes its place
        return is_lost

    def _drop_others(self) -> None:
        """Drop the collections of this catalog's index versions that are gone."""
        there = [name for name in self._server.collections() if name.startswith(self._prefix)]
        known = {str(version.id) for version in self._catalog.index_versions()} | {str(self._version_id)}
        for name in there:
            if name.removeprefix(self._prefix).partition("_")[0] not in known:
                self._server.drop(name)

    def catch_up(self, known: int, wait_s: float = WAIT_S) -> int:
        """Write what was committed since the last write, unless another service has; ``known`` is the change that
        this process has seen so far. Returns the change up to which rows are written. Waits ``wait_s`` seconds for
        its turn, below 0 for as long as it takes.

        Raises StorageError, and EncoderReplacedError where the index version was dropped.
        """
        now = time.monotonic()
        if self._catalog.sequence() == known and now < self._checked_at + CHECK_EVERY_S:
            return known
        try:
            with self._turn(wait_s):
                self._checked_at = now
                return self._written(known)
        except Timeout:
            return known

    def _written(self, known: int) -> int:
        self._forget_lost()
        for index in self.indexes.values():
            index.make()
        written = self._server.sequence(self._name)
        newest = self._catalog.sequence()
        if written > newest:
            log.warning("The catalog has gone back from change %d to %d: writing all vectors again", written, newest)
            self.clear()
            written = 0
        if written == newest:
            if written != known:
                for index in self.indexes.values():
                    index.refresh()
            return written
        changes = self._catalog.changes(self._version_id, written)
        for modality, index in self.indexes.items():
            index.apply(changes.touched_items, changes.rows[modality])
        self._server.keep_sequence(self._name, changes.sequence)
        return changes.sequence

    def rebuild(self) -> int:
        """Delete all rows and write them again; returns the change of the catalog that they are of."""
        with self._turn(-1):
            self.clear()
            return self._written(0)

    def clear(self) -> None:
        """Delete all rows."""
        self._server.keep_sequence(self._name, 0)
        for index in self.indexes.values():
            index.clear()
