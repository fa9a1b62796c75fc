"""The errors that Vitrina raises, in one tree.

A message names the value and the limit; ``remedy`` says what to do about it. Only ``api`` knows HTTP status codes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import ClassVar, Self


class VitrinaError(Exception):
    """The base class: a ``code`` for programs, a ``message`` and a ``remedy`` for people, ``details`` for both."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, remedy: str, details: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.details: Mapping[str, object] = details or {}

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}"

    def __reduce__(self) -> tuple[Callable[[str], Self], tuple[str]]:
        """How it is pickled, with the keyword arguments that Python would leave out."""
        return partial(type(self), remedy=self.remedy, details=self.details), (self.message,)


class InputError(VitrinaError):
    """Input that cannot be used; sending it again will not help."""

    code = "bad_input"


class QueryError(InputError):
    """A query that asks for nothing, or for more than the limits allow."""

    code = "bad_query"


class FilterError(InputError):
    """A filter on a field that does not exist, or with a value that field cannot take."""

    code = "bad_filter"


class ImageError(InputError):
    """Bytes that are not an image, or an image past the limits."""

    code = "bad_image"


class SourceError(InputError):
    """A catalog source that cannot be opened or whose columns cannot be understood."""

    code = "bad_source"


class FetchError(InputError):
    """A URL that must not be, or could not be, fetched."""

    code = "bad_fetch"


class NotFoundError(VitrinaError):
    """No item or image of that name."""

    code = "not_found"


class StateError(VitrinaError):
    """Something about this installation that the operator has to fix."""

    code = "bad_state"


class OverloadError(StateError):
    """More is asked for than can be done in time."""

    code = "busy"


class TooManyJobsError(StateError):
    """So many jobs wait that no other is taken."""

    code = "too_many_jobs"


class EncoderError(StateError):
    """An encoder that cannot be loaded, or is not the one the catalog was embedded with."""

    code = "bad_encoder"


class EncoderReplacedError(EncoderError):
    """The catalog changed to another encoder since this process opened it."""

    code = "encoder_replaced"


class ItemChangedError(StateError):
    """An item is no longer as it was read, or gone."""

    code = "item_changed"


class StorageError(StateError):
    """The catalog, the image store or a snapshot cannot be read or written (a full disk, a damaged file)."""

    code = "storage"


class NotReadyError(StateError):
    """The service cannot answer as it should; the details say why, by part."""

    code = "not_ready"


class MissingDependencyError(StateError):
    """An optional package is not installed; the remedy names the extra that brings it."""

    code = "missing_dependency"


class PluginError(StateError):
    """A plug-in that is not installed, cannot be imported, or shares its name with another."""

    code = "bad_plugin"


class NoRerankerError(StateError):
    """Reranking or an explanation was requested and there is no reranker."""

    code = "no_reranker"


class RerankerError(StateError):
    """A reranker that cannot be opened, or that failed or did not answer."""

    code = "bad_reranker"
