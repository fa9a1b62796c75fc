"""The processes of ``vitrina serve --workers``: more searches at a time than one interpreter's lock lets through."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from fastapi import FastAPI
from uvicorn.config import STARTUP_FAILURE, Config
from uvicorn.supervisors import Multiprocess

from vitrina.api.app import create_app
from vitrina.api.cli.console import print_error
from vitrina.api.connections import exit_soon, server_config
from vitrina.api.logs import configure_logs
from vitrina.api.service import Service
from vitrina.api.settings import Settings
from vitrina.search.types.errors import VitrinaError

log = logging.getLogger(__name__)


class Workers(Multiprocess):
    """Processes that answer on one address, each with a service of its own over the same store. One that ends early is
    replaced.

    The first starts alone: the others find the snapshot that it has written, and what is wrong is told once.
    """

    def __init__(self, config: Config, sockets: list[socket.socket], on_first: Callable[[], None]) -> None:
        super().__init__(config, sockets)
        self._on_first = on_first
        self._n_others = self.processes_num - 1

    @property
    def have_failed(self) -> bool:
        """Whether they ended since one could not be started."""
        return any(each.exitcode == STARTUP_FAILURE for each in self.processes)

    def init_processes(self) -> None:
        """Start the first."""
        self.processes_num = 1
        super().init_processes()

    def keep_subprocess_alive(self) -> None:
        """Start the others once the first answers, and those again that have ended, or do not answer any more."""
        if self._n_others and self.processes[0].process.is_alive():
            if not self._is_listened_on():  # it would be waited for, even if it ends meanwhile
                return
            self._on_first()
            for _ in range(self._n_others):
                self.handle_ttin()
            self._n_others = 0
        before = [*self.processes]
        super().keep_subprocess_alive()
        for old, new in zip(before, self.processes, strict=True):
            if new is not old:
                log.error("The worker %s ended with status %s; %s takes its place.", old.pid, old.exitcode, new.pid)

    def _is_listened_on(self) -> bool:
        shared = self.sockets[0]
        with socket.socket(shared.family, shared.type) as probe:
            return probe.connect_ex(shared.getsockname()) == 0

    def handle_hup(self) -> None:
        """End, as one process does whose terminal is closed."""
        self.handle_term()


class SharedAddress(socket.socket):
    """A socket that keeps an address. Each process that it is sent to gets one of its own, bound to the same, and Linux
    divides new connections among those that listen: where all listen on one socket, a worker takes as many as there
    are whenever it looks, and 16 clients may be one's and none the other's."""

    @classmethod
    def bound(cls, domain: int, address: tuple[str, int]) -> SharedAddress:
        """Bind one. Raises OSError."""
        made = cls(domain, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # which Windows lacks
        made.bind(address)
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return SharedAddress.bound, (int(self.family), self.getsockname())


def bound_socket(config: Config) -> socket.socket:
    """What workers are to listen on."""
    if sys.platform != "linux":
        return config.bind_socket()
    return SharedAddress.bound(socket.AF_INET6 if ":" in config.host else socket.AF_INET, (config.host, config.port))


def worker_config(settings: Settings, host: str, port: int, n_workers: int) -> Config:
    """How each worker serves. It is sent to them, so it has a recipe for the application and not the application."""
    return server_config(partial(worker_app, settings), host, port, settings.trusted_proxies, n_workers)


def worker_app(settings: Settings) -> FastAPI:
    """What this process, a worker, answers with. Blocks for seconds; ends the process where it cannot be opened."""
    configure_logs(settings.log)
    threading.Thread(target=end_with_parent, name="parent", daemon=True).start()
    try:
        return opened_app(Service.from_settings(settings), settings)
    except VitrinaError as error:
        print_error(error)
        raise SystemExit(STARTUP_FAILURE) from error


def end_with_parent() -> None:
    """End this process as on SIGTERM once the one that started it is gone, whatever ended that."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def opened_app(service: Service, settings: Settings) -> FastAPI:
    """The application over a service, for a process that does nothing else and ends soon after it."""

    @contextmanager
    def served(_: Settings) -> Iterator[Service]:
        with service:
            yield service
        exit_soon()

    app = create_app(settings, served)
    keep_all_there_is()
    if service.reranking is not None:
        service.reranking.on_open = keep_all_there_is
    return app


def keep_all_there_is() -> None:
    """Tell the garbage collector that what there is now stays. It would look through all of it every few thousand
    requests, which halts everything for 150 ms."""
    gc.collect()
    gc.freeze()
