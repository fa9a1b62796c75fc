"""Refuses request bodies over a limit, announced or not, before anything reads them whole."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import REMEDIES, error_response


class BodyTooLargeError(Exception):
    """The body outgrew the limit while it was read."""


class BodyLimit:
    """ASGI middleware: answers 413 for a body of more than ``max_bytes``."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        n_bytes, answered = 0, False

        async def counted() -> Message:
            nonlocal n_bytes
            message = await receive()
            n_bytes += len(message.get("body", b""))
            if n_bytes > self.max_bytes:
                raise BodyTooLargeError
            return message

        async def noted(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            if announced.isdigit() and int(announced) > self.max_bytes:
                raise BodyTooLargeError
            await self.app(scope, counted, noted)
        except BodyTooLargeError:
            if answered:
                raise
            message = f"The request's body is larger than {self.max_bytes:,} bytes."
            await error_response(413, "too_large", message, REMEDIES[413], {})(scope, receive, send)
