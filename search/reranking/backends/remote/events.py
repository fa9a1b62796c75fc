"""Server-sent events, read from bytes: https://html.spec.whatwg.org/multipage/server-sent-events.html (9.2.6)."""

from __future__ import annotations

import codecs
import re
from collections.abc import AsyncIterator

_LINE_END = re.compile(r"\r\n|\n|\r(?!\Z)")
"""A carriage return at the end waits for what follows, which may be its line feed."""


async def event_data(chunks: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """The data of each event. Comments, names and numbers of events are skipped; a last event without its blank line
    counts, since some servers leave it out."""
    data: list[str] = []
    async for line in _lines(chunks):
        if not line and data:
            yield "\n".join(data)
            data = []
        field, _, value = line.partition(":")
        if field == "data":
            data.append(value.removeprefix(" "))
    if data:
        yield "\n".join(data)


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    rest = ""
    async for chunk in chunks:
        *lines, rest = _LINE_END.split(rest + decoder.decode(chunk))
        for line in lines:
            yield line
    for line in (rest.removesuffix("\r"), ""):
        yield line
