"""Lookalikes: which products an encoder finds alike, anew for each epoch."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from search.encoders.base import Encoder
from training.pictures import decode

ALIKE = 16
"""Products of one look, on average: enough that most find a partner of another label, few enough to be alike."""

_BATCH = 1024


class Lookalikes:
    """Products by their pictures' ``vectors``, float32, shape (n, dimension), unit rows."""

    def __init__(self, vectors: torch.Tensor) -> None:
        self._vectors = vectors

    @classmethod
    def seen_by(cls, encoder: Encoder, pictures: Sequence[bytes]) -> Lookalikes:
        """As an encoder sees encoded pictures. Blocks, for a second per some hundred."""
        starts = range(0, len(pictures), _BATCH)
        batches = ([decode(picture) for picture in pictures[start : start + _BATCH]] for start in starts)
        return cls(torch.cat([torch.from_numpy(encoder.encode_images(batch)) for batch in batches]))

    def numbered(self, indices: torch.Tensor, dice: torch.Generator) -> list[int]:
        """The number of each product's look: the nearest of some products drawn by chance, so that who looks alike is
        grouped differently each time."""
        n = len(self._vectors)
        drawn = self._vectors[torch.randperm(n, generator=dice)[: max(1, n // ALIKE)]]
        nearest = torch.cat([(part @ drawn.T).argmax(dim=1) for part in torch.split(self._vectors, _BATCH)])
        return nearest[indices].tolist()
