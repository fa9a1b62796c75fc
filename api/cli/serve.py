"""``vitrina serve``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from vitrina.api.cli.console import StoreOption, errors, print_note, settings_for

if TYPE_CHECKING:
    from vitrina.api.service import Service


def serve(
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="The port to listen on.")] = 8000,
    folder: StoreOption = None,
) -> None:
    """Serve the HTTP API and the web page."""
    import logging
    from contextlib import suppress

    import uvicorn

    from vitrina.api.app import create_app
    from vitrina.api.connections import exit_soon, server_config
    from vitrina.api.service import Service

    settings = settings_for(folder)
    settings = settings.model_copy(update={"allowed_hosts": f"{settings.allowed_hosts},{host}"})
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("vitrina.api.rerankers").setLevel(logging.INFO)  # logs once what the reranker can do
    # Opened before the server starts, so that a mistake ends the command instead of leaving a server that answers 503.
    with errors.status("Loading the catalog and the encoder"):
        service = Service.from_settings(settings)
    print_note(f"{service.store.catalog.counts()['items']:,} items from {settings.store}")
    print_note(reranker_line(service))
    print_note(f"Open http://{host}:{port}/ to search, http://{host}:{port}/docs for the API. Ctrl-C stops.")
    app = create_app(settings, lambda _: service)
    server = uvicorn.Server(server_config(app, host, port, app.state.in_flight.refusal))
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        raise typer.Exit(3)
    exit_soon()


def reranker_line(service: Service) -> str:
    """Which reranker the service uses; it is opened in the background."""
    if service.reranking is None:
        return "No reranker; set VITRINA_RERANKER to use one."
    return f"Opening the reranker {service.reranking.status.name} in the background."
