"""Image features as bytes and back, for the cache on disk: the entries that PyTorch writes for the same model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vitrina.search.reranking.backends.cached_features import EXPANSION, FEATURES, MAX_IMAGE_BYTES, PLACEHOLDER


def pack(features: NDArray[np.float32], placeholder: int) -> bytes | None:
    """Serialise an image's features, shape (tokens, width), as safetensors in half precision if they fit; None if they
    are too large. ``placeholder`` is the token that stands for the image."""
    from safetensors.numpy import save

    fits = np.abs(features).max(initial=0) <= np.finfo(np.float16).max
    tensors = {
        FEATURES: features[None].astype(np.float16 if fits else np.float32),
        PLACEHOLDER: np.array([placeholder], dtype=np.int32),
        EXPANSION: np.full(len(features), placeholder, dtype=np.int32),
    }
    return None if sum(tensor.nbytes for tensor in tensors.values()) > MAX_IMAGE_BYTES else save(tensors)


def unpack(data: bytes, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Restore packed features of this shape. Raises SafetensorError, KeyError or ValueError for bytes that were not
    packed for this model or are damaged."""
    from safetensors.numpy import load

    features: NDArray[np.float32] = np.asarray(load(data)[FEATURES], dtype=np.float32)
    if features.shape != (1, *shape) or not np.isfinite(features).all():
        raise ValueError("its features are not finite, or of another shape.")
    return features.reshape(shape)
