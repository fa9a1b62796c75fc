"""Fixtures that several packages' tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
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

HERE = Path(__file__).parent
MARKERS = {"e2e": ("e2e", "notebooks"), "train": ("recipes/encoder", "recipes/reranker", "tuning")}
"""Whole folders, by marker; tests elsewhere name theirs."""


def pytest_configure(config: pytest.Config) -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:  # the workers share the cores; so do the processes that they start
        torch.set_num_threads(1)
        os.environ["OMP_NUM_THREADS"] = "1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for marker, folders in MARKERS.items():
            if any(HERE / folder in item.path.parents for folder in folders):
                item.add_marker(marker)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for report in terminalreporter.stats.get("skipped", ()) if os.environ.get("CI") else ():
        terminalreporter.write_line(f"skipped, and may not be here: {report.nodeid}", red=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where ``CI`` is set, everything that tests need is there: a test that is skipped fails the run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter and reporter.stats.get("skipped") and not session.exitstatus:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


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
