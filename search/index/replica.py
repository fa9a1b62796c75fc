"""Index replicas: a process's own copy of a catalog's vectors, words and values, and what keeps it up to date."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitrina.search.index.base import IndexReport, MaintainedIndex, MakeIndex, VectorIndex
from vitrina.search.index.facet_index import FacetIndex
from vitrina.search.index.name_index import NameIndex
from vitrina.search.index.shared import WAIT_S, SharedVectors
from vitrina.search.index.snapshot import MAPPED_BYTES, Snapshot, read_snapshot, write_snapshot
from vitrina.search.lexical.lexical_index import LexicalIndex
from vitrina.search.plugins import INDEXES, load_plugin
from vitrina.search.store.catalog import Catalog
from vitrina.search.store.store import RECALL, VECTOR_INDEX, Store
from vitrina.search.types.arrays import part_of
from vitrina.search.types.errors import StorageError
from vitrina.search.types.item import MODALITIES, EmbeddingRows, Modality
from vitrina.search.types.models import EncoderIdentity

log = logging.getLogger(__name__)

SNAPSHOT_EVERY = 0.1
"""A snapshot is written once this share of the rows is newer than the last one, so that catching up at start stays
cheap and a growing catalog is not written too often."""


class IndexReplica:
    """The image and text vectors of one index version, searchable, as the catalog has them at change ``sequence``, and
    beside them its words, in ``lexical``, its items' values, in ``facets``, and their ``names``."""

    def __init__(
        self,
        catalog: Catalog,
        identity: EncoderIdentity,
        version_id: int,
        path: Path,
        vector_index: str = VECTOR_INDEX,
        recall: float = RECALL,
        shared: SharedVectors | None = None,
    ) -> None:
        """Load the snapshot at ``path``, if there is an intact one, then catch up. Blocks for as long as that takes.

        ``vector_index`` names a plug-in of the group ``vitrina.indexes``, and ``recall`` is the share of the best rows
        that an approximate one should find; with ``shared`` the vectors are there instead. Raises PluginError if there
        is none.
        """
        self.catalog = catalog
        self.version_id = version_id
        self.path = path
        self.sequence = 0
        self._make: MakeIndex = load_plugin(INDEXES, vector_index)
        self._recall = recall
        self._shared = shared
        self._dimension = identity.dimension
        self.indexes: dict[Modality, VectorIndex] = {m: self._new_index(m) for m in MODALITIES}
        self._catching_up = threading.Lock()
        self._maintaining = threading.Lock()
        self._rows_since_snapshot = 0
        snapshot = self._snapshot()
        loaded = snapshot is not None and self._load(snapshot)
        if not loaded:
            self._read_catalog()
        self._catch_up(wait_s=-1)

    @classmethod
    def open(cls, store: Store, identity: EncoderIdentity, version_id: int) -> IndexReplica:
        """The replica of an encoder's index version, caught up. Blocks while a large catalog is read.

        Raises EncoderReplacedError where the version was dropped.
        """
        path = store.snapshot_file(identity)
        options = store.options
        shared = None if options.vectors is None else SharedVectors(store, options.vectors, identity, version_id)
        return cls(store.catalog, identity, version_id, path, options.vector_index, options.recall, shared)

    def __len__(self) -> int:
        return sum(len(index) for index in self.indexes.values())

    def catch_up(self) -> bool:
        """Apply what was committed since; returns whether anything was. Cheap if nothing was.

        Raises StorageError, and EncoderReplacedError where the index version was dropped.
        """
        changed = self._catch_up()
        self._maintain_beside()
        return changed

    def _catch_up(self, wait_s: float = WAIT_S) -> bool:
        with self._catching_up:
            for each in (self.facets, self.names):
                each.catch_up()
            shared = self._shared
            changed = self._catch_up_vectors() if shared is None else self._catch_up_shared(shared, wait_s)
            self.lexical.catch_up()  # the last: it may have to find out the catalog's language
            return changed

    def _catch_up_vectors(self) -> bool:
        newest = self.catalog.sequence()
        if newest == self.sequence:
            return False
        if newest < self.sequence:
            log.warning("The catalog has gone back from change %d to %d: rebuilding the index", self.sequence, newest)
            self._rebuild()
            return True
        changes = self.catalog.changes(self.version_id, self.sequence)
        for modality, index in self.indexes.items():
            index.apply(changes.touched_items, changes.rows[modality])
        self.sequence = changes.sequence
        self._rows_since_snapshot += len(changes.touched_items) + sum(map(len, changes.rows.values()))
        return True

    def _catch_up_shared(self, shared: SharedVectors, wait_s: float) -> bool:
        n_before = len(self)
        written = shared.catch_up(self.sequence, wait_s)
        changed, self.sequence = written != self.sequence, written
        self._rows_since_snapshot += abs(len(self) - n_before) + changed
        return changed

    def _maintained(self) -> list[MaintainedIndex]:
        return [index for index in self.indexes.values() if isinstance(index, MaintainedIndex)]

    def _maintain_beside(self) -> None:
        """Begin what the indexes have to do, in a thread of its own, unless one is at it."""
        if any(index.is_due() for index in self._maintained()) and self._maintaining.acquire(blocking=False):
            threading.Thread(target=self._maintain, name="index-maintenance", daemon=True).start()

    def _maintain(self) -> None:
        try:
            self.maintain()
        except Exception as error:
            log.warning("An index could not be maintained; it answers as before", exc_info=error)
        finally:
            self._maintaining.release()

    def maintain(self, n_threads: int = 1) -> None:
        """Build, fill or compact the indexes where that is due. Blocks, for minutes where there are millions of rows;
        searches and changes go on meanwhile."""
        for index in self._maintained():
            if index.is_due() and index.maintain(n_threads):
                self._rows_since_snapshot += len(self)

    def reports(self) -> dict[Modality, IndexReport]:
        """What each index is, and how well it finds."""
        return {m: index.report() for m, index in self.indexes.items() if isinstance(index, MaintainedIndex)}

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
                for name, array in state_of(index).items()
            }
            for name, each in (("lexical", self.lexical), ("facets", self.facets), ("names", self.names)):
                arrays |= {f"{name}_{part}": array for part, array in each.arrays().items()}
            reports = {modality: asdict(report) for modality, report in self.reports().items()}
            head = {"catalog": np.array(self.catalog.name), "sequence": np.array(self.sequence)}
            head["reports"] = np.array(json.dumps(reports))
            self._rows_since_snapshot = 0
        write_snapshot(self.path, {**head, **arrays})
        return True

    def rebuild(self) -> None:
        """Delete the snapshot and build the indexes from the catalog again, with all cores."""
        self.path.unlink(missing_ok=True)
        with self._catching_up:
            self._rebuild()
        self.maintain(os.cpu_count() or 1)
        self.save(force=True)

    def _rebuild(self) -> None:
        if self._shared is not None:
            self.sequence = self._shared.rebuild()
            return
        changes = self.catalog.changes(self.version_id, 0)
        for modality, rows in changes.rows.items():
            index = self._new_index(modality)
            index.apply(changes.touched_items, rows)
            self.indexes[modality] = index
        self.sequence = changes.sequence
        self._rows_since_snapshot += len(self)

    def _new_index(self, modality: Modality) -> VectorIndex:
        if self._shared is not None:
            return self._shared.indexes[modality]
        index = self._make(self._dimension)
        if isinstance(index, MaintainedIndex):
            index.recall = self._recall
        return index

    def _read_catalog(self) -> None:
        self.lexical, self.facets = LexicalIndex(self.catalog), FacetIndex(self.catalog)
        self.names = NameIndex(self.catalog)

    def _snapshot(self) -> Snapshot | None:
        """The snapshot, if there is an intact one of this catalog."""
        try:
            snapshot = read_snapshot(self.path, MAPPED_BYTES)
        except FileNotFoundError:
            return None
        except (OSError, StorageError) as error:
            log.warning("%s; rebuilding the index from the catalog", error)
            return None
        head = snapshot.arrays
        known = str(head.get("catalog")) == self.catalog.name
        if not known or int(head.get("sequence", 0)) > self.catalog.sequence():
            log.warning("The snapshot %s is not of this catalog; rebuilding the index from the catalog", self.path)
            return None
        return snapshot

    def _load(self, snapshot: Snapshot) -> bool:
        """Take over what a snapshot holds; returns whether it is whole."""
        arrays = snapshot.arrays
        try:
            indexes = {m: self._restored(m, arrays) for m in MODALITIES}
            self.lexical = LexicalIndex(self.catalog, part_of(arrays, "lexical_"))
            self.facets = FacetIndex(self.catalog, part_of(arrays, "facets_"))
            self.names = NameIndex(self.catalog, part_of(arrays, "names_"))
        except (ValueError, KeyError) as error:
            log.warning("The snapshot %s: %s; rebuilding the index from the catalog", self.path, error)
            return False
        self.indexes.update(indexes)
        if self._shared is None:
            self.sequence = int(arrays["sequence"])
        if snapshot.mapped:
            threading.Thread(target=self._check, args=(snapshot,), name="snapshot-check", daemon=True).start()
        return True

    def _check(self, snapshot: Snapshot) -> None:
        """Check what was only mapped, while it answers already."""
        try:
            snapshot.check()
        except (OSError, StorageError) as error:
            log.warning("%s Rebuilding the index from the catalog", error)
            self._read_catalog()
            self.rebuild()

    def _restored(self, modality: Modality, arrays: Mapping[str, NDArray[Any]]) -> VectorIndex:
        held = part_of(arrays, f"{modality}_")
        index = self._new_index(modality)
        if isinstance(index, MaintainedIndex):
            index.restore(held)
        else:
            rows = EmbeddingRows(held["row_ids"], held["item_ids"], held["vectors"])
            index.apply(np.empty(0, np.int64), rows)
        return index


def saved_reports(path: Path) -> dict[Modality, IndexReport]:
    """What each index was when the snapshot at ``path`` was written; nothing without an intact one."""
    try:
        known = json.loads(str(read_snapshot(path, REPORT_BYTES).arrays["reports"]))
    except (OSError, StorageError, KeyError):
        return {}
    return {modality: IndexReport(**known[modality]) for modality in MODALITIES if modality in known}


REPORT_BYTES = 1 << 16
"""Nothing larger is read for the reports."""


def state_of(index: VectorIndex) -> Mapping[str, NDArray[Any]]:
    """An index as a snapshot has it."""
    if isinstance(index, MaintainedIndex):
        return index.state()
    rows = index.rows()
    return {"vectors": rows.vectors, "row_ids": rows.row_ids, "item_ids": rows.item_ids}
