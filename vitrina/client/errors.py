"""The errors of the client: what the service answers, and that it cannot be reached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx


class ClientError(Exception):
    """The base class: a ``message`` and a ``remedy`` for people."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message} {remedy}")
        self.message = message
        self.remedy = remedy


class ServiceError(ClientError):
    """The service refused a request: its HTTP ``status``, a ``code`` for programs, and ``details``."""

    def __init__(
        self, status: int, code: str, message: str, remedy: str, details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message, remedy)
        self.status = status
        self.code = code
        self.details: Mapping[str, Any] = details or {}


class UnreachableError(ClientError):
    """The service did not answer."""

    def __init__(self, path: str, reason: Exception) -> None:
        super().__init__(
            f"{path} was not answered: {str(reason) or type(reason).__name__}.",
            "Check the address, and that the service runs: vitrina serve.",
        )


def error_of(answer: httpx.Response) -> ServiceError:
    """The error that an answer tells; whatever a proxy in between writes is told, too."""
    try:
        told = answer.json()["error"]
        return ServiceError(answer.status_code, told["code"], told["message"], told["remedy"], told.get("details"))
    except (ValueError, KeyError, TypeError):
        text = " ".join(answer.text.split())[:200]
        message = f"{answer.request.url} answered {answer.status_code}: {text or answer.reason_phrase}."
        return ServiceError(answer.status_code, "unknown", message, "Check the address.")


def foreign(answer: httpx.Response, what: str = "") -> ServiceError:
    """The error for an answer that no service of Vitrina gives."""
    message = f"{answer.request.url} answered {answer.status_code}{what}, which is no answer of Vitrina's."
    return ServiceError(answer.status_code, "unknown", message, "Check the address, and what is in between.")
