"""Keeping what a model saw of pictures, on disk, for whoever opens the same model next."""

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
"""A picture whose features take more is not kept. The embedded model's take 5 kB; those of Qwen3-VL 8B would take 3 MB,
a hundred times its thumbnail."""

_FEATURES, _PLACEHOLDER, _EXPANSION = "features", "placeholder", "expansion"
_GRIDS, _KINDS = "grids.", "kinds."


class CachedFeatures:
    """One model's pictures in a store, as ``ImageMemory`` has them in memory. Safe to use from several threads.

    The store saves work and nothing depends on it: what is wrong with it is logged once, and searching goes on.
    """

    def __init__(self, store: FeatureCache, model: Any) -> None:
        self._store = store
        self._model = model
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="reranker-keeper")
        self._told: set[str] = set()

    def get(self, keys: Sequence[str]) -> dict[str, ImageFeatures]:
        """The pictures of those keys that are kept, in one query. Blocks for a millisecond."""
        try:
            rows = self._store.get(keys)
        except StorageError as error:
            self._tell(error)
            return {}
        return {key: seen for key, data in rows.items() if (seen := self._unpacked(key, data)) is not None}

    def put_later(self, seen: Mapping[str, ImageFeatures]) -> None:
        """Keep pictures, in a thread of its own: no search waits for the disk."""
        rows = _rows(seen)
        with suppress(RuntimeError):  # closed meanwhile
            self._writer.submit(self._put, rows)

    def put(self, seen: Mapping[str, ImageFeatures]) -> None:
        """Keep pictures now. Raises StorageError."""
        self._store.put(_rows(seen))

    def close(self) -> None:
        """Write what is still to be written, and let go of the store. Closing twice is fine."""
        self._writer.shutdown()
        self._store.close()

    def _put(self, rows: Mapping[str, bytes]) -> None:
        try:
            self._store.put(rows)
        except StorageError as error:
            self._tell(error)

    def _unpacked(self, key: str, data: bytes) -> ImageFeatures | None:
        from safetensors import SafetensorError

        try:
            return unpacked(data, self._model.device, self._model.dtype)
        except (SafetensorError, KeyError, ValueError) as error:
            log.warning("What was seen of the picture %s is damaged, and it is looked at again: %s", key, error)
            return None

    def _tell(self, error: StorageError) -> None:
        level = logging.DEBUG if str(error) in self._told else logging.WARNING
        self._told.add(str(error))
        log.log(level, "What the reranker sees of pictures is not kept: %s", error)


def packed(seen: ImageFeatures) -> bytes | None:
    """A picture as bytes in the safetensors format, its features in half precision; None for one that is not kept: too
    large, or in several tensors, as only families have it whose pictures are too large in any case.

    Half precision moves P(yes) of the embedded model by less than 0.001.
    """
    import torch
    from safetensors.torch import save

    features = seen.features.pooler_output
    if not isinstance(features, torch.Tensor) or seen.features.get("deepstack_features"):
        return None
    tensors = {
        _FEATURES: _halved(features),
        _PLACEHOLDER: torch.tensor(seen.placeholder, dtype=torch.int32),
        _EXPANSION: torch.tensor(seen.expansion, dtype=torch.int32),
        **{_GRIDS + name: grid for name, grid in seen.grids.items()},
        **{_KINDS + name: kind for name, kind in seen.kinds.items()},
    }
    if sum(tensor.nbytes for tensor in tensors.values()) > MAX_IMAGE_BYTES:
        return None
    return save({name: tensor.cpu().contiguous() for name, tensor in tensors.items()})


def unpacked(data: bytes, device: torch.device, dtype: torch.dtype) -> ImageFeatures:
    """The picture that was packed, its features on a device in a precision. Raises SafetensorError, KeyError or
    ValueError for bytes that were not packed here, or are damaged."""
    from safetensors.torch import load
    from transformers.modeling_outputs import BaseModelOutputWithPooling

    tensors = load(data)
    features = tensors.pop(_FEATURES)
    if not features.isfinite().all():
        raise ValueError("its features are no numbers.")
    return ImageFeatures(
        features=BaseModelOutputWithPooling(pooler_output=features.to(device, dtype)),
        grids={name.removeprefix(_GRIDS): grid for name, grid in tensors.items() if name.startswith(_GRIDS)},
        placeholder=tuple(tensors[_PLACEHOLDER].tolist()),
        expansion=tuple(tensors[_EXPANSION].tolist()),
        kinds={name.removeprefix(_KINDS): kind for name, kind in tensors.items() if name.startswith(_KINDS)},
    )


def _rows(seen: Mapping[str, ImageFeatures]) -> dict[str, bytes]:
    return {key: data for key, each in seen.items() if (data := packed(each)) is not None}


def _halved(features: torch.Tensor) -> torch.Tensor:
    """In half precision, where the numbers fit into it."""
    import torch

    fits = features.dtype is torch.float32 and features.abs().max() <= torch.finfo(torch.float16).max
    return features.half() if fits else features
