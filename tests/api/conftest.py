"""A running service over a small boutique."""

from __future__ import annotations

import base64
import io
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image
from typer.testing import CliRunner

from recipes.boutique.export import write_folder
from tests.fakes import CALIBRATION, FakeEncoder
from vitrina.api.app import create_app
from vitrina.api.cli import app
from vitrina.api.rerankers import BackgroundReranker, Readiness, RerankerStatus
from vitrina.api.service import Service
from vitrina.api.settings import Settings
from vitrina.indexer.fetch import Fetcher
from vitrina.indexer.pipeline import Indexer
from vitrina.indexer.sources import open_source
from vitrina.search.store.store import Store

N_PRODUCTS = 40


Vitrina = Callable[..., tuple[int, str, str]]
"""Runs ``vitrina`` with arguments; returns its exit status, standard output and standard error."""


def run_vitrina(*arguments: str) -> tuple[int, str, str]:
    """Run the command in this process; returns its exit status, standard output and standard error."""
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rendered boutique's ``catalog.jsonl``."""
    return write_folder(tmp_path_factory.mktemp("shop"), N_PRODUCTS, size=64)


@pytest.fixture(scope="session")
def indexed_folder(tmp_path_factory: pytest.TempPathFactory, shop: Path) -> Path:
    """A home folder with the boutique in it, for copying."""
    store = Store(tmp_path_factory.mktemp("indexed") / "home")
    Indexer(store, FakeEncoder(), Fetcher()).run(open_source(str(shop), {}))
    store.close()
    return store.folder


@pytest.fixture
def store(tmp_path: Path, indexed_folder: Path) -> Iterator[Store]:
    """The boutique, indexed; a copy of its own for each test."""
    store = Store(Path(shutil.copytree(indexed_folder, tmp_path / "home")))
    yield store
    store.close()


@pytest.fixture
def client(store: Store) -> Iterator[TestClient]:
    """The HTTP service over it."""
    settings = Settings(store=store.folder, max_body_bytes=2_000_000)
    app = create_app(settings, lambda _: Service(Store(store.folder), FakeEncoder(calibration=CALIBRATION)))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def tried(reranking: BackgroundReranker, seconds: float = 60.0) -> RerankerStatus:
    """The status once it was tried to open the reranker."""
    end = time.monotonic() + seconds
    while reranking.status.readiness is Readiness.OPENING and time.monotonic() < end:
        time.sleep(0.005)
    return reranking.status


def make_image(colour: str = "red", size: tuple[int, int] = (40, 40)) -> bytes:
    """A small PNG."""
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def data_uri(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"
