"""A catalog on PostgreSQL: its schema, its transactions among processes, and what can be wrong with the server."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from filelock import Timeout
from PIL import Image
from sqlalchemy import func, insert, select, text

from tests.fakes import FakeEncoder, make_entry, make_image, open_replica, png
from tests.postgres import Postgres
from tests.search.store.test_database import OPEN_AND_WRITE
from vitrina.indexer.fetch import Fetcher
from vitrina.search.engine import SearchEngine
from vitrina.search.store import postgres as postgres_module
from vitrina.search.store.backup import back_up
from vitrina.search.store.catalog import Catalog
from vitrina.search.store.database import deletions, metadata, newest_version, open_server, schema_version
from vitrina.search.store.jobs import JobKind, Jobs, JobStatus
from vitrina.search.store.postgres import IMPORT_LOCK, JOBS_LOCK, AdvisoryLock, PostgresDatabase, parse_url
from vitrina.search.store.store import Store, StoreOptions
from vitrina.search.types.errors import NotFoundError, StateError, StorageError
from vitrina.search.types.filters import MAX_VALUE_CHARS, parse_filters
from vitrina.search.types.query import Query

WITHOUT_A_SERVER = "postgresql://shop:secret@127.0.0.1:9/shop"


@pytest.fixture
def address(postgres: Postgres) -> str:
    return postgres.database()


@pytest.fixture
def database(address: str) -> Iterator[PostgresDatabase]:
    with closing(open_server(address)) as database:
        yield database


def n_deletions(database: PostgresDatabase) -> int:
    with database.read() as connection:
        return connection.execute(select(func.count()).select_from(deletions)).scalar_one()


def test_migrations_create_exactly_the_tables_of_the_schema(database: PostgresDatabase) -> None:
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found = compare_metadata(context, metadata)
    assert found == []
    assert schema_version(database.engine) == newest_version()


def test_processes_that_make_and_write_one_catalog_at_once_all_succeed(postgres: Postgres) -> None:
    address = postgres.empty_database("made_by_two")
    program = OPEN_AND_WRITE.replace("Catalog(Path(sys.argv[1]))", "Catalog(open_server(sys.argv[1]))")
    program = f"from vitrina.search.store.database import open_server\n{program}"
    running = [
        subprocess.Popen([sys.executable, "-c", program, address, str(number)], stderr=subprocess.PIPE, text=True)
        for number in range(2)
    ]
    errors = [process.communicate(timeout=100)[1] for process in running]
    assert [process.returncode for process in running] == [0, 0], errors
    with closing(Catalog(open_server(address))) as catalog:
        assert catalog.counts() == {"items": 20, "images": 20, "vectors": 20}
        assert catalog.sequence() == 20


def test_a_reader_sees_one_state_while_another_writes(database: PostgresDatabase) -> None:
    with database.read() as reader:
        before = reader.scalar(select(func.count()).select_from(deletions))
        with database.write() as writer:
            writer.execute(insert(deletions).values(item_id=1, sequence=1))
        assert reader.scalar(select(func.count()).select_from(deletions)) == before
    assert n_deletions(database) == 1


def test_a_failing_transaction_leaves_nothing(database: PostgresDatabase) -> None:
    def write(item_ids: list[int], then: BaseException) -> None:
        with database.write() as connection:
            for item_id in item_ids:
                connection.execute(insert(deletions).values(item_id=item_id, sequence=1))
            raise then

    with pytest.raises(KeyError):
        write([1], KeyError())
    with pytest.raises(StorageError, match="duplicate key"):
        write([2, 2], KeyError())
    assert n_deletions(database) == 0


def test_one_writes_at_a_time(database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(postgres_module.SESSION, "lock_timeout", "50ms")
    with closing(PostgresDatabase(database.url)) as impatient, database.write():
        with pytest.raises(StorageError, match="lock timeout") as caught, impatient.write():
            pass
        with impatient.beside(postgres_module.IMAGES_LOCK).write():
            pass
    assert "Another process is writing" in caught.value.remedy


def test_what_a_lost_connection_wrote_is_not_there_and_the_next_works(database: PostgresDatabase, address: str) -> None:
    def write() -> None:
        with database.write() as connection:
            connection.execute(insert(deletions).values(item_id=1, sequence=1))
            with closing(PostgresDatabase(address)) as other, other.read() as killer:
                others = "datname = current_database() AND pid <> pg_backend_pid()"
                killer.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"))
            connection.execute(insert(deletions).values(item_id=2, sequence=1))

    with pytest.raises(StorageError) as caught:
        write()
    assert "goes on by itself" in caught.value.remedy
    assert n_deletions(database) == 0


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"postgresql://shop:\*\*\*@127") as caught:
        Store(tmp_path, StoreOptions(database=WITHOUT_A_SERVER))
    assert "server runs" in caught.value.remedy
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("address", ["mysql://a:secret@b/c", "sqlite:///x", "shop", "", "postgresql+asyncpg://x/y"])
def test_only_addresses_of_postgresql_are_taken(address: str) -> None:
    with pytest.raises(StateError, match="not the address of a PostgreSQL database") as caught:
        parse_url(address)
    assert "secret" not in str(caught.value)


def test_a_database_that_is_not_there(postgres: Postgres) -> None:
    with pytest.raises(StorageError, match="does not exist"):
        open_server(postgres.address("nowhere"))


def test_a_role_without_the_right_to_make_tables(postgres: Postgres) -> None:
    address = postgres.empty_database("of_another_role")
    with closing(PostgresDatabase(address)) as owner, owner.write() as connection:
        connection.execute(text("CREATE ROLE reader LOGIN"))
    with pytest.raises(StorageError, match="permission denied") as caught:
        open_server(address.replace("postgres@", "reader@"))
    assert "right to create" in caught.value.remedy


def test_a_newer_schema_is_refused(database: PostgresDatabase, address: str) -> None:
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StateError, match="newer Vitrina"):
        open_server(address)


def test_a_database_that_may_only_be_read(
    postgres: Postgres, address: str, encoder: FakeEncoder, tmp_path: Path
) -> None:
    with closing(Store(tmp_path, StoreOptions(database=address))) as store:
        version = store.open_index_version(encoder.identity)
        store.catalog.commit(version, [make_entry(encoder, "a", "red mug")])
        with store.catalog.database.write() as connection:
            name = connection.exec_driver_sql("SELECT current_database()").scalar_one()
            connection.exec_driver_sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with closing(Store.existing(tmp_path, StoreOptions(database=address))) as store:
        answer = SearchEngine.open(store, encoder).search(Query(text="red mug"))
        assert [hit.stored.item.sku for hit in answer.hits] == ["a"]
        with pytest.raises(StorageError, match="read-only") as caught:
            store.catalog.delete(["a"])
        assert "primary" in caught.value.remedy
    empty = postgres.empty_database("empty_and_read_only")
    with closing(PostgresDatabase(empty)) as owner, owner.write() as connection:
        connection.exec_driver_sql("ALTER DATABASE empty_and_read_only SET default_transaction_read_only = on")
    with pytest.raises(StateError, match="may only be read"):
        open_server(empty)


def test_a_store_exists_once_it_was_opened(postgres: Postgres, tmp_path: Path) -> None:
    address = postgres.empty_database("opened_once")
    with pytest.raises(NotFoundError, match="Nothing is indexed in the database"):
        Store.existing(tmp_path, StoreOptions(database=address))
    Store(tmp_path, StoreOptions(database=address)).close()
    Store.existing(tmp_path, StoreOptions(database=address)).close()
    assert not list(tmp_path.glob("*.db"))


def test_jobs_wait_run_and_end(database: PostgresDatabase) -> None:
    jobs = Jobs(database)
    first = jobs.add(JobKind.IMPORT, {"source": "a"})
    jobs.add(JobKind.IMPORT, {"source": "b"})
    taken = jobs.take()
    assert taken is not None
    assert (taken.id, taken.status, taken.request) == (first.id, JobStatus.RUNNING, {"source": "a"})
    assert jobs.report(first.id, {"n": 1})
    assert jobs.cancel(first.id, JobKind.IMPORT).is_cancelled
    assert not jobs.report(first.id, {"n": 2})
    assert jobs.end(first.id, JobStatus.CANCELLED, result={"n": 2})
    page = jobs.page(JobKind.IMPORT, 1)
    assert (page.total, page.jobs[0].request, page.last) == (2, {"source": "b"}, page.jobs[0].id)
    assert jobs.find(first.id, JobKind.IMPORT).result == {"n": 2}


def test_a_backup_names_the_servers_own_tools(address: str, tmp_path: Path) -> None:
    with (
        closing(Store(tmp_path / "store", StoreOptions(database=address))) as store,
        pytest.raises(StateError) as caught,
    ):
        back_up(store, tmp_path / "shop.tar")
    assert "pg_dump" in caught.value.remedy


def test_texts_of_any_length_and_kind(database: PostgresDatabase, encoder: FakeEncoder) -> None:
    catalog = Catalog(database)
    version = catalog.open_index_version(encoder.identity, active=True)
    rng = np.random.default_rng(1)
    story = "".join(map(chr, rng.integers(0x4E00, 0x9FFF, 100_000)))  # nothing in it repeats, so nothing compresses
    title, sku = story[:2000], "\ufdfa" * 256  # each of which is folded to 18 characters
    catalog.commit(version, [make_entry(encoder, sku, title, attributes={"story": story, "short": "a"})])
    assert catalog.item(sku).item.attributes["story"] == story
    with catalog.reading() as reader:
        assert list(reader.named(title, limit=9).values()) == ["title"]
        assert reader.facets.matching(parse_filters({"story": story})).tolist() == [1]
        assert reader.facets.matching(parse_filters({"story": story[:-1]})).tolist() == []
        (held,) = reader.facets.distinct_values("story", 9)
        assert len(held) == MAX_VALUE_CHARS
        assert reader.facets.matching(parse_filters({"story": held})).tolist() == [1]
    for odd in ("a\0b", "\0"):
        with pytest.raises(NotFoundError):
            catalog.item(odd)
    assert catalog.delete(["a\0b"]) == []


def test_images_thumbnails_and_fingerprints(address: str, tmp_path: Path) -> None:
    photo, large = make_image("blue", noise=1, size=(48, 48)), png(make_image("red", size=(300, 200)))
    with closing(Store(tmp_path / "one", StoreOptions(database=address))) as store:
        image_id, large_id = store.images.put_all([png(photo), large])
        assert store.images.put(png(photo)) == image_id
        assert Image.open(io.BytesIO(store.images.thumbnail(large_id, 100))).size == (128, 85)
        assert (store.fingerprints.fill(9), store.fingerprints.fill(9)) == (2, 0)
    with closing(Store(tmp_path / "two", StoreOptions(database=address))) as store:
        assert store.images.read(image_id) == png(photo)
        assert 0 < len(store.images.thumbnail(large_id, 100)) < len(large) * 10
        assert store.fingerprints.same_photo(photo) == [image_id]
        with pytest.raises(NotFoundError):
            store.images.read("0" * 32)


IMPORT = """
import sys, time
from pathlib import Path
from vitrina.search.store.store import Store, StoreOptions
with Store(Path(sys.argv[1]), StoreOptions(database=sys.argv[2])).importing():
    print("importing", flush=True)
    time.sleep(60)
"""


def test_one_imports_at_a_time_until_its_process_ends(address: str, tmp_path: Path) -> None:
    waited: list[bool] = []
    with (
        closing(Store(tmp_path / "one", StoreOptions(database=address))) as store,
        subprocess.Popen(
            [sys.executable, "-c", IMPORT, str(tmp_path / "two"), address], stdout=subprocess.PIPE, text=True
        ) as process,
    ):
        assert process.stdout is not None
        assert process.stdout.readline() == "importing\n"
        with closing(PostgresDatabase(address)) as database:
            lock = AdvisoryLock(database, IMPORT_LOCK)
            with pytest.raises(Timeout):
                lock.acquire(timeout=0)
            assert not lock.is_locked
        threading.Timer(0.3, process.kill).start()
        started = time.monotonic()
        with store.importing(lambda: waited.append(True)):
            assert 0.2 < time.monotonic() - started < 20
    assert waited == [True]


def test_a_lock_is_lost_with_its_connection(database: PostgresDatabase) -> None:
    one, two = AdvisoryLock(database, JOBS_LOCK), AdvisoryLock(database, JOBS_LOCK)
    one.acquire(timeout=0)
    assert one.is_locked
    with pytest.raises(Timeout):
        two.acquire(timeout=0)
    with database.read() as killer:
        others = "datname = current_database() AND pid <> pg_backend_pid()"
        killer.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"))
    assert not one.is_locked
    two.acquire(timeout=5)
    assert two.is_locked
    two.release()
    one.acquire(timeout=0)
    one.release()
    assert not one.is_locked


def test_the_same_catalog_is_searched_alike_in_both_databases(
    address: str, encoder: FakeEncoder, tmp_path: Path, store: Store
) -> None:
    entries = [
        make_entry(
            encoder,
            f"sku-{number}",
            f"{colour} {article} {number}",
            images=[make_image(colour, noise=number)],
            price_cents=number * 100,
            attributes={"colour": colour, "article": article},
        )
        for number, (colour, article) in enumerate(
            (colour, article) for colour in ("red", "blue", "black") for article in ("shirt", "mug", "lamp", "Ärmel")
        )
    ]
    queries = (
        Query(text="red shirt"),
        Query(text="lamp, not blue"),
        Query(text="ärmel", filters=parse_filters({"price_cents": {"gte": 400}})),
        Query(filters=parse_filters({"colour": {"not": "red"}})),
        Query(images=(make_image("blue", noise=5),)),
        Query(text="sku-7"),
    )
    answers = []
    with closing(Store(tmp_path / "server", StoreOptions(database=address))) as other, Fetcher():
        for each in (store, other):
            version = each.open_index_version(encoder.identity)
            each.catalog.commit(version, entries)
            each.catalog.delete(["sku-3"])
            open_replica(each, encoder)
            engine = SearchEngine.open(each, encoder)
            answers.append(
                [[(hit.stored.item.sku, hit.score) for hit in engine.search(query).hits] for query in queries]
            )
    assert answers[0] == answers[1]
    assert all(answers[0])
