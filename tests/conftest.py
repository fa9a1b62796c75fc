"""Fixtures that several packages' tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import vitrina.api.cli.console  # noqa: F401 - a console keeps the COLUMNS it was made under, so not under one test's
from tests.fakes import FakeEncoder, blank_catalog, new_catalog
from vitrina.search.store.catalog import Catalog
from vitrina.search.store.store import Store

settings.register_profile(
    "quick",
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("quick")


@pytest.fixture(scope="session", autouse=True)
def no_reranker() -> Iterator[None]:
    """Tests that want a reranker name it: opening the embedded one in each service would take seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VITRINA_RERANKER", "off")
        yield


@pytest.fixture(scope="session")
def encoder() -> FakeEncoder:
    return FakeEncoder()


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    catalog = new_catalog(tmp_path / "catalog.db")
    yield catalog
    catalog.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "catalog.db").write_bytes(blank_catalog())
    store = Store(folder)
    yield store
    store.close()
