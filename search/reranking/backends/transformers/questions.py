"""Questions put to a model: pictures and claims become its inputs, and its inputs the logits of its answers."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from search.reranking.backends.transformers.chat import Chat, Inputs, Prompt
from search.reranking.backends.transformers.dialects import Dialect
from search.reranking.backends.transformers.pictures import (
    PictureMemory,
    SeenPicture,
    assembled,
    fitted,
    placed,
    see,
)
from search.reranking.base import Look

if TYPE_CHECKING:
    import torch

MAX_PIXELS = 448 * 448
"""256 tokens of Qwen2-VL, 196 of Qwen3-VL: a product fills its picture, and the time grows with the tokens."""
MAX_LISTING_TOKENS = 256
MAX_CLAIM_TOKENS = 48


@dataclass(frozen=True, slots=True)
class Questions:
    """How one model is asked, in searching and in tuning alike. Not safe in several threads.

    Features of pictures are kept in ``memory``, under the looks' keys.
    """

    model: Any
    chat: Chat
    dialect: Dialect
    max_pixels: int
    memory: PictureMemory

    def logits(self, looks: Sequence[Look], claims: Sequence[str], *, share: bool) -> torch.Tensor:
        """The logits of the answer to each claim about the look at the same position, shape (n, vocabulary).

        All of the looks have a picture, or none. With ``share`` the features of pictures are taken from memory.
        """
        asked = [self.chat.clean(claim, MAX_CLAIM_TOKENS) for claim in claims]
        seen = [self.fitted(look) for look in looks]
        prompts = [self.dialect.ask(look.image, claim, look.listing) for look, claim in zip(seen, asked, strict=True)]
        inputs = self.inputs(seen, prompts, share=share)
        logits = self.model(
            **inputs, use_cache=False, **({"logits_to_keep": 1} if self._last_logit_only else {})
        ).logits
        return cast("torch.Tensor", logits[:, -1])

    def fitted(self, look: Look) -> Look:
        """The candidate within the limits, its listing without control tokens."""
        image = None if look.image is None else fitted(look.image.convert("RGB"), self.max_pixels)
        return replace(look, image=image, listing=self.chat.clean(look.listing, MAX_LISTING_TOKENS))

    def inputs(self, looks: Sequence[Look], prompts: Sequence[Prompt], *, share: bool) -> Inputs:
        """What the model takes, on its device: from features where pictures are shared, else from pixels."""
        if share and prompts[0].has_picture:
            return placed(assembled(self.chat, prompts, self._pictures(looks, prompts)), self.model)
        return placed(self.chat.inputs(prompts), self.model)

    def _pictures(self, looks: Sequence[Look], prompts: Sequence[Prompt]) -> list[SeenPicture]:
        """The picture of each row, seen now for the first time or still in memory."""
        new = {look.key: prompt for look, prompt in zip(looks, prompts, strict=True) if not self.memory.get(look.key)}
        fresh = dict(zip(new, see(self.model, self.chat, list(new.values())), strict=True)) if new else {}
        pictures = [fresh.get(look.key) or self.memory.get(look.key) for look in looks]
        for key, seen in fresh.items():
            self.memory.put(key, seen)
        return cast("list[SeenPicture]", pictures)

    @property
    def _last_logit_only(self) -> bool:
        return "logits_to_keep" in inspect.signature(self.model.forward).parameters
