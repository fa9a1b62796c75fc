"""An exported vision-language model: images to prefixes of prompts, and statements after a prefix to answers.

A prompt shows the image before the text, and a decoder's token sees only what precedes it. So the keys and values of an
image's tokens are the same whatever is asked about it: they are computed once, and all statements about an image follow
them in one sequence, in which each sees the image and itself alone (as in sequence packing, arXiv 2107.02027).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray
from PIL import Image

from vitrina.search.encoders.graphs import open_sessions
from vitrina.search.reranking.backends.onnx.chat import Tokens
from vitrina.search.reranking.backends.onnx.exports import RerankerExport, exported

Features = NDArray[np.float32]
"""An image after tower and projector, shape (image tokens, width)."""

Prefix = NDArray[np.float32]
"""Keys and values of what precedes a text, shape (layers, 2, heads, tokens, head width)."""

Logits = NDArray[np.float32]

MASKED = np.float32(np.finfo(np.float32).min)
"""Added to the attention of a token that must not be seen."""


@dataclass(frozen=True, slots=True)
class Packed:
    """Several texts in one sequence, each of which sees what precedes them all and itself: token ids and positions of
    shape (1, n), the mask of shape (1, 1, n, before + n), and the index of each text's last token."""

    tokens: NDArray[np.int64]
    positions: NDArray[np.int64]
    mask: NDArray[np.float32]
    last: NDArray[np.int64]

    @classmethod
    def of(cls, texts: Sequence[Tokens], n_before: int) -> Packed:
        """Pack texts that follow ``n_before`` tokens."""
        lengths = np.array([len(text) for text in texts])
        text_of = np.repeat(np.arange(len(texts)), lengths)
        starts = np.cumsum(lengths) - lengths
        at = np.arange(len(text_of))
        own = (text_of[:, None] == text_of[None, :]) & (at[:, None] >= at[None, :])
        visible = np.concatenate([np.ones((len(at), n_before), dtype=bool), own], axis=1)
        return cls(
            tokens=np.concatenate([np.array(text, dtype=np.int64) for text in texts])[None],
            positions=(n_before + at - starts[text_of])[None],
            mask=np.where(visible, np.float32(0), MASKED)[None, None],
            last=starts + lengths - 1,
        )


class PrefixMemory:
    """The prefixes of the images used last, up to ``max_bytes``. Thread-safe."""

    def __init__(self, max_bytes: int) -> None:
        self._prefixes: LRUCache[str, Prefix] = LRUCache(max_bytes, getsizeof=lambda prefix: int(prefix.nbytes))
        self._lock = threading.Lock()

    def get(self, key: str) -> Prefix | None:
        """An image's prefix, if it is still there."""
        with self._lock:
            return self._prefixes.get(key)

    def put(self, key: str, prefix: Prefix) -> None:
        """Store an image's prefix, unless it is larger than all the memory."""
        if prefix.nbytes <= self._prefixes.maxsize:
            with self._lock:
                self._prefixes[key] = prefix


class ExportedVlm:
    """The graphs of one export. Every method blocks, uses one core, and may be called from any thread."""

    def __init__(self, folder: Path, export: RerankerExport) -> None:
        source = exported(folder)
        self._features, self._decoder = open_sessions(source, [export.features, export.decoder], n_threads=1)
        self._embedding = source.read_weights([export.embedding])[export.embedding]  # (vocabulary, width)
        self._shape = export.shape
        self._preprocessing = export.preprocessing

    def features(self, images: Sequence[Image.Image]) -> Features:
        """Run tower and projector; shape (n, image tokens, width)."""
        features: Features = self._features(np.stack([self._preprocessing(image) for image in images]))[0]
        return features

    def prefixes(self, before: Tokens, features: Features) -> Prefix:
        """Keys and values of tokens and an image behind them, for a batch of images' features; shape (n, layers, 2,
        heads, tokens, head width)."""
        leading = self._embedding[list(before)]  # (tokens, width)
        embedded = np.concatenate([np.broadcast_to(leading, (len(features), *leading.shape)), features], axis=1)
        n = embedded.shape[1]
        mask = Packed.of([(0,) * n], 0).mask
        _, prefixes = self._run(embedded, np.arange(n)[None], mask, self.nothing(len(features)), np.arange(0))
        return prefixes

    def answers(self, prefixes: Prefix, texts: Sequence[Tokens]) -> Logits:
        """The logits behind each text after each prefix of a batch, shape (n, texts, vocabulary)."""
        packed = Packed.of(texts, prefixes.shape[4])
        embedded = np.broadcast_to(
            self._embedding[packed.tokens[0]], (len(prefixes), packed.tokens.size, self._shape.width)
        )
        return self._run(embedded, packed.positions, packed.mask, prefixes, packed.last)[0]

    def generate(
        self, prefix: Prefix, text: Tokens, stop: Sequence[int], allowed: NDArray[np.bool_] | None = None
    ) -> Iterator[int]:
        """Yield the likeliest token after a text that follows a prefix, again and again, until one of ``stop``; only
        those ``allowed``, shape (vocabulary,), and not an end before the beginning."""
        past, tokens = prefix[None], text
        fixed = None if allowed is None else np.where(allowed, np.float32(0), MASKED)
        while True:
            packed = Packed.of([tokens], past.shape[4])
            logits, present = self._run(
                self._embedding[packed.tokens], packed.positions, packed.mask, past, packed.last
            )
            scores = logits[0, -1].copy()
            if fixed is not None:
                ends = scores[list(stop)]
                scores[: len(fixed)] += fixed
                if tokens is not text:
                    scores[list(stop)] = ends
            token = int(scores.argmax())
            if token in stop:
                return
            yield token
            past, tokens = np.concatenate([past, present], axis=4), (token,)

    @property
    def width(self) -> int:
        """The width of a token."""
        return self._shape.width

    def nothing(self, n: int) -> Prefix:
        """The prefixes of ``n`` prompts that begin with their text."""
        shape = self._shape
        return np.zeros((n, shape.n_layers, 2, shape.n_heads, 0, shape.head_width), dtype=np.float32)

    def _run(
        self,
        embedded: NDArray[np.float32],
        positions: NDArray[np.int64],
        mask: NDArray[np.float32],
        past: Prefix,
        last: NDArray[np.int64],
    ) -> tuple[Logits, Prefix]:
        """Logits behind the tokens at ``last``, and the keys and values of all tokens."""
        logits, present = self._decoder(np.ascontiguousarray(embedded), positions, mask, past, last)
        return logits, present
