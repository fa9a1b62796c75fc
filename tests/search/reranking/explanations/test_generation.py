"""Explanations by a model that writes what it is told to, and by the template where that will not do."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from tests.search.reranking.verdicts import CONTRADICTED, MET, UNKNOWN, verdict
from vitrina.search.reranking.base import Box, Capabilities, Deadline, Probabilities, RerankCandidate, Scoring
from vitrina.search.reranking.explanations.generation import explain, stream_explanation
from vitrina.search.reranking.explanations.templates import explanation
from vitrina.search.reranking.fusion import FusionWeights
from vitrina.search.types.errors import RerankerError
from vitrina.search.types.models import RerankerIdentity
from vitrina.search.types.requirement import Author, Explanation
from vitrina.search.understanding.catalog_attributes import Vocabulary

CANDIDATE = RerankCandidate("key", lambda: None, "Navy dress")
VERDICTS = [
    verdict("navy", MET, "colour"),
    verdict("shirt", CONTRADICTED, "article", image_value="dress"),
    verdict("linen", UNKNOWN, "material"),
]
TEMPLATE = explanation(VERDICTS)
SOUND = "It is navy, but it is a dress and not a shirt. Whether it is linen cannot be told."
VOCABULARY = Vocabulary({"colour": ["Navy", "Red"], "article": ["Shirt", "Dress"]})


@dataclass
class WritingReranker:
    """Writes these pieces, each after a pause; raises the errors among them."""

    pieces: Sequence[str | RerankerError]
    pause_s: float = 0.0
    writes: bool = True
    facts: Sequence[str] = ()
    n_written: int = 0
    was_closed: bool = False
    identity: RerankerIdentity = field(default_factory=lambda: RerankerIdentity("writing", "0"))

    @property
    def fusion_weights(self) -> FusionWeights | None:
        return None

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(Scoring.LOGITS, writes=self.writes)

    def judge(
        self, candidates: Sequence[RerankCandidate], statements: Sequence[str], deadline: Deadline
    ) -> Probabilities:
        raise NotImplementedError

    def locate(self, candidate: RerankCandidate, statement: str, deadline: Deadline) -> Box | None:
        raise NotImplementedError

    def write(self, candidate: RerankCandidate, facts: Sequence[str], deadline: Deadline) -> Iterator[str]:
        self.facts = facts
        try:
            for piece in self.pieces:
                time.sleep(min(self.pause_s, deadline.seconds_left))
                if not deadline.seconds_left:
                    return
                if isinstance(piece, RerankerError):
                    raise piece
                self.n_written += 1
                yield piece
        finally:
            self.was_closed = True


def explained(reranker: WritingReranker | None, seconds: float = 10.0) -> Explanation:
    return explain(reranker, CANDIDATE, VERDICTS, Deadline.within(seconds), VOCABULARY)


def in_pieces(text: str) -> list[str]:
    return [text[at : at + 7] for at in range(0, len(text), 7)]


def test_what_a_model_writes_soundly_is_taken() -> None:
    reranker = WritingReranker(in_pieces(f" {SOUND}\n"))
    assert explained(reranker) == Explanation(SOUND, Author.MODEL)
    assert reranker.facts == ["colour navy: met", "article shirt: contradicted, it is dress", "material linen: unknown"]


def test_it_is_passed_on_as_it_is_written_and_then_stands() -> None:
    *pieces, last = stream_explanation(
        WritingReranker(in_pieces(SOUND)), CANDIDATE, VERDICTS, Deadline.within(10), VOCABULARY
    )
    assert pieces == in_pieces(SOUND)
    assert last == Explanation(SOUND, Author.MODEL)


def test_no_photo_is_spoken_of_where_there_is_none() -> None:
    bare, verdicts = RerankCandidate("key", None, "Navy dress"), [verdict("linen", UNKNOWN, "material")]
    text = "The photo does not tell whether it is made of linen."
    for candidate, author in ((CANDIDATE, Author.MODEL), (bare, Author.TEMPLATE)):
        written = explain(WritingReranker([text]), candidate, verdicts, Deadline.within(10), VOCABULARY)
        assert (written.written_by, "photo" in written.text) == (author, author is Author.MODEL)


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("", "empty"),
        ("It is navy and red, no shirt but a dress.", "asserts what no verdict supports: red"),
        ("It is a navy shirt. Whether it is linen cannot be told.", "contradicts a verdict: shirt"),
        ("It is navy, but it is a dress and not a shirt.", "omits a verdict: material: linen"),
        (SOUND[:-1], "cut off"),
    ],
)
def test_what_no_verdict_supports_is_replaced_and_marked(
    text: str, refusal: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    assert explained(WritingReranker(in_pieces(text))) == Explanation(TEMPLATE, Author.TEMPLATE)
    assert refusal in caplog.text


def test_a_text_cut_off_by_the_deadline_is_replaced() -> None:
    started = time.monotonic()
    found = explained(WritingReranker(in_pieces(SOUND), pause_s=0.05), seconds=0.2)
    assert found == Explanation(TEMPLATE, Author.TEMPLATE)
    assert time.monotonic() - started < 5


def test_a_model_that_fails_is_replaced() -> None:
    broken = RerankerError("The model fell over.", remedy="Help it up.")
    assert explained(WritingReranker(["It is ", broken])) == Explanation(TEMPLATE, Author.TEMPLATE)


@pytest.mark.parametrize("babble", ["It is navy and ", "It is na\x07vy "])
def test_a_model_that_babbles_is_stopped(babble: str) -> None:
    reranker = WritingReranker([babble] * 1000)
    *pieces, last = stream_explanation(reranker, CANDIDATE, VERDICTS, Deadline.within(10), VOCABULARY)
    assert last == Explanation(TEMPLATE, Author.TEMPLATE)
    assert reranker.n_written < 40
    assert reranker.was_closed
    assert not any("\x07" in str(piece) for piece in pieces)


def test_generation_stops_with_the_reader() -> None:
    reranker = WritingReranker(in_pieces(SOUND))
    pieces = stream_explanation(reranker, CANDIDATE, VERDICTS, Deadline.within(10), VOCABULARY)
    assert next(pieces) == SOUND[:7]
    pieces.close()
    assert reranker.was_closed
    assert reranker.n_written == 1


def test_without_a_model_that_writes_and_without_time_it_is_the_template() -> None:
    mute = WritingReranker(in_pieces(SOUND), writes=False)
    for found in (explained(None), explained(mute), explained(WritingReranker(in_pieces(SOUND)), seconds=0.0)):
        assert found == Explanation(TEMPLATE, Author.TEMPLATE)
    assert mute.n_written == 0


def test_nothing_to_explain() -> None:
    found = explain(WritingReranker(["It is navy."]), CANDIDATE, [], Deadline.within(10), VOCABULARY)
    assert found == Explanation("", Author.TEMPLATE)
