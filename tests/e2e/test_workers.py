"""``vitrina serve --workers``: several processes that answer on one address, any of which may die."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from benchmarks.growth import workers_of
from tests.e2e.test_dockerfile import free_port

SEARCHABLE_S = 2.0
SOON_S = 60.0
N_WORKERS = 2


@contextmanager
def served(folder: Path, **settings: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command, started, and the address that it is to answer on."""
    port = free_port()
    command = [sys.executable, "-m", "vitrina.api.cli", "serve", "--workers", str(N_WORKERS), "--port", str(port)]
    environment = os.environ | {"VITRINA_STORE": str(folder), "VITRINA_RERANKER": "off"} | settings
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process, f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def soon(is_so: Callable[[], bool], seconds: float = SOON_S) -> bool:
    end = time.monotonic() + seconds
    while not is_so() and time.monotonic() < end:
        time.sleep(0.05)
    return is_so()


def get(address: str) -> httpx.Response | None:
    """The answer to one request on a connection of its own; None where nothing answers."""
    try:
        return httpx.get(address)
    except httpx.TransportError:
        return None


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def n_answered(metrics: str, route: str) -> int:
    """How many requests of a route were answered, by the metrics."""
    return sum(int(float(n)) for n in re.findall(rf'^vitrina_requests_total{{.*"{route}".*}} (\S+)$', metrics, re.M))


def test_what_one_writes_all_find_and_any_may_die(tmp_path: Path) -> None:
    with served(tmp_path) as (process, address):
        assert soon(lambda: len(workers_of(process.pid)) == N_WORKERS and get(f"{address}/readyz") is not None)
        first = workers_of(process.pid)
        assert httpx.put(f"{address}/v1/items/a", json={"title": "red lamp"}).status_code == 201
        time.sleep(SEARCHABLE_S)
        found = [httpx.get(f"{address}/v1/items") for _ in range(20)]  # each on a connection of its own
        assert [each.json()["total"] for each in found] == [1] * 20
        asked = [httpx.get(f"{address}/metrics").text for _ in range(20)]
        assert n_answered(asked[0], "/v1/items") == 20, "counted together"
        assert len({re.findall(r"^process_start_time_seconds (\S+)", each, re.M)[0] for each in asked}) == N_WORKERS

        os.kill(first[0], signal.SIGKILL)
        assert soon(lambda: len({*workers_of(process.pid)} - {*first}) == 1), "another takes its place"
        assert soon(lambda: (answer := get(f"{address}/v1/items")) is not None and answer.json()["total"] == 1)

        workers = workers_of(process.pid)
        process.kill()
        assert soon(lambda: not any(map(is_running, workers))), "none stays behind without the command"


def test_sigterm_ends_all_of_them(tmp_path: Path) -> None:
    with served(tmp_path) as (process, address):
        assert soon(lambda: get(f"{address}/readyz") is not None)
        workers = workers_of(process.pid)
        process.terminate()
        assert process.wait(SOON_S) == 0
        assert not any(map(is_running, workers))


def test_what_keeps_them_from_starting_is_told_once(tmp_path: Path) -> None:
    with served(tmp_path, VITRINA_ENCODER="local-dir:/no/such/encoder") as (process, _):
        _, errors = process.communicate(timeout=SOON_S)
    assert process.returncode == 3
    assert errors.count("Error: ") == 1
    assert "Open http" not in errors
