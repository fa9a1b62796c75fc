"""A running service over a small boutique."""

from __future__ import annotations

import asyncio
import base64
import io
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image
from starlette.types import Message, Receive
from typer.testing import CliRunner

from recipes.boutique.export import write_folder
from tests.fakes import CALIBRATION, FakeEncoder
from tests.search.reranking.shops import ColourReranker, fill
from vitrina.api.app import create_app
from vitrina.api.cli import app
from vitrina.api.cli.console import errors, output
from vitrina.api.keys import KeyFile
from vitrina.api.rerankers import BackgroundReranker, Readiness, RerankerStatus
from vitrina.api.service import Service
from vitrina.api.settings import Settings
from vitrina.indexer.fetch import Fetcher
from vitrina.indexer.pipeline import Indexer
from vitrina.indexer.sources import open_source
from vitrina.search.reranking.base import Reranker
from vitrina.search.reranking.fusion import FusionWeights
from vitrina.search.store.store import Store

N_PRODUCTS = 40

SECRET = "sk-never-shown-9f2"

REMOTE = ("203.0.113.9", 50_000)
"""Another machine's address."""

Serve = Callable[..., TestClient]
"""Makes a client of a service with settings, on another machine."""

Vitrina = Callable[..., tuple[int, str, str]]
"""Runs ``vitrina`` with arguments; returns its exit status, standard output and standard error."""


def run_vitrina(*arguments: str) -> tuple[int, str, str]:
    """Run the command in this process; returns its exit status, standard output and standard error."""
    for console in (output, errors):  # they keep the COLUMNS of their creation, which pytest-xdist sets to 80
        console.width = int(os.environ.get("COLUMNS", "80"))
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rendered boutique's ``catalog.jsonl``."""
    return write_folder(tmp_path_factory.mktemp("shop"), N_PRODUCTS, size=64)


@pytest.fixture(scope="session")
def indexed_folder(tmp_path_factory: pytest.TempPathFactory, shop: Path) -> Path:
    """A store with the boutique in it, for copying."""
    store = Store(tmp_path_factory.mktemp("indexed") / "store")
    Indexer(store, FakeEncoder(), Fetcher()).run(open_source(str(shop), {}))
    store.close()
    return store.folder


@pytest.fixture
def store(tmp_path: Path, indexed_folder: Path) -> Iterator[Store]:
    """The boutique, indexed; a copy of its own for each test."""
    store = Store(Path(shutil.copytree(indexed_folder, tmp_path / "store")))
    yield store
    store.close()


@pytest.fixture
def vitrina(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Vitrina:
    """Runs ``vitrina`` with a fake encoder, on the catalog in ``store`` if a test uses that, else on a new one."""
    monkeypatch.setattr("vitrina.api.settings.load_encoder", lambda *_, **__: FakeEncoder(calibration=CALIBRATION))
    monkeypatch.setenv("VITRINA_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("COLUMNS", "200")
    return run_vitrina


def open_simple_reranker(settings: Settings, _: ExitStack) -> Reranker:
    """In place of ``open_reranker``."""
    return ColourReranker(fusion_weights=FusionWeights(whole=1.0, parts=1.0))


@pytest.fixture
def reranking_store(tmp_path: Path) -> Iterator[Store]:
    """Items of each colour and article in turn, some of them with the wrong colour in the catalog."""
    store = Store(tmp_path / "store")
    fill(store, FakeEncoder())
    yield store
    store.close()


@pytest.fixture
def reranking_vitrina(monkeypatch: pytest.MonkeyPatch, reranking_store: Store) -> Vitrina:
    """Runs ``vitrina`` on ``reranking_store`` with a simple reranker; its API key must not be printed."""
    monkeypatch.setattr("vitrina.api.settings.load_encoder", lambda *_, **__: FakeEncoder())
    monkeypatch.setattr("vitrina.api.rerankers.open_reranker", open_simple_reranker)
    monkeypatch.setenv("VITRINA_STORE", str(reranking_store.folder))
    monkeypatch.setenv("VITRINA_RERANKER", "https://vlm.example/v1")
    monkeypatch.setenv("VITRINA_RERANKER_MODEL", "eyes")
    monkeypatch.setenv("VITRINA_RERANKER_KEY", SECRET)
    monkeypatch.setenv("VITRINA_RERANK_DEADLINE_MS", "20000")
    monkeypatch.setenv("COLUMNS", "160")

    def run(*arguments: str) -> tuple[int, str, str]:
        status, printed, complaint = run_vitrina(*arguments)
        assert SECRET not in printed + complaint
        return status, printed, complaint

    return run


@pytest.fixture
def client(store: Store) -> Iterator[TestClient]:
    """The HTTP service over it."""
    with serving(store.folder) as client:
        yield client


@pytest.fixture(scope="module")
def shared_client(tmp_path_factory: pytest.TempPathFactory, indexed_folder: Path) -> Iterator[TestClient]:
    """The HTTP service over the boutique, for tests that change nothing."""
    with serving(Path(shutil.copytree(indexed_folder, tmp_path_factory.mktemp("shared") / "store"))) as client:
        yield client


@contextmanager
def serving(folder: Path) -> Iterator[TestClient]:
    """The HTTP service over a store, with a calibrated fake encoder, inside the context."""
    settings = Settings(store=folder, max_body_bytes=2_000_000)
    app = create_app(settings, lambda _: Service(Store(folder), FakeEncoder(calibration=CALIBRATION)))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def tried(reranking: BackgroundReranker, seconds: float = 60.0) -> RerankerStatus:
    """The status after the attempt to open the reranker."""
    end = time.monotonic() + seconds
    while reranking.status.readiness is Readiness.OPENING and time.monotonic() < end:
        time.sleep(0.005)
    return reranking.status


def make_image(colour: str = "red", size: tuple[int, int] = (40, 40), form: str = "PNG") -> bytes:
    """A small image, a PNG by default."""
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, form)
    return file.getvalue()


def data_uri(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


@pytest.fixture
def serve(store: Store) -> Iterator[Serve]:
    with ExitStack() as stack:

        def opened(address: tuple[str, int] = REMOTE, **settings: str) -> TestClient:
            app = create_app(
                Settings.model_validate({"store": store.folder, **settings}),
                lambda _: Service(Store(store.folder), FakeEncoder()),
            )
            client = TestClient(app, base_url="http://localhost", client=address, raise_server_exceptions=False)
            return stack.enter_context(client)

        yield opened


@pytest.fixture
def keys(store: Store) -> KeyFile:
    return KeyFile(store.folder)


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def sent_by(client: TestClient, method: str, path: str, kind: bytes, receive: Receive) -> list[Message]:
    """The messages that the application answers with to a body of that content type, received piece by piece."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"content-type", kind)],
        "app": client.app,
    }
    asyncio.run(client.app(scope, receive, send))  # type: ignore[arg-type]
    return sent
