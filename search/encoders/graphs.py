"""Exported graphs in ONNX Runtime, and the weights that they leave to a safetensors file. Nothing else in ``search``
imports onnxruntime."""

from __future__ import annotations

import ctypes
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitrina.search.types.errors import MissingDependencyError, StateError

Arrays = list[NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Graph:
    """A graph's file, its SHA-256 (hex), and the weights it leaves to the folder's safetensors file."""

    file: str
    sha256: str
    weights: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ExportedFolder:
    """A model's folder as its graphs are read from it: ``remedy`` is the command that mends it, and ``error`` is raised
    for what cannot be read."""

    path: Path
    weights_file: str
    remedy: str
    error: type[StateError]

    def read_graph(self, graph: Graph) -> bytes:
        """A graph's ONNX file. Raises ``error`` if it is missing or not the file that was exported."""
        path = self.path / graph.file
        try:
            content = path.read_bytes()
        except OSError as error:
            raise self.error(f"{path} cannot be read: {error.strerror}.", remedy=self.remedy) from error
        if hashlib.sha256(content).hexdigest() != graph.sha256:
            raise self.error(f"{path} is not the file that was exported.", remedy=self.remedy)
        return content

    def read_weights(self, names: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Some of the weights in the safetensors file, as float32. Raises ``error``."""
        from safetensors import SafetensorError, safe_open

        if not names:
            return {}
        path = self.path / self.weights_file
        try:
            with safe_open(path, framework="numpy") as file:
                return {
                    name: read_float8(path, name)
                    if file.get_slice(name).get_dtype() == FLOAT8
                    else file.get_tensor(name).astype(np.float32)
                    for name in names
                }
        except (OSError, SafetensorError, TypeError, KeyError, ValueError) as error:
            raise self.error(f"{path} cannot be read: {error}", remedy=self.remedy) from error


FLOAT8 = "F8_E4M3"
"""What a safetensors file calls numbers of a sign, four bits of exponent and three of fraction, which NumPy lacks."""


def read_float8(path: Path, name: str) -> NDArray[np.float32]:
    """A tensor of ``FLOAT8`` in a safetensors file. Raises OSError, KeyError and ValueError."""
    with path.open("rb") as file:
        n_header = int.from_bytes(file.read(8), "little")
        entry = json.loads(file.read(n_header))[name]
        start, end = entry["data_offsets"]
        codes = np.fromfile(file, np.uint8, end - start, offset=start)
    return _float8_values()[codes].reshape(entry["shape"])


def _float8_values() -> NDArray[np.float32]:
    """What each of the 256 codes stands for, float32; numbers below 2 ** -6 have no leading one, two codes are NaN."""
    codes = np.arange(256)
    exponent, fraction = codes >> 3 & 15, (codes & 7) / 8
    values = np.ldexp(np.where(exponent > 0, 1 + fraction, fraction), np.maximum(exponent, 1) - 7)
    values[[0x7F, 0xFF]] = np.nan
    return np.asarray(np.where(codes < 128, values, -values), np.float32)


class GraphSession:
    """One exported graph, from arrays to arrays, in the order of its inputs and outputs. Safe in several threads."""

    def __init__(
        self, folder: ExportedFolder, graph: Graph, weights: Mapping[str, NDArray[np.float32]], n_threads: int
    ) -> None:
        self._weights = {name: weights[name] for name in graph.weights}  # kept: an OrtValue does not own its array
        content = folder.read_graph(graph)
        try:
            session = open_session(content, n_threads, self._weights)
        except RuntimeError as error:  # the base of ONNX Runtime's errors
            raise folder.error(
                f"ONNX Runtime cannot run {folder.path / graph.file}: {error}", remedy=folder.remedy
            ) from error
        self._session = session
        self._names = [each.name for each in session.get_inputs()]

    def __call__(self, *inputs: NDArray[Any]) -> Arrays:
        """Blocks. Raises RuntimeError for inputs that the graph cannot take."""
        outputs: Arrays = self._session.run(None, dict(zip(self._names, inputs, strict=True)))
        return outputs


def open_session(
    model: bytes | Path, n_threads: int, weights: Mapping[str, NDArray[np.float32]] = MappingProxyType({})
) -> Any:
    """An ONNX Runtime session on the CPU, of a graph or its file; ``weights`` are those that it leaves out. Raises
    MissingDependencyError, and RuntimeError, the base of ONNX Runtime's errors."""
    onnxruntime = _import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    # threads that spin while they wait would take the cores from the indexer's decoders
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # it would print warnings
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in weights.values()]
    options.add_external_initializers(list(weights), values)
    return onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])


def open_sessions(folder: ExportedFolder, graphs: Sequence[Graph], n_threads: int) -> list[GraphSession]:
    """Open several graphs of a folder, side by side: a quarter of a second for the embedded encoder's two, half of it
    reading weights. Raises what opening one raises."""

    def open_(graph: Graph) -> GraphSession:
        return GraphSession(folder, graph, folder.read_weights(graph.weights), n_threads)

    with ThreadPoolExecutor(len(graphs)) as pool:
        sessions = list(pool.map(open_, graphs))
    return_free_memory()
    return sessions


def return_free_memory() -> None:
    """Return what was freed to the system, where glibc keeps it: 80 MB once the embedded models are open, of weights in
    half precision and of graphs before they were optimised."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def _import_onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingDependencyError(
            "ONNX Runtime is not installed.", remedy="Install it: pip install onnxruntime."
        ) from error
    return onnxruntime
