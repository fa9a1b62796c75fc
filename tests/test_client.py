"""``vitrina.client``, against the application itself, and once over a real connection."""

from __future__ import annotations

import ast
import asyncio
import inspect
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from PIL import Image

import vitrina.client
from tests.api.conftest import client, indexed_folder, make_image, shop, store  # noqa: F401 - fixtures
from tests.e2e.serving import serve
from vitrina.client import AsyncClient, Client, ServiceError, UnreachableError
from vitrina.client.calls import with_retries
from vitrina.client.flows import search_body
from vitrina.client.results import SearchHit, SearchResult, read
from vitrina.search.store.store import Store

HIT: Mapping[str, Any] = {
    "sku": "A",
    "title": "Mug",
    "description": "",
    "attributes": {},
    "score": 0.5,
    "rank": 1,
    "newer": "left out",
}


@pytest.fixture
def remote(client: TestClient) -> Client:  # noqa: F811
    """A client of the service in this process."""

    def answer(request: httpx.Request) -> httpx.Response:
        headers = {name: value for name, value in request.headers.items() if name != "host"}
        found = client.request(request.method, str(request.url), content=request.read(), headers=headers)
        return httpx.Response(found.status_code, headers=list(found.headers.items()), content=found.content)

    return Client("http://testserver", http=httpx.Client(transport=httpx.MockTransport(answer)))


def answering(*answers: httpx.Response | Exception) -> tuple[Client, list[httpx.Request]]:
    """A client of a service that answers so, in turn, and what it was asked."""
    asked: list[httpx.Request] = []
    waiting = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        found = waiting.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    return Client(key="vk-1", http=httpx.Client(transport=httpx.MockTransport(answer))), asked


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses, which take no time."""
    found: list[float] = []
    monkeypatch.setattr("vitrina.client.clients.time.sleep", found.append)
    return found


def test_searching_by_text_and_by_each_form_of_an_image(remote: Client, tmp_path: Path) -> None:
    found = remote.search("shirt", limit=5, filters={"price_cents": {"gte": 0}})
    assert 0 < len(found) <= 5
    assert found[0].rank == 1
    assert found[0].image_url is None or found[0].image_url.startswith("http://testserver/v1/images/")
    data = make_image("red")
    (tmp_path / "red.png").write_bytes(data)
    images: list[Any] = [data, tmp_path / "red.png", str(tmp_path / "red.png"), Image.new("RGB", (40, 40), "red")]
    ranked = [[hit.sku for hit in remote.search(image=each)] for each in images]
    assert all(each == ranked[0] for each in ranked)
    assert remote.search(like=found[0].sku)[0].sku == found[0].sku
    assert found[0].sku not in [hit.sku for hit in remote.similar(found[0].sku)]
    assert found[0].sku in {hit.sku for hit in remote.search(image=[data, data], like=[found[0].sku], limit=40)}


def test_an_image_behind_an_address_is_fetched_without_the_key() -> None:
    result = {"hits": [], "n_candidates": 0, "no_good_match": True, "timings_ms": {}}
    remote, asked = answering(httpx.Response(200, content=make_image()), httpx.Response(200, json=result))
    assert len(remote.search(image="https://shop.example/a.png")) == 0
    assert "authorization" not in asked[0].headers
    assert asked[1].headers["authorization"] == "Bearer vk-1"


def test_what_the_guide_writes_is_written(
    remote: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    guide = (Path(__file__).parents[1] / "docs/client.md").read_text(encoding="utf-8")
    (writing,) = [block.partition("```")[0] for block in guide.split("```python\n")[1:] if "shop.put" in block]
    (tmp_path / "photo.jpg").write_bytes(make_image())
    (tmp_path / "products.csv").write_text("Artikelnummer,title\nP-1,Pan\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    exec(writing, {"shop": remote})
    printed = capsys.readouterr().out
    assert "[('A-16', 'not_found'), ('A-18', 'created'), ('M-3', 'created')]" in printed
    assert "1 0 1 added" in printed
    assert remote.item("A-17").variants[0].image_url
    assert [item.sku for item in remote.items(source="erp").items] == ["K-1"]
    remote.put("mouse", {"title": "M20 Mouse", "variants": [{"sku": "mouse-p", "title": "M20 Mouse - Pink"}]})
    assert remote.item("mouse").variants[0].title == "M20 Mouse - Pink"
    (hit, *_) = remote.search("pink mouse")
    assert (hit.title, hit.item_title) == ("M20 Mouse - Pink", "M20 Mouse")


def test_items_are_put_read_and_deleted(remote: Client) -> None:
    put = remote.put("C-1", {"title": "Mug", "attributes": {"colour": "red"}, "images": [make_image()]})
    assert (put.sku, put.title, len(put.image_urls)) == ("C-1", "Mug", 1)
    assert remote.item("C-1") == put
    changed = remote.patch("C-1", {"price_cents": 990, "currency": "EUR", "attributes": {"colour": None}})
    assert (changed.title, changed.price_cents, changed.attributes) == ("Mug", 990, {})
    assert changed.image_urls == put.image_urls
    assert remote.patch("C-1", {"images": [make_image("green")]}).image_urls != put.image_urls
    assert remote.explain("Mug", "C-1").sentence
    assert remote.suggest("mu", limit=1)[0].text.casefold().startswith("mu")
    assert remote.facets("Mug", fields=["colour"])["fields"][0]["field"] == "colour"
    assert remote.items(limit=2).next_cursor
    (changed,) = remote.items(since=datetime.now(UTC) - timedelta(minutes=1), source=None).items[-1:]
    assert changed.sku == "C-1"
    assert remote.items(since="2999-01-01").total == 0
    remote.delete("C-1")
    with pytest.raises(ServiceError, match="no item with the sku 'C-1'") as told:
        remote.item("C-1")
    assert (told.value.status, told.value.code) == (404, "not_found")
    assert "spelling" in told.value.remedy
    done = remote.batch(put={"C-2": {"title": "Cup"}, "C-3": {"images": [b"no image"]}}, delete=["C-1"])
    assert [each.status for each in done.results] == ["not_found", "created", "failed"]
    assert done.results[2].error is not None


def test_a_catalog_is_imported_with_progress(remote: Client, tmp_path: Path) -> None:
    file = tmp_path / "shop.csv"
    file.write_text("sku,title\nI-1,Mug\n,Nothing\n")
    statuses: list[str] = []
    job = remote.import_catalog(file, name="shop", map={"title": "title"})
    done = remote.wait_for_import(job, on_progress=lambda each: statuses.append(each.status), timeout_s=60)
    assert (done.status, done.source, done.progress.n_added, done.progress.n_rejected) == ("done", "shop", 1, 1)
    assert done.report is not None
    assert statuses[-1] == "done"
    assert remote.dead_letters(job)[0].origin == "shop.csv:3"
    rows = remote.import_catalog([{"sku": "I-2", "title": "Pot"}], name="rows")
    assert list(remote.watch_import(rows))[-1].status == "done"
    assert [each.id for each in remote.imports()] == [rows.id, job.id]
    assert remote.cancel_import(job).status == "done"
    with pytest.raises(ServiceError, match="not valid"):
        remote.import_catalog([])


def test_an_answer_is_streamed(remote: Client) -> None:
    parts = list(remote.stream("shirt", limit=3))
    assert [each.event for each in parts] == ["retrieved", "done"]
    assert parts[0].result is not None
    assert len(parts[0].result) == 3
    with pytest.raises(ServiceError) as told:
        list(remote.stream("shirt", filters={"nonsense": "x"}))
    assert told.value.code == "bad_filter"


def test_a_busy_service_is_asked_again_after_the_pause_it_asks_for(naps: list[float]) -> None:
    item = {"sku": "A", "title": "", "description": "", "attributes": {}}
    busy = httpx.Response(503, headers={"Retry-After": "7"}, json={})
    remote, asked = answering(busy, httpx.Response(429), httpx.ConnectError("no"), httpx.Response(200, json=item))
    assert remote.item("A").sku == "A"
    assert len(asked) == 4
    assert naps[0] == 7
    assert all(0 < nap <= 4 for nap in naps[1:])


def test_what_fails_for_good_is_told(naps: list[float]) -> None:
    remote, asked = answering(*[httpx.Response(503, text="<h1>Busy</h1>")] * 4)
    with pytest.raises(ServiceError, match="answered 503: <h1>Busy</h1>") as told:
        remote.item("A")
    assert (len(asked), told.value.code) == (4, "unknown")
    remote, asked = answering(*[httpx.ConnectError("refused")] * 4)
    with pytest.raises(UnreachableError, match=r"refused.*vitrina serve"):
        remote.item("A")
    remote, asked = answering(httpx.ReadTimeout("slow"))
    with pytest.raises(UnreachableError):  # it may have begun the import: it is not sent twice
        remote.import_catalog([{"sku": "a"}])
    assert len(asked) == 1
    remote, asked = answering(httpx.Response(400, json={}))
    with pytest.raises(ServiceError):
        remote.item("A")
    assert not naps[6:]


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, html="<html>Log in</html>"),
        httpx.Response(200),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"a": 1}),
        httpx.Response(200, content=b'{"hits": "\xe9"}'),
        httpx.Response(301, headers={"location": "https://shop.example/"}),
    ],
)
def test_an_answer_of_something_else_is_told(answer: httpx.Response) -> None:
    asks: tuple[Callable[[Client], object], ...] = (
        lambda remote: remote.search("mug"),
        lambda remote: list(remote.stream("mug")),
        lambda remote: remote.imports(),
        lambda remote: remote.explain("mug", "A"),
    )
    for ask in asks:
        shop_client, _ = answering(answer)
        with pytest.raises(ServiceError, match="no answer of Vitrina's"):
            ask(shop_client)


@pytest.mark.parametrize("key", ["vk_a\n", "ключ"])
def test_a_key_that_cannot_be_sent_is_told(key: str) -> None:
    with pytest.raises(ValueError, match="copy it again"):
        Client(key=key)


def test_a_stream_that_ends_early_is_told() -> None:
    stream = {"content-type": "text/event-stream"}
    for text in ("", ": keep-alive\n\n"):
        shop_client, _ = answering(httpx.Response(200, headers=stream, text=text))
        with pytest.raises(UnreachableError, match="ended early"):
            list(shop_client.stream("mug"))


def test_notebooks_show_images_and_read_nothing_as_html() -> None:
    evil = {**HIT, "title": "<script>alert(1)</script>", "sku": '"><img src=x>', "image_url": "javascript:alert(1)"}
    hit = read(SearchHit, evil)
    for shown in (hit._repr_html_(), SearchResult((hit,), 1, no_good_match=True, timings_ms={})._repr_html_()):
        assert "<script" not in shown
        assert "<img" not in shown
        assert "javascript:" not in shown
    assert (
        'src="https://a/b.jpg?x=1&amp;y=2"'
        in read(SearchHit, {**HIT, "image_url": "https://a/b.jpg?x=1&y=2"})._repr_html_()
    )
    assert "5,400 JPY" in read(SearchHit, {**HIT, "price_cents": 5400, "currency": "JPY"})._repr_html_()


def test_images_are_loaded_into_a_result(remote: Client) -> None:
    remote.put("C-9", {"title": "Unmistakable", "images": [make_image()]})
    loaded = remote.with_images(remote.search("C-9", limit=1), size=32)
    assert loaded[0].image is not None
    assert "data:image/jpeg;base64," in loaded._repr_html_()


def test_the_async_client_does_the_same(client: TestClient, tmp_path: Path) -> None:  # noqa: F811
    async def ask() -> tuple[str, list[str], str]:
        transport = httpx.ASGITransport(client.app)
        async with AsyncClient("http://testserver", http=httpx.AsyncClient(transport=transport)) as remote:
            put = await remote.put("C-1", {"title": "Mug"})
            events = [part.event async for part in remote.stream("Mug")]
            file = tmp_path / "shop.csv"
            file.write_text("sku,title\nI-1,Mug\n")
            done = await remote.wait_for_import(await remote.import_catalog(file))
            assert (await remote.search("I-1", limit=1))[0].sku
            return put.title, events, done.status

    assert asyncio.run(ask()) == ("Mug", ["retrieved", "done"], "done")


def test_over_a_real_connection(store: Store) -> None:  # noqa: F811
    with serve(store.folder) as address, Client(address) as remote:
        assert len(remote.search("shirt")) > 0
        assert [part.event for part in remote.stream("shirt")] == ["retrieved", "done"]
        job = remote.import_catalog([{"sku": "R-1", "title": "Mug"}])
        assert list(remote.watch_import(job))[-1].status == "done"


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_every_method_is_documented_with_its_signature(kind: type[Any]) -> None:
    for name, method in inspect.getmembers(kind, inspect.isfunction):
        if not name.startswith("_") and name not in ("run", "close"):
            assert method.__doc__, name
            assert method.__name__ == name
            assert "self" in inspect.signature(method).parameters


def test_both_clients_have_the_same_methods() -> None:
    def methods(kind: type[Any]) -> set[str]:
        return {name for name in vars(kind) if not name.startswith("_")}

    assert methods(Client) == methods(AsyncClient)


def test_a_flow_without_a_call_needs_no_service() -> None:
    with pytest.raises(StopIteration) as end:
        next(with_retries(search_body("mug"), 1))
    assert end.value.value["text"] == "mug"


def test_it_imports_httpx_and_of_the_engine_only_the_table_of_currencies() -> None:
    ours = ("vitrina.client", "vitrina.search.types.currencies")
    for file in Path(vitrina.client.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                root = name.partition(".")[0]
                assert root in sys.stdlib_module_names or root == "httpx" or name.startswith(ours), name
