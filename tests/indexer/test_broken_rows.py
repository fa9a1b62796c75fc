"""Of a catalog one of whose ten rows is broken, in twenty ways, nine go in, and the tenth is explained once."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import FakeEncoder, make_image, png
from vitrina.indexer.fetch import Fetcher
from vitrina.indexer.pipeline import Indexer
from vitrina.indexer.sources import open_source
from vitrina.search.store.store import Store

N_ROWS = 1_000


def data_uri(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def bomb() -> bytes:
    """The head of a PNG of 20,000 x 20,000 pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk


WHOLE = png(make_image("red", noise=1, size=(40, 40)))

BROKEN: dict[str, dict[str, Any] | str] = {
    "no sku": {"title": "mug"},
    "an empty sku": {"sku": "", "title": "mug"},
    "a sku of blanks": {"sku": " \u200b ", "title": "mug"},
    "a sku that is null": {"sku": None, "title": "mug"},
    "a sku that is a list": {"sku": ["a", "b"], "title": "mug"},
    "a sku that is true": {"sku": True, "title": "mug"},
    "a sku that is too long": {"sku": "x" * 300, "title": "mug"},
    "a sku that is taken": {"sku": "good-0", "title": "another mug"},
    "a line that is cut": '{"sku": "SKU", "title": "mu',
    "a line that is no object": '["SKU", "mug"]',
    "neither words nor an image": {"sku": "SKU"},
    "an image that is not there": {"sku": "SKU", "image": "nowhere.png"},
    "an image that is a folder": {"sku": "SKU", "image": "folder.png"},
    "an image of another scheme": {"sku": "SKU", "image": "ftp://shop.example/a.png"},
    "an image of no bytes": {"sku": "SKU", "image": "empty.png"},
    "an image outside": {"sku": "SKU", "image": "../../secret.png"},
    "an image that is cut": {"sku": "SKU", "image": data_uri(WHOLE[: len(WHOLE) // 2])},
    "a web page in place of an image": {"sku": "SKU", "image": data_uri(b"<html><body>Not found</body></html>")},
    "an image that claims 400 megapixels": {"sku": "SKU", "image": data_uri(bomb())},
    "an image on a private address": {"sku": "SKU", "image": "http://127.0.0.1:9/a.png"},
}


def write_catalog(folder: Path, n_rows: int) -> dict[str, str]:
    """Write a catalog one of whose ten rows is broken; returns in which way, by the row's origin."""
    (folder / "folder.png").mkdir()
    (folder / "empty.png").write_bytes(b"")
    ways, broken, lines = list(BROKEN.items()), dict[str, str](), list[str]()
    for at in range(n_rows):
        if at % 10 != 7:
            row: dict[str, Any] | str = {"sku": f"good-{at}", "title": f"mug {at}"}
            if at % 4 == 0 and isinstance(row, dict):
                row["image"] = data_uri(png(make_image("red", noise=at % 50)))
        else:
            name, row = ways[at // 10 % len(ways)]
            broken[f"shop.jsonl:{at + 1}"] = name
        text = row if isinstance(row, str) else json.dumps(row)
        lines.append(text.replace("SKU", f"bad-{at}"))
    (folder / "shop.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return broken


def check(folder: Path, store: Store, encoder: FakeEncoder, n_rows: int) -> None:
    broken = write_catalog(folder, n_rows)
    with Fetcher(timeout_s=2.0) as fetcher:
        indexer = Indexer(store, encoder, fetcher)
        done = indexer.run(open_source(str(folder / "shop.jsonl")))
        assert (done.n_added, done.n_rejected, done.n_done) == (n_rows * 9 // 10, n_rows // 10, n_rows)
        assert done.dead_letters is not None
        letters = [json.loads(line) for line in done.dead_letters.read_text("utf-8").splitlines()]
        assert Counter(letter["origin"] for letter in letters) == Counter(list(broken))
        assert all(letter["reason"] and letter["remedy"] for letter in letters)
        reasons = {broken[letter["origin"]]: letter["reason"] for letter in letters}
        assert reasons.keys() == BROKEN.keys()
        skus = [stored.item.sku for stored in store.catalog.all_items()]
        assert skus == [f"good-{at}" for at in range(n_rows) if at % 10 != 7]
        again = indexer.run(open_source(str(folder / "shop.jsonl")))
        assert (again.n_added, again.n_updated, again.n_unchanged) == (0, 0, len(skus))
        assert again.n_rejected == done.n_rejected
        assert store.catalog.count("items") == len(skus)


def test_there_are_twenty_ways() -> None:
    assert len(BROKEN) == 20


def test_one_row_of_ten_is_broken(store: Store, encoder: FakeEncoder, tmp_path: Path) -> None:
    check(tmp_path, store, encoder, N_ROWS)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_thousand_of_ten_thousand_rows_are_broken(store: Store, encoder: FakeEncoder, tmp_path: Path) -> None:
    check(tmp_path, store, encoder, 10 * N_ROWS)
