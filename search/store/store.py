"""A store: the folder of one catalog, with its database, images, features, copies of encoders, and locks."""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout

from vitrina.search.store.catalog import Catalog
from vitrina.search.store.database import is_made, open_server
from vitrina.search.store.feature_cache import FeatureCache, discard_other_features, features_file
from vitrina.search.store.fingerprints import Fingerprints
from vitrina.search.store.images import ImageStore
from vitrina.search.store.index_versions import IndexVersion
from vitrina.search.store.jobs import Jobs
from vitrina.search.store.object_storage import ObjectStorage
from vitrina.search.store.postgres import IMAGES_LOCK, IMPORT_LOCK, JOBS_LOCK, VECTORS_LOCK, AdvisoryLock
from vitrina.search.store.web_images import WebImages
from vitrina.search.types.calibration import Calibration, read_calibration, write_calibration
from vitrina.search.types.errors import EncoderError, NotFoundError, StorageError
from vitrina.search.types.models import LOCAL_PREFIX, EncoderIdentity, RerankerIdentity
from vitrina.search.types.trust import Trust, read_trust, write_trust


class ModelStore:
    """One folder for each encoder, named after its fingerprint. Encoders that open_clip downloads are not copied: they
    stay in open_clip's own cache."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def source_of(self, identity: EncoderIdentity) -> str:
        """The name to load an encoder by: that of its copy, or its own if there is none."""
        copy = self.folder / identity.key
        return f"{LOCAL_PREFIX}{copy}" if copy.is_dir() else identity.name

    def keep(self, identity: EncoderIdentity, folder: Path) -> None:
        """Copy the encoder's ``folder`` with everything in it, or bring its copy up to date. Raises StorageError."""
        copy = self.folder / identity.key
        if folder == copy:
            return
        try:
            shutil.copytree(folder, copy, copy_function=copy_file, dirs_exist_ok=True)
        except OSError as error:  # shutil.Error, for several files, is one too
            raise StorageError(
                f"The encoder in {folder} cannot be copied to {copy}: {error.strerror or error}.",
                remedy="Free some space and run the same command again.",
            ) from error

    def discard_others(self, known: Collection[EncoderIdentity]) -> None:
        """Remove the copies of every encoder but these."""
        for copy in self.folder.glob("*"):
            if copy.name not in {identity.key for identity in known}:
                shutil.rmtree(copy, ignore_errors=True)  # the next call tries again


def copy_file(source: str, target: str) -> str:
    """Copy a file so that concurrent readers of ``target`` see the old or the new one, whole; skips equal files."""
    if os.path.exists(target) and filecmp.cmp(source, target):
        return target
    fresh = f"{target}.{uuid4().hex}.part"  # of its own, since another process may copy the same file
    try:
        shutil.copy2(source, fresh)
        os.replace(fresh, target)
    finally:
        Path(fresh).unlink(missing_ok=True)
    return target


def wait_for(lock: FileLock | AdvisoryLock, still_waiting: Callable[[], None]) -> None:
    """Acquire a lock that another process has, with a call about once a second."""
    while True:
        try:
            lock.acquire(timeout=1.0)
            return
        except Timeout:
            still_waiting()


CATALOG_FILE = "catalog.db"
FEATURES_FOLDER = "features"

VECTOR_INDEX = "faiss"
"""The vector index that is used by default."""

RECALL = 0.95
"""The share of the best rows that an approximate vector index should find."""


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """What a store keeps outside of its folder, and how it is searched.

    ``vector_index`` names the engine of its index replicas, a plug-in of the group ``vitrina.indexes``, and ``recall``
    is what they aim at. With ``database``, the address of a PostgreSQL database, catalog and images are there, and
    stores of several machines share them; ``images`` is the address of object storage for the images' bytes, and
    ``vectors`` that of a Milvus server that searches the vectors in place of an index in this process.
    """

    vector_index: str = VECTOR_INDEX
    recall: float = RECALL
    database: str | None = None
    images: str | None = None
    vectors: str | None = None


class Store:
    """A data directory, made if it does not exist; opening it needs no encoder. Raises StorageError where the folder
    cannot be made or the catalog cannot be read."""

    def __init__(self, folder: Path, options: StoreOptions = StoreOptions()) -> None:
        self.folder = folder
        self.options = options
        self.dead_letters = folder / "dead-letters"
        self.snapshots = folder / "snapshots"
        self.features = folder / FEATURES_FOLDER
        try:
            if not folder.is_dir():
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"The store {folder} cannot be made: {error.strerror}.",
                remedy="Choose another folder with --store or VITRINA_STORE.",
            ) from error
        self.uploads = folder / "uploads"
        self.last_run = folder / "last-run.json"
        self._server = None if options.database is None else open_server(options.database)
        self.catalog = Catalog(self._server or folder / CATALOG_FILE)
        self.jobs = Jobs(self.catalog.database)
        storage = None if options.images is None else ObjectStorage(options.images)
        self.images = ImageStore(self._server.beside(IMAGES_LOCK) if self._server else folder / "pictures.db", storage)
        self.fingerprints = Fingerprints(self.images)
        self.web_images = WebImages(self.images)
        self.models = ModelStore(folder / "encoders")
        shutil.rmtree(folder / "views", ignore_errors=True)  # where older versions had their snapshots

    @classmethod
    def existing(cls, folder: Path, options: StoreOptions = StoreOptions()) -> Store:
        """A store that something was indexed into. Raises NotFoundError if there is none."""
        database = options.database
        is_there = (folder / CATALOG_FILE).is_file() if database is None else is_made(database)
        if not is_there:
            raise NotFoundError(
                f"Nothing is indexed in {folder if database is None else 'the database'}.",
                remedy="Index a catalog first, as in: vitrina index products.csv (or try: vitrina demo).",
            )
        return cls(folder, options)

    @contextmanager
    def importing(
        self, on_wait: Callable[[], None] = lambda: None, still_waiting: Callable[[], None] = lambda: None
    ) -> Iterator[None]:
        """The turn of one import at a time, among all processes; calls ``on_wait`` if another has it, and blocks until
        that ends. ``still_waiting`` is called about once a second meanwhile, and may raise. Raises StorageError where
        the folder cannot be written to."""
        lock = self._lock("import.lock", IMPORT_LOCK)
        try:
            try:
                lock.acquire(timeout=0)
            except Timeout:
                on_wait()
                wait_for(lock, still_waiting)
        except OSError as error:
            raise StorageError(
                f"Nothing can be written to the store {self.folder}: {error.strerror or error}.",
                remedy="Check the folder's permissions, or choose another with --store.",
            ) from error
        try:
            yield
        finally:
            lock.release()

    def job_lock(self) -> FileLock | AdvisoryLock:
        """What the one service has that does the store's jobs."""
        return self._lock("jobs.lock", JOBS_LOCK)

    def vectors_lock(self) -> FileLock | AdvisoryLock:
        """What the one process has that writes the vectors to where several share them."""
        return self._lock("vectors.lock", VECTORS_LOCK)

    def _lock(self, file: str, key: int) -> FileLock | AdvisoryLock:
        """A lock among all processes that have this store open: a file in its folder, or one of the server."""
        if self._server is not None:
            return AdvisoryLock(self._server, key)
        return FileLock(self.folder / file, is_singleton=False)

    def open_index_version(self, identity: EncoderIdentity) -> int:
        """The key of the active index version, which must be this encoder's; in a new store it is made.

        Raises EncoderError where the catalog was embedded with another.
        """
        active = self.catalog.active_encoder()
        if active is not None and active.fingerprint != identity.fingerprint:
            raise EncoderError(
                f"The catalog in {self.folder} was embedded with the encoder {active.name!r} "
                f"({active.fingerprint[:12]}), not with {identity.name!r} ({identity.fingerprint[:12]}).",
                remedy="Leave out VITRINA_ENCODER to go on with the catalog's own, or embed the catalog with the "
                f"other one: vitrina encoder use {identity.name}.",
                details={"catalog": active.name, "given": identity.name},
            )
        return self.catalog.open_index_version(identity, active=True)

    def drop_index_version(self, version: IndexVersion) -> None:
        """Delete an index version with everything that was kept for it. Raises StateError for the active one."""
        self.catalog.drop_index_version(version.id)
        self.discard_unused()

    def discard_unused(self) -> None:
        """Delete the snapshots and the copies of encoders whose index versions are gone."""
        known = [version.identity for version in self.catalog.index_versions()]
        self.models.discard_others(known)
        for snapshot in set(self.snapshots.glob("*.snapshot")) - {self.snapshot_file(identity) for identity in known}:
            snapshot.unlink(missing_ok=True)

    def snapshot_file(self, identity: EncoderIdentity) -> Path:
        """The snapshot of an encoder's index replica; it may not exist, and may be deleted at any time."""
        return self.snapshots / f"{identity.key}.snapshot"

    def calibration(self, identity: EncoderIdentity) -> Calibration | None:
        """The encoder's calibration for this catalog, or None if none was fitted. Raises EncoderError."""
        return read_calibration(self._calibration_file(identity))

    def keep_calibration(self, identity: EncoderIdentity, calibration: Calibration) -> Path:
        """Use a calibration in place of the encoder's own, from the next start on. Raises StorageError."""
        path = self._calibration_file(identity)
        write_calibration(path, calibration)
        return path

    def trust(self, identity: EncoderIdentity) -> Trust | None:
        """How far the encoder's vectors can be trusted on this catalog, or None if that was not measured. Raises
        StorageError."""
        return read_trust(self._calibration_file(identity))

    def keep_trust(self, identity: EncoderIdentity, trust: Trust) -> None:
        """Use a measured trust from the next start on. Raises StorageError."""
        write_trust(self._calibration_file(identity), trust)

    def feature_cache(self, identity: RerankerIdentity) -> FeatureCache:
        """The features of images that a reranker computed. The cache is the caller's to close."""
        return FeatureCache(features_file(self.features, identity))

    def discard_other_features(self, identity: RerankerIdentity) -> None:
        """Delete the features of every other reranker. Raises StorageError."""
        discard_other_features(self.features, identity)

    def fusion_weights_file(self, identity: RerankerIdentity) -> Path:
        """The file of a reranker's fusion weights for this catalog; it exists only if they were fitted."""
        return self.folder / "blends" / f"{identity.key}.json"

    def _calibration_file(self, identity: EncoderIdentity) -> Path:
        return self.folder / "calibrations" / f"{identity.key}.json"

    def close(self) -> None:
        self.catalog.close()
        self.images.close()
