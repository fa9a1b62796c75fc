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

from vitrina.search.encoders.base import Encoder, EncoderIdentity, LoadEncoder
from vitrina.search.encoders.open_clip import EMBEDDED, full_name
from vitrina.search.encoders.registry import ModelStore
from vitrina.search.index.replica import IndexReplica, discard_other_snapshots
from vitrina.search.reranking.base import Reranker, RerankerIdentity
from vitrina.search.reranking.fusion import FusionWeights, read_fusion_weights, write_fusion_weights
from vitrina.search.reranking.pipeline import RerankPipeline
from vitrina.search.retrieval.engine import SearchEngine
from vitrina.search.store.catalog import Catalog
from vitrina.search.store.feature_cache import FeatureCache, discard_other_features, features_file
from vitrina.search.store.images import ImageStore
from vitrina.search.store.index_versions import IndexVersion
from vitrina.search.types.calibration import Calibration, read_calibration, write_calibration
from vitrina.search.types.errors import EncoderError, NotFoundError, StorageError

CATALOG_FILE = "catalog.db"
FEATURES_FOLDER = "features"

MIN_PREFIX = 6
"""Digits of a fingerprint that name an encoder."""


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
        self.encoders = ModelStore(folder / "encoders")

    @classmethod
    def existing(cls, folder: Path) -> Store:
        """A home that something was indexed into. Raises NotFoundError where there is none."""
        if not (folder / CATALOG_FILE).is_file():
            raise NotFoundError(
                f"Nothing is indexed in {folder}.",
                remedy="Index a catalog first, as in: vitrina index products.csv (or try: vitrina demo).",
            )
        return cls(folder)

    def load_encoder(self, load: LoadEncoder, name: str | None = None) -> Encoder:
        """The encoder of that name; without a name the catalog's own, in a new home the embedded one.

        A name is one that ``load`` knows, the path of a folder, or the beginning of the fingerprint of an encoder that
        the catalog knows. Blocks for seconds. Raises EncoderError.
        """
        known = [space.identity for space in self.catalog.spaces()]
        if name is None:
            live = self.catalog.live_space()
            return load(EMBEDDED) if live is None else self.load_known(load, live)
        for identity in known:
            if len(name) >= MIN_PREFIX and identity.fingerprint.startswith(name):
                return self.load_known(load, identity)
        name = full_name(name)
        try:
            return load(name)
        except EncoderError:
            for identity in known:  # its folder is gone, its copy is not
                if identity.name == name and self.encoders.source_of(identity) != name:
                    return self.load_known(load, identity)
            raise

    def load_known(self, load: LoadEncoder, identity: EncoderIdentity) -> Encoder:
        """An encoder that the catalog knows, from the copy kept here if there is one. Raises EncoderError."""
        remedy = f"Put {identity.name} back as it was, or go over to another encoder: vitrina encoder use NAME."
        try:
            encoder = load(self.encoders.source_of(identity), known_as=identity.name)
        except EncoderError as error:
            raise EncoderError(f"The catalog's encoder cannot be loaded: {error.message}", remedy=remedy) from error
        if encoder.identity.fingerprint != identity.fingerprint:
            raise EncoderError(
                f"The encoder {identity.name!r} is not the one the catalog was embedded with any more: it was "
                f"{identity.fingerprint[:12]} and is {encoder.identity.fingerprint[:12]}.",
                remedy=remedy,
            )
        return encoder

    def open_space(self, encoder: Encoder) -> int:
        """The key of the live embedding space, which must be the encoder's; a new home takes the encoder as its own,
        and a copy of its folder.

        Raises EncoderError where the catalog was embedded with another.
        """
        identity, live = encoder.identity, self.catalog.live_space()
        if live is None:
            self.encoders.keep(identity)
        elif live.fingerprint != identity.fingerprint:
            raise EncoderError(
                f"The catalog in {self.folder} was embedded with the encoder {live.name!r} "
                f"({live.fingerprint[:12]}), not with {identity.name!r} ({identity.fingerprint[:12]}).",
                remedy="Leave out VITRINA_ENCODER to go on with the catalog's own, or embed the catalog anew: "
                f"vitrina encoder use {identity.name}.",
                details={"catalog": live.name, "given": identity.name},
            )
        return self.catalog.open_space(identity, live=True)

    def open_replica(self, encoder: Encoder) -> IndexReplica:
        """The vector indexes, caught up. Blocks while a large catalog is read. Raises EncoderError."""
        return self.replica_of(encoder.identity, self.open_space(encoder))

    def replica_of(self, identity: EncoderIdentity, space_id: int) -> IndexReplica:
        """The vector indexes of any space. Blocks as ``open_replica`` does."""
        return IndexReplica(self.catalog, identity, space_id, self.views)

    def drop_space(self, space: IndexVersion) -> None:
        """Forget a space with all that was kept for it. Raises StateError for the live one."""
        self.catalog.drop_space(space.id)
        self.tidy()

    def tidy(self) -> None:
        """Remove the snapshots and the encoders of spaces that are gone."""
        known = [space.identity for space in self.catalog.spaces()]
        self.encoders.discard_others(known)
        discard_other_snapshots(self.views, known)

    def open_engine(self, encoder: Encoder) -> SearchEngine:
        """Everything a query needs. Blocks and raises as ``open_replica`` does."""
        return self.engine_of(encoder, self.open_replica(encoder))

    def engine_of(self, encoder: Encoder, replica: IndexReplica) -> SearchEngine:
        """The engine over an open view, calibrated for this very catalog where it was. Raises EncoderError."""
        calibration = read_calibration(self._calibration_file(encoder.identity))
        return SearchEngine(self.catalog, encoder, replica, calibration)

    def keep_calibration(self, identity: EncoderIdentity, calibration: Calibration) -> Path:
        """Use a calibration in place of the encoder's own, from the next start on. Raises StorageError."""
        path = self._calibration_file(identity)
        write_calibration(path, calibration)
        return path

    def open_stage(self, reranker: Reranker) -> RerankPipeline:
        """What reranks the answers of any engine of this home, by the blend fitted to this very catalog where there is
        one, else by the model's own. The reranker stays the caller's to close. Raises RerankerError."""
        fusion_weights = read_fusion_weights(self._fusion_weights_file(reranker.identity))
        return RerankPipeline(self.images, reranker, fusion_weights)

    def feature_store(self, identity: RerankerIdentity) -> FeatureCache:
        """What a reranker in this process sees of pictures, kept for the next. The store is the caller's to close."""
        return FeatureCache(features_file(self.features, identity))

    def discard_other_features(self, identity: RerankerIdentity) -> None:
        """Forget what every other reranker saw. Raises StorageError."""
        discard_other_features(self.features, identity)

    def keep_fusion_weights(self, identity: RerankerIdentity, fusion_weights: FusionWeights) -> Path:
        """Use a blend in place of the reranker's own, from the next start on. Raises StorageError."""
        path = self._fusion_weights_file(identity)
        write_fusion_weights(path, fusion_weights)
        return path

    def _fusion_weights_file(self, identity: RerankerIdentity) -> Path:
        return self.folder / "blends" / f"{identity.key}.json"

    def _calibration_file(self, identity: EncoderIdentity) -> Path:
        return self.folder / "calibrations" / f"{identity.key}.json"

    def close(self) -> None:
        self.catalog.close()
        self.images.close()
