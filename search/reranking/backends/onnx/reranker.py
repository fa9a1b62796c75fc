"""An exported vision-language model as a ``Reranker``, without torch and transformers."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitrina.search.encoders.compute import n_available_cores
from vitrina.search.reranking.backends.cached_features import CachedFeatures
from vitrina.search.reranking.backends.dialects import PLACEHOLDER_IMAGE, PLAIN, Prompt, image_parts
from vitrina.search.reranking.backends.onnx.chat import ExportedChat, Tokens, split_at
from vitrina.search.reranking.backends.onnx.features import pack, unpack
from vitrina.search.reranking.backends.onnx.vlm import ExportedVlm, Features, Logits, Prefix, PrefixMemory
from vitrina.search.reranking.backends.transformers.generation import BOX_UNITS, parse_box
from vitrina.search.reranking.backends.transformers.image_features import fit_image
from vitrina.search.reranking.backends.transformers.prompted_model import MAX_LISTING_TOKENS, MAX_STATEMENT_TOKENS
from vitrina.search.reranking.backends.transformers.reranker import MAX_BOX_TOKENS, MAX_EXPLANATION_TOKENS, MODEL_ERRORS
from vitrina.search.reranking.base import Box, Capabilities, Deadline, Pair, Probabilities, RerankCandidate, Scoring
from vitrina.search.reranking.fusion import FusionWeights
from vitrina.search.reranking.prompts import (
    EXPLANATION_CHARACTER,
    MAX_EXPLANATION_CHARACTERS,
    explanation_prompt,
    localization_prompt,
)
from vitrina.search.store.feature_cache import FeatureCache
from vitrina.search.types.errors import RerankerError
from vitrina.search.types.models import RerankerIdentity

MAX_PART = 8
"""Images in one run of the graphs: a deadline is checked between two."""


BATCH_SIZE = 64


@dataclass(frozen=True, slots=True)
class _Part:
    """Candidates that are asked the same: the tokens before their images, None without images, those behind for each
    statement, and the rows of the answers, shape (n candidates, n statements)."""

    candidates: Sequence[RerankCandidate]
    before: Tokens | None
    texts: tuple[Tokens, ...]
    rows: NDArray[np.int64]


class OnnxReranker:
    """An exported model with its prompts. Thread-safe: every call computes on threads of this reranker, a part of the
    images on each.

    It judges as ``TransformersReranker`` does and shares its identity and its cached features. Close it, or use it as a
    context manager.
    """

    def __init__(
        self,
        vlm: ExportedVlm,
        chat: ExportedChat,
        identity: RerankerIdentity,
        *,
        model_type: str,
        image_side_px: int,
        max_pixels: int,
        cache_bytes: int,
        fusion_weights: FusionWeights | None = None,
        features: FeatureCache | None = None,
        n_threads: int | None = None,
    ) -> None:
        self._vlm = vlm
        self._chat = chat
        self._identity = identity
        self._fusion_weights = fusion_weights
        self._max_pixels = max_pixels
        self._memory = PrefixMemory(cache_bytes)
        self._n_threads = n_threads or n_available_cores()
        self._pool = ThreadPoolExecutor(self._n_threads, thread_name_prefix="reranker-onnx")
        self._box_unit = BOX_UNITS.get(model_type)
        self._capabilities = Capabilities(
            Scoring.LOGITS, writes=True, schema=True, boxes=self._box_unit is not None, image_side_px=image_side_px
        )
        self._cache = self._open_cache(features)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Start no further work, and close the feature cache. Closing twice is fine."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._cache is not None:
            self._cache.close()

    @property
    def identity(self) -> RerankerIdentity:
        """The name it was opened by, and a fingerprint of weights, configuration and prompts: that of the same model in
        PyTorch."""
        return self._identity

    @property
    def capabilities(self) -> Capabilities:
        """As the export found them."""
        return self._capabilities

    @property
    def fusion_weights(self) -> FusionWeights | None:
        """As measured for this model, if its folder has them."""
        return self._fusion_weights

    @property
    def vlm(self) -> ExportedVlm:
        """The graphs."""
        return self._vlm

    @property
    def caches_features(self) -> bool:
        """Whether image features are cached on disk: there is a cache, and they are small enough for it."""
        return self._cache is not None

    def judge(
        self, candidates: Sequence[RerankCandidate], statements: Sequence[str], deadline: Deadline
    ) -> Probabilities:
        """Return P(yes) of each statement about each candidate, shape (n candidates, n statements).

        NaN for candidates that the deadline leaves no time for, for those with neither image nor listing, and for those
        whose image cannot be opened. Only images without cached features are opened. Images are divided into parts, and
        a part is not started if one before took longer than the time left. Blocks. Raises RerankerError.
        """
        pairs = [(candidate, statement) for candidate in candidates for statement in statements]
        return self.judge_pairs(pairs, deadline).reshape(len(candidates), len(statements))

    @property
    def batch_size(self) -> int:
        """How many pairs are judged in one call: three statements about 20 candidates and some more."""
        return BATCH_SIZE

    def judge_pairs(self, pairs: Sequence[Pair], deadline: Deadline) -> NDArray[np.float32]:
        """Return P(yes) of each pair, shape (n pairs,), NaN as for ``judge``. Statements about one image share its
        prefix. Blocks. Raises RerankerError."""
        answers = np.full(len(pairs), np.nan, dtype=np.float32)
        took = [0.0]
        with self._as_reranker_error():
            parts = list(self._parts(pairs))
            cached = self._cached([candidate for part in parts for candidate in part.candidates if candidate.has_image])

            def judge_part(part: _Part) -> None:
                if deadline.seconds_left <= max(took):
                    return
                started = time.monotonic()
                answers[part.rows] = self._answers(part, cached)
                took.append(time.monotonic() - started)

            list(self._pool.map(judge_part, parts) if len(parts) > 1 else map(judge_part, parts))
        return answers

    def precompute_features(self, candidates: Sequence[RerankCandidate]) -> int:
        """Compute and cache the features of the candidates' images. Returns how many could be opened, 0 without a
        cache. Blocks. Raises RerankerError and StorageError."""
        if self._cache is None:
            return 0
        with self._as_reranker_error():
            parts = [candidates[start : start + MAX_PART] for start in range(0, len(candidates), MAX_PART)]
            computed = list(self._pool.map(self._compute_features, parts))
        self._cache.put({key: features for part in computed for key, features in part.items()})
        return sum(map(len, computed))

    def write(self, candidate: RerankCandidate, facts: Sequence[str], deadline: Deadline) -> Iterator[str]:
        """Yield one or two sentences from facts, in pieces, until the deadline: plain text of bounded length. The
        iterator raises RerankerError."""
        if not facts:
            return
        with self._as_reranker_error():
            clean = [self._chat.clean(fact, MAX_STATEMENT_TOKENS) for fact in facts]
            n_left = MAX_EXPLANATION_CHARACTERS
            for piece in self._generate(candidate, explanation_prompt(clean), MAX_EXPLANATION_TOKENS, deadline, True):
                yield piece[:n_left]
                n_left -= len(piece)
                if n_left <= 0:
                    return

    def locate(self, candidate: RerankCandidate, statement: str, deadline: Deadline) -> Box | None:
        """Return the box of what a statement is about. None if the model family writes no boxes, if its answer cannot
        be parsed, and if there is no time. Raises RerankerError."""
        if self._box_unit is None or not candidate.has_image:
            return None
        task = localization_prompt(self._chat.clean(statement, MAX_STATEMENT_TOKENS))
        with self._as_reranker_error():
            written = "".join(self._generate(candidate, task, MAX_BOX_TOKENS, deadline, False))
        return parse_box(written, self._box_unit, (1, 1))

    def _parts(self, pairs: Sequence[Pair]) -> Iterator[_Part]:
        """The pairs in parts of candidates that are asked the same, two for each thread where there are that many;
        without those that show nothing."""
        rows_of: dict[str, list[int]] = {}
        for row, (candidate, _) in enumerate(pairs):
            if candidate.has_image or candidate.listing.strip():
                rows_of.setdefault(candidate.key, []).append(row)
        asked: dict[tuple[bool, str, tuple[str, ...]], list[list[int]]] = {}
        for rows in rows_of.values():
            candidate = pairs[rows[0]][0]
            statements = tuple(pairs[row][1] for row in rows)
            asked.setdefault((candidate.has_image, candidate.listing, statements), []).append(rows)
        size = max(1, min(MAX_PART, -(-len(rows_of) // (2 * self._n_threads))))
        for (has_image, listing, statements), same in asked.items():
            before, texts = self._asked(has_image, listing, statements)
            for start in range(0, len(same), size):
                part = same[start : start + size]
                yield _Part([pairs[rows[0]][0] for rows in part], before, texts, np.array(part))

    def _asked(
        self, has_image: bool, listing: str, statements: Sequence[str]
    ) -> tuple[Tokens | None, tuple[Tokens, ...]]:
        """What precedes the image, None without one, and what follows it for each statement."""
        image = PLACEHOLDER_IMAGE if has_image else None
        listing = self._chat.clean(listing, MAX_LISTING_TOKENS)
        clean = [self._chat.clean(statement, MAX_STATEMENT_TOKENS) for statement in statements]
        split = [self._split(PLAIN.ask(image, statement, listing)) for statement in clean]
        return split[0][0], tuple(rest for _, rest in split)

    def _split(self, prompt: Prompt) -> tuple[Tokens | None, Tokens]:
        return split_at(self._chat.tokens(prompt), self._chat.format.placeholder)

    def _answers(self, part: _Part, cached: Mapping[str, Features]) -> Probabilities:
        """P(yes), shape (n candidates, n statements); NaN where the image cannot be opened."""
        answers = np.full(part.rows.shape, np.nan, np.float32)
        if part.before is None:
            answers[:] = self._probability(self._vlm.answers(self._vlm.nothing(1), part.texts))
            return answers
        prefixes = self._prefixes(part.candidates, part.before, cached)
        answerable = [row for row, candidate in enumerate(part.candidates) if candidate.key in prefixes]
        if answerable:
            batch = np.stack([prefixes[part.candidates[row].key] for row in answerable])
            answers[answerable] = self._probability(self._vlm.answers(batch, part.texts))
        if not np.isfinite(answers[answerable]).all():
            raise ValueError("its answer is not a number.")
        return answers

    def _probability(self, logits: Logits) -> Probabilities:
        """P(yes) given that the answer is yes or no, as ``AnswerTokens.probability``; of shape (..., vocabulary)."""
        yes = np.logaddexp.reduce(logits[..., list(self._chat.format.yes)], axis=-1)
        no = np.logaddexp.reduce(logits[..., list(self._chat.format.no)], axis=-1)
        return np.asarray(1 / (1 + np.exp(np.clip(no - yes, -80, 80))), dtype=np.float32)

    def _cached(self, candidates: Sequence[RerankCandidate]) -> dict[str, Features]:
        """Features on disk of the images that are not in memory."""
        missing = [candidate.key for candidate in candidates if self._memory.get(candidate.key) is None]
        return self._cache.get(missing) if self._cache is not None and missing else {}

    def _prefixes(
        self, candidates: Sequence[RerankCandidate], before: Tokens, cached: Mapping[str, Features]
    ) -> dict[str, Prefix]:
        """Prefixes by key: from memory, from features on disk, and for new images from the vision tower; without images
        that cannot be opened."""
        found = {each.key: prefix for each in candidates if (prefix := self._memory.get(each.key)) is not None}
        known = {each.key: cached[each.key] for each in candidates if each.key not in found and each.key in cached}
        new = self._compute_features([each for each in candidates if each.key not in found and each.key not in known])
        if self._cache is not None and new:
            self._cache.put_async(new)
        features = {**known, **new}
        if features:
            computed = self._vlm.prefixes(before, np.stack(list(features.values())))
            for key, prefix in zip(features, computed, strict=True):
                found[key] = np.ascontiguousarray(prefix)
                self._memory.put(key, found[key])
        return found

    def _compute_features(self, candidates: Sequence[RerankCandidate]) -> dict[str, Features]:
        """Open images and run the vision tower on them; by key, without those that cannot be opened."""
        opened: dict[str, Image.Image] = {
            each.key: fit_image(each.pixels, self._max_pixels) for each in candidates if each.pixels is not None
        }
        return dict(zip(opened, self._vlm.features(list(opened.values())), strict=True)) if opened else {}

    def _generate(
        self, candidate: RerankCandidate, task: str, max_tokens: int, deadline: Deadline, is_plain: bool
    ) -> Iterator[str]:
        """The model's text about a candidate, in pieces; nothing if the image cannot be opened."""
        if deadline.seconds_left <= 0:
            return
        image = PLACEHOLDER_IMAGE if candidate.has_image else None
        before, text = self._split(Prompt((*image_parts(image), task)))
        if before is None:
            prefix: Prefix | None = self._vlm.nothing(1)[0]
        else:
            prefix = self._prefixes([candidate], before, self._cached([candidate])).get(candidate.key)
        if prefix is None:
            return
        allowed = self._plain_tokens if is_plain else None
        tokens = self._vlm.generate(prefix, text, self._chat.format.stop, allowed)
        for piece in self._chat.decode(islice(tokens, max_tokens)):
            yield piece
            if deadline.seconds_left <= 0:
                return

    @cached_property
    def _plain_tokens(self) -> NDArray[np.bool_]:
        return self._chat.tokens_of(EXPLANATION_CHARACTER)

    def _open_cache(self, features: FeatureCache | None) -> CachedFeatures[Features] | None:
        """The cache of this model's image features; None if they are too large."""
        if features is None:
            return None
        shape = (self._chat.format.n_image_tokens, self._vlm.width)
        restore = partial(unpack, shape=shape)
        store = partial(pack, placeholder=self._chat.format.placeholder)
        is_small = store(np.zeros(shape, dtype=np.float32)) is not None
        return CachedFeatures(features, store, restore) if is_small else None

    @contextlib.contextmanager
    def _as_reranker_error(self) -> Iterator[None]:
        import jinja2

        try:
            yield
        except (*MODEL_ERRORS, jinja2.TemplateError) as error:
            raise RerankerError(
                f"Reranker '{self._identity.name}' failed: {error or type(error).__name__}",
                remedy="Read the log; if memory ran out, choose a smaller model or fewer candidates.",
            ) from error
