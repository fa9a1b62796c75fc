"""The matcher: from what two towers see and the vector of a phrase, whether the phrase is true of an image.

ImageNet's tower, as it is, knows a thousand kinds of things; that of the vision-language model was trained on what
shops sell. Phrases attend to the places of both, and so learn which of them to ask. The embedded encoder's vector of
the image tells best what it shows as a whole: it is one more token, and is compared with the phrase's.

The decoder of the vision-language model reads a statement token by token, and knows the words of its training alone.
The matcher takes a statement as the embedded encoder's vector of it, so that what it learnt of sofas holds for couches,
and a pair of a statement and an image costs it a fiftieth.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import avg_pool2d, gelu, scaled_dot_product_attention

SIDE, N_ROWS = 160, 5
"""Pixels of a side, to which images are squashed, and the places that a side is divided into."""

TAPS = (1, 2, 4, 6)
"""The stages of the tower whose maps are taken: the early ones know colours and patterns, the last one things."""

N_FEATURES, N_LAST = 502, 320
"""Of a place, and how many of them are those of the last stage, which ImageNet's classifier goes on from."""

N_PLACES = N_ROWS * N_ROWS

MODEL_ROWS, MODEL_COLUMNS, MODEL_WIDTH = 4, 3, 192
N_MODEL_PLACES = MODEL_ROWS * MODEL_COLUMNS
"""What the embedded vision-language model's tower makes of an image."""


class MatchTower(torch.nn.Module):
    """Pixels, (n, 3, ``SIDE``, ``SIDE``) from -1 to 1, to features of each place, (n, ``N_PLACES``, ``N_FEATURES``):
    the mean and the spread of its colours, and the mean of four stages' maps over it. ``trunk`` is timm's
    EfficientNet."""

    def __init__(self, trunk: Any) -> None:
        super().__init__()
        self.conv_stem, self.bn1, self.blocks = trunk.conv_stem, trunk.bn1, trunk.blocks

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        mean = _by_place(pixels)
        maps = [mean, (_by_place(pixels**2) - mean**2).clamp(min=0).sqrt()]
        states = self.bn1(self.conv_stem(pixels))
        for stage, block in enumerate(self.blocks):
            states = block(states)
            if stage in TAPS:
                maps.append(_by_place(states))
        return torch.cat(maps, dim=1).flatten(2).transpose(1, 2)


def _by_place(maps: torch.Tensor) -> torch.Tensor:
    side = maps.shape[-1] // N_ROWS
    return avg_pool2d(maps, side) if side > 1 else maps


def _two_layers(taken: int, width: int, given: int) -> torch.nn.Sequential:
    return torch.nn.Sequential(torch.nn.Linear(taken, width), torch.nn.GELU(), torch.nn.Linear(width, given))


class Eye(torch.nn.Module):
    """Turns the features of an image's places into tokens. ``mean`` and ``spread`` are those of the features, float32,
    (features,)."""

    mean: torch.Tensor
    spread: torch.Tensor

    def __init__(self, mean: torch.Tensor, spread: torch.Tensor, n_places: int, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("spread", spread)
        self.see = _two_layers(len(mean), width, width)
        self.places = torch.nn.Parameter(torch.randn(n_places, width) * 0.02)
        self.norm = torch.nn.LayerNorm(width)

    @classmethod
    def for_features(cls, features: NDArray[np.float16], width: int) -> Self:
        """An untrained one for features like these, (n, places, features)."""
        some = features[:: max(1, len(features) // 4096)].astype(np.float32).reshape(-1, features.shape[-1])
        mean, spread = some.mean(axis=0), np.maximum(some.std(axis=0), 1e-3)
        return cls(torch.from_numpy(mean), torch.from_numpy(spread), features.shape[1], width)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        tokens: torch.Tensor = self.norm(self.see((features - self.mean) / self.spread) + self.places)
        return tokens


class VectorEye(torch.nn.Module):
    """Turns the encoder's vector of an image into a token, and that of a phrase into what the token is compared with:
    at first their products add up to the cosine. ``basis`` has orthonormal rows, float32, (width, d)."""

    def __init__(self, basis: torch.Tensor) -> None:
        super().__init__()
        width, dimension = basis.shape
        self.see, self.say = torch.nn.Linear(dimension, width), torch.nn.Linear(dimension, width)
        for projection in (self.see, self.say):
            projection.weight.data.copy_(basis * width**0.5)
            projection.bias.data.zero_()

    @classmethod
    def for_vectors(cls, vectors: NDArray[np.float32], width: int) -> Self:
        """An untrained one that keeps what such vectors, (n, d), differ in most."""
        some = torch.from_numpy(vectors[:: max(1, len(vectors) // 4096)].astype(np.float32))
        return cls(torch.linalg.svd(some, full_matrices=False).Vh[:width])

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        tokens: torch.Tensor = self.see(vectors)
        return tokens


class MatchHead(torch.nn.Module):
    """A few queries made from a phrase attend again and again to an image's places, and say whether it is so.

    ``eyes`` are one for each tower, ``vector_eye`` is that for the encoder's vector, of the same width.
    """

    def __init__(
        self, eyes: Sequence[Eye], vector_eye: VectorEye, *, text_width: int, n_queries: int = 4, n_layers: int = 3
    ) -> None:
        super().__init__()
        width = eyes[0].places.shape[1]
        self.eyes, self.vector_eye = torch.nn.ModuleList(eyes), vector_eye
        self.n_queries, self.width, self.text_width = n_queries, width, text_width
        self.ask = _two_layers(text_width, width, n_queries * width)
        self.layers = torch.nn.ModuleList(CrossLayer(width) for _ in range(n_layers))
        self.norm = torch.nn.LayerNorm(n_queries * width)
        self.decide = _two_layers((n_queries + 1) * width, width, 1)

    def image_tokens(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """What the phrases attend to, (n, all places, width), from the features of each tower, (n, places, ...), and
        the encoder's vector, (n, 1, d), which is the last token."""
        eyes = [*self.eyes, self.vector_eye]
        return torch.cat([eye(each) for eye, each in zip(eyes, features, strict=True)], dim=1)

    def judge(self, tokens: torch.Tensor, texts: torch.Tensor, owners: torch.Tensor) -> torch.Tensor:
        """The logit of each phrase being true of its image. ``tokens`` as ``image_tokens`` returns; ``texts`` (m, text
        width), unit rows; ``owners`` int64 (m,), the image that each is about; returns (m,)."""
        states = self._queries(texts)
        for layer in self.layers:
            states = layer(states, *(attended[owners] for attended in layer.of_image(tokens)))  # type: ignore[operator]
        return self._decided(states.flatten(1), tokens[:, -1][owners], texts)

    def judge_each(self, tokens: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
        """The same for as many phrases of each image, (n, s, text width); returns (n, s). Nothing is gathered, which
        takes most of the time of a step otherwise."""
        n, s, _ = texts.shape
        states = self._queries(texts.flatten(0, 1)).reshape(n, s * self.n_queries, self.width)
        for layer in self.layers:
            states = layer(states, *layer.of_image(tokens))  # type: ignore[operator]
        return self._decided(states.reshape(n, s, -1), tokens[:, -1:], texts)

    def _decided(self, states: torch.Tensor, last: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
        """The logits, (...), from what the queries found, (..., queries x width), the last token of each image, and the
        phrases."""
        agreement = last * self.vector_eye.say(texts)
        logits: torch.Tensor = self.decide(torch.cat([self.norm(states), agreement], dim=-1)).squeeze(-1)
        return logits

    def _queries(self, texts: torch.Tensor) -> torch.Tensor:
        """(m, text width) to (m, queries, width)."""
        asked: torch.Tensor = self.ask(texts * texts.shape[1] ** 0.5)
        return asked.reshape(len(texts), self.n_queries, self.width)


class CrossLayer(torch.nn.Module):
    """Queries attend to the places of their image, and then think: pre-norm, six heads."""

    def __init__(self, width: int, n_heads: int = 6) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.before, self.between = torch.nn.LayerNorm(width), torch.nn.LayerNorm(width)
        self.query, self.out = torch.nn.Linear(width, width), torch.nn.Linear(width, width)
        self.key, self.value = torch.nn.Linear(width, width), torch.nn.Linear(width, width)
        self.widen, self.narrow = torch.nn.Linear(width, 2 * width), torch.nn.Linear(2 * width, width)

    def of_image(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values of each image's places, (n, heads, places, width of a head)."""
        return self._heads(self.key(tokens)), self._heads(self.value(tokens))

    def forward(self, states: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """``states`` (m, queries, width) and each one's own ``of_image``; returns (m, queries, width)."""
        attended = scaled_dot_product_attention(self._heads(self.query(self.before(states))), keys, values)
        states = states + self.out(attended.transpose(1, 2).flatten(2))
        thought: torch.Tensor = states + self.narrow(gelu(self.widen(self.between(states))))
        return thought

    def _heads(self, states: torch.Tensor) -> torch.Tensor:
        heads: torch.Tensor = states.reshape(*states.shape[:2], self.n_heads, -1)
        return heads.transpose(1, 2)
