"""Logs: lines for people or JSON for machines, and the request that each is about."""

from __future__ import annotations

import logging
import re
import sys
from contextvars import ContextVar
from typing import Literal
from uuid import uuid4

from pythonjsonlogger.json import JsonFormatter

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request that is being answered; threads that work for it know it, too."""

REQUEST_ID_HEADER = b"x-request-id"
_GIVEN_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")

access_log = logging.getLogger("vitrina.access")
"""One line for each answer, with ``VITRINA_LOG=json``: method, route, status and time, and nothing that was asked."""


def id_of(given: bytes | None) -> str:
    """A request's id: that which a proxy gave it, unless it is something else than an id, or a new one."""
    return given.decode() if given and _GIVEN_ID.fullmatch(given) else uuid4().hex


def configure_logs(form: Literal["text", "json"]) -> None:
    """Log warnings to standard error: as lines of text, or with one JSON object a line, where each answer has a line,
    too. Neither has bodies, images, texts searched for, or headers in it."""
    handler = logging.StreamHandler(sys.stderr)
    if form == "json":
        handler.setFormatter(JsonLines())
        access_log.setLevel(logging.INFO)
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("vitrina.api.rerankers").setLevel(logging.INFO)  # logs once what the reranker can do
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # warns of each form that is refused anyway


class JsonLines(JsonFormatter):
    """A record as one JSON object: time, level, logger, message, the request's id, and what the call gave beside."""

    def __init__(self) -> None:
        renamed = {"levelname": "level", "name": "logger", "exc_info": "exception"}
        super().__init__("{levelname}{name}{message}", style="{", rename_fields=renamed, timestamp="time")

    def format(self, record: logging.LogRecord) -> str:
        """The line, with the id of the request if there is one."""
        if request_id.get():
            record.request_id = request_id.get()
        return super().format(record)
