"""A Milvus Lite server in a process of its own, for services that share it."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class MilvusProcess:
    """The server over one folder, at one port, which may be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = int(free.getsockname()[1])
        self.address = f"http://127.0.0.1:{self._port}"
        self.start()

    def start(self) -> None:
        """Start the server; returns once it takes connections."""
        command = ["server", "--data-dir", str(self._folder), "--host", "127.0.0.1", "--port", str(self._port)]
        self._process = subprocess.Popen([sys.executable, "-m", "milvus_lite", *command], stderr=subprocess.DEVNULL)
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise TimeoutError("Milvus Lite did not start.")

    def stop(self) -> None:
        """Stop the server and wait until it has ended."""
        self._process.terminate()
        self._process.wait(30)


@contextmanager
def milvus_process(folder: Path) -> Iterator[MilvusProcess]:
    server = MilvusProcess(folder)
    try:
        yield server
    finally:
        server.stop()
