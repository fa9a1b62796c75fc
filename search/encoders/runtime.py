"""What runs an encoder: PyTorch, or ONNX Runtime where the encoder was exported and no GPU is there."""

from __future__ import annotations

import ctypes
import logging
import os
from enum import StrEnum
from pathlib import Path

from vitrina.search.encoders.base import Encoder
from vitrina.search.encoders.exports import FastTokenizer, Tokenize, is_exported, is_int8, read_export, remedy
from vitrina.search.encoders.onnx import OnnxEncoder, OnnxTower, read_weights
from vitrina.search.types.calibration import Calibration
from vitrina.search.types.errors import EncoderError, MissingDependencyError
from vitrina.search.types.models import EncoderIdentity

log = logging.getLogger(__name__)

GPU_DRIVERS = ("libcuda.so.1", "nvcuda.dll", "libamdhip64.so")
"""Without one of these PyTorch finds no GPU."""


class Runtime(StrEnum):
    """``AUTO`` takes the export on a CPU where there is one, and PyTorch elsewhere."""

    AUTO = "auto"
    TORCH = "torch"
    ONNX = "onnx"


def takes_export(folder: Path, device: str, runtime: Runtime) -> bool:
    """Whether the encoder in this folder is to be run from its export, in whatever state that is.

    Raises EncoderError where ``runtime`` cannot run the folder.
    """
    if runtime is Runtime.TORCH and is_int8(folder):
        raise EncoderError(
            f"The encoder in {folder} has 8-bit weights, which PyTorch does not run.",
            remedy="Leave VITRINA_RUNTIME at auto, or use the encoder that it was exported from.",
        )
    if runtime is Runtime.ONNX and not is_exported(folder):
        raise EncoderError(f"The encoder in {folder} is not exported.", remedy=remedy(folder))
    if runtime is Runtime.AUTO:
        return is_int8(folder) or (is_exported(folder) and not may_use_gpu(device))
    return runtime is Runtime.ONNX


def load_exported(
    folder: Path,
    name: str,
    fingerprint: str,
    *,
    calibration: Calibration | None,
    tokenize: Tokenize,
    runtime: Runtime,
    n_threads: int | None,
) -> Encoder | None:
    """The encoder as exported, or None, with a logged warning, where that cannot be used and PyTorch can.

    ``tokenize`` serves where the tokenizer needs open_clip. Blocks. Raises EncoderError where the export is damaged or
    of another fingerprint, and MissingDependencyError without ONNX Runtime, where nothing else may run the encoder.
    """
    try:
        return _open(folder, name, fingerprint, calibration, tokenize, n_threads or n_available_cores())
    except (EncoderError, MissingDependencyError) as error:
        if runtime is Runtime.ONNX or is_int8(folder):
            raise
        log.warning("%s PyTorch runs the encoder. %s", error.message, error.remedy)
        return None


def may_use_gpu(device: str) -> bool:
    """Whether PyTorch may find a GPU for ``device``, told without the seconds that importing it takes."""
    return device.startswith("cuda") or (device == "auto" and any(_loads(driver) for driver in GPU_DRIVERS))


def n_available_cores() -> int:
    """The cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _open(
    folder: Path, name: str, fingerprint: str, calibration: Calibration | None, tokenize: Tokenize, n_threads: int
) -> Encoder:
    export = read_export(folder, fingerprint)
    if export.tokens.is_plain:
        tokenize = FastTokenizer(folder, export.tokens.context_length, export.tokens.pad_id)
    weights = read_weights(folder, [export.image, export.text])
    images, texts = (OnnxTower(folder, graph, weights, n_threads) for graph in (export.image, export.text))
    identity = EncoderIdentity(name, fingerprint, export.dimension)
    return OnnxEncoder(images, texts, tokenize, export, identity, calibration=calibration, n_threads=n_threads)


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
