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
from typing import Any, cast

import numpy as np
from PIL import Image

from search.errors import RerankerError
from search.reranking.backends.transformers.boxes import MEASURES, box_in
from search.reranking.backends.transformers.chat import Chat, Prompt
from search.reranking.backends.transformers.dialects import Dialect, pictured
from search.reranking.backends.transformers.pictures import PictureMemory, placed, takes_features
from search.reranking.backends.transformers.questions import MAX_CLAIM_TOKENS, MAX_PIXELS, Questions
from search.reranking.backends.transformers.writing import Grammar, streamed
from search.reranking.base import Box, Capabilities, Deadline, Look, Probabilities, RerankerIdentity, Scoring
from search.reranking.blend import Blend
from search.reranking.prompts import EXPLANATION_PATTERN, pointing, telling

log = logging.getLogger(__name__)

MAX_WRITTEN_TOKENS = 96
MAX_BOX_TOKENS = 64
CACHE_BYTES = 512 * 2**20
"""A picture costs 33 kB in the embedded model and some 6 MB in Qwen3-VL 8B."""

_PROBE_SECONDS = 600.0
_PROBE_CLAIMS = ("red", "a navy blue shirt for men")
_SAME_PROBABILITY = 0.02
"""bfloat16 keeps three digits of a logit; in float32 the two ways differ by less than 1e-5 (tiny models, CPU)."""

FAILURES = (RuntimeError, ValueError, TypeError, KeyError, IndexError, AttributeError, AssertionError, OSError)
"""What models, processors and templates raise: any of it means that this model, or this picture, did not work."""


class TransformersReranker:
    """A model, its processor, and how it wants to be asked.

    Every method may be called from any thread: one call at a time has the model, and waits for it no longer than its
    deadline allows. What the model can do is tried out when it is opened, which takes it a few forward passes.
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
        identity: RerankerIdentity,
        dialect: Dialect,
        *,
        max_pixels: int = MAX_PIXELS,
        cache_bytes: int = CACHE_BYTES,
        max_rows: int | None = None,
        blend: Blend | None = None,
    ) -> None:
        self._model = model
        self._chat = Chat(processor)
        self._identity = identity
        self._blend = blend
        self._dialect = dialect
        self._answers = dialect.answers(self._chat.tokenizer)
        self._max_rows = max_rows or (32 if model.device.type == "cuda" else 8)
        self._questions = Questions(model, self._chat, dialect, max_pixels, PictureMemory(cache_bytes))
        self._lock = threading.Lock()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="reranker-writer")
        self._grammar: Grammar | None = None
        self._shares_pictures = False
        self._capabilities = self._probed()

    @property
    def identity(self) -> RerankerIdentity:
        """The name it was opened by; weights, configuration and prompts."""
        return self._identity

    @property
    def capabilities(self) -> Capabilities:
        """As tried out when it was opened."""
        return self._capabilities

    @property
    def blend(self) -> Blend | None:
        """As measured for this model, where its folder says so."""
        return self._blend

    @property
    def shares_pictures(self) -> bool:
        """Whether several claims about one picture cost one run of the vision tower."""
        return self._shares_pictures

    @property
    def questions(self) -> Questions:
        """How it asks its model, for whoever tunes that."""
        return self._questions

    def judge(self, looks: Sequence[Look], claims: Sequence[str], deadline: Deadline) -> Probabilities:
        """P(yes) of each claim about each candidate, shape (len(looks), len(claims)), one prompt a claim, in batches.

        NaN for candidates that the deadline left no time for, and for those with neither picture nor listing. A batch
        is not begun where one like it took longer than there is time left. Blocks; uses the GPU where the model is on
        one. Raises RerankerError.
        """
        probabilities = np.full((len(looks), len(claims)), np.nan, dtype=np.float32)
        took = 0.0
        for part in self._parts(looks, len(claims)):
            with self._turn(deadline) as mine:
                if not mine or deadline.seconds_left <= took:
                    break
                started = time.monotonic()
                probabilities[part] = self._judged([looks[row] for row in part], claims)
                took = time.monotonic() - started
        return probabilities

    def write(self, look: Look, facts: Sequence[str], deadline: Deadline) -> Iterator[str]:
        """One or two sentences from facts, in pieces; what is missing at the deadline stays missing.

        With xgrammar installed, held to plain text of a bounded length; else cut at a number of tokens. Raises
        RerankerError, when the first piece or a later one is asked for.
        """
        if not self._capabilities.writes or not facts:
            return iter(())
        clean = [self._chat.clean(fact, MAX_CLAIM_TOKENS) for fact in facts]
        return self._written(look, telling(clean), MAX_WRITTEN_TOKENS, deadline, self._grammar)

    def locate(self, look: Look, claim: str, deadline: Deadline) -> Box | None:
        """Where in the picture a claim shows. None where the family writes no boxes, where this one is not to be
        understood, and where there was no time. Raises RerankerError."""
        if not self._capabilities.boxes or look.image is None:
            return None
        task = pointing(self._chat.clean(claim, MAX_CLAIM_TOKENS))
        written = "".join(self._written(replace(look, listing=""), task, MAX_BOX_TOKENS, deadline, None))
        size = self._resized(look) if written else (1, 1)
        return box_in(written, MEASURES[self._model_type], size)

    @property
    def _model_type(self) -> str:
        return cast("str", self._model.config.model_type)

    def _parts(self, looks: Sequence[Look], n_claims: int) -> Iterator[list[int]]:
        """Rows to be judged together: as many as fit, in their order; with and without a picture do not mix."""
        size = max(1, self._max_rows // max(1, n_claims))
        visible = [row for row, look in enumerate(looks) if n_claims and (look.image or look.listing.strip())]
        for _, same in groupby(visible, key=lambda row: looks[row].image is None):
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

    def _judged(self, looks: Sequence[Look], claims: Sequence[str], *, share: bool | None = None) -> Probabilities:
        """P(yes), shape (len(looks), len(claims)). Only with the turn."""
        pairs = [(look, claim) for look in looks for claim in claims]
        share = self._shares_pictures if share is None else share
        logits = self._questions.logits([look for look, _ in pairs], [claim for _, claim in pairs], share=share)
        probabilities = self._answers.probability(logits).cpu().numpy()
        if not np.isfinite(probabilities).all():
            raise ValueError("its answer is not a number.")
        return cast("Probabilities", probabilities.reshape(len(looks), len(claims)))

    def _written(
        self, look: Look, task: str, max_tokens: int, deadline: Deadline, grammar: Grammar | None
    ) -> Iterator[str]:
        """What the model writes about a candidate, in pieces; at least a token, at most so many."""

        def generate(settings: dict[str, Any]) -> None:
            with self._turn(deadline) as mine:
                if not mine or deadline.seconds_left <= 0:
                    return
                seen = self._questions.fitted(look)
                prompt = Prompt((*pictured(seen.image), task))
                inputs = self._questions.inputs([seen], [prompt], share=self._shares_pictures)
                held = {"logits_processor": [grammar.processor()]} if grammar else {}
                self._model.generate(**inputs, **settings, **held, max_new_tokens=max_tokens)

        return streamed(generate, self._chat.tokenizer, deadline, self._writer)

    def _resized(self, look: Look) -> tuple[int, int]:
        """Width and height, in pixels, of the picture as the processor resized it for a family that counts in them."""
        seen = self._questions.fitted(look)
        assert seen.image is not None
        grid = self._chat.processor.image_processor(images=[seen.image], return_tensors="pt").get("image_grid_thw")
        if grid is None:
            return seen.image.size
        patch = self._chat.processor.image_processor.patch_size
        return int(grid[0][2]) * patch, int(grid[0][1]) * patch

    def _probed(self) -> Capabilities:
        """Try out what the model can do. Raises RerankerError where it cannot even judge."""
        look = Look("probe", Image.new("RGB", (96, 64), "navy"), "Shirt, navy blue")
        deadline = Deadline.within(_PROBE_SECONDS)
        with self._turn(deadline):
            whole = self._judged([look], _PROBE_CLAIMS, share=False)
        self._shares_pictures = takes_features(self._model) and self._agrees(look, whole)
        if not self._dialect.converses:
            return Capabilities(Scoring.LOGITS)
        self._grammar = self._tried(look, self._compiled())
        writes = self._grammar is not None or self._can_write(look, None)
        return Capabilities(
            Scoring.LOGITS,
            writes=writes,
            schema=self._grammar is not None,
            boxes=writes and self._model_type in MEASURES,
        )

    def _agrees(self, look: Look, whole: Probabilities) -> bool:
        """Whether claims judged from shared features come out as from pixels: where not, pixels it is."""
        try:
            with self._turn(Deadline.within(_PROBE_SECONDS)):
                shared = self._judged([look], _PROBE_CLAIMS, share=True)
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

    def _tried(self, look: Look, grammar: Grammar | None) -> Grammar | None:
        return grammar if grammar is not None and self._can_write(look, grammar) else None

    def _can_write(self, look: Look, grammar: Grammar | None) -> bool:
        """Whether a few tokens can be written about a picture."""
        try:
            list(self._written(look, "Name it.", 2, Deadline.within(_PROBE_SECONDS), grammar))
        except RerankerError as error:
            log.warning("The model cannot write%s: %s", " under a grammar" if grammar else "", error)
            return False
        return True
