"""Snapshots are whole or refused, and writing one never harms the last."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from vitrina.search.index.snapshot import DamagedSnapshotError, read_snapshot, write_snapshot
from vitrina.search.types.errors import StorageError

ARRAYS: dict[str, NDArray[np.generic]] = {
    "ids": np.arange(30),
    "vectors": np.linspace(-1, 1, 60, dtype=np.float32).reshape(30, 2),
    "catalog": np.array("ünï"),
    "none": np.empty((0, 4), np.float32),
}


def assert_holds(path: Path, arrays: dict[str, NDArray[np.generic]]) -> None:
    found = read_snapshot(path).arrays
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


def leftovers(path: Path) -> list[str]:
    return sorted(other.name for other in path.parent.iterdir() if other != path)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "made" / "on" / "demand.snapshot"
    write_snapshot(path, ARRAYS)
    assert_holds(path, ARRAYS)
    write_snapshot(path, {"ids": np.arange(3)})
    assert_holds(path, {"ids": np.arange(3)})
    assert leftovers(path) == []


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_snapshot(tmp_path / "none")


def test_a_flipped_bit_anywhere_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "it.snapshot"
    write_snapshot(path, ARRAYS)
    whole = path.read_bytes()
    step = max(1, len(whole) // 200)
    for at in [*range(0, len(whole), step), *range(len(whole) - 45, len(whole))]:
        damaged = bytearray(whole)
        damaged[at] ^= 1 << (at % 8)
        path.write_bytes(damaged)
        with pytest.raises(DamagedSnapshotError):
            read_snapshot(path)


@pytest.mark.parametrize("keep", [0.0, 0.01, 0.5, 0.99, 0.9999])
def test_a_file_cut_short_is_noticed(tmp_path: Path, keep: float) -> None:
    path = tmp_path / "it.snapshot"
    write_snapshot(path, ARRAYS)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep)])
    with pytest.raises(DamagedSnapshotError):
        read_snapshot(path)


@pytest.mark.parametrize("data", [b"", b"VITRINA1", b"x" * 1000])
def test_a_file_of_something_else_is_noticed(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "it.snapshot"
    path.write_bytes(data)
    with pytest.raises(DamagedSnapshotError):
        read_snapshot(path)


def test_bytes_appended_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "it.snapshot"
    write_snapshot(path, ARRAYS)
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(DamagedSnapshotError):
        read_snapshot(path)


def test_a_process_killed_before_the_rename_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "it.snapshot"
    write_snapshot(path, ARRAYS)
    program = (
        "import os, sys, numpy as np\n"
        "from pathlib import Path\n"
        "from vitrina.search.index.snapshot import write_snapshot\n"
        "Path.replace = lambda *_: os.kill(os.getpid(), 9)\n"
        "write_snapshot(Path(sys.argv[1]), {'ids': np.arange(1000)})\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(path)], check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert_holds(path, ARRAYS)


def test_a_leftover_of_a_killed_process_is_swept_away_in_time(tmp_path: Path) -> None:
    path = tmp_path / "it.snapshot"
    stale, recent, other = (tmp_path / name for name in (".it.snapshot.1", ".it.snapshot.2", ".other.snapshot.1"))
    for leftover in (stale, recent, other):
        leftover.write_bytes(b"half")
    for old in (stale, other):
        os.utime(old, (0, 0))
    write_snapshot(path, ARRAYS)
    assert leftovers(path) == sorted([recent.name, other.name])


def test_a_full_disk_is_a_storage_error_and_the_old_file_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "it.snapshot"
    write_snapshot(path, ARRAYS)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left") as caught:
        write_snapshot(path, {"ids": np.arange(5)})
    assert "space" in caught.value.remedy
    assert_holds(path, ARRAYS)
    assert leftovers(path) == []


def test_a_disk_that_takes_no_more_in_the_middle_of_an_array(tmp_path: Path) -> None:
    path = tmp_path / "it.snapshot"
    write_snapshot(path, ARRAYS)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(StorageError):
            write_snapshot(path, {"ids": np.arange(500_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert_holds(path, ARRAYS)
    assert leftovers(path) == []


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError):
        write_snapshot(tmp_path / "file" / "it.snapshot", ARRAYS)


def test_writers_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "it.snapshot"
    errors: list[Exception] = []

    def write(version: int) -> None:
        try:
            for _ in range(5):
                write_snapshot(path, {"version": np.full(50_000, version)})
        except StorageError as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(version,)) for version in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(set(read_snapshot(path).arrays["version"].tolist())) == 1
    assert leftovers(path) == []


@pytest.mark.parametrize("mapped_bytes", [1, 100, 10**9])
def test_large_arrays_are_mapped_and_checked_afterwards(tmp_path: Path, mapped_bytes: int) -> None:
    path = tmp_path / "it.snapshot"
    write_snapshot(path, ARRAYS)
    snapshot = read_snapshot(path, mapped_bytes)
    assert {each.name for each in snapshot.mapped} == {
        name for name, array in ARRAYS.items() if array.nbytes >= mapped_bytes
    }
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(snapshot.arrays[name], array)
    write_snapshot(path, {"ids": np.arange(3)})  # the mapped file stays as it is
    np.testing.assert_array_equal(snapshot.arrays["vectors"], ARRAYS["vectors"])
    snapshot.check()


def test_a_flipped_bit_in_a_mapped_array_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "it.snapshot"
    write_snapshot(path, {"vectors": np.arange(1000)})
    whole = bytearray(path.read_bytes())
    whole[4000] ^= 8
    path.write_bytes(whole)
    snapshot = read_snapshot(path, 1)
    with pytest.raises(DamagedSnapshotError):
        snapshot.check()
