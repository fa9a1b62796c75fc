"""A web server of images, and what fetches from it."""

from __future__ import annotations

import hashlib
import http.server
import ipaddress
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from vitrina.indexer.fetch import Fetcher
from vitrina.indexer.network import IPAddress

HOST = "shop.example"


@dataclass
class Server:
    """A web server on localhost: what it has, how it answered, and how many it answered at a time."""

    port: int = 0
    files: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)
    busy: list[int] = field(default_factory=list)
    pause_s: float = 0.0
    n_now: Counter[str] = field(default_factory=Counter)
    n_most: Counter[str] = field(default_factory=Counter)
    has_etags: bool = True

    def url(self, name: str, host: str = HOST) -> str:
        return f"http://{host}:{self.port}/{name}"


def handler(server: Server) -> type[http.server.BaseHTTPRequestHandler]:
    lock = threading.Lock()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 5

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class names it
            pass

        def do_GET(self) -> None:
            host = self.headers["Host"].partition(":")[0]
            with lock:
                server.n_now[host] += 1
                server.n_most[host] = max(server.n_most[host], server.n_now[host])
            time.sleep(server.pause_s)
            with lock:
                server.n_now[host] -= 1
            self.answer()

        def answer(self) -> None:
            body = server.files.get(self.path[1:], b"")
            etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"' if server.has_etags else ""
            status = 200 if body else 404
            if etag and self.headers["If-None-Match"] == etag:
                status, body = 304, b""
            headers = {"Content-Type": "image/png", "ETag": etag, **server.headers}
            if server.busy:
                status, body, headers = 503, b"", {"Retry-After": str(server.busy.pop())}
            server.statuses.append(status)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                if value:
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    return Handler


@contextmanager
def serving() -> Iterator[Server]:
    """A server that runs inside the context."""
    found = Server()
    with listening(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler(found))) as found.port:
        yield found


@contextmanager
def listening(server: http.server.ThreadingHTTPServer) -> Iterator[int]:
    """The port of a server that answers inside the context, and is closed after it."""
    with server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def local(host: str, port: int) -> Sequence[IPAddress]:
    return [ipaddress.ip_address("127.0.0.1")]


def make_fetcher(max_per_host: int = 6) -> Fetcher:
    allowed = {"resolver": local, "address_allowed": lambda address: True}
    return Fetcher(timeout_s=5.0, backoff_s=0.01, max_per_host=max_per_host, **allowed)  # type: ignore[arg-type]
