"""``vitrina serve``."""

from __future__ import annotations

import logging

import uvicorn

from vitrina.api.app import create_app
from vitrina.api.cli.console import errors
from vitrina.api.service import Service
from vitrina.api.settings import Settings


def run_server(settings: Settings, host: str, port: int) -> None:
    """Serve until interrupted. The home is opened and the encoder loaded first, so that a mistake is an error, not a
    server that answers 503."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("vitrina.api.rerankers").setLevel(logging.INFO)  # says once what the reranker can do
    with errors.status("Loading the catalog and the encoder"):
        service = Service.from_settings(settings)
    n_items = service.store.catalog.counts()["items"]
    errors.print(f"{n_items:,} items from {settings.store}", highlight=False, soft_wrap=True)
    errors.print(reranker_line(service), highlight=False, soft_wrap=True, markup=False)
    errors.print(f"Open http://{host}:{port}/ to search, http://{host}:{port}/docs for the API. Ctrl-C stops.")
    uvicorn.run(create_app(settings, lambda _: service), host=host, port=port, log_level="warning")


def reranker_line(service: Service) -> str:
    """What is to rerank; it is opened while the service answers already."""
    if service.reranking is None:
        return "No reranker: set VITRINA_RERANKER to have one."
    return f"The reranker {service.reranking.status.name} is opened meanwhile."
