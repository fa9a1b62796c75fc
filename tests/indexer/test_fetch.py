"""Fetching gets images from the public web only."""

from __future__ import annotations

import http.server
import ipaddress
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.indexer.web_server import listening
from vitrina.indexer.fetch import Fetcher
from vitrina.indexer.network import IPAddress, is_public
from vitrina.indexer.preparation import load_image
from vitrina.indexer.sources.base import ImageReference
from vitrina.search.types.errors import FetchError, ImageError

IMAGE = b"\x89PNG and so on"
LOCALHOST = ipaddress.ip_address("127.0.0.1")


@dataclass
class Shop:
    """A web server on localhost, with what it was asked for."""

    port: int = 0
    requests: list[tuple[str, str]] = field(default_factory=list)
    n_failures: int = 0

    def url(self, path: str, host: str = "shop.example") -> str:
        return f"http://{host}:{self.port}{path}"


def handler(shop: Shop) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 5

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class names it
            pass

        def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            shop.requests.append((self.path, self.headers["Host"]))
            kind, _, rest = self.path[1:].partition("/")
            if kind == "to":
                self.answer(302, Location=rest)
            elif kind == "loop":
                self.answer(302, Location=f"/loop/{int(rest) - 1}" if rest != "0" else "/image")
            elif kind == "flaky" and shop.n_failures > 0:
                shop.n_failures -= 1
                self.answer(503)
            elif kind == "status":
                self.answer(int(rest))
            elif kind == "type":
                self.answer(200, IMAGE, Content_Type=rest)
            elif kind == "gzip":
                self.answer(200, IMAGE, Content_Encoding="gzip")
            elif kind == "endless":
                self.endless()
            elif kind == "drip":
                self.drip()
            else:
                self.answer(200, IMAGE, Content_Type="image/png")

        def endless(self) -> None:
            self.send_response(200)
            self.send_header("Connection", "close")
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b"x" * 10_000)
            except OSError:
                self.close_connection = True

        def drip(self) -> None:
            self.send_response_only(200)
            try:
                for _ in range(100):
                    self.wfile.write(b"X: 1\r\n")
                    time.sleep(0.05)
            except OSError:
                self.close_connection = True

    return Handler


class QuietServer(http.server.ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Clients hang up here on purpose."""


@pytest.fixture(scope="module")
def server() -> Iterator[Shop]:
    shop = Shop()
    with listening(QuietServer(("127.0.0.1", 0), handler(shop))) as shop.port:
        yield shop


@pytest.fixture
def shop(server: Shop) -> Shop:
    server.requests.clear()
    server.n_failures = 0
    return server


def local(host: str, port: int) -> Sequence[IPAddress]:
    if not host.endswith(".example"):
        raise socket.gaierror(f"no {host}")
    return [LOCALHOST]


@pytest.fixture
def fetcher() -> Iterator[Fetcher]:
    with Fetcher(
        timeout_s=3.0, max_bytes=1000, resolver=local, address_allowed=lambda address: True, backoff_s=0.01
    ) as opened:
        yield opened


@pytest.fixture
def wary() -> Iterator[Fetcher]:
    """A fetcher with the real resolver and the real rules."""
    with Fetcher(timeout_s=3.0) as opened:
        yield opened


def test_an_image_arrives_and_the_host_keeps_its_name(fetcher: Fetcher, shop: Shop) -> None:
    assert fetcher.fetch(shop.url("/a%20b.png?size=1#part")) == IMAGE
    assert shop.requests == [("/a%20b.png?size=1", f"shop.example:{shop.port}")]


def test_many_threads_share_one_fetcher(fetcher: Fetcher, shop: Shop) -> None:
    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(fetcher.fetch, [shop.url(f"/{number}") for number in range(40)])) == {IMAGE}


def test_redirects_are_followed_five_times(fetcher: Fetcher, shop: Shop) -> None:
    assert fetcher.fetch(shop.url(f"/to/{shop.url('/image', 'cdn.example')}")) == IMAGE
    assert shop.requests[-1] == ("/image", f"cdn.example:{shop.port}")
    assert fetcher.fetch(shop.url("/loop/4")) == IMAGE
    with pytest.raises(FetchError, match="more than 5 times"):
        fetcher.fetch(shop.url("/loop/5"))


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://shop.example/", "http://user:pw@shop.example/", "http://"]
)
def test_redirects_are_checked_again(fetcher: Fetcher, shop: Shop, target: str) -> None:
    with pytest.raises(FetchError):
        fetcher.fetch(shop.url(f"/to/{target}"))


def test_server_errors_are_tried_again(fetcher: Fetcher, shop: Shop) -> None:
    shop.n_failures = 2
    assert fetcher.fetch(shop.url("/flaky")) == IMAGE
    shop.n_failures = 3
    with pytest.raises(FetchError, match=r"answered 503 \(tried 3 times\)"):
        fetcher.fetch(shop.url("/flaky"))


def test_client_errors_are_not(fetcher: Fetcher, shop: Shop) -> None:
    with pytest.raises(FetchError, match="answered 404"):
        fetcher.fetch(shop.url("/status/404"))
    assert len(shop.requests) == 1


@pytest.mark.parametrize("media_type", ["text/html; charset=utf-8", "application/json", "TEXT/plain", "video/mp4"])
def test_what_is_no_image_is_refused(fetcher: Fetcher, shop: Shop, media_type: str) -> None:
    with pytest.raises(FetchError, match="is not an image but"):
        fetcher.fetch(shop.url(f"/type/{media_type.replace(' ', '')}"))


def test_unsaid_and_general_types_are_left_to_the_decoder(fetcher: Fetcher, shop: Shop) -> None:
    assert fetcher.fetch(shop.url("/type/application/octet-stream")) == IMAGE


def test_compression_is_refused(fetcher: Fetcher, shop: Shop) -> None:
    with pytest.raises(FetchError, match="compressed"):
        fetcher.fetch(shop.url("/gzip"))


def test_too_many_bytes(fetcher: Fetcher, shop: Shop) -> None:
    with pytest.raises(FetchError, match=r"has more; the limit is 1,000 bytes"):
        fetcher.fetch(shop.url("/endless"))
    with Fetcher(max_bytes=5, resolver=local, address_allowed=lambda address: True) as small:  # noqa: SIM117
        with pytest.raises(FetchError, match=rf"has {len(IMAGE)} bytes; the limit is 5"):
            small.fetch(shop.url("/image"))


def test_one_deadline_holds_against_a_dripping_server(shop: Shop) -> None:
    start = time.monotonic()
    with Fetcher(timeout_s=0.4, resolver=local, address_allowed=lambda address: True, backoff_s=0.01) as hurried:  # noqa: SIM117
        with pytest.raises(FetchError, match=r"time limit|timed out"):
            hurried.fetch(shop.url("/drip"))
    assert time.monotonic() - start < 1.5


def test_a_host_that_does_not_answer(fetcher: Fetcher) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(FetchError, match="could not be fetched"):
            fetcher.fetch(f"http://shop.example:{free.getsockname()[1]}/")
    with pytest.raises(FetchError, match=r"name unknown\.test is unknown"):
        fetcher.fetch("http://unknown.test/")


@pytest.mark.parametrize(
    "url",
    ["", "shop.example/a.png", "ftp://shop.example/a", "file:///etc/passwd", "http://", "http:///a", "javascript:1",
     "http://[", "http://shop.example:99999/", "http://user@shop.example/", "http://u:p@shop.example/", "http://a b/",
     "http://shop.example/\n", "http://" + "a" * 300 + ".example/", "gopher://shop.example/", "http://\0.example/"],
)  # fmt: skip
def test_what_is_no_fetchable_url(fetcher: Fetcher, url: str) -> None:
    with pytest.raises(FetchError) as raised:
        fetcher.fetch(url)
    assert raised.value.remedy
    assert "u:p" not in str(raised.value)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.100.100.200", "0.0.0.0",
     "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:8.8.8.8]", "[fe80::1]", "[fc00::1]", "[64:ff9b::7f00:1]",
     "[2002:7f00:1::]", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.1", "0", "224.0.0.1",
     "255.255.255.255"],
)  # fmt: skip
def test_private_addresses_in_any_spelling_are_refused(wary: Fetcher, shop: Shop, host: str) -> None:
    with pytest.raises(FetchError, match=r"not a public address|Invalid IPv4 address"):
        wary.fetch(shop.url("/image", host))
    assert shop.requests == []


def test_a_redirect_to_a_private_address_is_refused(shop: Shop) -> None:
    def resolver(host: str, port: int) -> Sequence[IPAddress]:
        return [ipaddress.ip_address(host) if host[0].isdigit() else LOCALHOST]

    metadata = ipaddress.ip_address("169.254.169.254")
    with Fetcher(resolver=resolver, address_allowed=lambda address: address != metadata) as careful:  # noqa: SIM117
        with pytest.raises(FetchError, match=r"resolves to 169\.254\.169\.254"):
            careful.fetch(shop.url("/to/http://169.254.169.254/latest/meta-data"))
    assert len(shop.requests) == 1


def test_a_name_with_any_private_address_is_refused(shop: Shop) -> None:
    mixed = [ipaddress.ip_address("93.184.215.14"), LOCALHOST]
    with (
        Fetcher(resolver=lambda host, port: mixed) as careful,
        pytest.raises(FetchError, match=r"resolves to 127\.0\.0\.1"),
    ):
        careful.fetch(shop.url("/image"))


def test_the_address_judged_is_the_address_connected_to(shop: Shop) -> None:
    """A name that answers differently the second time is not asked a second time."""
    answers = iter([[LOCALHOST], [ipaddress.ip_address("10.0.0.1")]])
    judged: list[IPAddress] = []

    def allowed(address: IPAddress) -> bool:
        judged.append(address)
        return True

    with Fetcher(resolver=lambda host, port: next(answers), address_allowed=allowed) as careful:
        assert careful.fetch(shop.url("/image")) == IMAGE
    assert judged == [LOCALHOST]


def test_the_next_address_is_tried_when_the_first_does_not_answer(shop: Shop) -> None:
    addresses = [ipaddress.ip_address("::1"), LOCALHOST]
    with Fetcher(resolver=lambda host, port: addresses, address_allowed=lambda address: True) as careful:
        assert careful.fetch(shop.url("/image")) == IMAGE


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "172.31.255.255", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "192.0.0.1",
     "192.0.2.1", "198.18.0.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "168.63.129.16",
     "192.88.99.1", "::", "::1", "::ffff:1.1.1.1", "::1.1.1.1", "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254",
     "ff02::1", "64:ff9b::1.1.1.1", "64:ff9b:1::1", "2001::1", "2001:db8::1", "2002:101:101::1", "3fff::1", "100::1",
     "4000::1"],
)  # fmt: skip
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["192.0.0.9", "192.0.0.170", "10.0.0.1", "100.64.0.1", "198.18.0.1", "240.0.0.1"])
def test_what_pythons_of_other_versions_take_for_public_is_refused(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setattr(ipaddress.IPv4Address, "is_global", True)
    for name in ("is_reserved", "is_multicast"):
        monkeypatch.setattr(ipaddress.IPv4Address, name, False)
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.215.14", "172.32.0.1", "2606:4700::1111", "2a00:1450::1"])
def test_addresses_that_are_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


def test_load_image_reads_bytes_files_and_urls(fetcher: Fetcher, shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(IMAGE)
    for reference in (
        ImageReference(data=IMAGE),
        ImageReference(path=tmp_path / "a.png"),
        ImageReference(url=shop.url("/image")),
    ):
        assert load_image(reference, fetcher) == IMAGE


def test_load_image_says_what_is_wrong(fetcher: Fetcher, tmp_path: Path) -> None:
    (tmp_path / "large.png").write_bytes(b"x" * 1001)
    for reference, message in (
        (ImageReference(path=tmp_path / "missing.png"), r"does not exist.*Put it there"),
        (ImageReference(path=tmp_path), "is not a file"),
        (ImageReference(path=Path("/dev/zero")), "is not a file"),
        (ImageReference(path=tmp_path / "large.png"), r"1,001 bytes; the limit is 1,000"),
        (ImageReference(path=tmp_path / ("x" * 300)), "cannot be read"),
        (ImageReference(data=b"x" * 1001), r"1,001 bytes; the limit is 1,000"),
    ):
        with pytest.raises(ImageError, match=message):
            load_image(reference, fetcher)
