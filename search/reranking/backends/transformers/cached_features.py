"""Image features cached on disk, for the next process that opens the same model."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from vitrina.search.reranking.backends.transformers.image_features import ImageFeatures
from vitrina.search.store.feature_cache import FeatureCache
from vitrina.search.types.errors import StorageError

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

MAX_IMAGE_BYTES = 64 * 1024
"""Larger features of an image are not cached. The embedded model's take 5 kB; those of Qwen3-VL 8B would take 3 MB, a
hundred times the thumbnail."""

_FEATURES, _PLACEHOLDER, _EXPANSION = "features", "placeholder", "expansion"
_GRIDS, _KINDS = "grids.", "kinds."


class CachedFeatures:
    """One model's image features in a ``FeatureCache``, as ``FeatureMemory`` has them in memory. Thread-safe.

    Nothing depends on the cache: its errors are logged once, and searching continues.
    """

    def __init__(self, store: FeatureCache, model: Any) -> None:
        self._store = store
        self._model = model
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="feature-cache")
        self._logged: set[str] = set()

    def get(self, keys: Sequence[str]) -> dict[str, ImageFeatures]:
        """Return the cached features of these keys, in one query. Blocks for a millisecond."""
        try:
            rows = self._store.get(keys)
        except StorageError as error:
            self._log_once(error)
            return {}
        unpacked = ((key, self._unpack_row(key, data)) for key, data in rows.items())
        return {key: features for key, features in unpacked if features is not None}

    def put_async(self, images: Mapping[str, ImageFeatures]) -> None:
        """Cache features in a background thread, so that no search waits for the disk."""
        rows = _packed_rows(images)
        with suppress(RuntimeError):  # already closed
            self._writer.submit(self._put, rows)

    def put(self, images: Mapping[str, ImageFeatures]) -> None:
        """Cache features now. Raises StorageError."""
        self._store.put(_packed_rows(images))

    def close(self) -> None:
        """Finish writing, and close the cache. Closing twice is fine."""
        self._writer.shutdown()
        self._store.close()

    def _put(self, rows: Mapping[str, bytes]) -> None:
        try:
            self._store.put(rows)
        except StorageError as error:
            self._log_once(error)

    def _unpack_row(self, key: str, data: bytes) -> ImageFeatures | None:
        from safetensors import SafetensorError

        try:
            return unpack(data, self._model.device, self._model.dtype)
        except (SafetensorError, KeyError, ValueError) as error:
            log.warning("The cached features of image %s are damaged, and are computed again: %s", key, error)
            return None

    def _log_once(self, error: StorageError) -> None:
        level = logging.DEBUG if str(error) in self._logged else logging.WARNING
        self._logged.add(str(error))
        log.log(level, "Image features are not cached: %s", error)


def pack(image: ImageFeatures) -> bytes | None:
    """Serialise an image's features as safetensors in half precision. Returns None for those that are not cached: too
    large, or in several tensors, which only architectures have whose features are too large in any case.

    Half precision moves P(yes) of the embedded model by less than 0.001.
    """
    import torch
    from safetensors.torch import save

    features = image.features.pooler_output
    if not isinstance(features, torch.Tensor) or image.features.get("deepstack_features"):
        return None
    tensors = {
        _FEATURES: _to_half(features),
        _PLACEHOLDER: torch.tensor(image.placeholder, dtype=torch.int32),
        _EXPANSION: torch.tensor(image.expansion, dtype=torch.int32),
        **{_GRIDS + name: grid for name, grid in image.grids.items()},
        **{_KINDS + name: kind for name, kind in image.kinds.items()},
    }
    if sum(tensor.nbytes for tensor in tensors.values()) > MAX_IMAGE_BYTES:
        return None
    return save({name: tensor.cpu().contiguous() for name, tensor in tensors.items()})


def unpack(data: bytes, device: torch.device, dtype: torch.dtype) -> ImageFeatures:
    """Restore packed features, on a device in a precision. Raises SafetensorError, KeyError or ValueError for bytes
    that were not packed here or are damaged."""
    from safetensors.torch import load
    from transformers.modeling_outputs import BaseModelOutputWithPooling

    tensors = load(data)
    features = tensors.pop(_FEATURES)
    if not features.isfinite().all():
        raise ValueError("its features are not finite.")
    return ImageFeatures(
        features=BaseModelOutputWithPooling(pooler_output=features.to(device, dtype)),
        grids={name.removeprefix(_GRIDS): grid for name, grid in tensors.items() if name.startswith(_GRIDS)},
        placeholder=tuple(tensors[_PLACEHOLDER].tolist()),
        expansion=tuple(tensors[_EXPANSION].tolist()),
        kinds={name.removeprefix(_KINDS): kind for name, kind in tensors.items() if name.startswith(_KINDS)},
    )


def _packed_rows(images: Mapping[str, ImageFeatures]) -> dict[str, bytes]:
    return {key: data for key, each in images.items() if (data := pack(each)) is not None}


def _to_half(features: torch.Tensor) -> torch.Tensor:
    """Convert to half precision if the values fit."""
    import torch

    fits = features.dtype is torch.float32 and features.abs().max() <= torch.finfo(torch.float16).max
    return features.half() if fits else features
