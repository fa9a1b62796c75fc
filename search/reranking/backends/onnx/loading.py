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
    EMBEDDED,
    EMBEDDED_FOLDER,
    MAX_PIXELS,
    USAGE,
    folder_fingerprint,
    identity_of,
    local_folder,
)
from vitrina.search.reranking.backends.onnx.chat import ExportedChat
from vitrina.search.reranking.backends.onnx.exports import RerankerExport, read_export, uses_export
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
    matcher beside it judges in its place, and needs the export. An export that cannot be used otherwise is logged.
    Blocks for a tenth of a second. Raises RerankerError and MissingDependencyError."""
    folder = local_folder(name)
    if folder is None or not (folder / MATCHER_FOLDER).is_dir():
        return _open(name, folder, options)
    writes = replace(options, features=None)  # it sees five images a query, and the matcher's tokens are cached
    if not uses_export(folder, options):
        return open_matched(name, folder, options, _open(name, folder, writes), load_vlm(name, folder).features)
    writer = load_exported(name, folder, writes)
    return open_matched(name, folder, options, writer, writer.vlm.features)


def _open(name: str, folder: Path | None, options: RerankerOptions) -> OnnxReranker | TransformersReranker:
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
    vlm = load_vlm(name, folder, export)
    max_pixels = options.max_pixels or MAX_PIXELS
    identity = identity_of(name, folder, max_pixels=max_pixels)
    try:
        chat = ExportedChat(folder, export.chat)
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


def load_vlm(name: str, folder: Path, export: RerankerExport | None = None) -> ExportedVlm:
    """The graphs of the exported model in a folder. Raises as ``load_exported``."""
    export = export or read_export(folder, folder_fingerprint(folder))
    try:
        return ExportedVlm(folder, export)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise RerankerError(f"Reranker '{name}' could not be loaded: {error}", remedy=USAGE) from error


def embedded_vlm() -> ExportedVlm:
    """The graphs of the model that ships in the package. Raises as ``load_exported``."""
    return load_vlm(EMBEDDED, EMBEDDED_FOLDER)
