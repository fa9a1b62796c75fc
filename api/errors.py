"""Errors as HTTP responses: one shape, and the only place that knows status codes."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match, Mount

from vitrina.api.logs import request_id
from vitrina.api.requests import JsonModel
from vitrina.search.types.errors import (
    InputError,
    NoRerankerError,
    NotFoundError,
    OverloadError,
    StateError,
    TooManyJobsError,
    VitrinaError,
)

log = logging.getLogger(__name__)


class FailureOut(JsonModel):
    """Why a job or an operation failed."""

    code: str
    message: str
    remedy: str

    @classmethod
    def of(cls, error: VitrinaError) -> FailureOut:
        return FailureOut(code=error.code, message=error.message, remedy=error.remedy)


class ErrorBody(FailureOut):
    details: dict[str, object]


class ErrorOut(JsonModel):
    """The one shape of every error."""

    error: ErrorBody


STATUS_CODES: Mapping[type[VitrinaError], int] = {
    InputError: 400,
    NotFoundError: 404,
    NoRerankerError: 501,
    TooManyJobsError: 429,
    StateError: 503,
    VitrinaError: 500,
}

API_CSP = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": API_CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
"""On every answer; the page and the documentation have policies of their own."""

RETRY_AFTER_S = 1
"""When a client that got 503 may try again."""

REMEDIES = {
    404: "See /docs for what exists.",
    405: "See /docs for the methods of this URL.",
    413: "Send smaller images; 1,024 pixels on the longer side are enough.",
    503: "Try again in a second.",
}

INTERNAL = ErrorOut(
    error=ErrorBody(
        code="internal",
        message="Something went wrong on our side.",
        remedy="Try again; the service's log has the details.",
        details={},
    )
)


def add_error_handlers(app: FastAPI) -> None:
    """Answer every error in the same shape."""
    app.add_exception_handler(VitrinaError, vitrina_error)
    app.add_exception_handler(RequestValidationError, validation_error)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(ClientDisconnect, client_left)
    app.add_exception_handler(Exception, unexpected_error)


def vitrina_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, VitrinaError)
    count(request, error.code)
    status = next(STATUS_CODES[kind] for kind in type(error).__mro__ if kind in STATUS_CODES)
    if status >= 500 and status != 501 and not isinstance(error, OverloadError):
        log.error("%s: %s", asked_for(request), error)
    return error_response(status, error.code, error.message, error.remedy, dict(error.details))


def asked_for(request: Request) -> str:
    """A request's method and path for the log, without control characters."""
    return f"{request.method} {quote(request.scope['path'])}"


def count(request: Request, code: str) -> None:
    """Count an error where the application has metrics."""
    metrics = getattr(request.app.state, "metrics", None)
    if metrics is not None:
        metrics.count_error(code)


def validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    count(request, "bad_request")
    problems = [{"where": ".".join(map(str, each["loc"])) or "body", "problem": each["msg"]} for each in error.errors()]
    first = problems[0] if problems else {"where": "body", "problem": "cannot be read"}
    return error_response(
        422,
        "bad_request",
        f"The request is not valid: {first['where']}: {first['problem']}.",
        "Correct the fields listed in details; /docs has the schema, with examples.",
        {"problems": problems[:20]},
    )


def http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = "not_found" if error.status_code == 404 else "bad_request"
    count(request, code)
    message = f"{request.method} {request.url.path}: {str(error.detail).rstrip('.')}."
    response = error_response(error.status_code, code, message, REMEDIES.get(error.status_code, "See /docs."), {})
    if error.status_code == 405:
        response.headers["Allow"] = ", ".join(methods_of(request))
    return response


METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
GIVEN_BY: Final[Mapping[str, str]] = {"HEAD": "GET"}
"""Methods that every path has which has another one."""


def methods_of(request: Request) -> list[str]:
    """The methods that the path of a request has, by all of its routes."""
    routes = [route for route in request.app.routes if not isinstance(route, Mount)]
    methods = [
        method
        for method in METHODS
        if any(
            route.matches({**request.scope, "method": GIVEN_BY.get(method, method)})[0] is Match.FULL
            for route in routes
        )
    ]
    return methods or ["GET", "HEAD"]  # a folder of files


async def client_left(_: Request, error: Exception) -> Response:
    """Nobody is there to answer, and nothing went wrong here."""
    return Response(status_code=499)


def unexpected_error(request: Request, error: Exception) -> JSONResponse:
    count(request, "internal")
    log.error("%s failed", asked_for(request), exc_info=error)
    headers = {**SECURITY_HEADERS, "X-Request-ID": request_id.get()}  # this is outside of what adds them to others
    return JSONResponse(INTERNAL.model_dump(mode="json"), status_code=500, headers=headers)


class ErrorResponse(JSONResponse):
    """An error as JSON, whatever a request had in it that no text can have."""

    def render(self, content: object) -> bytes:
        """The JSON, a ``?`` in place of lone surrogates."""
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def error_response(status: int, code: str, message: str, remedy: str, details: Mapping[str, object]) -> JSONResponse:
    body = ErrorBody(code=code, message=message, remedy=remedy, details=dict(details))
    headers = {"Retry-After": str(RETRY_AFTER_S)} if status in (429, 503) else None
    return ErrorResponse(ErrorOut(error=body).model_dump(mode="json"), status_code=status, headers=headers)


def raw_response(response: Response) -> bytes:
    """A response as it is sent without the application: its headers, with the security headers, and its body. Its
    status line, and ``Connection``, come before it."""
    response.headers.update(SECURITY_HEADERS)
    lines = (b"%s: %s\r\n" % header for header in response.raw_headers)
    return b"".join([*lines, b"\r\n", bytes(response.body)])
