"""Answers: what a reranker says about the pictures of a batch of items, asked for in as few calls as will do."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from search.answer import RerankState
from search.catalog.entry import StoredItem
from search.errors import RerankerError
from search.reranking.base import Deadline
from search.reranking.judging.looking import Looker
from search.reranking.judging.pictures import key_of

QUESTION_S = 30.0
"""Nobody waits for an audit's single answers: this is for telling a model that is slow from one that hangs."""

N_TOGETHER = 32
"""Questions in one call: as many as a model on a GPU takes at once, and few enough to wait for after Ctrl-C."""

Question = tuple[str, str]
"""The key of a picture, and a claim about it."""


class Answers:
    """P(yes) of claims about the first pictures of some items. ``unreadable`` and ``failed`` are the keys of pictures
    that cannot be read, and of those that the reranker owes an answer about."""

    def __init__(self, looker: Looker, items: Iterable[StoredItem]) -> None:
        self.looker = looker
        self.unreadable: set[str] = set()
        self.failed: set[str] = set()
        self._items = {key: stored for stored in items if (key := key_of(stored)) is not None}
        self._yes: dict[Question, float] = {}

    def ask(self, questions: Iterable[Question]) -> None:
        """Have these answered too, as far as the reranker does. Where a call fails, each of its pictures is asked about
        alone, so that one that breaks the model costs no other its answer. Blocks. Raises RerankerError where the
        reranker failed too often in a row to go on."""
        for keys, claims in calls([question for question in dict.fromkeys(questions) if question not in self._yes]):
            states = self._call(keys, claims)
            if len(keys) > 1:
                broken = [key for key in keys if states[key] is RerankState.FAILED]
                states |= {key: self._call([key], claims)[key] for key in broken}
            self.unreadable |= {key for key, state in states.items() if state is RerankState.NOT_ASKED}
            self.failed |= {key for key, state in states.items() if state in (RerankState.FAILED, RerankState.LATE)}

    def about(self, key: str, claims: Iterable[str]) -> dict[str, float]:
        """P(yes) of each claim about one picture, NaN where there is no answer."""
        return {claim: self._yes.get((key, claim), math.nan) for claim in claims}

    def _call(self, keys: Sequence[str], claims: Sequence[str]) -> dict[str, RerankState]:
        deadline = Deadline.within(QUESTION_S * len(keys) * len(claims))
        asked = self.looker.ask([self._items[key] for key in keys], claims, deadline)
        if self.looker.asker.is_left_alone:
            raise RerankerError(
                "The reranker failed several times in a row.",
                remedy="Look at the log for the reason, then audit again.",
            )
        for key, row in zip(keys, asked.probabilities.tolist(), strict=True):
            self._yes |= {(key, claim): yes for claim, yes in zip(claims, row, strict=True) if not math.isnan(yes)}
        return dict(zip(keys, asked.states, strict=True))


def calls(questions: Sequence[Question]) -> Iterator[tuple[list[str], list[str]]]:
    """The pictures and the claims of each call: every question is in one of them, and nothing else is asked. Claims
    about the same pictures are put together."""
    pictures: Mapping[str, list[str]] = defaultdict(list)
    for key, claim in questions:
        pictures[claim].append(key)
    together: Mapping[tuple[str, ...], list[str]] = defaultdict(list)
    for claim, keys in pictures.items():
        together[tuple(keys)].append(claim)
    for same, claims in together.items():
        size = max(1, N_TOGETHER // len(claims))
        yield from ((list(same[start : start + size]), claims) for start in range(0, len(same), size))
