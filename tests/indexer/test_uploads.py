"""Files that strangers send: names, archives and their bounds, downloads."""

from __future__ import annotations

import errno
import gzip
import io
import stat
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from vitrina.indexer.download import Download
from vitrina.indexer.uploads import Unpacker, catalog_in, is_packed_catalog, no_room, safe_name, unpacked
from vitrina.search.types.errors import FetchError, SourceError, StorageError


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\shop\\a.csv", "a.csv"),
        ("...", "catalog"),
        ("", "catalog"),
        ("a\0b\n<c>.csv", "a_b_c_.csv"),
        ("-rf.csv", "rf.csv"),
        ("Größe 38.csv", "Größe 38.csv"),
        ("x" * 500 + ".csv.gz", "x" * 93 + ".csv.gz"),
    ],
)
def test_names_are_made_safe(given: str, safe: str) -> None:
    assert safe_name(given) == safe


def test_a_bomb_is_stopped_at_the_limit(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", bytes(20_000_000))
    assert bomb.stat().st_size < 30_000
    with pytest.raises(SourceError, match="more than 5,000,000 bytes when it is unpacked"):
        Unpacker(tmp_path / "out", 5_000_000).unpack(bomb)
    assert sum(path.stat().st_size for path in (tmp_path / "out").iterdir()) <= 5_000_000
    packed = tmp_path / "b.csv.gz"
    packed.write_bytes(gzip.compress(bytes(20_000_000)))
    with pytest.raises(SourceError, match="5,000,000"):
        Unpacker(tmp_path / "out", 5_000_000).decompress(packed)


def test_links_and_devices_are_left_out(tmp_path: Path) -> None:
    packed = tmp_path / "a.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        link = zipfile.ZipInfo("link.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("a.csv", "sku\n1\n")
    unpacker = Unpacker(tmp_path / "out", 1_000)
    unpacker.unpack(packed)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.csv"]
    assert unpacker.n_left_out == 1


def test_a_damaged_or_encrypted_archive_is_refused(tmp_path: Path) -> None:
    packed = tmp_path / "a.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", "sku\n" + "1\n" * 1000)
    data = bytearray(packed.read_bytes())
    data[40] ^= 0xFF
    packed.write_bytes(data)
    with pytest.raises(SourceError, match="cannot be unpacked"):
        Unpacker(tmp_path / "out", 10_000).unpack(packed)
    data[40] ^= 0xFF
    for flags in (6, data.index(b"PK\1\2") + 8):
        data[flags] |= 1  # encrypted
    packed.write_bytes(data)
    with pytest.raises(SourceError, match="encrypted"):
        Unpacker(tmp_path / "out", 10_000).unpack(packed)


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = tmp_path / "a.csv.gz"
    packed.write_bytes(gzip.compress(b"sku\n1\n"))
    monkeypatch.setattr("vitrina.indexer.uploads.RESERVED_BYTES", 10**18)
    with pytest.raises(StorageError, match="bytes left"):
        Unpacker(tmp_path / "out", 1_000).decompress(packed)


def make(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    return folder


def test_the_catalog_in_an_archive_is_found(tmp_path: Path) -> None:
    one = make(tmp_path / "1", "shop/products.csv", "shop/images/a.jpg", "shop/old/products.csv", "__MACOSX/a.csv")
    assert catalog_in(one) == one / "shop/products.csv"
    assert catalog_in(one, "old/products.csv") == one / "shop/old/products.csv"
    two = make(tmp_path / "2", "a.csv", "b.csv")
    with pytest.raises(SourceError, match=r"several catalog files: a.csv, b.csv"):
        catalog_in(two)
    with pytest.raises(SourceError, match=r"There is no file 'c.csv'"):
        catalog_in(two, "c.csv")
    three = make(tmp_path / "3", "photos/a.jpg", "photos/README.txt")
    assert catalog_in(three) == three / "photos"
    assert catalog_in(make(tmp_path / "4", "feed.json", "a.jpg")) == tmp_path / "4/feed.json"
    with pytest.raises(SourceError, match=r"neither a catalog file nor images: a.doc"):
        catalog_in(make(tmp_path / "5", "a.doc"))


def test_a_webdataset_is_no_packed_catalog(tmp_path: Path) -> None:
    def pack(name: str, *files: str) -> Path:
        with tarfile.open(tmp_path / name, "w") as tar:
            for file in files:
                info = tarfile.TarInfo(file)
                info.size = 1
                tar.addfile(info, io.BytesIO(b"x"))
        return tmp_path / name

    assert not is_packed_catalog(pack("shard.tar", "1.jpg", "1.json", "1.txt"))
    assert is_packed_catalog(pack("shop.tar", "a/products.csv", "a/1.jpg"))
    assert not is_packed_catalog(make(tmp_path, "broken.tar") / "broken.tar")


@pytest.fixture
def address() -> Iterator[str]:
    """A server of catalogs on this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/moved":
                self.send_response(302)
                self.send_header("Location", "/feed?token=1")
                self.end_headers()
                return
            status = 404 if self.path == "/none" else 200
            self.send_response(status)
            self.send_header("Content-Type", "text/csv; charset=utf-8")
            if self.path == "/named":
                self.send_header("Content-Disposition", 'attachment; filename="../my feed.tsv"')
            self.end_headers()
            self.wfile.write(b"sku,title\nU-1,Mug\n" * (100_000 if self.path == "/large" else 1))

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_catalogs_are_fetched_to_the_disk(tmp_path: Path, address: str) -> None:
    download = Download(tmp_path, 1_000, address_allowed=lambda _: True)
    assert download.fetch(f"{address}/moved").name == "feed.csv"
    assert (tmp_path / "feed.csv").read_text() == "sku,title\nU-1,Mug\n"
    assert download.fetch(f"{address}/named").name == "my feed.tsv"
    assert download.fetch(f"{address}/x", "own.csv").name == "own.csv"
    for path, message in (("large", "the limit is 1,000 bytes"), ("none", "answered 404")):
        with pytest.raises(FetchError, match=message):
            download.fetch(f"{address}/{path}")
    with pytest.raises(FetchError, match="user name or password"):
        download.fetch(address.replace("//", "//a:b@"))


def test_addresses_of_this_machine_are_not_fetched(tmp_path: Path, address: str) -> None:
    with pytest.raises(FetchError, match="not a public address"):
        Download(tmp_path, 1_000).fetch(address)
    assert not list(tmp_path.iterdir())


def test_a_packed_catalog_is_unpacked_while_it_is_read(tmp_path: Path) -> None:
    packed = tmp_path / "shop.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("export/products.csv", "sku,title\nA,Pot\n")
        archive.writestr("export/images/a.jpg", b"x")
    with unpacked(str(packed)) as location:
        assert Path(location).read_text() == "sku,title\nA,Pot\n"
        assert (Path(location).parent / "images" / "a.jpg").is_file()
    assert not Path(location).exists()
    compressed = tmp_path / "shop.tar.gz"
    with tarfile.open(compressed, "w:gz") as tar:
        info = tarfile.TarInfo("products.csv")
        info.size = 4
        tar.addfile(info, io.BytesIO(b"sku\n"))
    with unpacked(str(compressed)) as location:
        assert Path(location).name == "products.csv"
    plain = tmp_path / "a.csv"
    plain.write_text("sku\n1\n")
    with unpacked(str(plain)) as location:
        assert location == str(plain)
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("export/orders.csv", "id\n1\n")
    with pytest.raises(SourceError, match=r"shop\.zip holds several catalog files") as caught, unpacked(str(packed)):
        pass
    assert caught.value.remedy == "Unpack it, and index the file with the products."


@pytest.mark.parametrize(
    ("number", "remedy"), [(errno.ENOSPC, "Free some space"), (errno.EROFS, "Make the store's folder writable")]
)
def test_why_what_was_sent_cannot_be_written_tells_what_to_do(number: int, remedy: str) -> None:
    assert no_room(OSError(number, "Refused")).remedy.startswith(remedy)
