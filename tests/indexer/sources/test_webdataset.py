"""WebDataset tars: one item a sample, streamed; damage costs no sample before it."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest

from tests.indexer.sources.catalogs import make_image, read, write
from vitrina.indexer.sources import open_source
from vitrina.indexer.sources.base import Rejection
from vitrina.indexer.sources.webdataset import WebDatasetTable
from vitrina.search.types.errors import SourceError


def shard(tmp_path: Path, members: list[tuple[str, bytes]], mode: str = "w") -> Path:
    path = tmp_path / "shard.tar"
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_samples_become_items(tmp_path: Path, mode: str) -> None:
    cells = json.dumps({"id": "m-1", "title": "Mug", "price": 12.5, "colour": "red"}).encode()
    path = shard(
        tmp_path,
        [
            ("a/000.jpg", make_image()),
            ("a/000.json", cells),
            ("a/000.back.png", make_image("blue")),
            ("a/001.json", b'{"id": "m-2"}'),
            ("a/001.txt", "Größe".encode()),
            ("a/001.npy", b"ignored"),
            (".hidden", b"x"),
        ],
        mode,
    )
    assert open_source(str(path)).dialect == "catalog table (WebDataset)"
    (first, second), rejections = read(path)
    assert rejections == []
    assert (first.origin, first.item.sku, first.item.title, first.item.price_cents) == (
        "shard.tar:a/000",
        "m-1",
        "Mug",
        1250,
    )
    assert first.item.attributes == {"colour": "red", "key": "a/000"}
    assert [image.data for image in first.images] == [make_image(), make_image("blue")]
    assert (second.item.sku, second.item.title, second.images) == ("m-2", "Größe", ())


def test_without_json_the_key_is_the_sku(tmp_path: Path) -> None:
    path = shard(tmp_path, [("000.jpg", make_image()), ("001.jpg", make_image()), ("001.cls", b"7")])
    records, _ = read(path)
    assert [record.item.sku for record in records] == ["000", "001"]
    assert records[1].item.attributes == {"class": 7}


def test_a_bad_member_costs_itself_and_a_sample_of_nothing_else_is_rejected(tmp_path: Path) -> None:
    members = [
        ("0.json", b"{oops"),
        ("0.jpg", make_image()),
        ("1.jpg", b"x" * 600),
        ("2.jpg", b"y"),
        ("3.json", b"[1]"),
    ]
    rows = list(WebDatasetTable(shard(tmp_path, members), (), max_member_bytes=500).rows())
    assert [isinstance(row, Rejection) for row in rows] == [False, True, False, True]
    assert [row.origin for row in rows] == [f"shard.tar:{key}" for key in "0123"]
    records, rejections = read(tmp_path / "shard.tar")
    assert [(record.item.sku, len(record.images)) for record in records] == [("0", 1), ("1", 1), ("2", 1)]
    (problem,) = records[0].problems
    assert problem.column == "json"
    assert problem.reason.startswith("0.json is not JSON: ")
    assert [rejection.reason for rejection in rejections] == ["3.json is a JSON list."]


def test_a_cut_tar_keeps_the_samples_before(tmp_path: Path) -> None:
    path = shard(tmp_path, [(f"{number}.jpg", make_image() * 20) for number in range(20)])
    path.write_bytes(path.read_bytes()[:20_000])
    records, (rejection,) = read(path)
    assert 2 <= len(records) <= 10
    assert "damaged or cut short after" in rejection.reason


def test_a_tar_that_is_cut_between_two_samples_says_so(tmp_path: Path) -> None:
    path = shard(tmp_path, [(f"{number}.jpg", make_image() * 20) for number in range(20)])
    with tarfile.open(path) as tar:
        end = tar.getmembers()[7].offset
    path.write_bytes(path.read_bytes()[:end])
    records, (rejection,) = read(path)
    assert len(records) == 7
    assert rejection.origin == "shard.tar:6"
    assert "ends without its end mark" in rejection.reason
    packed = write(tmp_path, "shard.tar.gz", gzip.compress(path.read_bytes() + b"\0" * 1024)[:-50])
    _, (rejection,) = read(packed)
    assert "cut short" in rejection.reason


def test_links_are_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "shard.tar"
    with tarfile.open(path, "w") as tar:
        link = tarfile.TarInfo("0.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        info = tarfile.TarInfo("1.jpg")
        info.size = 1
        tar.addfile(info, io.BytesIO(b"x"))
    assert [record.item.sku for record in read(path)[0]] == ["1"]


@pytest.mark.parametrize("content", [b"", b"no tar", b"\0" * 10_240])
def test_no_tar_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "shard.tar").write_bytes(content)
    with pytest.raises(SourceError, match=r"shard.tar is (not a tar with|empty: 0 bytes)"):
        open_source(str(tmp_path / "shard.tar"))


def test_samples_without_the_key_in_their_json_go_by_that_of_the_sample(tmp_path: Path) -> None:
    told = b'{"key": "000", "caption": "Tee", "status": "success", "url": "https://s.example/1"}'
    path = shard(
        tmp_path, [("000.jpg", make_image()), ("000.json", told), ("001.jpg", make_image()), ("001.json", b"{}")]
    )
    records, rejections = read(path)
    assert ([each.item.sku for each in records], rejections) == (["000", "001"], [])
