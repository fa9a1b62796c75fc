"""A stream of text, cut into whole sentences: half of one is never shown."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

from search.reranking.backends.remote.failure import Failure

_END = re.compile(r"[.!?…][\"'”’)\]]*\s+")
_WHOLE = re.compile(r"(?<!\d)[.!?…][\"'”’)\]]*\s*\Z")
"""What a sentence ends with that may be the last one; after a digit the stop may be a decimal point."""

_THOUGHT, _END_OF_THOUGHT = "<think>", "</think>"


async def whole_sentences(pieces: AsyncIterator[str], max_characters: int) -> AsyncIterator[str]:
    """Each sentence as soon as it is whole, with the space behind it, as many as fit.

    What a model thinks aloud first is left out. Where the stream fails, a sentence that is whole by then still comes,
    before the Failure.
    """
    text, n_left = "", max_characters
    failure: Failure | None = None
    try:
        async for piece in pieces:
            text += _printable(piece)
            while end := _END.search(said := _after_thought(text)):
                sentence, text = said[: end.end()], said[end.end() :]
                n_left -= len(sentence)
                if n_left < 0:
                    return
                yield sentence
            if len(said) > n_left:
                return
    except Failure as error:
        failure = error
    rest = _after_thought(text)
    if rest.strip() and len(rest) <= n_left and (failure is None or _WHOLE.search(rest)):
        yield rest
    if failure:
        raise failure


def spoken(text: str) -> str:
    """A whole answer without what the model thought aloud before it."""
    return _after_thought(text).strip()


def _after_thought(text: str) -> str:
    """What follows the thought that a text begins with; empty while that goes on, or may be beginning."""
    begun = text.lstrip()
    if begun.startswith(_THOUGHT):
        return begun.partition(_END_OF_THOUGHT)[2].lstrip()
    return "" if _THOUGHT.startswith(begun) else begun


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)
