"""What both clients do, written once: each method is a flow of calls and pauses, which a client carries out."""

from __future__ import annotations

import base64
import json as json_text
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import httpx

from vitrina.client.calls import Call, Flow, Pause, got, part_of
from vitrina.client.errors import ServiceError, UnreachableError, foreign
from vitrina.client.results import (
    BatchResult,
    CatalogItem,
    CatalogPage,
    DeadLetter,
    HitExplanation,
    ImportJob,
    QuerySuggestion,
    RankReport,
    SearchResult,
    StreamedResult,
    read,
)

POLL_S = 0.5
"""How often an import is looked at while it is waited for."""


class Saveable(Protocol):
    """A picture of Pillow's."""

    def save(self, fp: Any, format: str) -> None:  # noqa: A002 - Pillow's own name
        """Write it."""


ImageSource = str | Path | bytes | Saveable
"""An image: the path of a file, an http(s) address, a file's bytes, or Pillow's."""


def search_body(
    text: str = "",
    *,
    image: ImageSource | Sequence[ImageSource] | None = None,
    like: str | Sequence[str] = (),
    without: str = "",
    filters: Mapping[str, Any] | None = None,
    weights: Mapping[str, float] | None = None,
    limit: int = 10,
    offset: int = 0,
    sort: str = "relevance",
    collapse: bool = True,
    correct: bool = True,
    min_confidence: float = 0.0,
    rerank: bool | Mapping[str, int] | None = None,
    explain: bool | int | None = None,
) -> Flow[dict[str, Any]]:
    """The body of a search."""
    shown = () if image is None else image if isinstance(image, list | tuple) else (image,)
    images: list[Any] = [{"sku": sku} for sku in ([like] if isinstance(like, str) else like)]
    for each in shown:
        images.append((yield from data_uri(each)))
    given = {"text": text, "without": without, "filters": dict(filters or {}), "images": images}
    options = {
        "limit": limit,
        "offset": offset,
        "sort": sort,
        "collapse": collapse,
        "correct": correct,
        "min_confidence": min_confidence,
    }
    asked = {"weights": weights, "rerank": rerank, "explain": explain}
    return {**given, **options, **{name: value for name, value in asked.items() if value is not None}}


def search(
    text: str = "",
    *,
    image: ImageSource | Sequence[ImageSource] | None = None,
    like: str | Sequence[str] = (),
    without: str = "",
    filters: Mapping[str, Any] | None = None,
    weights: Mapping[str, float] | None = None,
    limit: int = 10,
    offset: int = 0,
    sort: str = "relevance",
    collapse: bool = True,
    correct: bool = True,
    min_confidence: float = 0.0,
    rerank: bool | Mapping[str, int] | None = None,
    explain: bool | int | None = None,
) -> Flow[SearchResult]:
    """Search by ``text``, by an ``image`` or several, by what the images of some skus are ``like``, or by all of them;
    with none of them the items that pass the ``filters`` are listed.

    An image is a file's path, an http(s) address, which is fetched here, a file's bytes, or one of Pillow's. Filters
    are as in ``{"colour": ["navy", "black"], "price_cents": {"lt": 6000}}``. ``sort`` is ``relevance``,
    ``price_asc``, ``price_desc``, ``newest``, or a field's numbers, as in ``rating:desc`` or ``year:asc``. ``rerank``
    true, or options as ``{"top": 20, "deadline_ms": 800}``, has the best hits judged by a vision-language model, and
    ``explain`` so many of them explained. Raises ServiceError.
    """
    body = yield from search_body(
        text,
        image=image,
        like=like,
        without=without,
        filters=filters,
        weights=weights,
        limit=limit,
        offset=offset,
        sort=sort,
        collapse=collapse,
        correct=correct,
        min_confidence=min_confidence,
        rerank=rerank,
        explain=explain,
    )
    return (yield from got(SearchResult, Call("POST", "/v1/search", json=body)))


def data_uri(image: ImageSource) -> Flow[str]:
    """An image as a data URI."""
    if isinstance(image, str) and image.startswith("data:"):
        return image
    if isinstance(image, str) and image.startswith(("http://", "https://")):
        answer = yield Call("GET", image, accept="image/*")
        data = answer.content
    elif isinstance(image, bytes):
        data = image
    elif isinstance(image, str | Path):
        data = Path(image).read_bytes()
    else:
        data = encoded(image)
    return f"data:application/octet-stream;base64,{base64.b64encode(data).decode()}"


def encoded(image: Saveable) -> bytes:
    """One of Pillow's pictures as a PNG file."""
    from io import BytesIO

    file = BytesIO()
    image.save(file, format="PNG")
    return file.getvalue()


def similar(
    sku: str, *, limit: int = 10, offset: int = 0, filters: Mapping[str, Any] | None = None, min_confidence: float = 0.0
) -> Flow[SearchResult]:
    """The items most similar to one. Raises ServiceError."""
    params = {
        "limit": limit,
        "offset": offset,
        "min_confidence": min_confidence,
        "filters": json_text.dumps(dict(filters or {})),
    }
    return (yield from got(SearchResult, Call("GET", f"{item_path(sku)}/similar", params=params)))


def explain(query: str | Mapping[str, Any], sku: str) -> Flow[RankReport]:
    """Why an item is, or is not, among the hits of a search: a text, or the body of a search. Raises ServiceError."""
    answer = yield Call("POST", "/v1/explain", json={"query": query, "sku": sku})
    return part_of(answer, lambda told: RankReport(told["item"]["sku"], told["sentence"], told["rank"], told))


def facets(
    query: str | Mapping[str, Any] | None = None, *, fields: Sequence[str] = (), limit: int = 20
) -> Flow[dict[str, Any]]:
    """How many of the items of a search, or of the whole catalog, have which values. Raises ServiceError."""
    body = {"query": query or {}, "fields": list(fields), "limit": limit}
    answer = yield Call("POST", "/v1/facets", json=body)
    return part_of(answer, dict)


def suggest(text: str, *, limit: int = 8) -> Flow[tuple[QuerySuggestion, ...]]:
    """What a text whose last word is typed in part may become, kinds of things first. Raises
    ServiceError."""
    answer = yield Call("GET", "/v1/suggest", params={"text": text, "limit": limit})
    return part_of(answer, lambda told: read(tuple[QuerySuggestion, ...], told["suggestions"]))


def with_images(result: SearchResult, size: int = 256) -> Flow[SearchResult]:
    """The result with the pictures of its hits, so that a notebook shows them wherever it is opened, and where the
    service needs a key. ``size`` is that of the longer side in pixels."""
    hits = []
    for hit in result.hits:
        image = None
        if hit.image_url is not None:
            answer = yield Call("GET", hit.image_url.partition("?")[0], params={"size": size}, accept="image/*")
            image = answer.content
        hits.append(replace(hit, image=image))
    return replace(result, hits=tuple(hits))


# Items


def item_path(sku: str) -> str:
    """The path of an item."""
    return f"/v1/items/{quote(sku, safe='')}"


def item(sku: str) -> Flow[CatalogItem]:
    """One item by its sku. Raises ServiceError, with the status 404 if there is none."""
    return (yield from got(CatalogItem, Call("GET", item_path(sku))))


def items(
    *, limit: int = 100, cursor: str = "", source: str | None = None, since: datetime | str | None = None
) -> Flow[CatalogPage]:
    """A page of the catalog's items, the longest unchanged first; of a ``source``, and of those that changed at
    ``since`` (UTC where it names no zone) or later. Raises ServiceError."""
    when = since.isoformat() if isinstance(since, datetime) else since
    given = {name: value for name, value in (("source", source), ("since", when)) if value is not None}
    params = {"limit": limit, "cursor": cursor, **given}
    return (yield from got(CatalogPage, Call("GET", "/v1/items", params=params)))


def item_body(fields: Mapping[str, Any]) -> Flow[dict[str, Any]]:
    """An item as the service takes it, its images as data URIs or public addresses."""
    images = []
    for each in fields.get("images", ()):
        is_address = isinstance(each, str) and each.startswith(("http://", "https://"))
        images.append(each if is_address else (yield from data_uri(each)))
    return {**fields, "images": images}


def put(sku: str, fields: Mapping[str, Any]) -> Flow[CatalogItem]:
    """Add an item, or replace it as a whole: ``title``, ``description``, ``attributes``, ``price_cents``, ``currency``,
    ``url``, ``variants``, ``images``. Addresses of images are fetched by the service. Raises ServiceError."""
    body = yield from item_body(fields)
    return (yield from got(CatalogItem, Call("PUT", item_path(sku), json=body)))


def patch(sku: str, changes: Mapping[str, Any]) -> Flow[CatalogItem]:
    """Change some fields of an item, under the names that ``put`` takes: those given are replaced, None removes one,
    attributes are merged by name, and the rest stays, as images do. Raises ServiceError, with the status 404 if there
    is no such item."""
    body = (yield from item_body(changes)) if changes.get("images") else dict(changes)
    return (yield from got(CatalogItem, Call("PATCH", item_path(sku), json=body)))


def delete(sku: str) -> Flow[None]:
    """Remove an item. Raises ServiceError, with the status 404 if there is none."""
    yield Call("DELETE", item_path(sku))


def batch(*, put: Mapping[str, Mapping[str, Any]] | None = None, delete: Iterable[str] = ()) -> Flow[BatchResult]:
    """Delete some items, then put others, up to 1,000 in all; each has a result of its own. Raises ServiceError where
    nothing of it was done."""
    operations: list[dict[str, Any]] = [{"op": "delete", "sku": sku} for sku in delete]
    for sku, fields in (put or {}).items():
        operations.append({"op": "put", "sku": sku, "item": (yield from item_body(fields))})
    return (yield from got(BatchResult, Call("POST", "/v1/items:batch", json={"operations": operations})))


# Imports


def import_catalog(
    source: str | Path | Sequence[Mapping[str, Any]],
    *,
    name: str | None = None,
    dialect: str | None = None,
    map: Mapping[str, str] | None = None,  # noqa: A002 - the option's name
    encoding: str | None = None,
    sync: bool = False,
    sync_many: bool = False,
    dry_run: bool = False,
    catalog: str | None = None,
    retry: int | None = None,
) -> Flow[ImportJob]:
    """Begin to import a catalog in the background: a file, an http(s) address that the service fetches, or rows.

    ``name`` is that of the source, ``map`` says which column holds which field, ``sync`` deletes what is no longer in
    the source, ``catalog`` names the file in an archive, and ``retry`` is the id of the import of whose dead letters
    alone the rows are tried. Raises ServiceError, and OSError for the file.
    """
    options = {
        "source": name,
        "dialect": dialect,
        "map": None if map is None else dict(map),
        "encoding": encoding,
        "sync": sync,
        "sync_many": sync_many,
        "dry_run": dry_run,
        "catalog": catalog,
        "retry": retry,
    }
    given = {key: value for key, value in options.items() if value is not None}
    if not isinstance(source, str | Path):
        body = {"rows": [dict(row) for row in source], **given}
        return (yield from got(ImportJob, Call("POST", "/v1/imports", json=body, is_safe=False)))
    if isinstance(source, str) and source.startswith(("http://", "https://")):
        body = {"url": source, **given}
        return (yield from got(ImportJob, Call("POST", "/v1/imports", json=body, is_safe=False)))
    fields = {key: value if isinstance(value, str) else json_text.dumps(value) for key, value in given.items()}
    with ExitStack() as stack:
        file = stack.enter_context(Path(source).open("rb"))
        upload = Call("POST", "/v1/imports", data=fields, files={"file": (Path(source).name, file)}, is_safe=False)
        return (yield from got(ImportJob, upload))


def import_job(job: int | ImportJob) -> Flow[ImportJob]:
    """How far an import is. Raises ServiceError."""
    return (yield from got(ImportJob, Call("GET", job_path(job))))


def imports(*, limit: int = 20, cursor: int | None = None) -> Flow[tuple[ImportJob, ...]]:
    """The imports, newest first. Raises ServiceError."""
    params = {"limit": limit, **({} if cursor is None else {"cursor": cursor})}
    answer = yield Call("GET", "/v1/imports", params=params)
    return part_of(answer, lambda told: tuple(read(ImportJob, each) for each in told["imports"]))


def wait_for_import(
    job: int | ImportJob, *, on_progress: Callable[[ImportJob], None] = lambda _: None, timeout_s: float | None = None
) -> Flow[ImportJob]:
    """Wait until an import has ended; ``on_progress`` is told how far it is. Raises ServiceError, and TimeoutError
    after ``timeout_s``; the import goes on then."""
    until = None if timeout_s is None else time.monotonic() + timeout_s
    while True:
        found = yield from import_job(job)
        on_progress(found)
        if found.has_ended:
            return found
        if until is not None and time.monotonic() > until:
            raise TimeoutError(f"The import {found.id} has not ended within {timeout_s} s.")
        yield Pause(POLL_S)


def cancel_import(job: int | ImportJob) -> Flow[ImportJob]:
    """Stop an import; what it has committed stays. Raises ServiceError."""
    return (yield from got(ImportJob, Call("POST", f"{job_path(job)}/cancel")))


def dead_letters(job: int | ImportJob, *, limit: int = 100, offset: int = 0) -> Flow[tuple[DeadLetter, ...]]:
    """What an import left out, with reasons and remedies. Raises ServiceError."""
    answer = yield Call("GET", f"{job_path(job)}/dead-letters", params={"limit": limit, "offset": offset})
    return part_of(answer, lambda told: tuple(read(DeadLetter, each) for each in told["dead_letters"]))


def job_path(job: int | ImportJob) -> str:
    """The path of an import."""
    return f"/v1/imports/{job if isinstance(job, int) else job.id}"


# Events


class EventReader:
    """Reads server-sent events line by line."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._name = self._data = self._last = ""

    def check_start(self, answer: httpx.Response) -> None:
        """Raises ServiceError for an answer that is no stream of events."""
        if not answer.headers.get("content-type", "").startswith("text/event-stream"):
            raise foreign(answer)

    def check_end(self) -> None:
        """Raises UnreachableError where the last event is missing."""
        if self._last not in ("done", "error"):
            raise UnreachableError(self._path, EOFError("the answer ended early"))

    def read(self, line: str) -> Iterator[tuple[str, Any]]:
        """The event that a line ends, with its data, if it ends one."""
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            self._name = value
        elif field == "data":
            self._data += value
        elif not line and self._data:
            self._last = self._name
            yield self._name, json_text.loads(self._data)
            self._name = self._data = ""


def streamed(event: str, data: Any) -> StreamedResult:
    """A part of an answer. Raises ServiceError where it says that something broke."""
    if event == "error":
        problem = data["error"]
        raise ServiceError(500, problem["code"], problem["message"], problem["remedy"])
    if event in ("retrieved", "reranked"):
        result = read(SearchResult, data)
        return StreamedResult(event, result, timings_ms=result.timings_ms)
    if event == "explanation":
        explanation = read(HitExplanation, data["explanation"])
        return StreamedResult(event, None, data["sku"], explanation, data["timings_ms"])
    return StreamedResult(event, timings_ms=data.get("timings_ms", {}))
