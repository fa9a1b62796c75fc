"""Dead letters are whole JSON lines, there as soon as they are added."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import pytest

from tests.fakes import make_record
from vitrina.indexer.dead_letters import DeadLetters, RetriedLetters, SourceOptions
from vitrina.indexer.sources.base import Record, Rejection
from vitrina.search.types.errors import SourceError, StorageError


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


OPTIONS = SourceOptions("/shop/c.csv", "shop", {"sku": "nr"}, "shopify", "/shop/img", "cp1251")


def written(folder: Path, *rejections: Rejection, options: SourceOptions | None = None) -> RetriedLetters:
    with DeadLetters(folder, options) as letters:
        for rejection in rejections:
            letters.add(rejection)
    return RetriedLetters.read(letters.path)


def tried(letters: RetriedLetters, *rows: Record | Rejection) -> list[str]:
    return [row.origin for row, is_tried in letters.among(rows) if is_tried]


def test_the_first_line_says_how_the_source_was_opened(tmp_path: Path) -> None:
    letters = written(tmp_path, Rejection("c.csv:2", "a", "b"), Rejection("c.csv:3", "a", "b"), options=OPTIONS)
    assert letters.options == OPTIONS
    assert ["opened" in json.loads(line) for line in letters.path.read_text("utf-8").splitlines()] == [True, False]
    assert written(tmp_path / "other", Rejection("c.csv:2", "a", "b")).options is None


def test_rows_are_known_by_their_sku_or_by_their_place(tmp_path: Path) -> None:
    letters = written(
        tmp_path,
        Rejection("c.csv:2", "The image is broken.", "", "a"),
        Rejection("c.csv:4", "The row has no sku.", ""),
        Rejection("c.parquet:10", "Rows 10 to 12 cannot be read.", "", n_rows=3),
    )
    rows: list[Record | Rejection] = [
        make_record("a", origin="c.csv:7"),
        make_record("b", origin="c.csv:2"),
        make_record("f", origin="c.csv:3"),
        make_record("c", origin="c.csv:4"),
        Rejection("c.csv:9", "The row has no sku.", ""),
        Rejection("c.csv:4", "The row has no sku.", ""),
        make_record("d", origin="c.parquet:12"),
        make_record("e", origin="c.parquet:13"),
    ]
    assert tried(letters, *rows) == ["c.csv:7", "c.csv:2", "c.csv:4", "c.csv:4", "c.parquet:12"]
    assert letters.not_met() == []


def test_what_still_fails_takes_the_place_of_the_letters(tmp_path: Path) -> None:
    gone, failed, mended = (Rejection(f"c.csv:{at}", "before", "", sku) for at, sku in ((2, "a"), (3, "b"), (4, "c")))
    letters = written(tmp_path, gone, failed, mended, options=OPTIONS)
    assert tried(letters, make_record("b"), make_record("c")) == ["memory:b", "memory:c"]
    with DeadLetters(tmp_path, letters.options, letters) as left:
        left.add(Rejection("c.csv:3", "now", "", "b"))
    again = RetriedLetters.read(letters.path)
    assert again.options == OPTIONS
    lines = [json.loads(line) for line in letters.path.read_text("utf-8").splitlines()]
    assert [(line["sku"], line["reason"]) for line in lines] == [("b", "now"), ("a", "before")]
    assert list(tmp_path.iterdir()) == [letters.path]


def test_the_file_goes_with_its_last_letter(tmp_path: Path) -> None:
    letters = written(tmp_path, Rejection("c.csv:2", "before", "", "a"))
    tried(letters, make_record("a"))
    with DeadLetters(tmp_path, None, letters):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_breaks_off_leaves_the_letters_as_they_were(tmp_path: Path) -> None:
    letters = written(tmp_path, Rejection("c.csv:2", "before", "", "a"))
    before = letters.path.read_bytes()

    def break_off() -> None:
        with DeadLetters(tmp_path, None, letters) as left:
            left.add(Rejection("c.csv:2", "now", "", "a"))
            raise KeyError("it broke off")

    with pytest.raises(KeyError):
        break_off()
    assert letters.path.read_bytes() == before


@pytest.mark.parametrize(
    "content", ["sku,title\n1,mug\n", "[1]\n", '{"reason": "no origin"}\n', '{"origin": 5}\n', "\xff"]
)
def test_what_is_no_dead_letter_file_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "c.csv").write_bytes(content.encode("latin-1"))
    with pytest.raises(SourceError, match="vitrina index names it"):
        RetriedLetters.read(tmp_path / "c.csv")
    with pytest.raises(SourceError):
        RetriedLetters.read(tmp_path / "nowhere.jsonl")
