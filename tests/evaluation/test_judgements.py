"""Judgements from files, and what is wrong with the files that people write."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes import make_image, png
from vitrina.evaluation.judgements import read_judgements
from vitrina.search.types.errors import SourceError


def write(folder: Path, text: str, name: str = "judged.jsonl") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_json_lines(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "shirt.png").write_bytes(png(make_image("red")))
    path = write(
        tmp_path,
        '\ufeff{"query": "red shirt", "relevant": {"A-1": 3, "A-2": 0}, "id": "q1", "note": "ignored"}\n'
        "\n"
        '{"query": "größe 42", "relevant": ["b", 17]}\n'
        '{"image": "photos/shirt.png", "relevant": ["c"]}\n'
        '{"query": "in blue", "image": "photos/shirt.png", "relevant": ["c"]}\n',
    )
    graded, ungraded, image_parts, both = read_judgements(path)
    assert (graded.id, graded.text, graded.kind, graded.grades) == ("q1", "red shirt", path.name, {"A-1": 3, "A-2": 0})
    assert (ungraded.id, ungraded.grades) == ("größe 42", {"b": 1, "17": 1})
    assert (image_parts.text, image_parts.image) == ("", tmp_path / "photos" / "shirt.png")
    assert both.id == "in blue + photos/shirt.png"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{broken", "Invalid JSON"),
        ('{"query": "a"}', "relevant: Field required"),
        ('{"relevant": ["a"]}', "neither a query nor an image"),
        ('{"query": "  ", "relevant": ["a"]}', "neither a query nor an image"),
        ('{"query": "a", "relevant": {"a": 1.5}}', "relevant.a"),
        ('{"query": "a", "relevant": {"a": -1}}', "greater than or equal to 0"),
        ('{"query": "a", "relevant": {"a": 1000000000}}', "less than or equal to 100"),
        ('{"query": "a", "relevant": [{"sku": "a"}]}', "relevant"),
        ('{"image": "missing.jpg", "relevant": ["a"]}', "missing.jpg"),
        ('{"query": "first", "relevant": ["a"]}', "that of line 1 too"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(tmp_path: Path, line: str, says: str) -> None:
    path = write(tmp_path, f'{{"query": "first", "relevant": ["a"]}}\n\n{line}\n')
    with pytest.raises(SourceError) as caught:
        read_judgements(path)
    assert f"{path}, line 3" in caught.value.message
    assert says in caught.value.message
    assert caught.value.remedy


def test_qrels_with_and_without_texts(tmp_path: Path) -> None:
    qrels = write(tmp_path, "q1 0 A 2\nq1 0 B -1\nq2\t0\tC\t1\n", "judged.qrels")
    texts = write(tmp_path, "q1\tred shirt\nq3\tnot judged\nq2\tblue\tvase\n", "queries.tsv")
    assert [query.text for query in read_judgements(qrels)] == ["q1", "q2"]
    first, second = read_judgements(qrels, texts)
    assert (first.id, first.text, first.grades) == ("q1", "red shirt", {"A": 2, "B": 0})
    assert (second.text, second.kind) == ("blue\tvase", "judged.qrels")


@pytest.mark.parametrize(
    ("qrels", "texts", "says"),
    [
        ("q1 0 A 1\nq1 A 1\n", None, "line 2"),
        ("q1 0 A much\n", None, "line 1"),
        ("q1 0 A 101\n", None, "above 100"),
        ("q1 0 A 1\nq2 0 A 1\n", "q1\tred\n", "1 of 2 queries"),
        ("q1 0 A 1\n", "q1 red\n", "line 1"),
        ("", None, "are empty"),
        ('{"query": "a", "relevant": ["a"]}', "q1\tred\n", "--queries is for TREC"),
    ],
)
def test_qrels_that_cannot_be_used(tmp_path: Path, qrels: str, texts: str | None, says: str) -> None:
    path = write(tmp_path, qrels, "judged.qrels")
    with pytest.raises(SourceError, match=says):
        read_judgements(path, None if texts is None else write(tmp_path, texts, "queries.tsv"))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        read_judgements(tmp_path / "missing.jsonl")
    path = tmp_path / "latin.jsonl"
    path.write_bytes('{"query": "größe"}'.encode("latin-1"))
    with pytest.raises(SourceError, match="not in UTF-8"):
        read_judgements(path)
