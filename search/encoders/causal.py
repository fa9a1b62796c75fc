"""Texts cut to their length, for text towers that read from left to right.

A tower pads every text to its context length, 32 tokens or 77, and a query has four to eight. Under a causal mask no
token sees what follows it, and the vector is read at the end token, so that everything after it changes nothing.
"""

from __future__ import annotations

import copy
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import torch


class CausalTower:
    """An open_clip text tower that may be given fewer tokens than its context length. Safe in several threads."""

    def __init__(self, tower: Any) -> None:
        self._tower = tower
        self._of_length = lru_cache(maxsize=None)(self._shortened)

    @classmethod
    def of(cls, model: Any) -> CausalTower | None:
        """The text tower of an open_clip model, or None where a shorter text would change the vector.

        That is so where the mask is not causal, where a class token follows the text, and where the vector is read
        elsewhere than at the end token. Models that carry their text tower within themselves (``custom_text`` is
        false) cannot be given fewer tokens.
        """
        from open_clip.transformer import TextTransformer

        tower = getattr(model, "text", None)
        if not isinstance(tower, TextTransformer):
            return None
        exact = tower.attn_mask is not None and tower.cls_emb is None and tower.pool_type in ("argmax", "eos")
        return cls(tower) if exact else None

    def lengths(self, tokens: torch.Tensor) -> torch.Tensor:
        """Up to and including the token that the vector is read at; (n, context length) to int64, shape (n,)."""
        if self._tower.pool_type == "eos":
            return cast("torch.Tensor", (tokens == self._tower.eos_id).int().argmax(dim=1) + 1)
        return tokens.argmax(dim=1) + 1  # the end token has the highest id

    def __call__(self, tokens: torch.Tensor) -> torch.Tensor:
        """Embed (n, context length) token ids, cut to the longest text among them; shape (n, dimension)."""
        longest = int(self.lengths(tokens).max())
        return cast("torch.Tensor", self._of_length(longest)(tokens[:, :longest]))

    def _shortened(self, length: int) -> Any:
        """The tower with a smaller mask: a shallow copy, which shares the weights and leaves the tower as it is."""
        shortened = copy.copy(self._tower)
        shortened._buffers = {**self._tower._buffers, "attn_mask": self._tower.attn_mask[:length, :length]}
        return shortened
