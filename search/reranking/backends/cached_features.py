"""Image features cached on disk, for the next process that opens the same model."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Generic, TypeVar

from vitrina.search.store.feature_cache import FeatureCache
from vitrina.search.types.errors import StorageError

log = logging.getLogger(__name__)

MAX_IMAGE_BYTES = 64 * 1024
"""Larger features of an image are not cached. The embedded model's take 5 kB; those of Qwen3-VL 8B would take 3 MB, a
hundred times the thumbnail."""

FEATURES, PLACEHOLDER, EXPANSION = "features", "placeholder", "expansion"
"""The tensors of an image's entry, which is safetensors: the features in half precision, shape (1, tokens, width) or as
the model has them, the tokens that stand for an image in a prompt, and those that take their place."""

Features = TypeVar("Features")


class CachedFeatures(Generic[Features]):
    """One model's image features in a ``FeatureCache``. Thread-safe.

    ``pack`` serialises an image's features, None for those that are not cached; ``unpack`` restores them, and raises
    SafetensorError, KeyError or ValueError for damaged bytes. Nothing depends on the cache: its errors are logged once,
    and searching continues.
    """

    def __init__(
        self,
        store: FeatureCache,
        pack: Callable[[Features], bytes | None],
        unpack: Callable[[bytes], Features],
    ) -> None:
        self._store = store
        self._pack = pack
        self._unpack = unpack
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="feature-cache")
        self._logged: set[str] = set()

    def get(self, keys: Sequence[str]) -> dict[str, Features]:
        """Return the cached features of these keys, in one query. Blocks for a millisecond."""
        try:
            rows = self._store.get(keys)
        except StorageError as error:
            self._log_once(error)
            return {}
        unpacked = ((key, self._unpack_row(key, data)) for key, data in rows.items())
        return {key: features for key, features in unpacked if features is not None}

    def put_async(self, images: Mapping[str, Features]) -> None:
        """Cache features in a background thread, so that no search waits for the disk."""
        rows = self._packed_rows(images)
        with suppress(RuntimeError):  # already closed
            self._writer.submit(self._put, rows)

    def put(self, images: Mapping[str, Features]) -> None:
        """Cache features now. Raises StorageError."""
        self._store.put(self._packed_rows(images))

    def close(self) -> None:
        """Finish writing, and close the cache. Closing twice is fine."""
        self._writer.shutdown()
        self._store.close()

    def _put(self, rows: Mapping[str, bytes]) -> None:
        try:
            self._store.put(rows)
        except StorageError as error:
            self._log_once(error)

    def _packed_rows(self, images: Mapping[str, Features]) -> dict[str, bytes]:
        return {key: data for key, each in images.items() if (data := self._pack(each)) is not None}

    def _unpack_row(self, key: str, data: bytes) -> Features | None:
        from safetensors import SafetensorError

        try:
            return self._unpack(data)
        except (SafetensorError, KeyError, ValueError) as error:
            log.warning("The cached features of image %s are damaged, and are computed again: %s", key, error)
            return None

    def _log_once(self, error: StorageError) -> None:
        level = logging.DEBUG if str(error) in self._logged else logging.WARNING
        self._logged.add(str(error))
        log.log(level, "Image features are not cached: %s", error)
