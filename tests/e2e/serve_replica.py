"""A service over a PostgreSQL catalog with a fake encoder, in a process of its own, for a test to kill."""

from __future__ import annotations

import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path

import uvicorn

from tests.fakes import FakeEncoder, make_entry
from vitrina.api.app import create_app
from vitrina.api.service import Service
from vitrina.api.settings import Settings, open_store
from vitrina.search.store.catalog import Catalog
from vitrina.search.store.database import open_server


def serve_replica(folder: Path, address: str, vectors: str | None, ready: Connection) -> None:
    """Serve until killed; sends the port once requests are answered."""
    settings = Settings.model_validate({"store": folder, "database": address, "vectors": vectors})
    app = create_app(settings, lambda settings: Service(open_store(settings), FakeEncoder()))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    threading.Thread(target=tell_port, args=(server, ready), daemon=True).start()
    server.run()


def tell_port(server: uvicorn.Server, ready: Connection) -> None:
    while not server.started:
        time.sleep(0.01)
    ready.send(server.servers[0].sockets[0].getsockname()[1])


def commit_without_end(address: str, writing: Connection) -> None:
    """Commit one item, then write another and stay in the middle of it, with the lock that every writer waits for."""
    catalog, encoder = Catalog(open_server(address)), FakeEncoder()
    version = catalog.open_index_version(encoder.identity, active=True)
    catalog.commit(version, [make_entry(encoder, "whole", "whole lamp")])

    def stay(*_: object) -> None:
        writing.send("in the middle")
        time.sleep(30)

    with catalog.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM items WHERE sku = 'whole'")
        stay()
