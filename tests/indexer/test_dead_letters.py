"""Dead letters are whole JSON lines, there as soon as they are added."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import pytest

from vitrina.indexer.pipeline import DeadLetters
from vitrina.indexer.sources.base import Rejection
from vitrina.search.types.errors import StorageError


def test_no_rejection_makes_no_file(tmp_path: Path) -> None:
    with DeadLetters(tmp_path / "letters") as letters:
        pass
    assert letters.n_rejections == 0
    assert list(tmp_path.iterdir()) == []


def test_each_rejection_is_a_line_with_its_reason_and_remedy(tmp_path: Path) -> None:
    with DeadLetters(tmp_path / "letters") as letters:
        letters.add(Rejection("c.csv:2", "The picture is damaged.", "Export it again.", "a"))
        letters.add(Rejection("c.csv:9", 'Two\nlines, "quotes", שלום 👗', "None."))
        lines = letters.path.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [
        {"origin": "c.csv:2", "reason": "The picture is damaged.", "remedy": "Export it again.", "sku": "a"},
        {"origin": "c.csv:9", "reason": 'Two\nlines, "quotes", שלום 👗', "remedy": "None.", "sku": None},
    ]
    assert letters.n_rejections == 2


def test_letters_of_bytes_that_are_no_text_are_still_json(tmp_path: Path) -> None:
    with DeadLetters(tmp_path) as letters:
        letters.add(Rejection("caf\udce9.jpg", "Not UTF-8: \ud800", "Rename it."))
    assert json.loads(letters.path.read_text(encoding="utf-8"))["origin"] == "caf\udce9.jpg"


def test_runs_do_not_share_a_file(tmp_path: Path) -> None:
    for _ in range(3):
        with DeadLetters(tmp_path) as letters:
            letters.add(Rejection("a", "b", "c"))
    assert len(list(tmp_path.iterdir())) == 3


def test_a_disk_that_fills_up_is_a_storage_error_to_the_end(tmp_path: Path) -> None:
    def fill() -> None:
        with DeadLetters(tmp_path) as letters:
            letters.add(Rejection("a", "b", "c"))
            letters.add(Rejection("a", "b" * 20_000, "c"))

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(StorageError, match="dead-letter"):
            fill()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    (file,) = tmp_path.iterdir()
    assert json.loads(file.read_text("utf-8").splitlines()[0])["origin"] == "a"


def test_a_folder_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with DeadLetters(tmp_path / "file") as letters, pytest.raises(StorageError, match="dead-letter"):
        letters.add(Rejection("a", "b", "c"))
