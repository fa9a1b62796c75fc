"""The picture tower with 8-bit weights and activations, for ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from search.encoders.base import Pixels

BATCH_SIZE = 16


def quantize(model: Any, target: Path, pixels: Sequence[Pixels]) -> None:
    """Write an ``onnx_ir`` model with weights as ``target``, its activations' ranges taken from prepared pictures.

    Weights have a scale a channel and seven bits: without VNNI a processor adds pairs of products in 16 bits, which
    eight overflow. Measured on 200 pictures and 500 others: mean cosine to float32 0.9987, against 0.587 with all
    eight bits. Blocks.
    """
    import onnx_ir
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Pictures(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._starts = iter(range(0, len(pixels), BATCH_SIZE))

        def get_next(self) -> dict[str, Any] | None:
            start = next(self._starts, None)
            return None if start is None else {"inputs": np.stack(pixels[start : start + BATCH_SIZE])}

    with TemporaryDirectory() as folder:
        whole = Path(folder) / "image.onnx"
        onnx_ir.save(model, whole)
        quant_pre_process(whole, whole, skip_symbolic_shape=True)
        quantize_static(
            whole,
            target,
            Pictures(),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
        )
