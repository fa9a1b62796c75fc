"""Opens exported models by name."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from vitrina.search.encoders.base import Runtime
from vitrina.search.reranking.backends import RerankerOptions
from vitrina.search.reranking.backends.matched import open_matched
from vitrina.search.reranking.backends.model_folders import (
    MAX_PIXELS,
    USAGE,
    folder_fingerprint,
    identity_of,
    local_folder,
)
from vitrina.search.reranking.backends.onnx.chat import ExportedChat
from vitrina.search.reranking.backends.onnx.exports import read_export, uses_export
from vitrina.search.reranking.backends.onnx.reranker import OnnxReranker
from vitrina.search.reranking.backends.onnx.vlm import ExportedVlm
from vitrina.search.reranking.base import Reranker
from vitrina.search.reranking.fusion import CARD_FILE, read_fusion_weights
from vitrina.search.reranking.matcher import MATCHER_FOLDER
from vitrina.search.store.feature_cache import FeatureCache, features_file
from vitrina.search.types.errors import MissingDependencyError, RerankerError

if TYPE_CHECKING:
    from vitrina.search.reranking.backends.transformers.reranker import TransformersReranker

log = logging.getLogger(__name__)


def open_exported(name: str, options: RerankerOptions) -> AbstractContextManager[Reranker]:
    """Open a model in a folder with ONNX Runtime if it was exported, else with PyTorch: the plug-in ``embedded``. A
    matcher beside it judges in its place. An export that cannot be used is logged. Blocks for a tenth of a second.
    Raises RerankerError and MissingDependencyError."""
    folder = local_folder(name)
    if folder is not None and (folder / MATCHER_FOLDER).is_dir():
        beside = options.features.with_name(f"{options.features.name}-model") if options.features else None
        return open_matched(name, folder, options, _open_vlm(name, folder, replace(options, features=beside)))
    return _open_vlm(name, folder, options)


def _open_vlm(name: str, folder: Path | None, options: RerankerOptions) -> OnnxReranker | TransformersReranker:
    if folder is not None and uses_export(folder, options):
        try:
            return load_exported(name, folder, options)
        except (RerankerError, MissingDependencyError) as error:
            if options.runtime is Runtime.ONNX:
                raise
            log.warning("%s PyTorch runs the reranker. %s", error.message, error.remedy)
    from vitrina.search.reranking.backends.transformers.loading import open_model

    return open_model(name, options)


def load_exported(name: str, folder: Path, options: RerankerOptions) -> OnnxReranker:
    """The exported model in a folder. Raises RerankerError where the export is damaged or of other files, and
    MissingDependencyError without ONNX Runtime."""
    export = read_export(folder, folder_fingerprint(folder))
    max_pixels = options.max_pixels or MAX_PIXELS
    identity = identity_of(name, folder, max_pixels=max_pixels)
    try:
        vlm, chat = ExportedVlm(folder, export), ExportedChat(folder, export.chat)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise RerankerError(f"Reranker '{name}' could not be loaded: {error}", remedy=USAGE) from error
    return OnnxReranker(
        vlm,
        chat,
        identity,
        model_type=export.model_type,
        image_side_px=export.image_side_px,
        max_pixels=max_pixels,
        cache_bytes=options.cache_bytes,
        fusion_weights=read_fusion_weights(folder / CARD_FILE),
        features=FeatureCache(features_file(options.features, identity)) if options.features else None,
    )
