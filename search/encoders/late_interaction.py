"""Late interaction (Khattab and Zaharia, ColBERT, 2020): texts compared word piece by word piece, by what each means
there.

One vector says what a whole text is about; a query of five words and a listing of forty are alike in it though one of
the five be another. Here each piece of a query looks for the piece of the text that is nearest to it, and what they
find is added up, pieces that say more counting more. The vectors of pieces are a linear function of the text
transformer's last states, made by ``recipes/encoder``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from vitrina.search.encoders.base import TextEncoder, unit_rows
from vitrina.search.types.errors import EncoderError
from vitrina.search.types.item import PIECES, EmbeddingKind
from vitrina.search.types.models import Vectors

HEAD_FILE = "late_interaction.safetensors"
"""Inside the folder of an encoder that has a head for word pieces."""

PIECES_SCALE = 127
"""Stored vectors of pieces are in units of one part of this."""

Pieces = NDArray[np.int8]
"""The vectors of a text's word pieces as they are stored, shape (n pieces, width)."""


@dataclass(frozen=True, slots=True)
class EncodedText:
    """A text's unit vector, shape (dimension,), and with an encoder that has a head for them those of its word pieces:
    ``pieces``, unit rows, shape (n, width), and how much each counts in a query, ``weights``, shape (n,), which sum to
    1."""

    vector: Vectors
    pieces: Vectors | None = None
    weights: Vectors | None = None

    @property
    def stored_pieces(self) -> Pieces | None:
        """The pieces in eight bits; None without a head, or without words."""
        if self.pieces is None or not len(self.pieces):
            return None
        return np.asarray(np.rint(self.pieces * PIECES_SCALE), np.int8)

    @property
    def rows(self) -> dict[EmbeddingKind, NDArray[np.float32] | NDArray[np.int8]]:
        """The rows that an index version keeps of the text of an item, a row a kind."""
        rows: dict[EmbeddingKind, NDArray[np.float32] | NDArray[np.int8]] = {"text": self.vector[None]}
        pieces = self.stored_pieces
        return rows if pieces is None else {**rows, PIECES: pieces.reshape(1, -1)}


@runtime_checkable
class PieceEncoder(TextEncoder, Protocol):
    """A text encoder that may have a head for word pieces. Safe to call from several threads."""

    def encode_pieces(self, texts: Sequence[str]) -> list[EncodedText]:
        """Embed texts as ``encode_texts`` does, and their word pieces, if there is a head for them, at once. Blocks."""


def encoded_texts(encoder: TextEncoder, texts: Sequence[str]) -> list[EncodedText]:
    """Texts by any encoder, with word pieces if it has a head for them. Blocks."""
    if isinstance(encoder, PieceEncoder):
        return encoder.encode_pieces(texts)
    return [EncodedText(vector) for vector in encoder.encode_texts(texts)]


@dataclass(frozen=True, slots=True)
class PieceHead:
    """From the states of a text transformer of some hidden size to vectors of pieces: ``vectors``, shape (width, hidden
    size), and the weight of each by ``weights``, shape (hidden size,), and ``bias``."""

    vectors: NDArray[np.float32]
    weights: NDArray[np.float32]
    bias: float

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """The head in an encoder's folder, or None. Raises EncoderError where it cannot be read."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        path = folder / HEAD_FILE
        if not path.is_file():
            return None
        try:
            found = {name: tensor.astype(np.float32) for name, tensor in load_file(path).items()}
            return cls(found["vectors"], found["weights"], float(found["bias"]))
        except (OSError, SafetensorError, KeyError, TypeError) as error:
            raise EncoderError(f"{path} cannot be read: {error}", remedy="Install Vitrina again.") from error

    def write(self, folder: Path) -> None:
        """Write the head into an encoder's folder, in half precision. Raises OSError."""
        from safetensors.numpy import save

        tensors = {"vectors": self.vectors, "weights": self.weights, "bias": np.array(self.bias)}
        (folder / HEAD_FILE).write_bytes(save({name: tensor.astype(np.float16) for name, tensor in tensors.items()}))

    def encoded(self, vectors: Vectors, states: NDArray[np.float32], lengths: Sequence[int]) -> list[EncodedText]:
        """Texts by their unit vectors, shape (n, dimension), and the transformer's states, shape (n, longest, hidden
        size), of which each text has so many, with the marks at both ends."""
        pieces = unit_rows(states @ self.vectors.T)
        weights = np.logaddexp(0.0, states @ self.weights + self.bias)  # softplus
        found = []
        for vector, of_text, counts, length in zip(vectors, pieces, weights, lengths, strict=True):
            inner = slice(1, max(1, int(length) - 1))
            share = counts[inner] / max(float(counts[inner].sum()), 1e-12)
            found.append(EncodedText(vector, of_text[inner], share.astype(np.float32)))
        return found


def late_interaction(query: EncodedText, texts: Sequence[Pieces]) -> NDArray[np.float64]:
    """How near the pieces of a query find others in each text, -1 to 1, shape (n texts,): the weighted mean of the
    cosines with the nearest. A text has one piece at least."""
    if query.pieces is None or query.weights is None or not len(query.pieces):
        return np.zeros(len(texts))
    if not texts:
        return np.zeros(0)
    starts = np.cumsum([0, *map(len, texts[:-1])])
    cosines = query.pieces @ np.concatenate(texts).astype(np.float32).T / PIECES_SCALE  # (query pieces, all pieces)
    return np.asarray(query.weights @ np.maximum.reduceat(cosines, starts, axis=1), np.float64)
