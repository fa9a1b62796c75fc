"""A vision-language model in this process as a ``Reranker``."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import groupby
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitrina.search.reranking.backends.cached_features import CachedFeatures
from vitrina.search.reranking.backends.dialects import Prompt, PromptDialect, image_parts
from vitrina.search.reranking.backends.model_folders import MAX_PIXELS
from vitrina.search.reranking.backends.transformers.cached_features import cached_for, pack
from vitrina.search.reranking.backends.transformers.chat import ChatTemplate
from vitrina.search.reranking.backends.transformers.generation import (
    BOX_UNITS,
    BoxUnit,
    Grammar,
    parse_box,
    stream_text,
)
from vitrina.search.reranking.backends.transformers.image_features import (
    FeatureMemory,
    ImageFeatures,
    accepts_features,
    fit_image,
    max_useful_side_px,
    to_model,
)
from vitrina.search.reranking.backends.transformers.prompted_model import (
    MAX_STATEMENT_TOKENS,
    PromptedModel,
)
from vitrina.search.reranking.base import Box, Capabilities, Deadline, Pair, Probabilities, RerankCandidate, Scoring
from vitrina.search.reranking.fusion import FusionWeights
from vitrina.search.reranking.prompts import EXPLANATION_PATTERN, explanation_prompt, localization_prompt
from vitrina.search.store.feature_cache import FeatureCache
from vitrina.search.types.errors import RerankerError
from vitrina.search.types.models import RerankerIdentity

log = logging.getLogger(__name__)

MAX_EXPLANATION_TOKENS = 96
MAX_BOX_TOKENS = 64
CACHE_BYTES = 512 * 2**20
"""An image takes 9 kB with the embedded model and some 6 MB with Qwen3-VL 8B."""

SMALL_WEIGHTS = 100_000_000
"""Parameters. Smaller models take as many prompts at a time on a CPU as others on a GPU. 32 prompts take the embedded
one 35 ms on one core; 80 of them take it a tenth longer in batches of 8."""

_PROBE_SECONDS = 600.0
_PROBE = RerankCandidate("probe", Image.new("RGB", (96, 64), "navy"), "Shirt, navy blue")
_PROBE_STATEMENTS = ("red", "a navy blue shirt for men")
_SAME_PROBABILITY = 0.02
"""bfloat16 keeps three digits of a logit; in float32 the two ways differ by less than 1e-5 (tiny models, CPU)."""

MODEL_ERRORS = (RuntimeError, ValueError, TypeError, KeyError, IndexError, AttributeError, AssertionError, OSError)
"""What models, processors and templates raise if they fail on an image."""


class TransformersReranker:
    """A model with its processor and its prompt dialect, in this process.

    Thread-safe: one call at a time has the model, and waits for it no longer than its deadline. Capabilities are probed
    on opening, with a few forward passes. Close it, or use it as a context manager.

    Image features are cached in ``features`` if they are small enough, for later processes with the same model.
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
        identity: RerankerIdentity,
        dialect: PromptDialect,
        *,
        max_pixels: int = MAX_PIXELS,
        cache_bytes: int = CACHE_BYTES,
        max_rows: int | None = None,
        fusion_weights: FusionWeights | None = None,
        features: FeatureCache | None = None,
    ) -> None:
        self._model = model
        self._chat = ChatTemplate(processor)
        self._identity = identity
        self._fusion_weights = fusion_weights
        self._dialect = dialect
        self._answers = dialect.answers(self._chat.tokenizer)
        self._max_rows = max_rows or _default_rows(model)
        self._prompted_model = PromptedModel(model, self._chat, dialect, max_pixels, FeatureMemory(cache_bytes))
        self._lock = threading.Lock()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="reranker-writer")
        self._grammar: Grammar | None = None
        self._shares_images = False
        self._capabilities = self._probed()
        self._prompted_model = replace(self._prompted_model, cache=self._open_cache(features))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Start no further generation, and close the feature cache. Closing twice is fine."""
        self._writer.shutdown(wait=False, cancel_futures=True)
        if self._prompted_model.cache is not None:
            self._prompted_model.cache.close()

    @property
    def identity(self) -> RerankerIdentity:
        """The name it was opened by, and a fingerprint of weights, configuration and prompts."""
        return self._identity

    @property
    def capabilities(self) -> Capabilities:
        """As probed on opening."""
        return self._capabilities

    @property
    def fusion_weights(self) -> FusionWeights | None:
        """As measured for this model, if its folder has them."""
        return self._fusion_weights

    @property
    def shares_images(self) -> bool:
        """Whether several statements about one image share one run of the vision tower."""
        return self._shares_images

    @property
    def caches_features(self) -> bool:
        """Whether image features are cached on disk: there is a cache, and they are small enough for it."""
        return self._prompted_model.cache is not None

    @property
    def prompted_model(self) -> PromptedModel:
        """The model with its prompts, for tuning."""
        return self._prompted_model

    def judge(
        self, candidates: Sequence[RerankCandidate], statements: Sequence[str], deadline: Deadline
    ) -> Probabilities:
        """Return P(yes) of each statement about each candidate, shape (n candidates, n statements), one prompt each, in
        batches.

        NaN for candidates that the deadline leaves no time for, for those with neither image nor listing, and for those
        whose image cannot be opened. Only images without cached features are opened. A batch is not started if the one
        before took longer than the time left. Blocks; uses the GPU if the model is on one. Raises RerankerError.
        """
        probabilities = np.full((len(candidates), len(statements)), np.nan, dtype=np.float32)
        took = 0.0
        for part in self._batches(candidates, len(statements)):
            with self._exclusive(deadline) as acquired:
                if not acquired or deadline.seconds_left <= took:
                    break
                started = time.monotonic()
                probabilities[part] = self._scores([candidates[row] for row in part], statements)
                took = time.monotonic() - started
        return probabilities

    @property
    def batch_size(self) -> int:
        """How many prompts one forward pass takes."""
        return self._max_rows

    def judge_pairs(self, pairs: Sequence[Pair], deadline: Deadline) -> NDArray[np.float32]:
        """Return P(yes) of each pair, shape (n pairs,), one prompt each, in one forward pass. NaN where the image
        cannot be opened, and for all if the model is not free before the deadline. Blocks; uses the GPU if the model is
        on one. Raises RerankerError."""
        with self._exclusive(deadline) as acquired:
            if acquired and deadline.seconds_left > 0:
                return self._pair_scores(pairs)
        return np.full(len(pairs), np.nan, np.float32)

    def precompute_features(self, candidates: Sequence[RerankCandidate]) -> int:
        """Compute and cache the features of the candidates' images. Returns how many could be opened, 0 without a
        cache. Blocks; uses the GPU if the model is on one. Raises RerankerError and StorageError."""
        cache = self._prompted_model.cache
        if cache is None:
            return 0
        with self._exclusive(Deadline.within(_PROBE_SECONDS)) as acquired:
            features = self._prompted_model.compute_features(candidates) if acquired else {}
        cache.put(features)
        return len(features)

    def write(self, candidate: RerankCandidate, facts: Sequence[str], deadline: Deadline) -> Iterator[str]:
        """Yield one or two sentences from facts, in pieces, until the deadline.

        With xgrammar installed they are constrained to plain text of bounded length, else cut at a number of tokens.
        The iterator raises RerankerError.
        """
        if not self._capabilities.writes or not facts:
            return iter(())
        clean = [self._chat.clean(fact, MAX_STATEMENT_TOKENS) for fact in facts]
        return self._generate(candidate, explanation_prompt(clean), MAX_EXPLANATION_TOKENS, deadline, self._grammar)

    def locate(self, candidate: RerankCandidate, statement: str, deadline: Deadline) -> Box | None:
        """Return the box of what a statement is about. None if the model family writes no boxes, if its answer cannot
        be parsed, and if there is no time. Raises RerankerError."""
        if not self._capabilities.boxes or not candidate.has_image:
            return None
        task = localization_prompt(self._chat.clean(statement, MAX_STATEMENT_TOKENS))
        written = "".join(self._generate(candidate, task, MAX_BOX_TOKENS, deadline, None))
        unit = BOX_UNITS[self._model_type]
        size = self._resized(candidate.pixels) if unit is BoxUnit.PIXELS and candidate.pixels is not None else (1, 1)
        return parse_box(written, unit, size)

    @property
    def _model_type(self) -> str:
        return cast("str", self._model.config.model_type)

    def _batches(self, candidates: Sequence[RerankCandidate], n_statements: int) -> Iterator[list[int]]:
        """Rows to be judged together, in order: as many as fit, all with an image or all without."""
        size = max(1, self._max_rows // max(1, n_statements))
        visible = [
            row
            for row, candidate in enumerate(candidates)
            if n_statements and (candidate.has_image or candidate.listing.strip())
        ]
        for _, same in groupby(visible, key=lambda row: candidates[row].has_image):
            rows = list(same)
            yield from (rows[start : start + size] for start in range(0, len(rows), size))

    @contextlib.contextmanager
    def _exclusive(self, deadline: Deadline) -> Iterator[bool]:
        """Lock the model; False if it could not be locked before the deadline."""
        import torch

        acquired = self._lock.acquire(timeout=deadline.seconds_left)
        try:
            with torch.inference_mode():
                yield acquired
        except MODEL_ERRORS as error:
            raise RerankerError(
                f"Reranker '{self._identity.name}' failed: {error or type(error).__name__}",
                remedy="Read the log; if memory ran out, choose a smaller model or fewer candidates.",
            ) from error
        finally:
            if acquired:
                self._lock.release()

    def _scores(
        self, candidates: Sequence[RerankCandidate], statements: Sequence[str], *, share: bool | None = None
    ) -> Probabilities:
        """P(yes), shape (n candidates, n statements); NaN where the image cannot be opened. Call it with the lock."""
        pairs = [(candidate, statement) for candidate in candidates for statement in statements]
        return self._pair_scores(pairs, share=share).reshape(len(candidates), len(statements))

    def _pair_scores(self, pairs: Sequence[Pair], *, share: bool | None = None) -> NDArray[np.float32]:
        """P(yes) of each pair, shape (n pairs,); NaN where the image cannot be opened. Call it with the lock."""
        share = self._shares_images if share is None else share
        candidates = {candidate.key: candidate for candidate, _ in pairs}
        given = dict(
            zip(candidates, self._prompted_model.prompt_inputs(list(candidates.values()), share=share), strict=True)
        )
        answers = np.full(len(pairs), np.nan, np.float32)
        answerable = [row for row, (candidate, _) in enumerate(pairs) if given[candidate.key] is not None]
        inputs = [each for candidate, _ in pairs if (each := given[candidate.key]) is not None]
        if inputs:
            logits = self._prompted_model.answers(inputs, [pairs[row][1] for row in answerable])
            answers[answerable] = self._answers.probability(logits).cpu().numpy()
        if not np.isfinite(answers[answerable]).all():
            raise ValueError("its answer is not a number.")
        return answers

    def _generate(
        self, candidate: RerankCandidate, task: str, max_tokens: int, deadline: Deadline, grammar: Grammar | None
    ) -> Iterator[str]:
        """The model's text about a candidate, in pieces, at least one token; nothing if the image cannot be opened."""

        def generate(settings: dict[str, Any]) -> None:
            with self._exclusive(deadline) as acquired:
                if not acquired or deadline.seconds_left <= 0:
                    return
                (prompt_input,) = self._prompted_model.prompt_inputs([candidate], share=self._shares_images)
                if prompt_input is None:
                    return
                inputs = self._prompted_model.inputs([prompt_input], [Prompt((*image_parts(prompt_input.image), task))])
                held = {"logits_processor": [grammar.processor()]} if grammar else {}
                self._model.generate(**inputs, **settings, **held, max_new_tokens=max_tokens)

        return stream_text(generate, self._chat.tokenizer, deadline, self._writer)

    def _resized(self, image: Image.Image) -> tuple[int, int]:
        """Width and height, in pixels, of an image as resized by the processor, for families with boxes in pixels."""
        image = fit_image(image, self._prompted_model.max_pixels)
        grid = self._chat.processor.image_processor(images=[image], return_tensors="pt").get("image_grid_thw")
        if grid is None:
            return image.size
        patch = self._chat.processor.image_processor.patch_size
        return int(grid[0][2]) * patch, int(grid[0][1]) * patch

    def _probed(self) -> Capabilities:
        """Probe the model's capabilities. Raises RerankerError if it cannot even judge."""
        candidate, deadline = _PROBE, Deadline.within(_PROBE_SECONDS)
        with self._exclusive(deadline):
            whole = self._scores([candidate], _PROBE_STATEMENTS, share=False)
            image_side_px = max_useful_side_px(self._chat.processor)
        self._shares_images = accepts_features(self._model) and self._features_agree(candidate, whole)
        if not self._dialect.can_chat:
            return Capabilities(Scoring.LOGITS, image_side_px=image_side_px)
        self._grammar = self._usable_grammar(candidate, self._compile_grammar())
        writes = self._grammar is not None or self._can_write(candidate, None)
        return Capabilities(
            Scoring.LOGITS,
            writes=writes,
            schema=self._grammar is not None,
            boxes=writes and self._model_type in BOX_UNITS,
            image_side_px=image_side_px,
        )

    def _open_cache(self, features: FeatureCache | None) -> CachedFeatures[ImageFeatures] | None:
        """The cache of this model's image features; None if they are too large, or if it does not accept features."""
        if features is None or not self._shares_images:
            return None
        with self._exclusive(Deadline.within(_PROBE_SECONDS)):
            probe = self._prompted_model.compute_features([_PROBE])[_PROBE.key]
        return cached_for(self._model, features) if pack(probe) is not None else None

    def _features_agree(self, candidate: RerankCandidate, whole: Probabilities) -> bool:
        """Whether statements judged from features get the same answers as from pixels; if not, pixels are used."""
        try:
            with self._exclusive(Deadline.within(_PROBE_SECONDS)):
                shared = self._scores([candidate], _PROBE_STATEMENTS, share=True)
        except RerankerError as error:
            log.warning("Image features are not shared between statements: %s", error)
            return False
        difference = float(np.abs(shared - whole).max())
        if difference > _SAME_PROBABILITY:
            log.warning("Image features are not shared between statements: probabilities differ by %.3f.", difference)
        return difference <= _SAME_PROBABILITY

    def _compile_grammar(self) -> Grammar | None:
        import torch

        with torch.inference_mode():
            inputs = to_model(self._chat.inputs([Prompt(("Well?",))]), self._model)
            n_logits = self._model(**inputs, use_cache=False).logits.shape[-1]
        stop = self._model.generation_config.eos_token_id
        stop_tokens = stop if isinstance(stop, list) else [self._chat.tokenizer.eos_token_id if stop is None else stop]
        return Grammar.of(EXPLANATION_PATTERN, self._chat.tokenizer, n_logits=n_logits, stop_tokens=stop_tokens)

    def _usable_grammar(self, candidate: RerankCandidate, grammar: Grammar | None) -> Grammar | None:
        return grammar if grammar is not None and self._can_write(candidate, grammar) else None

    def _can_write(self, candidate: RerankCandidate, grammar: Grammar | None) -> bool:
        """Whether a few tokens can be generated about an image."""
        try:
            list(self._generate(candidate, "Name it.", 2, Deadline.within(_PROBE_SECONDS), grammar))
        except RerankerError as error:
            log.warning("The model cannot write%s: %s", " under a grammar" if grammar else "", error)
            return False
        return True


def _default_rows(model: Any) -> int:
    """Prompts per batch: more is faster, but a deadline is checked less often."""
    return 32 if model.device.type == "cuda" or model.num_parameters() < SMALL_WEIGHTS else 8
