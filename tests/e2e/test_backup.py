"""Backups while an import runs in another process: each restores to the state of one commit, and answers like it."""

from __future__ import annotations

import io
import json
import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from recipes.boutique import export
from tests.e2e.index_slowly import index_slowly
from tests.e2e.processes import PROCESSES
from tests.fakes import FakeEncoder
from vitrina.indexer.fetch import Fetcher
from vitrina.indexer.pipeline import Indexer
from vitrina.indexer.sources import open_source
from vitrina.search.engine import SearchEngine
from vitrina.search.store.backup import back_up
from vitrina.search.store.restore import restore
from vitrina.search.store.store import Store
from vitrina.search.types.item import StoredItem
from vitrina.search.types.query import Query

N_PRODUCTS = 88


def rows(store: Store) -> dict[str, StoredItem]:
    return {stored.item.sku: stored for stored in store.catalog.all_items()}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "POOL_FROM", N_PRODUCTS + 1)  # the images are small
        return export.write_folder(tmp_path_factory.mktemp("catalog") / "shop", N_PRODUCTS, size=32)


@pytest.fixture(scope="module")
def imported(catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    """A store into which all was imported, and backups made of it meanwhile, one after the other until all items were
    there, the first after the first commit."""
    folder = tmp_path_factory.mktemp("imported")
    receiver, sender = PROCESSES.Pipe(duplex=False)
    importing = PROCESSES.Process(target=index_slowly, args=(catalog, folder / "store", sender))
    importing.start()
    sender.close()
    receiver.recv()
    made: list[Path] = []
    with closing(Store.existing(folder / "store")) as store:
        while importing.is_alive():
            made.append(folder / f"{len(made)}.tar")
            if back_up(store, made[-1]).n_items == N_PRODUCTS:
                break
    importing.join()
    assert importing.exitcode == 0
    return folder / "store", made


def index_alone(catalog: Path, skus: set[str], folder: Path) -> Store:
    """A store of some of a catalog's items alone, never backed up, and without what the end of an import measures."""
    lines = catalog.read_text(encoding="utf-8").splitlines(keepends=True)
    part = catalog.with_name(f"{folder.name}.jsonl")
    part.write_text("".join(line for line in lines if json.loads(line)["sku"] in skus), encoding="utf-8")
    store = Store(folder)
    Indexer(store, FakeEncoder(), Fetcher()).run(open_source(str(part), {}))
    shutil.rmtree(folder / "calibrations", ignore_errors=True)
    return store


def test_backups_while_importing_restore_to_a_state_that_was(imported: tuple[Path, list[Path]], tmp_path: Path) -> None:
    store, made = imported
    assert len(made) >= 3
    counts = []
    with closing(Store.existing(store)) as final:
        expected = rows(final)
        for number, path in enumerate(made):
            header = restore(path, tmp_path / f"restored-{number}")
            with closing(Store.existing(tmp_path / f"restored-{number}")) as restored:
                got = rows(restored)
                assert header.n_items == len(got) == restored.catalog.count("items")
                counts.append(len(got))
                for sku, stored in got.items():
                    assert (stored.item, stored.image_ids) == (expected[sku].item, expected[sku].image_ids)
                    assert all(restored.images.read(image) == final.images.read(image) for image in stored.image_ids)
    assert counts == sorted(counts)
    assert len(set(counts)) >= 3
    assert any(0 < count < N_PRODUCTS for count in counts)


def test_a_restored_store_answers_like_one_that_was_never_backed_up(
    catalog: Path, imported: tuple[Path, list[Path]], tmp_path: Path
) -> None:
    _, made = imported
    header = restore(made[0], tmp_path / "restored")
    assert 0 < header.n_items < N_PRODUCTS
    with closing(Store.existing(tmp_path / "restored")) as restored:
        expected = rows(restored)
        with closing(index_alone(catalog, set(expected), tmp_path / "alone")) as alone:
            assert {sku: each.item for sku, each in rows(alone).items()} == {
                sku: each.item for sku, each in expected.items()
            }
            engines = [SearchEngine.open(store, FakeEncoder()) for store in (restored, alone)]
            for sku, stored in expected.items():
                photo = Image.open(io.BytesIO(alone.images.read(stored.image_ids[0]))).convert("RGB")
                for query in (Query(text=stored.item.title), Query(text=sku), Query(images=(photo,))):
                    got, wanted = (answer(engine, query) for engine in engines)
                    assert next(iter(got)) == next(iter(wanted)) == sku
                    assert got == pytest.approx(wanted, rel=1e-4)


def answer(engine: SearchEngine, query: Query) -> dict[str, float]:
    """The scores of all items, by sku."""
    everything = replace(query, limit=N_PRODUCTS, collapse=False)
    return {hit.stored.item.sku: hit.score for hit in engine.search(everything).hits}
