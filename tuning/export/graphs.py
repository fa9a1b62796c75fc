"""From PyTorch towers to ONNX graphs, in float32 or with 8-bit weights."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch.export import Dim

from vitrina.search.encoders.graphs import Graph
from vitrina.search.encoders.open_clip import ShortTextTower, vectors_and_states
from vitrina.search.types.errors import MissingDependencyError, StateError

BATCH_SIZE = 16


def quantize(model: Any, target: Path, pixels: Sequence[NDArray[np.float32]]) -> None:
    """Write an ``onnx_ir`` model with weights as ``target``, its activations' ranges taken from prepared images.

    Weights have a scale a channel and seven bits: without VNNI a processor adds pairs of products in 16 bits, which
    eight overflow. Measured on 200 images and 500 others: mean cosine to float32 0.9987, against 0.587 with all
    eight bits. Blocks.
    """
    import onnx_ir
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Images(CalibrationDataReader):  # type: ignore[misc]
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
            Images(),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
        )


Weights = Mapping[str, NDArray[np.float32]]

PREFIX = "model."
"""What the towers below put before the names that open_clip gives its weights."""

ANY_NUMBER = Dim("n")


class ImageTower(torch.nn.Module):
    """Pixels of shape (n, 3, height, width) to vectors of shape (n, dimension), not normalised."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: torch.Tensor) -> Any:
        return self.model.encode_image(pixels)


class TextTower(torch.nn.Module):
    """Token ids of shape (n, context length) to vectors of shape (n, dimension), not normalised."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: torch.Tensor) -> Any:
        return self.model.encode_text(tokens)


class PieceTextTower(TextTower):
    """Token ids of any number to vectors, and to the states of word pieces, shape (n, length, hidden size)."""

    def forward(self, tokens: torch.Tensor) -> Any:
        return vectors_and_states(self.model, tokens)


class CutTextTower(TextTower):
    """The same where the tokens may be fewer than the context length, as ``ShortTextTower`` explains."""

    def forward(self, tokens: torch.Tensor) -> Any:
        short = ShortTextTower.of(self.model)
        assert short is not None
        return short.embed(tokens)


@dataclass(frozen=True, slots=True)
class Signature:
    """What a graph takes and gives: an example of each input, the dimensions of each that may differ from it, and the
    names of inputs and outputs."""

    examples: tuple[torch.Tensor, ...]
    sizes: tuple[Mapping[int, Any], ...]
    inputs: tuple[str, ...] = ("inputs",)
    outputs: tuple[str, ...] = ("vectors",)


def to_onnx(
    module: torch.nn.Module,
    signature: Signature,
    *,
    tied: Mapping[str, str] = MappingProxyType({}),
    fold: bool = False,
) -> Any:
    """A module as an ``onnx_ir`` model, its weights under the model's own names. Blocks for ten seconds and more.

    ``tied`` gives the name that a weight has in the folder where it shares it with another. ``fold`` merges weights
    where that saves operations, for a model that keeps them; otherwise ONNX Runtime does that when it loads. Raises
    StateError for a module that cannot be exported, MissingDependencyError without onnxscript.
    """
    try:
        import onnxscript
    except ImportError as error:
        raise MissingDependencyError(
            "Exporting needs onnxscript.", remedy="Install it: pip install 'vitrina[export]'."
        ) from error
    try:
        program = torch.onnx.export(
            module.eval(),
            signature.examples,
            input_names=list(signature.inputs),
            output_names=list(signature.outputs),
            dynamic_shapes=tuple(dict(sizes) for sizes in signature.sizes),
            dynamo=True,
            optimize=fold,
            verbose=False,
        )
    except torch.onnx.OnnxExporterError as error:
        raise StateError(
            f"The {type(module).__name__} cannot be exported: {error}", remedy="Go on with PyTorch; nothing changed."
        ) from error
    if program is None:
        raise TypeError("torch.onnx.export gave no program")
    model: Any = program.model
    if not fold:
        # shapes are worked out here, once; weights keep their names
        onnxscript.optimizer.fold_constants(model, onnx_shape_inference=True, should_fold=_takes_no_weight)
        onnxscript.optimizer.remove_unused_nodes(model)
    for node in model.graph:
        node.metadata_props.clear()  # stack traces of this machine
    for value in list(model.graph.initializers.values()):
        name = value.name.removeprefix(PREFIX)
        value.name = tied.get(name, name)
    return model


def _takes_no_weight(node: Any) -> bool | None:
    return False if any(value is not None and value.is_initializer() for value in node.inputs) else None


def read_safetensors(path: Path) -> dict[str, NDArray[np.float32]]:
    """The floating-point weights in a safetensors file; none where a model keeps them in another format."""
    tensors = load_file(path) if path.is_file() else {}
    return {name: tensor.float().numpy() for name, tensor in tensors.items() if tensor.is_floating_point()}


def write_graph(model: Any, folder: Path, file: str, weights: Weights, weights_file: str) -> Graph:
    """Write ``folder/file`` without those weights that ``weights``, read from ``weights_file``, holds under the same
    names with the same values."""
    import onnx
    import onnx_ir

    proto = onnx_ir.to_proto(model)
    left_out = []
    for initializer in proto.graph.initializer:
        kept = weights.get(initializer.name)
        if kept is not None and np.array_equal(onnx.numpy_helper.to_array(initializer), kept):
            _leave_to(initializer, weights_file)
            left_out.append(initializer.name)
    content = proto.SerializeToString(deterministic=True)
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return Graph(file, hashlib.sha256(content).hexdigest(), tuple(left_out))


def _leave_to(initializer: Any, location: str) -> None:
    """Mark a tensor as kept elsewhere. The loader hands it over by name, so its place in the file does not matter."""
    import onnx

    entries = {"location": location, "offset": "0", "length": str(len(initializer.raw_data))}
    initializer.ClearField("raw_data")
    initializer.data_location = onnx.TensorProto.EXTERNAL
    for key, value in entries.items():
        initializer.external_data.add(key=key, value=value)
