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
from PIL import Image

from vitrina.search.reranking.backends.transformers.cached_features import CachedFeatures, packed
from vitrina.search.reranking.backends.transformers.chat import ChatTemplate, Prompt, PromptDialect, image_parts
from vitrina.search.reranking.backends.transformers.generation import MEASURES, Grammar, Measure, box_in, streamed
from vitrina.search.reranking.backends.transformers.image_features import (
    FeatureMemory,
    enough_px,
    fitted,
    placed,
    takes_features,
)
from vitrina.search.reranking.backends.transformers.questions import MAX_PIXELS, MAX_STATEMENT_TOKENS, ModelInputs
from vitrina.search.reranking.base import Box, Capabilities, Deadline, Probabilities, RerankCandidate, Scoring
from vitrina.search.reranking.fusion import FusionWeights
from vitrina.search.reranking.prompts import EXPLANATION_PATTERN, pointing, telling
from vitrina.search.store.feature_cache import FeatureCache
from vitrina.search.types.errors import RerankerError
from vitrina.search.types.models import RerankerIdentity

log = logging.getLogger(__name__)

MAX_WRITTEN_TOKENS = 96
MAX_BOX_TOKENS = 64
CACHE_BYTES = 512 * 2**20
"""A picture costs 9 kB in the embedded model and some 6 MB in Qwen3-VL 8B."""

SMALL_WEIGHTS = 100_000_000
"""Models of fewer take as many prompts at a time on a CPU as others on a GPU. 32 prompts take the embedded one 35 ms on
one core; 80 of them take it a tenth longer in batches of 8."""

_PROBE_SECONDS = 600.0
_PROBE = RerankCandidate("probe", Image.new("RGB", (96, 64), "navy"), "Shirt, navy blue")
_PROBE_STATEMENTS = ("red", "a navy blue shirt for men")
_SAME_PROBABILITY = 0.02
"""bfloat16 keeps three digits of a logit; in float32 the two ways differ by less than 1e-5 (tiny models, CPU)."""

FAILURES = (RuntimeError, ValueError, TypeError, KeyError, IndexError, AttributeError, AssertionError, OSError)
"""What models, processors and templates raise: any of it means that this model, or this picture, did not work."""


class TransformersReranker:
    """A model, its processor, and how it wants to be asked.

    Every method may be called from any thread: one call at a time has the model, and waits for it no longer than its
    deadline allows. What the model can do is tried out when it is opened, which takes it a few forward passes. Close
    it, or use it as a context manager.

    Features of pictures are kept in ``features``, where they are small enough, for whoever opens the same model next.
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
        self._max_rows = max_rows or _usual_rows(model)
        self._questions = ModelInputs(model, self._chat, dialect, max_pixels, FeatureMemory(cache_bytes))
        self._lock = threading.Lock()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="reranker-writer")
        self._grammar: Grammar | None = None
        self._shares_images = False
        self._capabilities = self._probed()
        self._questions = replace(self._questions, kept=self._kept_in(features))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Begin to write nothing more, and let go of the features on disk. Closing twice is fine."""
        self._writer.shutdown(wait=False, cancel_futures=True)
        if self._questions.kept is not None:
            self._questions.kept.close()

    @property
    def identity(self) -> RerankerIdentity:
        """The name it was opened by; weights, configuration and prompts."""
        return self._identity

    @property
    def capabilities(self) -> Capabilities:
        """As tried out when it was opened."""
        return self._capabilities

    @property
    def fusion_weights(self) -> FusionWeights | None:
        """As measured for this model, where its folder says so."""
        return self._fusion_weights

    @property
    def shares_images(self) -> bool:
        """Whether several claims about one picture cost one run of the vision tower."""
        return self._shares_images

    @property
    def caches_features(self) -> bool:
        """Whether the features of pictures outlive this process: they have a place, and are small enough for it."""
        return self._questions.kept is not None

    @property
    def questions(self) -> ModelInputs:
        """How it asks its model, for whoever tunes that."""
        return self._questions

    def judge(
        self, candidates: Sequence[RerankCandidate], statements: Sequence[str], deadline: Deadline
    ) -> Probabilities:
        """P(yes) of each claim about each candidate, shape (len(looks), len(claims)), one prompt a claim, in batches.

        NaN for candidates that the deadline left no time for, for those with neither picture nor listing, and for those
        whose picture cannot be opened. Pictures are opened where their features are not known. A batch is not begun
        where one like it took longer than there is time left. Blocks; uses the GPU where the model is on one. Raises
        RerankerError.
        """
        probabilities = np.full((len(candidates), len(statements)), np.nan, dtype=np.float32)
        took = 0.0
        for part in self._parts(candidates, len(statements)):
            with self._turn(deadline) as mine:
                if not mine or deadline.seconds_left <= took:
                    break
                started = time.monotonic()
                probabilities[part] = self._judged([candidates[row] for row in part], statements)
                took = time.monotonic() - started
        return probabilities

    def precompute_features(self, candidates: Sequence[RerankCandidate]) -> int:
        """Run the vision tower over some pictures and keep their features; returns how many could be opened, 0 where
        nothing is kept. Blocks; uses the GPU where the model is on one. Raises RerankerError and StorageError."""
        kept = self._questions.kept
        if kept is None:
            return 0
        with self._turn(Deadline.within(_PROBE_SECONDS)) as mine:
            seen = self._questions.compute_features(candidates) if mine else {}
        kept.put(seen)
        return len(seen)

    def write(self, candidate: RerankCandidate, facts: Sequence[str], deadline: Deadline) -> Iterator[str]:
        """One or two sentences from facts, in pieces; what is missing at the deadline stays missing.

        With xgrammar installed, held to plain text of a bounded length; else cut at a number of tokens. Raises
        RerankerError, when the first piece or a later one is asked for.
        """
        if not self._capabilities.writes or not facts:
            return iter(())
        clean = [self._chat.clean(fact, MAX_STATEMENT_TOKENS) for fact in facts]
        return self._written(candidate, telling(clean), MAX_WRITTEN_TOKENS, deadline, self._grammar)

    def locate(self, candidate: RerankCandidate, statement: str, deadline: Deadline) -> Box | None:
        """Where in the picture a claim shows. None where the family writes no boxes, where this one is not to be
        understood, and where there was no time. Raises RerankerError."""
        if not self._capabilities.boxes or not candidate.has_image:
            return None
        task = pointing(self._chat.clean(statement, MAX_STATEMENT_TOKENS))
        written = "".join(self._written(candidate, task, MAX_BOX_TOKENS, deadline, None))
        measure = MEASURES[self._model_type]
        size = self._resized(candidate.pixels) if measure is Measure.PIXELS and candidate.pixels is not None else (1, 1)
        return box_in(written, measure, size)

    @property
    def _model_type(self) -> str:
        return cast("str", self._model.config.model_type)

    def _parts(self, candidates: Sequence[RerankCandidate], n_statements: int) -> Iterator[list[int]]:
        """Rows to be judged together: as many as fit, in their order; with and without a picture do not mix."""
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
    def _turn(self, deadline: Deadline) -> Iterator[bool]:
        """Have the model to oneself; False where it was not to be had before the deadline."""
        import torch

        mine = self._lock.acquire(timeout=deadline.seconds_left)
        try:
            with torch.inference_mode():
                yield mine
        except FAILURES as error:
            raise RerankerError(
                f"Reranker '{self._identity.name}' failed: {error or type(error).__name__}",
                remedy="Look at the log; where memory ran out, choose a smaller model or fewer candidates.",
            ) from error
        finally:
            if mine:
                self._lock.release()

    def _judged(
        self, candidates: Sequence[RerankCandidate], statements: Sequence[str], *, share: bool | None = None
    ) -> Probabilities:
        """P(yes), shape (len(looks), len(claims)); NaN where the picture cannot be opened. Only with the turn."""
        share = self._shares_images if share is None else share
        sights = self._questions.sights(candidates, share=share)
        answers = np.full((len(candidates), len(statements)), np.nan, np.float32)
        shown = [row for row, sight in enumerate(sights) if sight is not None]
        pairs = [(sight, statement) for sight in sights if sight is not None for statement in statements]
        if pairs:
            logits = self._questions.answers([sight for sight, _ in pairs], [statement for _, statement in pairs])
            answers[shown] = self._answers.probability(logits).cpu().numpy().reshape(len(shown), len(statements))
        if not np.isfinite(answers[shown]).all():
            raise ValueError("its answer is not a number.")
        return answers

    def _written(
        self, candidate: RerankCandidate, task: str, max_tokens: int, deadline: Deadline, grammar: Grammar | None
    ) -> Iterator[str]:
        """What the model writes about a candidate, in pieces; at least a token, at most so many. Nothing where the
        picture cannot be opened."""

        def generate(settings: dict[str, Any]) -> None:
            with self._turn(deadline) as mine:
                if not mine or deadline.seconds_left <= 0:
                    return
                (sight,) = self._questions.sights([candidate], share=self._shares_images)
                if sight is None:
                    return
                inputs = self._questions.inputs([sight], [Prompt((*image_parts(sight.image), task))])
                held = {"logits_processor": [grammar.processor()]} if grammar else {}
                self._model.generate(**inputs, **settings, **held, max_new_tokens=max_tokens)

        return streamed(generate, self._chat.tokenizer, deadline, self._writer)

    def _resized(self, image: Image.Image) -> tuple[int, int]:
        """Width and height, in pixels, of a picture as the processor resizes it for a family that counts in them."""
        image = fitted(image, self._questions.max_pixels)
        grid = self._chat.processor.image_processor(images=[image], return_tensors="pt").get("image_grid_thw")
        if grid is None:
            return image.size
        patch = self._chat.processor.image_processor.patch_size
        return int(grid[0][2]) * patch, int(grid[0][1]) * patch

    def _probed(self) -> Capabilities:
        """Try out what the model can do. Raises RerankerError where it cannot even judge."""
        candidate, deadline = _PROBE, Deadline.within(_PROBE_SECONDS)
        with self._turn(deadline):
            whole = self._judged([candidate], _PROBE_STATEMENTS, share=False)
            image_side_px = enough_px(self._chat.processor)
        self._shares_images = takes_features(self._model) and self._agrees(candidate, whole)
        if not self._dialect.converses:
            return Capabilities(Scoring.LOGITS, image_side_px=image_side_px)
        self._grammar = self._tried(candidate, self._compiled())
        writes = self._grammar is not None or self._can_write(candidate, None)
        return Capabilities(
            Scoring.LOGITS,
            writes=writes,
            schema=self._grammar is not None,
            boxes=writes and self._model_type in MEASURES,
            image_side_px=image_side_px,
        )

    def _kept_in(self, features: FeatureCache | None) -> CachedFeatures | None:
        """Where this model's pictures are kept; None where they are too large, or of no use to it."""
        if features is None or not self._shares_images:
            return None
        with self._turn(Deadline.within(_PROBE_SECONDS)):
            probe = self._questions.compute_features([_PROBE])[_PROBE.key]
        return CachedFeatures(features, self._model) if packed(probe) is not None else None

    def _agrees(self, candidate: RerankCandidate, whole: Probabilities) -> bool:
        """Whether claims judged from shared features come out as from pixels: where not, pixels it is."""
        try:
            with self._turn(Deadline.within(_PROBE_SECONDS)):
                shared = self._judged([candidate], _PROBE_STATEMENTS, share=True)
        except RerankerError as error:
            log.warning("Pictures are not shared between claims: %s", error)
            return False
        apart = float(np.abs(shared - whole).max())
        if apart > _SAME_PROBABILITY:
            log.warning("Pictures are not shared between claims: probabilities were %.3f apart.", apart)
        return apart <= _SAME_PROBABILITY

    def _compiled(self) -> Grammar | None:
        import torch

        with torch.inference_mode():
            inputs = placed(self._chat.inputs([Prompt(("Well?",))]), self._model)
            n_logits = self._model(**inputs, use_cache=False).logits.shape[-1]
        stop = self._model.generation_config.eos_token_id
        stop_tokens = stop if isinstance(stop, list) else [self._chat.tokenizer.eos_token_id if stop is None else stop]
        return Grammar.of(EXPLANATION_PATTERN, self._chat.tokenizer, n_logits=n_logits, stop_tokens=stop_tokens)

    def _tried(self, candidate: RerankCandidate, grammar: Grammar | None) -> Grammar | None:
        return grammar if grammar is not None and self._can_write(candidate, grammar) else None

    def _can_write(self, candidate: RerankCandidate, grammar: Grammar | None) -> bool:
        """Whether a few tokens can be written about a picture."""
        try:
            list(self._written(candidate, "Name it.", 2, Deadline.within(_PROBE_SECONDS), grammar))
        except RerankerError as error:
            log.warning("The model cannot write%s: %s", " under a grammar" if grammar else "", error)
            return False
        return True


def _usual_rows(model: Any) -> int:
    """How many prompts go through a model at a time: the more the faster, and the coarser the deadline."""
    return 32 if model.device.type == "cuda" or model.num_parameters() < SMALL_WEIGHTS else 8
