"""``vitrina serve``."""

from __future__ import annotations

import gc
import socket
from typing import TYPE_CHECKING, Annotated

import typer

from vitrina.api.cli.console import StoreOption, errors, print_note, settings_for
from vitrina.search.types.errors import StateError

if TYPE_CHECKING:
    from vitrina.api.service import Service
    from vitrina.api.settings import Settings


def serve(
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The port to listen on.")] = 8000,
    folder: StoreOption = None,
) -> None:
    """Serve the HTTP API and the web page."""
    from contextlib import suppress

    import uvicorn

    from vitrina.api.app import create_app
    from vitrina.api.connections import exit_soon, server_config
    from vitrina.api.logs import configure_logs
    from vitrina.api.service import Service

    settings = settings_for(folder)
    settings = settings.model_copy(update={"allowed_hosts": f"{settings.allowed_hosts},{host}"})
    settings = settings.model_copy(update={"api_keys": key_mode(settings, host)})
    configure_logs(settings.log)
    check_address(host, port)
    # Opened before the server starts, so that a mistake ends the command instead of leaving a server that answers 503.
    with errors.status("Loading the catalog and the encoder"):
        service = Service.from_settings(settings)
    n_items = service.store.catalog.counts()["items"]
    print_note(f"{n_items:,} items from {settings.store}{'' if n_items else ', which is empty so far'}")
    print_note(reranker_line(service))
    print_note(keys_line(settings))
    print_note(f"Open http://{host}:{port}/ to search, http://{host}:{port}/docs for the API. Ctrl-C stops.")
    app = create_app(settings, lambda _: service)
    server = uvicorn.Server(server_config(app, host, port, app.state.in_flight.refusal, settings.trusted_proxies))
    keep_all_there_is()
    if service.reranking is not None:
        service.reranking.on_open = keep_all_there_is
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        raise typer.Exit(3)
    exit_soon()


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


def keep_all_there_is() -> None:
    """Tell the garbage collector that what there is now stays. It would look through all of it every few thousand
    requests, which halts everything for 150 ms."""
    gc.collect()
    gc.freeze()


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


def reranker_line(service: Service) -> str:
    """Which reranker the service uses; it is opened in the background."""
    if service.reranking is None:
        return "No reranker; set VITRINA_RERANKER to use one."
    return f"Opening the reranker {service.reranking.status.name} in the background."
