"""Fixtures that several packages' tests share.

Heavy imports wait for the fixtures: pytest-xdist's own process, which runs no test, loads this module, too.
"""

from __future__ import annotations

import gc
import os
import sqlite3
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler.loadfile import LoadFileScheduling

    from tests.fakes import FakeEncoder
    from tests.postgres import Postgres
    from vitrina.search.store.catalog import Catalog
    from vitrina.search.store.store import Store

os.environ["VITRINA_ALLOWED_HOSTS"] = "testserver"  # what Starlette's test client calls itself
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"
    """The workers share the cores; so do the processes that they start. Read by numpy and torch as they are imported,
    which is later: numpy's threads would wait for one another busily."""

settings.register_profile(
    "quick",
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("quick")

NO_CONSTANTS = Constants()
providers._get_local_constants = lambda: NO_CONSTANTS
"""Examples are the same in every worker and after every change. Hypothesis also tries the constants of whatever modules
of ours happen to be loaded, which depends on the tests that ran before, and has no setting for it."""

MARKERS = {"e2e": ("e2e/", "notebooks/"), "train": ("recipes/encoder/", "recipes/reranker/", "tuning/")}
"""Whole folders, by marker; tests elsewhere name theirs."""
LONGEST = (
    "e2e/page",
    "e2e/test_commands.py",
    "notebooks",
    "search/reranking/test_injections.py",
    "tuning",
    "recipes",
    "e2e",
    "indexer/test_ray_engine.py",
    "search/reranking/backends/onnx",
    "search/encoders",
    "api/test_encoder_export_command.py",
    "api/test_train_encoder_command.py",
    "api/test_openapi.py",
    "test_documentation.py",
)
"""Where the long tests are, the longest first: begun last, they would keep one worker busy after the others."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling:
    """Tests that share a fixture which takes seconds run in one worker, so that it is made once."""
    from tests.scheduling import FixtureScheduling

    config.option.loadscopereorder = False  # the order is that of pytest_collection_modifyitems
    return FixtureScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=length_rank)
    for item in items:
        for marker, folders in MARKERS.items():
            if place(item).startswith(folders):
                item.add_marker(marker)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported by then stays until the end: it need not be looked through for garbage again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)
        gc.enable()


def length_rank(item: pytest.Item) -> int:
    """The item's rank in ``LONGEST``."""
    return next((rank for rank, start in enumerate(LONGEST) if place(item).startswith(start)), len(LONGEST))


def place(item: pytest.Item) -> str:
    """Where the item is, below this folder."""
    return item.nodeid.removeprefix("tests/")


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
    import vitrina.api.cli.console  # noqa: F401 - a console keeps the COLUMNS it was made under, so not under a test's

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VITRINA_RERANKER", "off")
        yield


@pytest.fixture(scope="session", autouse=True)
def little_measured() -> Iterator[None]:
    """What every import ends with, measuring how far vectors can be trusted, would take half of many tests' time."""
    from vitrina.evaluation import own_queries

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(own_queries, "N_QUERIES", 12)
        yield


@pytest.fixture(scope="session", autouse=True)
def statements_compiled_once() -> Iterator[None]:
    """SQLAlchemy compiles each statement for each database that a process opens, and nearly every test opens one."""
    from sqlalchemy import Engine
    from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite as Dialect
    from sqlalchemy.util import LRUCache

    compiled: LRUCache[object, object] = LRUCache(2_000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Engine, "_compiled_cache", property(lambda _: compiled, lambda *_: None), raising=False)
        patch.setattr(Dialect, "__hash__", lambda self: hash(type(self)))  # in the key of what was compiled
        patch.setattr(Dialect, "__eq__", lambda self, other: type(self) is type(other))
        yield


@pytest.fixture(scope="session", autouse=True)
def migrated_once(tmp_path_factory: pytest.TempPathFactory, statements_compiled_once: None) -> Iterator[None]:
    """A new catalog's file is a copy of one that its migrations made, under a name of its own: they take longer than
    most tests, many of which make several."""
    from contextlib import closing
    from uuid import uuid4

    from sqlalchemy import update

    from tests.fakes import blank_catalog
    from vitrina.search.store import database as module
    from vitrina.search.store.sql import SqlDatabase
    from vitrina.search.store.sqlite_file import SqliteFile

    blank = tmp_path_factory.mktemp("blank") / "catalog.db"
    blank.write_bytes(blank_catalog())
    migrate = module.migrate

    def migrate_or_copy(database: SqlDatabase) -> None:
        if not isinstance(database, SqliteFile) or module.schema_version(database.engine) is not None:
            migrate(database)
            return
        with closing(sqlite3.connect(blank)) as source, closing(database.engine.raw_connection()) as target:
            source.backup(cast("sqlite3.Connection", target.driver_connection))
        with database.write() as connection:
            connection.execute(update(module.clock).values(catalog=uuid4().hex))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "migrate", migrate_or_copy)
        yield


@pytest.fixture(scope="session")
def encoder() -> FakeEncoder:
    from tests.fakes import FakeEncoder

    return FakeEncoder()


@pytest.fixture(scope="session")
def exported_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder tinier than the tiny one, its images of another height than width, exported for ONNX Runtime."""
    from tests.search.encoders.conftest import TINY, write_tiny_encoder
    from vitrina.tuning.export.encoder import export_encoder

    folder = tmp_path_factory.mktemp("encoders") / "exported"
    write_tiny_encoder(folder, architecture=replace(TINY, image_tower="test_efficientnet", image_size=(40, 32)))
    export_encoder(folder)
    return folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL server, which takes two seconds to start."""
    from tests.postgres import postgres_server

    with postgres_server() as server:
        yield server


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    from tests.fakes import new_catalog

    catalog = new_catalog(tmp_path / "catalog.db")
    yield catalog
    catalog.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    from tests.fakes import blank_catalog
    from vitrina.search.store.store import Store

    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "catalog.db").write_bytes(blank_catalog())
    store = Store(folder)
    yield store
    store.close()
