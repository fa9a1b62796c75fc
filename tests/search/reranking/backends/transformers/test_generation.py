from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch

from tests.search.reranking.backends.transformers import tiny
from vitrina.search.reranking.backends.transformers.generation import Grammar, stream_text
from vitrina.search.reranking.base import Deadline
from vitrina.search.reranking.prompts import EXPLANATION_PATTERN


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


class Writer:
    """Writes "no" until it is stopped, as ``generate`` would."""

    def __init__(self, *, n_tokens: int = 10_000, fails_at: int = -1) -> None:
        self.tokenizer = tiny.tokenizer_with()
        self.n_tokens = n_tokens
        self.fails_at = fails_at
        self.n_written = 0
        self.stopped = threading.Event()

    def __call__(self, settings: dict[str, Any]) -> None:
        token = self.tokenizer.encode(" no", return_tensors="pt")
        settings["streamer"].put(token[0])
        for _ in range(self.n_tokens):
            if self.n_written == self.fails_at:
                raise RuntimeError("out of memory")
            settings["streamer"].put(token[0])
            self.n_written += 1
            time.sleep(0.001)
            if settings["stopping_criteria"](token, None).all():
                break
        self.stopped.set()
        settings["streamer"].end()


def test_text_comes_in_pieces_while_it_is_written(executor: ThreadPoolExecutor) -> None:
    writer = Writer(n_tokens=3)
    pieces = list(stream_text(writer, writer.tokenizer, Deadline.within(60), executor))
    assert len(pieces) > 1
    assert "".join(pieces) == " no no no"


def test_writing_stops_at_the_deadline(executor: ThreadPoolExecutor) -> None:
    writer = Writer()
    list(stream_text(writer, writer.tokenizer, Deadline.within(0.3), executor))
    assert writer.stopped.wait(30)
    assert 0 < writer.n_written < writer.n_tokens


def test_generation_stops_with_its_reader(executor: ThreadPoolExecutor) -> None:
    writer = Writer()
    pieces = stream_text(writer, writer.tokenizer, Deadline.within(600), executor)
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    assert writer.stopped.wait(30)
    assert writer.n_written < writer.n_tokens


def test_a_failure_reaches_the_reader_behind_what_was_written(executor: ThreadPoolExecutor) -> None:
    writer = Writer(fails_at=2)
    pieces = stream_text(writer, writer.tokenizer, Deadline.within(60), executor)
    with pytest.raises(RuntimeError, match="out of memory"):
        list(pieces)


def test_silence_ends_with_the_deadline(executor: ThreadPoolExecutor) -> None:
    release = threading.Event()
    started = time.monotonic()

    def say_nothing(_: dict[str, Any]) -> None:
        release.wait(60)

    assert list(stream_text(say_nothing, tiny.tokenizer_with(), Deadline.within(0.2), executor)) == []
    assert time.monotonic() - started < 30
    release.set()


def test_a_grammar_holds_random_tokens_to_plain_text() -> None:
    pytest.importorskip("xgrammar")
    tokenizer = tiny.tokenizer_with("<image>")
    n_logits = len(tokenizer) + 7  # as models pad theirs
    grammar = Grammar.of(EXPLANATION_PATTERN, tokenizer, n_logits=n_logits, stop_tokens=[tokenizer.eos_token_id])
    assert grammar
    draw = torch.Generator().manual_seed(0)
    for _ in range(10):
        held, tokens = grammar.processor(), [0]
        while len(tokens) < 400 and tokens[-1] != tokenizer.eos_token_id:
            scores = held(torch.tensor([tokens]), torch.randn(1, n_logits, generator=draw))
            tokens.append(int(scores.argmax()))
        text = tokenizer.decode(tokens[1:], skip_special_tokens=True)
        assert tokens[-1] == tokenizer.eos_token_id
        assert 0 < len(text) <= 280
        assert json.loads(f'"{text}"') == text
