"""Streams are read the same however they are cut into pieces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrina.search.reranking.backends.remote.chat import whole_sentences, without_thinking
from vitrina.search.reranking.backends.remote.transport import RequestFailure, RequestFault, event_data

T = TypeVar("T")

EVENTS = (
    b': hello\r\n\r\nevent: a\ndata: {"x":\ndata: 1}\n\ndata:two\r\rid: 7\n\n\n'
    b"data: \xe2\x80\xa8 line separator\r\n\r\ndata: last"
)
DATA = ['{"x":\n1}', "two", "\u2028 line separator", "last"]
TEXT = "<think>A shirt. Navy?</think> It is navy! It costs $19.99, or 20. “Is it linen?” Yes. And"
SENTENCES = ["It is navy! ", "It costs $19.99, or 20. ", "“Is it linen?” ", "Yes. "]


async def sent(pieces: Sequence[T], failure: RequestFailure | None = None) -> AsyncIterator[T]:
    for piece in pieces:
        yield piece
    if failure:
        raise failure


def received(stream: AsyncIterator[T]) -> list[T]:
    async def collect() -> list[T]:
        return [piece async for piece in stream]

    return asyncio.run(collect())


def cuts(length: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, length), max_size=12).map(lambda cuts: [0, *sorted(cuts), length])


@given(cuts(len(EVENTS)))
def test_events(cuts: list[int]) -> None:
    chunks = [EVENTS[start:end] for start, end in pairwise(cuts)]
    assert received(event_data(sent(chunks))) == DATA


@given(cuts(len(TEXT)))
def test_sentences(cuts: list[int]) -> None:
    pieces = [TEXT[start:end] for start, end in pairwise(cuts)]
    assert received(whole_sentences(sent(pieces), 500)) == [*SENTENCES, "And"]


@pytest.mark.parametrize(
    ("text", "written"),
    [("It is navy. And", "It is navy. "), ("It is navy.", "It is navy."), ("It costs $19.", ""), ("<think>Hm.", "")],
)
def test_a_stream_that_fails_gives_its_whole_sentences_first(text: str, written: str) -> None:
    async def collect() -> str:
        collected = ""
        try:
            async for sentence in whole_sentences(sent([text], RequestFailure(RequestFault.BROKEN, "cut")), 500):
                collected += sentence
        except RequestFailure:
            return collected
        raise AssertionError("the failure was lost")

    assert asyncio.run(collect()) == written


def test_a_sentence_that_does_not_fit_is_left_out() -> None:
    assert received(whole_sentences(sent(["One two. ", "Three four five. ", "Six."]), 20)) == ["One two. "]
    assert received(whole_sentences(sent(["One two. ", "Three four five six"]), 20)) == ["One two. "]


def test_thoughts_are_not_spoken() -> None:
    assert without_thinking(" <think>\nyes?</think>\nNo. ") == "No."
    assert without_thinking("<think>yes") == ""
