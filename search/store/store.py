"""A home: the folder that holds one catalog with everything derived from it.

::

    catalog.db        the truth: items, pictures' names, embeddings
    pictures.db       the pictures, by the hash of their content
    encoders/         copies of the encoders' folders
    calibrations/     how sure hits are, fitted to this very catalog, one file an encoder
    blends/           how much rerankers count, fitted to this very catalog, one file a reranker
    views/            snapshots of the vector indexes; may be deleted at any time
    features/         what rerankers in this process saw of pictures, one file a model; may be deleted at any time
    dead-letters/     rows that could not be indexed, one file a run
"""

from __future__ import annotations

from pathlib import Path

from vitrina.search.store.catalog import Catalog
from vitrina.search.store.feature_cache import FeatureCache, discard_other_features, features_file
from vitrina.search.store.images import ImageStore
from vitrina.search.store.index_versions import IndexVersion
from vitrina.search.store.models import ModelStore
from vitrina.search.types.calibration import Calibration, read_calibration, write_calibration
from vitrina.search.types.errors import EncoderError, NotFoundError, StorageError
from vitrina.search.types.models import EncoderIdentity, RerankerIdentity

CATALOG_FILE = "catalog.db"
FEATURES_FOLDER = "features"


class Store:
    """The catalog and its pictures; needs no encoder. Makes the folder where there is none.

    Raises StorageError where the folder cannot be made or the catalog cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.dead_letters = folder / "dead-letters"
        self.views = folder / "views"
        self.features = folder / FEATURES_FOLDER
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"The home folder {folder} cannot be made: {error.strerror}.",
                remedy="Choose another folder with --home or VITRINA_HOME.",
            ) from error
        self.catalog = Catalog(folder / CATALOG_FILE)
        self.images = ImageStore(folder / "pictures.db")
        self.models = ModelStore(folder / "encoders")

    @classmethod
    def existing(cls, folder: Path) -> Store:
        """A home that something was indexed into. Raises NotFoundError where there is none."""
        if not (folder / CATALOG_FILE).is_file():
            raise NotFoundError(
                f"Nothing is indexed in {folder}.",
                remedy="Index a catalog first, as in: vitrina index products.csv (or try: vitrina demo).",
            )
        return cls(folder)

    def open_index_version(self, identity: EncoderIdentity) -> int:
        """The key of the active index version, which must be this encoder's; in a new store it is made.

        Raises EncoderError where the catalog was embedded with another.
        """
        live = self.catalog.live_space()
        if live is not None and live.fingerprint != identity.fingerprint:
            raise EncoderError(
                f"The catalog in {self.folder} was embedded with the encoder {live.name!r} "
                f"({live.fingerprint[:12]}), not with {identity.name!r} ({identity.fingerprint[:12]}).",
                remedy="Leave out VITRINA_ENCODER to go on with the catalog's own, or embed the catalog with the "
                f"other one: vitrina encoder use {identity.name}.",
                details={"catalog": live.name, "given": identity.name},
            )
        return self.catalog.open_space(identity, live=True)

    def drop_space(self, space: IndexVersion) -> None:
        """Forget a space with all that was kept for it. Raises StateError for the live one."""
        self.catalog.drop_space(space.id)
        self.tidy()

    def tidy(self) -> None:
        """Remove the snapshots and the encoders of spaces that are gone."""
        known = [space.identity for space in self.catalog.spaces()]
        self.models.discard_others(known)
        for snapshot in set(self.views.glob("*.snapshot")) - {self.snapshot_file(identity) for identity in known}:
            snapshot.unlink(missing_ok=True)

    def snapshot_file(self, identity: EncoderIdentity) -> Path:
        """Where the snapshot of an encoder's index replica is. It may be deleted at any time."""
        return self.views / f"{identity.key}.snapshot"

    def calibration(self, identity: EncoderIdentity) -> Calibration | None:
        """The encoder's calibration for this very catalog, or None where none was fitted. Raises EncoderError."""
        return read_calibration(self._calibration_file(identity))

    def keep_calibration(self, identity: EncoderIdentity, calibration: Calibration) -> Path:
        """Use a calibration in place of the encoder's own, from the next start on. Raises StorageError."""
        path = self._calibration_file(identity)
        write_calibration(path, calibration)
        return path

    def feature_store(self, identity: RerankerIdentity) -> FeatureCache:
        """What a reranker in this process sees of pictures, kept for the next. The store is the caller's to close."""
        return FeatureCache(features_file(self.features, identity))

    def discard_other_features(self, identity: RerankerIdentity) -> None:
        """Forget what every other reranker saw. Raises StorageError."""
        discard_other_features(self.features, identity)

    def fusion_weights_file(self, identity: RerankerIdentity) -> Path:
        """Where a reranker's fusion weights are that were fitted to this very catalog; it may not exist."""
        return self.folder / "blends" / f"{identity.key}.json"

    def _calibration_file(self, identity: EncoderIdentity) -> Path:
        return self.folder / "calibrations" / f"{identity.key}.json"

    def close(self) -> None:
        self.catalog.close()
        self.images.close()
