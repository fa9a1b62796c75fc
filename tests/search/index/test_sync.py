"""The sync thread keeps a replica caught up with the catalog, whichever process writes and whatever goes wrong."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes import FakeEncoder, make_entry, path_of
from vitrina.search.index.replica import IndexReplica
from vitrina.search.index.sync import SyncThread
from vitrina.search.store.catalog import Catalog
from vitrina.search.types.errors import StorageError

COMMIT = """
import sys
from pathlib import Path
from vitrina.search.store.catalog import Catalog
from tests.fakes import FakeEncoder, make_entry
encoder, catalog = FakeEncoder(), Catalog(Path(sys.argv[1]))
catalog.commit(catalog.open_index_version(encoder.identity, active=True), [make_entry(encoder, "elsewhere", "boot")])
print("committed", flush=True)
sys.stdin.read()
catalog.delete(["elsewhere"])
"""


@pytest.fixture
def replica(catalog: Catalog, encoder: FakeEncoder, tmp_path: Path) -> IndexReplica:
    return IndexReplica(
        catalog,
        encoder.identity,
        catalog.open_index_version(encoder.identity, active=True),
        tmp_path / "index.snapshot",
    )


def soon(condition: Callable[[], bool], seconds: float = 2.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def test_what_another_catalog_commits_is_found_within_two_seconds(
    replica: IndexReplica, catalog: Catalog, encoder: FakeEncoder
) -> None:
    other = Catalog(path_of(catalog))
    version = other.open_index_version(encoder.identity, active=True)
    with SyncThread(replica):
        other.commit(version, [make_entry(encoder, "a", "shirt")])
        assert soon(lambda: len(replica) == 1)
        other.delete(["a"])
        assert soon(lambda: len(replica) == 0)
    other.close()


def test_what_another_process_commits_is_found_within_two_seconds(replica: IndexReplica, catalog: Catalog) -> None:
    command = [sys.executable, "-c", COMMIT, str(path_of(catalog))]
    with (
        SyncThread(replica),
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process,
    ):
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "committed\n"
        assert soon(lambda: len(replica) == 1)
        process.stdin.close()
        assert process.wait(30) == 0
        assert soon(lambda: len(replica) == 0)


def test_an_error_while_catching_up_is_survived(
    replica: IndexReplica, catalog: Catalog, encoder: FakeEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: list[int] = []
    changes = catalog.changes

    def failing_twice(version_id: int, since: int) -> object:
        if len(failed) < 2:
            failed.append(since)
            raise StorageError("The disk is gone.", remedy="Bring it back.")
        return changes(version_id, since)

    monkeypatch.setattr(catalog, "changes", failing_twice)
    with SyncThread(replica, interval_s=0.02):
        catalog.commit(replica.version_id, [make_entry(encoder, "a", "shirt")])
        assert soon(lambda: len(replica) == 1)
    assert len(failed) == 2


def test_an_error_while_saving_is_survived(
    replica: IndexReplica, catalog: Catalog, encoder: FakeEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = threading.Event()

    def fail(*, force: bool = False) -> bool:
        failed.set()
        raise StorageError("The disk is full.", remedy="Free some space.")

    monkeypatch.setattr(replica, "save", fail)
    with SyncThread(replica, interval_s=0.02):
        catalog.commit(replica.version_id, [make_entry(encoder, "a", "shirt")])
        assert soon(lambda: len(replica) == 1)
        assert failed.wait(2)
        catalog.commit(replica.version_id, [make_entry(encoder, "b", "shirt")])
        assert soon(lambda: len(replica) == 2)


def test_leaving_stops_the_thread_and_saves(replica: IndexReplica, catalog: Catalog, encoder: FakeEncoder) -> None:
    with SyncThread(replica, interval_s=0.02) as sync:
        catalog.commit(replica.version_id, [make_entry(encoder, "a", "shirt")])
        assert soon(lambda: len(replica) == 1)
    assert not sync._thread.is_alive()
    assert replica.path.is_file()
