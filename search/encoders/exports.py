"""ONNX exports: what ``vitrina encoder export`` writes into an encoder's folder, and its tokenizer."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from vitrina.search.encoders.base import Preprocessing
from vitrina.search.encoders.graphs import ExportedFolder, Graph
from vitrina.search.types.errors import EncoderError

TokenIds = NDArray[np.int64]
"""Shape (n, context length), padded."""

Tokenize = Callable[[Sequence[str]], TokenIds]

TOKENIZER_FILE = "tokenizer.json"


class FastTokenizer:
    """open_clip's ``HFTokenizer`` for a folder with a ``tokenizer.json``; the export checks that the ids are equal."""

    def __init__(self, folder: Path, context_length: int, pad_id: int) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
        self._tokenizer.enable_truncation(context_length)
        self._tokenizer.enable_padding(length=context_length, pad_id=pad_id)

    def __call__(self, texts: Sequence[str]) -> TokenIds:
        """Shape (len(texts), context length); texts are cut to the context length."""
        encodings = self._tokenizer.encode_batch_fast([clean(text) for text in texts])
        return np.array([encoding.ids for encoding in encodings], dtype=np.int64)


def clean(text: str) -> str:
    """A text with repaired encoding, no HTML entities and single spaces: open_clip's ``_clean_whitespace``."""
    if text.isascii() and text.isprintable() and "&" not in text:
        return " ".join(text.split())  # needs no repair, which takes most of the time
    import ftfy

    return " ".join(html.unescape(html.unescape(ftfy.fix_text(text))).split())


WEIGHTS_FILE = "open_clip_model.safetensors"
INT8_FILE = "image-int8.onnx"
TEXT_FILE = "onnx/text.onnx"
IMAGE_FILE = "onnx/image.onnx"
EXPORT_FILE = "onnx/export.json"


@dataclass(frozen=True, slots=True)
class Tokens:
    """How texts become token ids of shape (n, ``context_length``).

    ``is_plain`` says that ``tokenizer.json`` alone, padded with ``pad_id``, gives the ids that open_clip gives.
    ``may_be_cut`` says that the text tower accepts fewer than ``context_length`` if every end token is kept; that is
    ``end_id``, or the highest id of a text if ``end_id`` is None. If the tower ``is_masked``, the end of a text is
    where the padding begins.
    """

    context_length: int
    is_plain: bool = False
    pad_id: int = 0
    may_be_cut: bool = False
    end_id: int | None = None
    is_masked: bool = False

    def lengths(self, tokens: TokenIds) -> NDArray[np.int64]:
        """How many tokens of each text the tower needs; shape (n,)."""
        if not self.may_be_cut:
            return np.full(len(tokens), tokens.shape[1])
        if self.is_masked:
            return np.asarray((tokens != self.pad_id).sum(axis=1))
        is_end = tokens == (tokens.max(axis=1, keepdims=True) if self.end_id is None else self.end_id)
        return np.asarray(is_end.argmax(axis=1) + 1)


@dataclass(frozen=True, slots=True)
class Export:
    """``export.json``: the ``fingerprint`` and the ``dimension`` are those of the encoder that was exported."""

    fingerprint: str
    dimension: int
    image: Graph
    text: Graph
    tokens: Tokens
    preprocessing: Preprocessing


_adapter = TypeAdapter(Export)


def remedy(folder: Path) -> str:
    """What to do about an export that cannot be used."""
    return f"Export it again: vitrina encoder export {folder}"


def exported(folder: Path) -> ExportedFolder:
    """The folder of an exported encoder."""
    return ExportedFolder(folder, WEIGHTS_FILE, remedy(folder), EncoderError)


def is_exported(folder: Path) -> bool:
    """Whether the folder holds an export, intact or not."""
    return (folder / EXPORT_FILE).is_file()


def is_int8(folder: Path) -> bool:
    """Whether the folder's encoder has 8-bit weights, which only ONNX Runtime runs."""
    return (folder / INT8_FILE).is_file()


def write_export(folder: Path, export: Export) -> None:
    """Write ``export.json``, after all other files: without it they are no export."""
    (folder / EXPORT_FILE).write_bytes(_adapter.dump_json(export, indent=1) + b"\n")


def read_export(folder: Path, fingerprint: str) -> Export:
    """The export of the encoder with this fingerprint. Raises EncoderError if it is damaged or of another encoder."""
    path = folder / EXPORT_FILE
    try:
        export = _adapter.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise EncoderError(f"{path} cannot be read: {error}", remedy=remedy(folder)) from error
    if export.fingerprint != fingerprint:
        made_from = f"{export.fingerprint[:12]}, not from {fingerprint[:12]}"
        raise EncoderError(f"The export in {folder} was made from other weights ({made_from}).", remedy=remedy(folder))
    return export
