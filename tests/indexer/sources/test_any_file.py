"""Readers of files that are not what they should be: damaged, nested, or of anything at all. Each is read or refused,
soon, and with the reason."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import time
import zipfile
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from tests.indexer.sources.test_feeds import CENEO, GROUP, HEUREKA, YML
from vitrina.indexer.sources import open_source
from vitrina.indexer.sources.base import Record, Rejection
from vitrina.indexer.uploads import Unpacker, catalog_in
from vitrina.search.types.errors import SourceError, VitrinaError

N_EXAMPLES = 60
MAX_S = 5.0
"""A file of a few kilobytes takes some milliseconds, on a machine that does much else a second."""

CSV = 'sku;title;price;image\nA-1;Navy shirt;49,90 €;https://s.example/1.jpg\nA-2;"Red; dress";1.299,00 €;b.jpg\n'
LINES = '{"sku": "A-1", "title": "Shirt", "tags": ["a", "b"], "price": 4.5}\n{"sku": "A-2", "offers": {"price": "5"}}\n'
DOCUMENT = json.dumps({"products": [{"id": 1, "name": "Shirt", "variants": [{"sku": "A", "price": "4.50"}]}] * 3})
GRAPH = json.dumps(
    {
        "@context": "https://schema.org",
        "@graph": [
            {"@type": "ProductGroup", "productGroupID": "G", "hasVariant": [{"@type": "Product", "sku": "G-1"}]},
            {"@type": "Product", "sku": "P", "name": "Lamp", "offers": {"@type": "Offer", "price": "5"}},
        ],
    }
)
PAGE = f"<html><head><script type='application/ld+json'>{GRAPH}</script></head><body>Lamp</body></html>"

SAMPLES = [
    ("csv", CSV),
    ("tsv", CSV.replace(";", "\t")),
    ("ini", "[a]\nname = Mug\nprice = 4.50\n; a note\n[b]\nname: Cup\nprice: 5\n  and more\n"),
    ("jsonl", LINES),
    ("json", DOCUMENT),
    ("json", GRAPH),
    ("jsonld", GRAPH),
    ("html", PAGE),
    *(("xml", text) for text in (GROUP, YML.replace("windows-1251", "utf-8"), HEUREKA, CENEO)),
]
RUBBISH = st.binary(max_size=24) | st.sampled_from(
    [b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b'"', b"'", b"{", b"[" * 3_000, b'{"a":' * 3_000, b"<a>" * 3_000, b"&x;",
     b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"]]>", b"<![CDATA[", b"\r", b"\n\n\n", b"\x1a", b"1" * 5_000, b"1e999",
     b"NaN", b"\\ud800", b"\\", b"null", b"</script>", b"<!--", b"9" * 400 + b".5", b",,,,", b";" * 500]
)  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, bytes]:
    """A file's ending, and a sample of it that was cut, doubled or overwritten in a few places; or anything at all."""
    ending, text = draw(st.sampled_from(SAMPLES))
    data = text.encode()
    for _ in range(draw(st.integers(1, 4))):
        start, end = sorted(draw(st.tuples(*[st.integers(0, len(data))] * 2)))
        put_in = draw(RUBBISH | st.just(data[start:end]) | st.just(b""))
        data = data[: draw(st.sampled_from([start, end]))] + put_in + data[end:]
    return ending, draw(st.sampled_from([data, data, data, data.decode("utf-8", "replace").encode("utf-16")]))


def check_refusal(error: VitrinaError) -> None:
    """It says what to do."""
    assert error.remedy


def read_all(path: Path) -> int:
    """How many rows a file has, rejected or not; 0 for one that is refused with a remedy."""
    started, n_rows = time.process_time(), 0
    try:
        for row in open_source(str(path)).rows():
            assert isinstance(row, Record | Rejection)
            n_rows += 1
    except VitrinaError as error:
        check_refusal(error)
    assert time.process_time() - started < MAX_S
    return n_rows


@pytest.mark.parametrize(("ending", "text"), SAMPLES)
def test_the_samples_are_read(tmp_path: Path, ending: str, text: str) -> None:
    path = tmp_path / f"shop.{ending}"
    path.write_text(text, "utf-8")
    assert read_all(path) >= 1


@settings(deadline=None, max_examples=4 * N_EXAMPLES, suppress_health_check=list(HealthCheck))
@given(damaged())
def test_damaged_files(tmp_path: Path, found: tuple[str, bytes]) -> None:
    ending, data = found
    path = tmp_path / f"shop.{ending}"
    path.write_bytes(data)
    read_all(path)


@settings(deadline=None, max_examples=N_EXAMPLES, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(["csv", "json", "jsonl", "html", "xml", "parquet", "tar", "csv.gz"]), st.binary(max_size=300))
def test_files_of_anything(tmp_path: Path, ending: str, data: bytes) -> None:
    path = tmp_path / f"shop.{ending}"
    path.write_bytes(data)
    read_all(path)


def zipped(method: int) -> bytes:
    """A catalog and another file in a zip."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr("shop/a.csv", CSV)
        archive.writestr("shop/b.jpg", b"x" * 100)
    return out.getvalue()


def tarred(mode: Literal["w:gz", "w:bz2", "w:xz"]) -> bytes:
    """A catalog in a tar."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        member = tarfile.TarInfo("shop/a.csv")
        member.size = len(CSV.encode())
        archive.addfile(member, io.BytesIO(CSV.encode()))
    return out.getvalue()


PACKED = {
    **{f"{method}.zip": zipped(method) for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)},
    "tar.gz": tarred("w:gz"),
    "tar.bz2": tarred("w:bz2"),
    "tar.xz": tarred("w:xz"),
    "csv.gz": gzip.compress(CSV.encode(), mtime=0),
}


@settings(deadline=None, max_examples=4 * N_EXAMPLES, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(sorted(PACKED)), st.data())
def test_damaged_archives(tmp_path_factory: pytest.TempPathFactory, kind: str, data: st.DataObject) -> None:
    """They are unpacked or refused, and whatever comes out of them lies in their folder."""
    content = bytearray(PACKED[kind])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    folder = tmp_path_factory.mktemp("packed")
    path = folder / f"shop.{kind}"
    path.write_bytes(content[: data.draw(st.sampled_from([len(content), len(content) // 2]))])
    into, started = folder / "into", time.process_time()
    try:
        if kind == "csv.gz":
            read_all(path)
        else:
            Unpacker(into, 100_000).unpack(path)
            read_all(catalog_in(into))
    except VitrinaError as error:
        check_refusal(error)
    assert time.process_time() - started < MAX_S
    assert {each.name for each in folder.iterdir()} <= {path.name, "into"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("shop.csv", '[{"sku": "A", "title": "One"}, {"sku": "B", "title": "Two"}]'),
        ("shop.txt", '{"sku": "A", "title": "One"}\n{"sku": "B", "title": "Two"}\n'),
        ("shop.csv", "<?xml version='1.0'?><products><p><id>A</id><title>One</title></p><p><id>B</id></p></products>"),
        ("shop.xml", '{"products": [{"sku": "A", "title": "One"}, {"sku": "B", "title": "Two"}]}'),
    ],
)
def test_a_file_under_another_formats_ending(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    (first, _) = open_source(str(path)).rows()
    assert isinstance(first, Record)
    assert (first.item.sku, first.item.title) == ("A", "One")


def test_a_workbook_under_another_ending(tmp_path: Path) -> None:
    book = Workbook()
    assert book.active is not None
    for row in (["sku", "title"], ["A", "One"]):
        book.active.append(row)
    book.save(tmp_path / "shop.csv")
    (only,) = open_source(str(tmp_path / "shop.csv")).rows()
    assert isinstance(only, Record)
    assert only.item.title == "One"


def test_a_database_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "shop.sqlite3").write_bytes(b"SQLite format 3\0")
    with pytest.raises(SourceError) as error:
        open_source(str(tmp_path / "shop.sqlite3"))
    assert "as CSV" in str(error.value.remedy)


@pytest.mark.parametrize("name", ["shop.xml", "shop.csv", "shop.json"])
def test_rich_text_is_refused_with_what_to_do(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("{\\rtf1\\ansi <products>\\\n<product><id>1</id></product>\\\n</products>}")
    with pytest.raises(SourceError) as error:
        open_source(str(tmp_path / name))
    assert "plain text" in str(error.value.remedy)
