"""Judgements: what a reranker said of pictures before."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from search.reranking.base import Probabilities

MAX_ENTRIES = 100_000
"""Some 30 MB: 5,000 queries of one phrase, or 1,000 of four requirements and the phrase."""


class Judgements:
    """P(yes) by the model's fingerprint, the look's key and the claim; those asked for last, up to a number.

    A look's key names its picture by its content and a fingerprint names the weights, so nothing here goes stale. Safe
    to use from several threads.
    """

    def __init__(self, max_entries: int = MAX_ENTRIES) -> None:
        self._max_entries = max_entries
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, str, str], float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def get(self, fingerprint: str, keys: Sequence[str], claims: Sequence[str]) -> Probabilities:
        """What is known, shape (len(keys), len(claims)); NaN for what is not."""
        found = np.full((len(keys), len(claims)), np.nan, np.float32)
        with self._lock:
            for row, key in enumerate(keys):
                for column, claim in enumerate(claims):
                    entry = (fingerprint, key, claim)
                    if entry in self._known:
                        self._known.move_to_end(entry)
                        found[row, column] = self._known[entry]
        return found

    def put(self, fingerprint: str, keys: Sequence[str], claims: Sequence[str], probabilities: Probabilities) -> None:
        """Keep what was answered, shape (len(keys), len(claims)); NaN is no answer."""
        with self._lock:
            for row, column in np.argwhere(~np.isnan(probabilities)).tolist():
                entry = (fingerprint, keys[row], claims[column])
                self._known[entry] = float(probabilities[row, column])
                self._known.move_to_end(entry)
            while len(self._known) > self._max_entries:
                self._known.popitem(last=False)
