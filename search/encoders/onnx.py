"""An exported encoder on a CPU, by ONNX Runtime.

It needs neither torch nor open_clip, whose imports take four seconds of a cold start.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitrina.search.encoders.base import (
    CARD_FILE,
    EncoderOptions,
    Preprocessing,
    Runtime,
    encoder_folder,
    fingerprint_of,
    identity_name,
    unit_rows,
)
from vitrina.search.encoders.compute import may_use_gpu, n_available_cores
from vitrina.search.encoders.exports import (
    Export,
    FastTokenizer,
    TokenIds,
    Tokenize,
    exported,
    is_exported,
    is_int8,
    read_export,
    remedy,
)
from vitrina.search.encoders.graphs import GraphSession, open_sessions
from vitrina.search.encoders.late_interaction import EncodedText, PieceHead
from vitrina.search.types.calibration import Calibration, read_calibration
from vitrina.search.types.errors import EncoderError
from vitrina.search.types.models import EncoderIdentity, Pixels, Vectors

PART_SIZE = 32
"""Images or texts in one run. On two cores with 512 KB of cache each, 32 images of 64 x 64 pixels at a time: 2,680 a
second; 256 at a time: 980."""

Part = TypeVar("Part")


class OnnxEncoder:
    """An exported open_clip model as an ``Encoder``. Every method may be called from any thread.

    The parts of a batch run in parallel, one on each of ``n_threads`` threads; a batch of one part uses all the cores.
    """

    def __init__(
        self,
        images: GraphSession,
        texts: GraphSession,
        tokenize: Tokenize,
        export: Export,
        identity: EncoderIdentity,
        *,
        calibration: Calibration | None = None,
        head: PieceHead | None = None,
        n_threads: int,
    ) -> None:
        self._images = images
        self._texts = texts
        self._tokenize = tokenize
        self._export = export
        self._identity = identity
        self._calibration = calibration
        self._head = head
        self._pool = ThreadPoolExecutor(n_threads, "encoder")

    @property
    def identity(self) -> EncoderIdentity:
        """Identifies the encoder: as PyTorch's own for float32, as another for 8-bit weights."""
        return self._identity

    @property
    def calibration(self) -> Calibration | None:
        """The calibration in ``vitrina.json`` beside the model, or None."""
        return self._calibration

    @property
    def preprocessing(self) -> Preprocessing:
        """What ``prepare`` does, apart from the model."""
        return self._export.preprocessing

    def prepare(self, image: Image.Image) -> Pixels:
        """Resize one upright RGB image as the model's configuration says; uint8, shape (3, height, width)."""
        return self._export.preprocessing.levels(image)

    def encode_pixels(self, batch: Sequence[Pixels]) -> Vectors:
        """Embed prepared images; shape (len(batch), dimension), unit rows. Blocks."""

        def embed(start: int) -> Vectors:
            levels = np.stack(batch[start : start + PART_SIZE])
            return unit_rows(self._images(self._export.preprocessing.normalised(levels))[0])

        return self._joined(self._parts(embed, len(batch)))

    def encode_images(self, images: Sequence[Image.Image]) -> Vectors:
        """Prepare and embed images; shape (len(images), dimension), unit rows. Blocks."""
        return self.encode_pixels([self.prepare(image) for image in images])

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Embed texts, truncated to the context length; shape (len(texts), dimension), unit rows. Blocks."""
        parts, order = self._read(texts, lambda tokens, lengths: unit_rows(self._texts(tokens)[0]))
        return self._joined(parts)[np.argsort(order)]

    def encode_pieces(self, texts: Sequence[str]) -> list[EncodedText]:
        """Embed texts, and their word pieces if the encoder has a head for them. Blocks."""
        head = self._head
        if head is None:
            return [EncodedText(vector) for vector in self.encode_texts(texts)]

        def read(tokens: TokenIds, lengths: NDArray[np.int64]) -> list[EncodedText]:
            vectors, states = self._texts(tokens)
            return head.encoded(unit_rows(vectors), states, lengths.tolist())

        parts, order = self._read(texts, read)
        found = list(chain.from_iterable(parts))
        return [found[at] for at in np.argsort(order)]

    def _read(
        self, texts: Sequence[str], read: Callable[[TokenIds, NDArray[np.int64]], Part]
    ) -> tuple[list[Part], NDArray[np.int64]]:
        """What ``read`` makes of the token ids of each part, with how many of each text count, and the order in which
        the texts stand in the parts."""
        if not texts:
            return [], np.empty(0, np.int64)
        tokens = self._tokenize(texts)  # (n, context length)
        lengths = self._export.tokens.lengths(tokens)
        # texts of similar length share a part, the longest first, so that the last part to finish is short
        order = np.argsort(-lengths, kind="stable")

        def read_part(start: int) -> Part:
            part = order[start : start + PART_SIZE]
            return read(tokens[part, : lengths[part[0]]], lengths[part])

        return self._parts(read_part, len(texts)), order

    def _parts(self, run: Callable[[int], Part], n_inputs: int) -> list[Part]:
        """Run ``run`` for the index of each part's first input."""
        starts = range(0, n_inputs, PART_SIZE)
        return list(self._pool.map(run, starts) if len(starts) > 1 else map(run, starts))

    def _joined(self, parts: Sequence[Vectors]) -> Vectors:
        return np.concatenate([np.empty((0, self._identity.dimension), dtype=np.float32), *parts])


def uses_export(folder: Path, options: EncoderOptions) -> bool:
    """Whether ONNX Runtime is to run the encoder in this folder, even if its export turns out to be damaged.

    Raises EncoderError where ``options.runtime`` cannot run the folder.
    """
    if options.runtime is Runtime.TORCH and is_int8(folder):
        raise EncoderError(
            f"The encoder in {folder} has 8-bit weights, which PyTorch does not run.",
            remedy="Leave VITRINA_RUNTIME at auto, or use the encoder that it was exported from.",
        )
    if options.runtime is Runtime.ONNX and not is_exported(folder):
        raise EncoderError(f"The encoder in {folder} is not exported.", remedy=remedy(folder))
    if options.runtime is Runtime.AUTO:
        return is_int8(folder) or (is_exported(folder) and not (may_use_gpu(options.device) and find_spec("torch")))
    return options.runtime is Runtime.ONNX


def load(name: str, options: EncoderOptions) -> OnnxEncoder:
    """The encoder in a folder, as it was exported: the plug-in ``onnx``. Blocks.

    Raises EncoderError where the export is damaged or of another fingerprint, and MissingDependencyError without ONNX
    Runtime.
    """
    folder = encoder_folder(name)
    if folder is None:
        raise EncoderError(f"{name!r} names no folder, so no export.", remedy="Name the folder of an exported encoder.")
    fingerprint = fingerprint_of(folder)
    export = read_export(folder, fingerprint)
    n_threads = options.n_threads or n_available_cores()
    images, texts = open_sessions(exported(folder), [export.image, export.text], n_threads)
    return OnnxEncoder(
        images,
        texts,
        tokenizer_of(folder, export),
        export,
        EncoderIdentity(options.known_as or identity_name(name), fingerprint, export.dimension),
        calibration=read_calibration(folder / CARD_FILE),
        head=PieceHead.read(folder) if export.tokens.is_masked else None,
        n_threads=n_threads,
    )


def tokenizer_of(folder: Path, export: Export) -> Tokenize:
    """The tokenizer in a folder: alone if it gives the same ids, else within open_clip, which is slow to import."""
    if export.tokens.is_plain:
        return FastTokenizer(folder, export.tokens.context_length, export.tokens.pad_id)

    def tokenize(texts: Sequence[str]) -> TokenIds:
        from vitrina.search.encoders.open_clip import load_tokenizer

        ids: TokenIds = load_tokenizer(folder)(list(texts)).numpy()
        return ids

    return tokenize
