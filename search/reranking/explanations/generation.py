"""Explaining: why a product is, or is not, what was asked for, in words that the verdicts support."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Sequence
from typing import cast

from vitrina.search.reranking.base import Deadline, RerankCandidate, Reranker
from vitrina.search.reranking.explanations.templates import explanation, fact
from vitrina.search.reranking.explanations.validation import max_characters, objection, strange_characters
from vitrina.search.types.errors import RerankerError
from vitrina.search.types.requirement import Author, Explanation, Verdict
from vitrina.search.understanding.catalog_attributes import Vocabulary

log = logging.getLogger(__name__)

NO_VOCABULARY = Vocabulary({})


def explain(
    reranker: Reranker | None,
    candidate: RerankCandidate,
    verdicts: Sequence[Verdict],
    deadline: Deadline,
    vocabulary: Vocabulary = NO_VOCABULARY,
) -> Explanation:
    """Have the reranker say what the verdicts amount to, and check what it says; else say it by template.

    Never raises RerankerError and never outlasts the deadline by more than the check, 0.3 ms: whatever a model fails
    at, there is an explanation. Empty, by template, where there are no verdicts. Blocks.
    """
    explained: Explanation | None = None
    for piece in explaining(reranker, candidate, verdicts, deadline, vocabulary):
        if isinstance(piece, Explanation):
            explained = piece
    return cast("Explanation", explained)


def explaining(
    reranker: Reranker | None,
    candidate: RerankCandidate,
    verdicts: Sequence[Verdict],
    deadline: Deadline,
    vocabulary: Vocabulary = NO_VOCABULARY,
) -> Generator[str | Explanation, None, None]:
    """The same in pieces: text as the model writes it, unchecked, and at the end the Explanation, which stands.

    Nothing is passed on, and the writing is stopped, from the first piece on with which the text could not be taken
    any more: too long, or with characters that no sentence needs. Whoever stops reading stops the writing.
    """
    template = explanation(verdicts)
    if reranker is None or not verdicts or not reranker.capabilities.writes or not deadline.seconds_left:
        yield Explanation(template, Author.TEMPLATE)
        return
    written = ""
    try:
        for piece in _written(reranker, candidate, verdicts, deadline):
            written += piece
            if _is_lost(written.strip(), verdicts):
                break
            yield piece
    except RerankerError as error:
        log.warning("An explanation is by template: %s", error)
        yield Explanation(template, Author.TEMPLATE)
        return
    if wrong := objection(written.strip(), verdicts, vocabulary):
        log.info("An explanation is by template, since what the model wrote is unfit: %s", wrong)
        yield Explanation(template, Author.TEMPLATE)
    else:
        yield Explanation(written.strip(), Author.MODEL)


def _written(
    reranker: Reranker, candidate: RerankCandidate, verdicts: Sequence[Verdict], deadline: Deadline
) -> Iterator[str]:
    """What the model writes, until the deadline; its iterator closed however this ends."""
    pieces = reranker.write(candidate, [fact(verdict) for verdict in verdicts], deadline)
    try:
        yield from pieces
    finally:
        if isinstance(pieces, Generator):
            pieces.close()


def _is_lost(text: str, verdicts: Sequence[Verdict]) -> bool:
    return len(text) > max_characters(verdicts) or any(strange_characters(text, verdicts))
