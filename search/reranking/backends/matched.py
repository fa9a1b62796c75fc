"""A matcher that judges, and a vision-language model that writes and points, as one ``Reranker``."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Protocol, Self

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from vitrina.search.encoders.base import EMBEDDED
from vitrina.search.encoders.compute import n_available_cores
from vitrina.search.encoders.registry import load_encoder
from vitrina.search.reranking.backends import RerankerOptions
from vitrina.search.reranking.backends.cached_features import CachedFeatures
from vitrina.search.reranking.backends.model_folders import MAX_PIXELS, matched_identity
from vitrina.search.reranking.base import (
    Box,
    Capabilities,
    Deadline,
    Pair,
    Probabilities,
    RerankCandidate,
    Reranker,
)
from vitrina.search.reranking.fusion import FusionWeights
from vitrina.search.reranking.matcher import MATCHER_FOLDER, ImageTokens, Matcher, SeeImages
from vitrina.search.store.feature_cache import FeatureCache, features_file
from vitrina.search.types.errors import RerankerError
from vitrina.search.types.models import RerankerIdentity

BATCH_PAIRS: Final = 512
"""Pairs of one run of the head: some 20 ms on a core."""

MAX_PART = 8
"""Images of one run of the tower: a deadline is checked between two."""


class Writer(Reranker, Protocol):
    """A vision-language model in this process."""

    def close(self) -> None:
        """Start no further work."""


class MatchedReranker:
    """Judges by a ``Matcher``, writes and points by the vision-language model beside it. Thread-safe.

    The tokens of the images used last are kept in up to ``cache_bytes`` of memory, and in ``features`` for
    later processes. Close it, or use it as a context manager.
    """

    def __init__(
        self,
        matcher: Matcher,
        writer: Writer,
        identity: RerankerIdentity,
        *,
        cache_bytes: int,
        features: FeatureCache | None = None,
        n_threads: int | None = None,
    ) -> None:
        self._matcher, self._writer, self._identity = matcher, writer, identity
        self._memory: LRUCache[str, ImageTokens] = LRUCache(cache_bytes, getsizeof=lambda tokens: int(tokens.nbytes))
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(n_threads or n_available_cores(), thread_name_prefix="matcher")
        self._cache = CachedFeatures(features, pack, unpack) if features else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Start no further work, and close the feature cache. Closing twice is fine."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._writer.close()
        if self._cache is not None:
            self._cache.close()

    @property
    def identity(self) -> RerankerIdentity:
        """The name it was opened by, and a fingerprint of both models."""
        return self._identity

    @property
    def capabilities(self) -> Capabilities:
        """Those of the vision-language model."""
        return self._writer.capabilities

    @property
    def fusion_weights(self) -> FusionWeights | None:
        """As measured for the matcher's answers."""
        return self._writer.fusion_weights

    @property
    def caches_features(self) -> bool:
        """Whether image tokens are cached on disk."""
        return self._cache is not None

    @property
    def batch_size(self) -> int:
        """How many pairs one run of the head takes."""
        return BATCH_PAIRS

    def judge(
        self, candidates: Sequence[RerankCandidate], statements: Sequence[str], deadline: Deadline
    ) -> Probabilities:
        """P(yes), shape (n candidates, n statements); NaN for candidates without an image, and for those that the
        deadline leaves no time for. Blocks. Raises RerankerError."""
        pairs = [(candidate, statement) for candidate in candidates for statement in statements]
        return self.judge_pairs(pairs, deadline).reshape(len(candidates), len(statements))

    def judge_pairs(self, pairs: Sequence[Pair], deadline: Deadline) -> NDArray[np.float32]:
        """P(yes) of each pair, shape (n pairs,); NaN where there is no image, or no time. Blocks. Raises
        RerankerError."""
        answers = np.full(len(pairs), np.nan, np.float32)
        tokens = self._image_tokens(list({candidate.key: candidate for candidate, _ in pairs}.values()), deadline)
        rows = [row for row, (candidate, _) in enumerate(pairs) if candidate.key in tokens]
        places = {key: at for at, key in enumerate(tokens)}
        images = np.stack(list(tokens.values())) if tokens else np.empty(0, np.float16)
        with self._as_reranker_error():
            for start in range(0, len(rows), BATCH_PAIRS):
                part = rows[start : start + BATCH_PAIRS]
                if deadline.seconds_left <= 0:
                    break
                owners = np.array([places[pairs[row][0].key] for row in part], np.int64)
                answers[part] = self._matcher.judge_pairs(images, [pairs[row][1] for row in part], owners)
        return answers

    def precompute_features(self, candidates: Sequence[RerankCandidate]) -> int:
        """Compute and cache image tokens of the candidates' images. Returns how many could be opened, 0 without
        a cache. Blocks. Raises RerankerError and StorageError."""
        if self._cache is None:
            return 0
        computed = self._computed(candidates, None)
        self._cache.put(computed)
        return len(computed)

    def write(self, candidate: RerankCandidate, facts: Sequence[str], deadline: Deadline) -> Iterator[str]:
        """One or two sentences from facts, in pieces, by the vision-language model."""
        return self._writer.write(candidate, facts, deadline)

    def locate(self, candidate: RerankCandidate, statement: str, deadline: Deadline) -> Box | None:
        """The box of what a statement is about, by the vision-language model."""
        return self._writer.locate(candidate, statement, deadline)

    def _image_tokens(self, candidates: Sequence[RerankCandidate], deadline: Deadline) -> dict[str, ImageTokens]:
        """Image tokens, by the candidates' keys: from memory, from disk, or computed."""
        shown = [candidate for candidate in candidates if candidate.has_image]
        with self._lock:
            tokens = {each.key: self._memory[each.key] for each in shown if each.key in self._memory}
        missing = [candidate for candidate in shown if candidate.key not in tokens]
        if self._cache is not None and missing:
            found = self._cache.get([candidate.key for candidate in missing])
            self._remember(found)
            tokens |= found
            missing = [candidate for candidate in missing if candidate.key not in found]
        if missing:
            computed = self._computed(missing, deadline)
            self._remember(computed)
            tokens |= computed
            if self._cache is not None:
                self._cache.put_async(computed)
        return tokens

    def _computed(self, candidates: Sequence[RerankCandidate], deadline: Deadline | None) -> dict[str, ImageTokens]:
        """The tokens of images that can be opened, in parts on several threads, until the deadline."""
        parts = [candidates[start : start + MAX_PART] for start in range(0, len(candidates), MAX_PART)]

        def compute(part: Sequence[RerankCandidate]) -> dict[str, ImageTokens]:
            if deadline is not None and deadline.seconds_left <= 0:
                return {}
            opened = {each.key: pixels for each in part if (pixels := each.pixels) is not None}
            return dict(zip(opened, self._matcher.image_tokens(list(opened.values())), strict=True)) if opened else {}

        with self._as_reranker_error():
            return {key: tokens for found in self._pool.map(compute, parts) for key, tokens in found.items()}

    def _remember(self, tokens: Mapping[str, ImageTokens]) -> None:
        with self._lock:
            for key, each in tokens.items():
                if each.nbytes <= self._memory.maxsize:
                    self._memory[key] = each

    @contextlib.contextmanager
    def _as_reranker_error(self) -> Iterator[None]:
        try:
            yield
        except (RuntimeError, ValueError, OSError) as error:  # the first is the base of ONNX Runtime's errors
            raise RerankerError(
                f"Reranker '{self._identity.name}' failed: {error or type(error).__name__}",
                remedy="Read the log; if memory ran out, ask for fewer candidates.",
            ) from error


def open_matched(name: str, folder: Path, options: RerankerOptions, writer: Writer, see: SeeImages) -> MatchedReranker:
    """The matcher in a model's folder beside the model itself, whose tower is ``see``. Raises RerankerError where the
    matcher cannot be run, and what loading the embedded encoder raises."""
    identity = matched_identity(name, folder, max_pixels=options.max_pixels or MAX_PIXELS)
    try:
        encoder = load_encoder(EMBEDDED, device=options.device, runtime=options.runtime)
        matcher = Matcher.open(folder / MATCHER_FOLDER, encoder, see)
    except (OSError, RuntimeError, ValueError) as error:  # the second is the base of ONNX Runtime's errors
        raise RerankerError(
            f"The matcher in {folder} cannot be run: {error}",
            remedy="Install Vitrina again: pip install --force-reinstall vitrina.",
        ) from error
    features = FeatureCache(features_file(options.features, identity)) if options.features else None
    return MatchedReranker(
        matcher,
        writer,
        identity,
        cache_bytes=options.cache_bytes,
        features=features,
    )


def pack(tokens: ImageTokens) -> bytes:
    """Image tokens as bytes: the number of places, then the numbers."""
    return len(tokens).to_bytes(2, "little") + np.ascontiguousarray(tokens, np.float16).tobytes()


def unpack(data: bytes) -> ImageTokens:
    """Restore packed features. Raises ValueError for bytes that were not packed here or are damaged."""
    n_places = int.from_bytes(data[:2], "little")
    tokens = np.frombuffer(data, np.float16, offset=2)
    if not n_places or len(tokens) % n_places or not np.isfinite(tokens).all():
        raise ValueError("they are not finite, or of another shape.")
    return tokens.reshape(n_places, -1)
