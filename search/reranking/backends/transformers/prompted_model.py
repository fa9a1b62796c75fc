"""A model with its prompts: candidates and statements in, the logits of its answers out."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from PIL import Image

from vitrina.search.reranking.backends.cached_features import CachedFeatures
from vitrina.search.reranking.backends.dialects import PLACEHOLDER_IMAGE, Prompt, PromptDialect
from vitrina.search.reranking.backends.transformers.chat import ChatTemplate, Inputs
from vitrina.search.reranking.backends.transformers.image_features import (
    FeatureMemory,
    ImageFeatures,
    assemble_inputs,
    compute_features,
    fit_image,
    to_model,
)
from vitrina.search.reranking.base import RerankCandidate

if TYPE_CHECKING:
    import torch

MAX_LISTING_TOKENS = 256
MAX_STATEMENT_TOKENS = 48

_ANY_STATEMENT = "it"
"""In the prompt from which image features are computed: they do not depend on the statement."""


@dataclass(frozen=True, slots=True)
class PromptInput:
    """What a model is given of one candidate: its listing without control tokens, and its image within the limits, or
    a placeholder with the image's ``features``."""

    listing: str
    image: Image.Image | None = None
    features: ImageFeatures | None = None


@dataclass(frozen=True, slots=True)
class PromptedModel:
    """A model and how it is prompted, in search and in tuning alike. Not thread-safe.

    Image features are cached in ``memory``, and on disk in ``cache`` where there is one, under the candidates' keys.
    """

    model: Any
    chat: ChatTemplate
    dialect: PromptDialect
    max_pixels: int
    memory: FeatureMemory
    cache: CachedFeatures[ImageFeatures] | None = None

    def logits(self, candidates: Sequence[RerankCandidate], statements: Sequence[str], *, share: bool) -> torch.Tensor:
        """Return the logits of the answer to each statement about the candidate at its position, shape (n, vocabulary).

        Either all candidates have an image or none has. With ``share`` image features are taken from memory. Raises
        ValueError if an image cannot be opened.
        """
        given = [each for each in self.prompt_inputs(candidates, share=share) if each is not None]
        if len(given) < len(candidates):
            raise ValueError(f"{len(candidates) - len(given)} images cannot be opened.")
        return self.answers(given, statements)

    def prompt_inputs(self, candidates: Sequence[RerankCandidate], *, share: bool) -> list[PromptInput | None]:
        """Return what the model is given of each candidate; None if its image cannot be opened.

        With ``share`` images are given as features, and only new ones are opened and run through the vision tower.
        """
        features = self._features_of(candidates) if share else {}
        return [self._prompt_input(candidate, features, share=share) for candidate in candidates]

    def answers(self, given: Sequence[PromptInput], statements: Sequence[str]) -> torch.Tensor:
        """Return the logits of the answer to each statement about the input at its position, shape (n, vocabulary).
        Either all inputs have an image or none has."""
        clean = {statement: self.chat.clean(statement, MAX_STATEMENT_TOKENS) for statement in dict.fromkeys(statements)}
        prompts = [
            self.dialect.ask(each.image, clean[statement], each.listing)
            for each, statement in zip(given, statements, strict=True)
        ]
        last_only = {"logits_to_keep": 1} if self._can_keep_last_logit_only else {}
        logits = self.model(**self.inputs(given, prompts), use_cache=False, **last_only).logits
        return cast("torch.Tensor", logits[:, -1])

    def inputs(self, given: Sequence[PromptInput], prompts: Sequence[Prompt]) -> Inputs:
        """Return the model's inputs, on its device: from features where there are some, else from pixels."""
        features = [each.features for each in given if each.features is not None]
        if features:
            return to_model(assemble_inputs(self.chat, prompts, features), self.model)
        return to_model(self.chat.inputs(prompts), self.model)

    def compute_features(self, candidates: Sequence[RerankCandidate]) -> dict[str, ImageFeatures]:
        """Open the candidates' images and run the vision tower on them. Returns features by key, without images that
        cannot be opened."""
        images = {
            candidate.key: fit_image(candidate.pixels, self.max_pixels)
            for candidate in candidates
            if candidate.pixels is not None
        }
        prompts = [self.dialect.ask(image, _ANY_STATEMENT, "") for image in images.values()]
        return dict(zip(images, compute_features(self.model, self.chat, prompts), strict=True)) if images else {}

    def _features_of(self, candidates: Sequence[RerankCandidate]) -> dict[str, ImageFeatures]:
        """Image features by key: from memory, from disk, and for new images from the vision tower; without images that
        cannot be opened."""
        with_image = {candidate.key: candidate for candidate in candidates if candidate.has_image}
        found = {key: features for key in with_image if (features := self.memory.get(key)) is not None}
        if len(found) == len(with_image):
            return found
        cached = self.cache.get([key for key in with_image if key not in found]) if self.cache else {}
        new = self.compute_features(
            [each for key, each in with_image.items() if key not in found and key not in cached]
        )
        if self.cache and new:
            self.cache.put_async(new)
        for key, features in {**cached, **new}.items():
            self.memory.put(key, features)
        return {**found, **cached, **new}

    def _prompt_input(
        self, candidate: RerankCandidate, features: Mapping[str, ImageFeatures], *, share: bool
    ) -> PromptInput | None:
        listing = self.chat.clean(candidate.listing, MAX_LISTING_TOKENS)
        if not candidate.has_image:
            return PromptInput(listing)
        if share:
            known = features.get(candidate.key)
            return None if known is None else PromptInput(listing, PLACEHOLDER_IMAGE, known)
        return None if candidate.pixels is None else PromptInput(listing, fit_image(candidate.pixels, self.max_pixels))

    @property
    def _can_keep_last_logit_only(self) -> bool:
        return "logits_to_keep" in inspect.signature(self.model.forward).parameters
