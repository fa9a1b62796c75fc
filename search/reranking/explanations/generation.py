"""Explanations written by the model and checked against the verdicts, with templates as the fallback."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Sequence
from typing import cast

from vitrina.search.reranking.base import Deadline, RerankCandidate, Reranker
from vitrina.search.reranking.explanations.templates import explanation, fact
from vitrina.search.reranking.explanations.validation import find_objection, max_characters, unusual_characters
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
    """Let the reranker explain the verdicts and check its text; if that fails, explain by template.

    Never raises RerankerError, and never exceeds the deadline by more than the check, 0.3 ms. Empty, by template,
    without verdicts. Blocks.
    """
    explained: Explanation | None = None
    for piece in stream_explanation(reranker, candidate, verdicts, deadline, vocabulary):
        if isinstance(piece, Explanation):
            explained = piece
    return cast("Explanation", explained)


def stream_explanation(
    reranker: Reranker | None,
    candidate: RerankCandidate,
    verdicts: Sequence[Verdict],
    deadline: Deadline,
    vocabulary: Vocabulary = NO_VOCABULARY,
) -> Generator[str | Explanation, None, None]:
    """The same as a stream: unchecked text as the model writes it, and at the end the checked Explanation.

    Generation stops at the first piece that makes the text unacceptable: too long, or with unusual characters.
    Closing the iterator stops it, too.
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
    if wrong := find_objection(written.strip(), verdicts, vocabulary):
        log.info("An explanation is by template, since the model's text was refused: %s", wrong)
        yield Explanation(template, Author.TEMPLATE)
    else:
        yield Explanation(written.strip(), Author.MODEL)


def _written(
    reranker: Reranker, candidate: RerankCandidate, verdicts: Sequence[Verdict], deadline: Deadline
) -> Iterator[str]:
    """The model's text until the deadline; its iterator is always closed."""
    pieces = reranker.write(candidate, [fact(verdict) for verdict in verdicts], deadline)
    try:
        yield from pieces
    finally:
        if isinstance(pieces, Generator):
            pieces.close()


def _is_lost(text: str, verdicts: Sequence[Verdict]) -> bool:
    return len(text) > max_characters(verdicts) or any(unusual_characters(text, verdicts))
