"""The two clients: one that blocks and one for asyncio; what they do is in ``flows``."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import httpx

from vitrina.client import flows
from vitrina.client.calls import Call, Flow, Found, Pause, advance, with_retries
from vitrina.client.errors import UnreachableError, error_of
from vitrina.client.flows import EventReader, job_path, streamed
from vitrina.client.results import ImportJob, SearchResult, StreamedResult, read, with_addresses

P = ParamSpec("P")
T = TypeVar("T")

ADDRESS = "http://127.0.0.1:8000"
"""Where ``vitrina serve`` listens by default."""

TIMEOUT_S = 30.0
N_RETRIES = 3
STREAM_TIMEOUT_S = 120.0


class _Connection:
    """What both clients have: where the service is, and how it is asked."""

    def __init__(
        self,
        address: str = ADDRESS,
        *,
        key: str | None = None,
        timeout_s: float = TIMEOUT_S,
        n_retries: int = N_RETRIES,
    ) -> None:
        """``key`` is the API key, where the service needs one; ``timeout_s`` is how long the service may be silent; a
        request that it is too busy for is sent again ``n_retries`` times, after the pause that it asks for. Raises
        ValueError for a key that cannot be sent."""
        if key is not None and not (key.isascii() and key.isprintable()):
            raise ValueError(
                "The API key has characters that no key has; copy it again, as vitrina keys add printed it"
            )
        self.address = address.rstrip("/")
        self._key = key
        self._timeout_s = timeout_s
        self._n_retries = n_retries

    def _options(self, call: Call) -> dict[str, Any]:
        """A call as httpx takes it. The key goes to the service alone."""
        is_own = call.path.startswith("/") or call.path.startswith(f"{self.address}/")
        url = self.address + call.path if call.path.startswith("/") else call.path
        headers = {"Accept": call.accept, "User-Agent": "vitrina-client"}
        if self._key and is_own:
            headers["Authorization"] = f"Bearer {self._key}"
        given = {"json": call.json, "params": call.params, "data": call.data, "files": call.files}
        return {
            "method": call.method,
            "url": url,
            "headers": headers,
            "follow_redirects": not is_own,
            **{name: value for name, value in given.items() if value is not None},
        }

    def _finished(self, found: T) -> T:
        """What a flow returned, pictures with whole addresses."""
        return with_addresses(found, self.address) if isinstance(found, SearchResult) else found  # type: ignore[return-value]


def described(method: Callable[..., Any], build: Callable[..., Any]) -> None:
    """Give a method the name, the signature and the documentation of its flow."""
    signature = inspect.signature(build)
    self_parameter = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    returned = str(signature.return_annotation).removeprefix("Flow[").removesuffix("]")
    method.__name__ = method.__qualname__ = build.__name__
    method.__doc__ = build.__doc__
    parameters = [self_parameter, *signature.parameters.values()]
    method.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=parameters, return_annotation=returned
    )


def blocking(build: Callable[P, Flow[T]]) -> Callable[Concatenate[Client, P], T]:
    """A method of ``Client`` from a flow."""

    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.run(build(*args, **kwargs))

    described(method, build)
    return method


def awaiting(build: Callable[P, Flow[T]]) -> Callable[Concatenate[AsyncClient, P], Awaitable[T]]:
    """A method of ``AsyncClient`` from a flow."""

    async def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.run(build(*args, **kwargs))

    described(method, build)
    return method


class Client(_Connection):
    """A service that is asked over HTTP, from threads. Close it, or use it as a context manager::

        with Client("http://127.0.0.1:8000", key="vk_...") as shop:
            for hit in shop.search("navy linen shirt", filters={"price_cents": {"lt": 6000}}):
                print(hit.rank, hit.title)

    Every method raises ServiceError for what the service refuses, and UnreachableError where it does not answer.
    ``http`` takes an httpx client of your own.
    """

    def __init__(
        self,
        address: str = ADDRESS,
        *,
        key: str | None = None,
        timeout_s: float = TIMEOUT_S,
        n_retries: int = N_RETRIES,
        http: httpx.Client | None = None,
    ) -> None:
        super().__init__(address, key=key, timeout_s=timeout_s, n_retries=n_retries)
        self._http = http or httpx.Client(timeout=timeout_s)

    def run(self, flow: Flow[T]) -> T:
        """Carry out a flow."""
        steps = with_retries(flow, self._n_retries)
        found: Found = None
        try:
            while True:
                step = advance(steps, found)
                if isinstance(step, Pause):
                    time.sleep(step.seconds)
                    found = None
                else:
                    found = self._answer(step)
        except StopIteration as end:
            return self._finished(end.value)  # type: ignore[no-any-return]

    def _answer(self, call: Call) -> Found:
        try:
            return self._http.request(**self._options(call))
        except httpx.RequestError as error:
            return error

    search = blocking(flows.search)
    similar = blocking(flows.similar)
    explain = blocking(flows.explain)
    facets = blocking(flows.facets)
    suggest = blocking(flows.suggest)
    with_images = blocking(flows.with_images)
    item = blocking(flows.item)
    items = blocking(flows.items)
    put = blocking(flows.put)
    patch = blocking(flows.patch)
    delete = blocking(flows.delete)
    batch = blocking(flows.batch)
    import_catalog = blocking(flows.import_catalog)
    import_job = blocking(flows.import_job)
    imports = blocking(flows.imports)
    wait_for_import = blocking(flows.wait_for_import)
    cancel_import = blocking(flows.cancel_import)
    dead_letters = blocking(flows.dead_letters)

    def stream(self, text: str = "", **options: Any) -> Iterator[StreamedResult]:
        """A search whose answer comes in parts: what was retrieved at once, then reranked, then each explanation. Takes
        what ``search`` takes."""
        body = self.run(flows.search_body(text, **options))
        for event, data in self._events(Call("POST", "/v1/search", json=body)):
            yield whole_addresses(streamed(event, data), self.address)

    def watch_import(self, job: int | ImportJob) -> Iterator[ImportJob]:
        """An import each time that it has come further, until it ends."""
        for _, data in self._events(Call("GET", f"{job_path(job)}/events")):
            yield read(ImportJob, data)

    def _events(self, call: Call) -> Iterator[tuple[str, Any]]:
        reader, options = EventReader(call.path), self._options(call)
        options["headers"]["Accept"] = "text/event-stream"
        options.pop("follow_redirects")
        try:
            with self._http.stream(**options, timeout=STREAM_TIMEOUT_S) as answer:
                if answer.status_code >= 400:
                    answer.read()
                    raise error_of(answer)
                reader.check_start(answer)
                for line in answer.iter_lines():
                    yield from reader.read(line)
                reader.check_end()
        except httpx.RequestError as error:
            raise UnreachableError(call.path, error) from error

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class AsyncClient(_Connection):
    """The same for asyncio: every method is to be awaited. Close it, or use it with ``async with``."""

    def __init__(
        self,
        address: str = ADDRESS,
        *,
        key: str | None = None,
        timeout_s: float = TIMEOUT_S,
        n_retries: int = N_RETRIES,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        super().__init__(address, key=key, timeout_s=timeout_s, n_retries=n_retries)
        self._http = http or httpx.AsyncClient(timeout=timeout_s)

    async def run(self, flow: Flow[T]) -> T:
        """Carry out a flow."""
        steps = with_retries(flow, self._n_retries)
        found: Found = None
        try:
            while True:
                step = advance(steps, found)
                if isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                    found = None
                else:
                    found = await self._answer(step)
        except StopIteration as end:
            return self._finished(end.value)  # type: ignore[no-any-return]

    async def _answer(self, call: Call) -> Found:
        try:
            return await self._http.request(**self._options(call))
        except httpx.RequestError as error:
            return error

    search = awaiting(flows.search)
    similar = awaiting(flows.similar)
    explain = awaiting(flows.explain)
    facets = awaiting(flows.facets)
    suggest = awaiting(flows.suggest)
    with_images = awaiting(flows.with_images)
    item = awaiting(flows.item)
    items = awaiting(flows.items)
    put = awaiting(flows.put)
    patch = awaiting(flows.patch)
    delete = awaiting(flows.delete)
    batch = awaiting(flows.batch)
    import_catalog = awaiting(flows.import_catalog)
    import_job = awaiting(flows.import_job)
    imports = awaiting(flows.imports)
    wait_for_import = awaiting(flows.wait_for_import)
    cancel_import = awaiting(flows.cancel_import)
    dead_letters = awaiting(flows.dead_letters)

    async def stream(self, text: str = "", **options: Any) -> AsyncIterator[StreamedResult]:
        """A search whose answer comes in parts, as ``Client.stream``."""
        body = await self.run(flows.search_body(text, **options))
        async for event, data in self._events(Call("POST", "/v1/search", json=body)):
            yield whole_addresses(streamed(event, data), self.address)

    async def watch_import(self, job: int | ImportJob) -> AsyncIterator[ImportJob]:
        """An import each time that it has come further, until it ends."""
        async for _, data in self._events(Call("GET", f"{job_path(job)}/events")):
            yield read(ImportJob, data)

    async def _events(self, call: Call) -> AsyncIterator[tuple[str, Any]]:
        reader, options = EventReader(call.path), self._options(call)
        options["headers"]["Accept"] = "text/event-stream"
        options.pop("follow_redirects")
        try:
            async with self._http.stream(**options, timeout=STREAM_TIMEOUT_S) as answer:
                if answer.status_code >= 400:
                    await answer.aread()
                    raise error_of(answer)
                reader.check_start(answer)
                async for line in answer.aiter_lines():
                    for event in reader.read(line):
                        yield event
                reader.check_end()
        except httpx.RequestError as error:
            raise UnreachableError(call.path, error) from error

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()


def whole_addresses(part: StreamedResult, address: str) -> StreamedResult:
    """A part of an answer, pictures with whole addresses."""
    if part.result is None:
        return part
    return StreamedResult(part.event, with_addresses(part.result, address), timings_ms=part.timings_ms)
