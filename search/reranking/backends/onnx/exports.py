"""ONNX exports of rerankers: what ``vitrina reranker export`` writes into a model's folder."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from vitrina.search.encoders.base import Preprocessing, Runtime
from vitrina.search.encoders.compute import may_use_gpu
from vitrina.search.encoders.graphs import ExportedFolder, Graph
from vitrina.search.reranking.backends import RerankerOptions
from vitrina.search.types.errors import RerankerError

WEIGHTS_FILE = "model.safetensors"
TOKENIZER_FILE = "tokenizer.json"
FEATURES_FILE = "onnx/features.onnx"
DECODER_FILE = "onnx/decoder.onnx"
EXPORT_FILE = "onnx/export.json"


@dataclass(frozen=True, slots=True)
class DecoderShape:
    """The decoder's layers, heads of keys and values, and the width of a head and of a token."""

    n_layers: int
    n_heads: int
    head_width: int
    width: int


@dataclass(frozen=True, slots=True)
class ChatFormat:
    """How the model is prompted, as transformers does it.

    ``variables`` are what the template is given beside the messages. A ``placeholder`` token stands for the image in a
    prompt, and ``n_image_tokens`` take its place. Text may never produce one of ``control_tokens``. ``yes`` and ``no``
    are the answers' tokens, and ``stop`` those that end a text.
    """

    template: str
    variables: dict[str, str | bool]
    takes_system_messages: bool
    placeholder: int
    n_image_tokens: int
    control_tokens: tuple[str, ...]
    yes: tuple[int, ...]
    no: tuple[int, ...]
    stop: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RerankerExport:
    """``export.json``: ``fingerprint`` is that of the folder's files, ``embedding`` the name of the tokens' embeddings
    among its weights."""

    fingerprint: str
    model_type: str
    features: Graph
    decoder: Graph
    embedding: str
    shape: DecoderShape
    preprocessing: Preprocessing
    image_side_px: int
    chat: ChatFormat


_adapter = TypeAdapter(RerankerExport)


def exported(folder: Path) -> ExportedFolder:
    """The folder of an exported reranker."""
    return ExportedFolder(folder, WEIGHTS_FILE, f"Export it again: vitrina reranker export {folder}", RerankerError)


def is_exported(folder: Path) -> bool:
    """Whether the folder holds an export, intact or not."""
    return (folder / EXPORT_FILE).is_file()


def uses_export(folder: Path, options: RerankerOptions) -> bool:
    """Whether ONNX Runtime is to run the model in this folder, even if its export turns out to be damaged: if there is
    one, and unless PyTorch is installed and may find a GPU."""
    if not is_exported(folder) or options.runtime is Runtime.TORCH or options.device.startswith("cuda"):
        return False
    return options.runtime is Runtime.ONNX or not (may_use_gpu(options.device) and find_spec("torch"))


def write_export(folder: Path, export: RerankerExport) -> None:
    """Write ``export.json``, after all other files: without it they are no export."""
    (folder / EXPORT_FILE).write_bytes(_adapter.dump_json(export, indent=1) + b"\n")


def read_export(folder: Path, fingerprint: str) -> RerankerExport:
    """The export of the folder with this fingerprint. Raises RerankerError if it is damaged or of other files."""
    path, remedy = folder / EXPORT_FILE, exported(folder).remedy
    try:
        export = _adapter.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise RerankerError(f"{path} cannot be read: {error}", remedy=remedy) from error
    if export.fingerprint != fingerprint:
        made_from = f"{export.fingerprint[:12]}, not from {fingerprint[:12]}"
        raise RerankerError(f"The export in {folder} was made from other files ({made_from}).", remedy=remedy)
    return export
