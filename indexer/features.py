"""A reranker's image features, computed while a catalog is indexed, of the pixels that are decoded for it anyway."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping

from PIL import Image

from vitrina.search.reranking.base import PrecomputesFeatures, RerankCandidate, Reranker
from vitrina.search.store.store import Store
from vitrina.search.types.errors import VitrinaError

log = logging.getLogger(__name__)


class FeatureStage:
    """Computes the features of new items' first images, and caches them in the store.

    ``open_`` opens the reranker, once, when the first image is there. A reranker that fails becomes the ``problem``,
    and stops no indexing: it computes the features when it is used. Safe to use from several threads.
    """

    def __init__(self, store: Store, open_: Callable[[], Reranker]) -> None:
        self.problem: VitrinaError | None = None
        self.n_computed = 0
        self._store = store
        self._open = open_
        self._lock = threading.Lock()
        self._reranker: Reranker | None = None

    @property
    def reranker(self) -> Reranker:
        """The reranker, opened when it is first asked for. Blocks, mostly for a second. Raises RerankerError and
        StorageError."""
        with self._lock:
            if self._reranker is None:
                self._reranker = self._open()
                self._store.discard_other_features(self._reranker.identity)
            return self._reranker

    def shown(self, pixels: Image.Image) -> Image.Image | None:
        """An image as the reranker is shown it; None where it caches no features."""
        if self.problem is not None:
            return None
        try:
            reranker = self.reranker
        except VitrinaError as error:
            self._give_up(error)
            return None
        if not (isinstance(reranker, PrecomputesFeatures) and reranker.caches_features):
            return None
        side_px = reranker.capabilities.image_side_px
        scale = min(1.0, side_px / max(pixels.size))
        size = max(1, round(pixels.width * scale)), max(1, round(pixels.height * scale))
        return pixels if size == pixels.size else pixels.resize(size, Image.Resampling.LANCZOS)

    def compute(self, images: Mapping[str, Image.Image]) -> None:
        """Compute and cache the features of images, by their ids, that have none. Blocks; uses the GPU if the reranker
        does."""
        if self.problem is not None or not images:
            return
        try:
            reranker = self.reranker
            assert isinstance(reranker, PrecomputesFeatures)
            cache = self._store.feature_cache(reranker.identity)
            try:
                missing = cache.missing(list(images))
            finally:
                cache.close()
            if missing:
                self.n_computed += reranker.precompute_features([RerankCandidate(key, images[key]) for key in missing])
        except VitrinaError as error:
            self._give_up(error)

    def _give_up(self, error: VitrinaError) -> None:
        if self.problem is None:
            self.problem = error
            log.debug("No features are precomputed any more: %s", error)
