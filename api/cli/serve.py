"""``vitrina serve``."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Final

import typer

from vitrina.api.cli.console import StoreOption, errors, print_note, settings_for
from vitrina.search.types.errors import StateError

if TYPE_CHECKING:
    from vitrina.api.settings import Settings
    from vitrina.search.store.store import Store

EXIT_UNSTARTED: Final = 3


def serve(
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The port to listen on.")] = 8000,
    n_workers: Annotated[
        int,
        typer.Option("--workers", min=1, max=256, help="Processes that answer, each with the index in its own memory."),
    ] = 1,
    folder: StoreOption = None,
) -> None:
    """Serve the HTTP API and the web page."""
    from vitrina.api.logs import configure_logs

    settings = settings_for(folder)
    settings = settings.model_copy(update={"allowed_hosts": f"{settings.allowed_hosts},{host}"})
    settings = settings.model_copy(update={"api_keys": key_mode(settings, host)})
    configure_logs(settings.log)
    check_address(host, port)
    address = f"http://{host}:{port}/"
    print_open = partial(print_note, f"Open {address} to search, {address}docs for the API. Ctrl-C stops.")
    answer = serve_alone if n_workers == 1 else partial(serve_by_workers, n_workers=n_workers)
    if not answer(settings, host, port, print_open):
        raise typer.Exit(EXIT_UNSTARTED)


def serve_alone(settings: Settings, host: str, port: int, print_open: Callable[[], None]) -> bool:
    """Answer in this process until it is told to stop; whether it ever began to."""
    import uvicorn

    from vitrina.api.cli.serve_workers import opened_app
    from vitrina.api.connections import server_config
    from vitrina.api.service import Service

    # Opened before the server starts, so that a mistake ends the command instead of leaving a server that answers 503.
    with errors.status("Loading the catalog and the encoder"):
        service = Service.from_settings(settings)
        app = opened_app(service, settings)
    print_service(service.store, settings)
    print_open()
    server = uvicorn.Server(server_config(app, host, port, settings.trusted_proxies))
    with suppress(KeyboardInterrupt):
        server.run()
    return server.started


def serve_by_workers(settings: Settings, host: str, port: int, print_open: Callable[[], None], n_workers: int) -> bool:
    """Have other processes answer until this one is told to stop; whether they could begin to."""
    from vitrina.api.cli.serve_workers import Workers, bound_socket, worker_config
    from vitrina.api.metrics import SHARED_COUNTS
    from vitrina.api.settings import open_store

    with closing(open_store(settings)) as store:
        print_service(store, settings)
    config = worker_config(settings, host, port, n_workers)
    with TemporaryDirectory(prefix="vitrina-metrics-") as counts, bound_socket(config) as shared:
        os.environ[SHARED_COUNTS] = counts
        workers = Workers(config, [shared], print_open)
        print_note(f"Starting {n_workers} workers, each with the index in its own memory.")
        workers.run()
    return not workers.have_failed


def check_address(host: str, port: int) -> None:
    """Raises StateError where nothing can listen there, before anything is loaded."""
    try:
        for *kind, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            with socket.socket(*kind) as trial:
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                trial.bind(address)
    except OSError as error:
        raise StateError(
            f"{host}:{port} cannot be listened on: {error.strerror or error}.",
            remedy="Choose another address with --host and --port, or stop what listens there.",
        ) from error


def key_mode(settings: Settings, host: str) -> str:
    """Whether requests need an API key: where ``auto``, if others than this machine can reach the host."""
    from vitrina.api.access import is_loopback

    if settings.api_keys != "auto":
        return settings.api_keys
    return "off" if is_loopback(host) else "required"


def keys_line(settings: Settings) -> str:
    """Who may ask. Raises StorageError where the keys cannot be read."""
    from vitrina.api.keys import KeyFile

    if settings.api_keys == "off":
        return "No API keys are asked for: who can reach this address may search, change and delete."
    n_keys = sum(key.revoked_at is None for key in KeyFile(settings.store).all_keys())
    if not n_keys:
        return "Requests need an API key and there is none yet; make one: vitrina keys add NAME --scope search"
    return f"Requests need one of {n_keys:,} API keys." if n_keys > 1 else "Requests need the API key."


def print_service(store: Store, settings: Settings) -> None:
    """Say what is served: how many items, with which reranker, and to whom. Raises StorageError."""
    n_items = store.catalog.count("items")
    print_note(f"{n_items:,} items from {settings.store}{'' if n_items else ', which is empty so far'}")
    print_note(reranker_line(settings))
    print_note(keys_line(settings))


def reranker_line(settings: Settings) -> str:
    """Which reranker is used; it is opened in the background."""
    from vitrina.api.rerankers import reranker_name

    name = reranker_name(settings)
    if name is None:
        return "No reranker; set VITRINA_RERANKER to use one."
    return f"Opening the reranker {name} in the background."
