"""Server-sent events, as a client reads them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

Sent = tuple[str, Any]
"""An event's name and its data."""


def events_in(lines: Iterable[str]) -> Iterator[Sent]:
    """The events of a stream's lines; comments are left out."""
    name, data = "", ""
    for line in lines:
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            data += value
        elif not line and data:
            yield name, json.loads(data)
            name, data = "", ""
