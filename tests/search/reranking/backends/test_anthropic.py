"""Rerankers behind Anthropic's Messages API grade, in a schema where it is kept."""

from __future__ import annotations

import logging
import traceback

import numpy as np
import pytest
from pydantic import SecretStr

from tests.fakes import make_image
from tests.search.reranking.backends.model_server import MODEL, Abilities, Ending, ModelServer, Trap
from vitrina.search.reranking.backends.anthropic import AnthropicReranker
from vitrina.search.reranking.base import Capabilities, Deadline, RerankCandidate, Scoring
from vitrina.search.reranking.prompts import INSTRUCTIONS
from vitrina.search.types.errors import RerankerError

KEY = "sk-ant-0123456789abcdef"
RED, BLUE = RerankCandidate("red", make_image("red"), "A mug"), RerankCandidate("blue", make_image("blue"))


def opened(server: ModelServer) -> AnthropicReranker:
    return AnthropicReranker(MODEL, key=SecretStr(KEY), base_url=server.address)


@pytest.mark.parametrize("field", ["output_config", "tool"])
@pytest.mark.parametrize("temperature", [True, False])
def test_it_grades_in_a_schema(server: ModelServer, field: str, temperature: bool) -> None:
    server.reset(abilities=Abilities(schema_field=field, temperature=temperature))
    with opened(server) as reranker:
        assert reranker.capabilities == Capabilities(Scoring.GRADES, writes=True, schema=True, boxes=True)
        server.requests.clear()
        found = reranker.judge([RED, BLUE], ["red", "blue"], Deadline.within(20))
        box = reranker.locate(RED, "red", Deadline.within(20))
    assert found == pytest.approx(np.array([[0.98, 0.02], [0.02, 0.98]]))
    assert box is not None
    assert len(server.requests) == 3
    for path, headers, body in server.requests:
        assert path == "/v1/messages"
        assert headers["x-api-key"] == KEY
        assert headers["anthropic-version"] == "2023-06-01"
        assert body["system"] == INSTRUCTIONS
        assert ("temperature" in body) == temperature


def test_it_grades_in_words_where_no_schema_is_kept(server: ModelServer) -> None:
    server.reset(abilities=Abilities(schema_field=None))
    with opened(server) as reranker:
        assert reranker.capabilities == Capabilities(Scoring.GRADES, writes=True)
        found = reranker.judge([RED, BLUE], ["red"], Deadline.within(20))
    assert found == pytest.approx(np.array([[0.98], [0.02]]))


@pytest.mark.parametrize(
    ("trap", "remedy"),
    [
        (Trap.REFUSED, "key"),
        (Trap.UNKNOWN_MODEL, "model name"),
        (Trap.ERROR, "log"),
        (Trap.PROSE, "form of answer"),
        (Trap.ODD_JSON, "form of answer"),
    ],
)
def test_failures_name_their_remedy_and_not_the_key(
    server: ModelServer, trap: Trap, remedy: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.reset(abilities=Abilities(schema_field="output_config"))
    with opened(server) as reranker:
        server.trap = lambda: trap
        with pytest.raises(RerankerError) as error:
            reranker.judge([RED, BLUE], ["red"], Deadline.within(20))
    assert remedy in error.value.remedy
    assert KEY not in "".join([*traceback.format_exception(error.value), repr(reranker), caplog.text])


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        (Ending.DONE, "A navy shirt. It is made of 100% linen at $19.99."),
        (Ending.LENGTH, "A navy shirt."),
        (Ending.CUT, "A navy shirt."),
    ],
)
def test_it_writes_whole_sentences(server: ModelServer, ending: Ending, text: str) -> None:
    with opened(server) as reranker:
        server.ending = ending
        written = "".join(reranker.write(RED, ["colour: navy, met"], Deadline.within(20)))
    assert written.strip() == text
