"""The HTTP application: routes, middleware, errors and the page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from fastapi_offline import FastAPIOffline
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vitrina.api.access import Access
from vitrina.api.admission import MAX_BUFFERED_BYTES, Admission, InFlight
from vitrina.api.errors import METHODS, REMEDIES, ErrorOut, add_error_handlers, error_response
from vitrina.api.keys import KeyFile
from vitrina.api.metrics import Metrics, RequestObserver
from vitrina.api.openapi import describe
from vitrina.api.rate_limits import Rate
from vitrina.api.routes import catalog, health, images, imports, items, search
from vitrina.api.routes.page import add_page
from vitrina.api.security import Security, names_in
from vitrina.api.service import Service
from vitrina.api.settings import Settings
from vitrina.search.types.errors import MissingDependencyError

if TYPE_CHECKING:
    from fastapi.telemetry import TelemetryConfig

    from vitrina.api.connections import Refusal


class BodyTooLargeError(Exception):
    """There is no room for the request's body, with the status to answer."""

    def __init__(self, status: int, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.remedy = remedy or REMEDIES[status]

    def response(self) -> JSONResponse:
        """The answer."""
        code = "too_large" if self.status == 413 else "busy"
        return error_response(self.status, code, str(self), self.remedy, {})


class BodyLimit:
    """ASGI middleware that answers 413 for bodies larger than ``max_bytes``, or of more JSON values than requests of
    their kind may have, and 503 where those that are being read would take more than ``MAX_BUFFERED_BYTES`` of memory
    together. A catalog file, which goes straight to the disk, may have ``max_import_bytes``."""

    def __init__(self, app: ASGIApp, max_bytes: int, max_import_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes
        self.max_import_bytes = max_import_bytes
        self._n_buffered_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        declared, goes_to_disk = headers.get(b"content-length", b"0"), is_upload(scope, headers)
        max_bytes = self.max_import_bytes + FORM_BYTES if goes_to_disk else self.max_bytes
        max_values = MAX_VALUES_OF.get(scope.get("path", ""), MAX_VALUES)
        is_form = is_multipart(headers)
        n_bytes, n_values, n_buffered_bytes, has_started = 0, 0, 0, False
        refused: BodyTooLargeError | None = None

        async def receive_and_count() -> Message:
            nonlocal n_bytes, n_values, n_buffered_bytes, refused
            message = await receive()
            body = message.get("body", b"")
            n_new = len(body)
            n_bytes += n_new
            n_values += 0 if is_form else sum(map(body.count, BEFORE_VALUES))
            if not goes_to_disk:
                n_buffered_bytes += n_new
                self._n_buffered_bytes += n_new
            try:
                self._check(n_bytes, max_bytes)
                if n_values > max_values:
                    raise BodyTooLargeError(
                        413, f"The request's JSON has more than {max_values:,} values.", "Send it in parts."
                    )
            except BodyTooLargeError as error:
                refused = error
                raise
            return message

        async def send_and_note(message: Message) -> None:
            nonlocal has_started
            if refused is None or has_started:  # FastAPI would answer that the body cannot be parsed
                has_started = True
                await send(message)

        try:
            self._check(int(declared) if declared.isdigit() else 0, max_bytes)
            await self.app(scope, receive_and_count, send_and_note)
        except BodyTooLargeError as error:
            if has_started:
                raise
            refused = error
        finally:
            self._n_buffered_bytes -= n_buffered_bytes
        if refused is not None and not has_started:
            await refused.response()(scope, receive, send)

    def _check(self, n_bytes: int, max_bytes: int) -> None:
        if n_bytes > max_bytes:
            raise BodyTooLargeError(413, f"The request's body is larger than {max_bytes:,} bytes.")
        if self._n_buffered_bytes > max(MAX_BUFFERED_BYTES, self.max_bytes):
            raise BodyTooLargeError(503, "Too many large requests are being read already.")


class HeadAnswers:
    """ASGI middleware that answers HEAD as GET is answered, without a body. What would send one for longer, such as a
    stream of events, is told that the client has all that it asked for."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return
        has_begun = False

        async def send_headers(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                await send(message)
                await send({"type": "http.response.body"})

        async def receive_until_begun() -> Message:
            return {"type": "http.disconnect"} if has_begun else await receive()

        asked = {**scope, "method": "GET"}
        try:
            await self.app(asked, receive_until_begun, send_headers)
        finally:
            scope["route"] = asked.get("route")


HEADERS = ("authorization", "content-type")
"""What pages of allowed origins may send, beside what every page may."""

FORM_BYTES = 1 << 20
"""What a form has beside its file."""


MAX_VALUES = 250_000
MAX_VALUES_OF: Mapping[str, int] = {"/v1/imports": 4_000_000, "/v1/items:batch": 2_000_000}
"""JSON values in a request's body, which take some 30 times as much memory as they have bytes, by path."""

BEFORE_VALUES = (b",", b"[", b"{")


def is_multipart(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a request's body is a form with files."""
    return headers.get(b"content-type", b"").lower().startswith(b"multipart/form-data")


def is_upload(scope: Scope, headers: Mapping[bytes, bytes]) -> bool:
    """Whether a request's body goes to the disk as it comes."""
    return scope.get("path") == "/v1/imports" and is_multipart(headers)


def telemetry(*, is_on: bool) -> TelemetryConfig:
    """OpenTelemetry's spans of requests, exported by the standard variables, if it is on; nothing else of FastAPI's
    telemetry, since errors may quote what was asked. Raises MissingDependencyError without the extra ``tracing``."""
    if is_on and find_spec("opentelemetry.exporter.otlp.proto.http") is None:
        raise MissingDependencyError(
            "OpenTelemetry's exporter is not installed, which VITRINA_TRACING needs.",
            remedy="Install the extra: pip install 'vitrina[tracing]'.",
        )
    return {"tracing": is_on, "auto_configure": is_on, "operation_spans": False, "metrics": False, "logs": False}


def create_app(
    settings: Settings, open_service: Callable[[Settings], AbstractContextManager[Service]] = Service.from_settings
) -> FastAPI:
    """The ASGI application. It opens the store and loads the encoder on start-up, and fails with the reason."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[Mapping[str, Refusal]]:
        with open_service(settings) as service:
            app.state.service = service
            app.state.metrics.watch(service, app.state.in_flight)
            yield {"refusal": app.state.in_flight.refusal}

    app = FastAPIOffline(
        redoc_url=None,
        title="Vitrina",
        version=version("vitrina"),
        description="Search a product catalog by text, by image, or by both.",
        lifespan=lifespan,
        responses={"default": {"model": ErrorOut, "description": "Any error"}},
        telemetry=telemetry(is_on=settings.tracing),
    )
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes, max_import_bytes=settings.max_import_bytes)
    app.state.metrics = Metrics()
    app.state.in_flight = InFlight(on_refused=app.state.metrics.count_refusal)
    app.add_middleware(Admission, in_flight=app.state.in_flight)
    origins = names_in(settings.allowed_origins)
    needs_key = settings.api_keys == "required"
    rate = Rate.of(settings.rate_limit) if settings.rate_limit else None
    app.add_middleware(Access, keys=KeyFile(settings.store), rate=rate, needs_key=needs_key)
    if origins:
        app.add_middleware(CORSMiddleware, allow_origins=origins, allow_methods=METHODS, allow_headers=HEADERS)
    app.add_middleware(Security, hosts=names_in(settings.allowed_hosts), origins=origins)
    app.add_middleware(HeadAnswers)
    app.add_middleware(RequestObserver, metrics=app.state.metrics)
    add_error_handlers(app)
    for routes in (search, items, images, imports, catalog, health):
        app.include_router(routes.router)
    add_page(app)
    describe(app, needs_key=needs_key)
    return app
