"""Questions put to a model: pictures and claims become its inputs, and its inputs the logits of its answers."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from PIL import Image

from vitrina.search.reranking.backends.transformers.cached_features import CachedFeatures
from vitrina.search.reranking.backends.transformers.chat import STAND_IN, ChatTemplate, Inputs, Prompt, PromptDialect
from vitrina.search.reranking.backends.transformers.image_features import (
    FeatureMemory,
    ImageFeatures,
    assembled,
    compute_features,
    fitted,
    placed,
)
from vitrina.search.reranking.base import RerankCandidate

if TYPE_CHECKING:
    import torch

MAX_PIXELS = 448 * 448
"""256 tokens of Qwen2-VL, 196 of Qwen3-VL: a product fills its picture, and the time grows with the tokens."""
MAX_LISTING_TOKENS = 256
MAX_STATEMENT_TOKENS = 48

_ANY_STATEMENT = "it"
"""Behind a picture that is seen for the first time: what is asked makes no difference to what is seen."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What a model is shown of one candidate: its listing without control tokens; its picture within the limits, or,
    where it was ``seen`` before, something that stands for it."""

    listing: str
    image: Image.Image | None = None
    seen: ImageFeatures | None = None


@dataclass(frozen=True, slots=True)
class ModelInputs:
    """How one model is asked, in searching and in tuning alike. Not safe in several threads.

    Features of pictures are kept in ``memory``, and where there is one in ``kept``, under the looks' keys.
    """

    model: Any
    chat: ChatTemplate
    dialect: PromptDialect
    max_pixels: int
    memory: FeatureMemory
    kept: CachedFeatures | None = None

    def logits(self, candidates: Sequence[RerankCandidate], statements: Sequence[str], *, share: bool) -> torch.Tensor:
        """The logits of the answer to each claim about the look at the same position, shape (n, vocabulary).

        All of the looks have a picture, or none. With ``share`` the features of pictures are taken from memory. Raises
        ValueError where a picture cannot be opened.
        """
        sights = [sight for sight in self.sights(candidates, share=share) if sight is not None]
        if len(sights) < len(candidates):
            raise ValueError(f"{len(candidates) - len(sights)} pictures cannot be opened.")
        return self.answers(sights, statements)

    def sights(self, candidates: Sequence[RerankCandidate], *, share: bool) -> list[Sight | None]:
        """What the model is to be shown of each look; None where the picture cannot be opened.

        With ``share`` pictures are shown as features, and only those that are new are opened and run through the vision
        tower.
        """
        seen = self._seen(candidates) if share else {}
        return [self._sight(candidate, seen, share=share) for candidate in candidates]

    def answers(self, sights: Sequence[Sight], statements: Sequence[str]) -> torch.Tensor:
        """The logits of the answer to each claim about the sight at the same position, shape (n, vocabulary). All of
        the sights have a picture, or none."""
        clean = {statement: self.chat.clean(statement, MAX_STATEMENT_TOKENS) for statement in dict.fromkeys(statements)}
        prompts = [
            self.dialect.ask(sight.image, clean[statement], sight.listing)
            for sight, statement in zip(sights, statements, strict=True)
        ]
        inputs = self.inputs(sights, prompts)
        logits = self.model(
            **inputs, use_cache=False, **({"logits_to_keep": 1} if self._last_logit_only else {})
        ).logits
        return cast("torch.Tensor", logits[:, -1])

    def inputs(self, sights: Sequence[Sight], prompts: Sequence[Prompt]) -> Inputs:
        """What the model takes, on its device: from features where pictures were seen, else from pixels."""
        images = [sight.seen for sight in sights if sight.seen is not None]
        if images:
            return placed(assembled(self.chat, prompts, images), self.model)
        return placed(self.chat.inputs(prompts), self.model)

    def compute_features(self, candidates: Sequence[RerankCandidate]) -> dict[str, ImageFeatures]:
        """Open the pictures of looks and run the vision tower over them; by key, without those that cannot be
        opened."""
        images = {
            candidate.key: fitted(candidate.pixels, self.max_pixels)
            for candidate in candidates
            if candidate.pixels is not None
        }
        prompts = [self.dialect.ask(image, _ANY_STATEMENT, "") for image in images.values()]
        return dict(zip(images, compute_features(self.model, self.chat, prompts), strict=True)) if images else {}

    def _seen(self, candidates: Sequence[RerankCandidate]) -> dict[str, ImageFeatures]:
        """The pictures of looks by key: those still in memory, those on disk, and the others, seen now for the first
        time; without those that cannot be opened."""
        image_parts = {candidate.key: candidate for candidate in candidates if candidate.has_image}
        found = {key: seen for key in image_parts if (seen := self.memory.get(key)) is not None}
        if len(found) == len(image_parts):
            return found
        kept = self.kept.get([key for key in image_parts if key not in found]) if self.kept else {}
        fresh = self.compute_features(
            [candidate for key, candidate in image_parts.items() if key not in found and key not in kept]
        )
        if self.kept and fresh:
            self.kept.put_later(fresh)
        for key, seen in {**kept, **fresh}.items():
            self.memory.put(key, seen)
        return {**found, **kept, **fresh}

    def _sight(self, candidate: RerankCandidate, seen: Mapping[str, ImageFeatures], *, share: bool) -> Sight | None:
        listing = self.chat.clean(candidate.listing, MAX_LISTING_TOKENS)
        if not candidate.has_image:
            return Sight(listing)
        if share:
            return Sight(listing, STAND_IN, seen[candidate.key]) if candidate.key in seen else None
        return None if candidate.pixels is None else Sight(listing, fitted(candidate.pixels, self.max_pixels))

    @property
    def _last_logit_only(self) -> bool:
        return "logits_to_keep" in inspect.signature(self.model.forward).parameters
