"""``vitrina index``, and the features that it precomputes for the reranker."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from tests.api.conftest import N_PRODUCTS, Vitrina, run_vitrina
from tests.fakes import FakeEncoder
from tests.search.reranking.backends.transformers import tiny


def test_it_prints_what_it_did_and_a_second_run_changes_nothing(vitrina: Vitrina, shop: Path, tmp_path: Path) -> None:
    _, planned, _ = vitrina("index", str(shop), "--dry-run")
    assert f"{N_PRODUCTS} would be added" in planned
    assert vitrina("status")[1].count(" 0") >= 3
    _, first, _ = vitrina("index", str(shop))
    _, again, _ = vitrina("index", str(shop))
    assert f"{N_PRODUCTS} added" in first
    assert f"{N_PRODUCTS} unchanged" in again
    _, status, _ = vitrina("status")
    assert "colour" in status
    assert "fake" in status


def test_columns_are_mapped_and_dead_letters_written(vitrina: Vitrina, tmp_path: Path) -> None:
    catalog = tmp_path / "odd.csv"
    catalog.write_text("nr;bezeichnung\n1;Becher\n;Kanne\n1;Becher\n", encoding="utf-8")
    assert vitrina("index", str(catalog), "--map", "sku=nope")[0] == 2
    status, printed, _ = vitrina("index", str(catalog), "--map", "sku=nr", "--map", "title=bezeichnung")
    assert status == 0
    assert "1 added, 2 rejected" in printed
    letters = Path(printed.split("one line each: ")[1].splitlines()[0])
    reasons = [json.loads(line) for line in letters.read_text(encoding="utf-8").splitlines()]
    assert [letter["origin"] for letter in reasons] == ["odd.csv:3", "odd.csv:4"]
    assert all(letter["reason"] and letter["remedy"] for letter in reasons)
    assert vitrina("search", "Becher")[0] == 0


def test_what_is_gone_from_the_source_is_deleted_only_if_that_is_wanted(vitrina: Vitrina, tmp_path: Path) -> None:
    catalog = tmp_path / "shop.csv"

    def index(skus: str, *options: str) -> str:
        catalog.write_text("sku,title\n" + "".join(f"{sku},Mug {sku}\n" for sku in skus), encoding="utf-8")
        _, printed, noted = vitrina("index", str(catalog), *options)
        return printed + noted

    index("ABCDEFGHIJ")
    assert "1 item is no longer in shop.csv. To delete what is gone: vitrina index --sync" in index("ABCDEFGHI")
    assert "1 item is no longer in shop.csv and would be deleted" in index("ABCDEFGHI", "--sync", "--dry-run")
    assert "1 items that are no longer in shop.csv were deleted" in index("ABCDEFGHI", "--prune")
    assert "6 items are no longer in shop.csv, of 9: none was deleted. If that is right, add --yes" in index(
        "ABC", "--sync"
    )
    assert "9 items in" in index("ABC")
    assert "3 items in" in index("ABC", "--sync", "--yes")


def test_imports_into_one_store_take_turns(vitrina: Vitrina, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = tmp_path / "shop.csv"
    catalog.write_text("sku,title\nA,Mug\n", encoding="utf-8")
    (tmp_path / "store").mkdir()
    held = FileLock(tmp_path / "store" / "import.lock", is_singleton=False)
    held.acquire()
    noted: list[str] = []

    def note(text: str) -> None:
        noted.append(text)
        held.release()

    monkeypatch.setattr("vitrina.api.cli.index.print_note", note)
    _, printed, _ = vitrina("index", str(catalog))
    assert noted == ["Another import into this store is under way; waiting for it to finish."]
    assert "1 added" in printed


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save("fast-vlm", tmp_path_factory.mktemp("vlm"))


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shop: Path) -> Vitrina:
    """Runs ``vitrina index`` over the boutique with a reranker; returns its exit status, standard output and standard
    error."""
    monkeypatch.setattr("vitrina.api.settings.load_encoder", lambda *_, **__: FakeEncoder())
    monkeypatch.setenv("VITRINA_STORE", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")

    def run(reranker: object, *options: str) -> tuple[int, str, str]:
        monkeypatch.setenv("VITRINA_RERANKER", str(reranker))
        return run_vitrina("index", str(shop), *options)

    return run


def test_features_are_precomputed_once(index: Vitrina, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status, printed, _ = index(folder)
    assert status == 0
    assert f"Features of {N_PRODUCTS} images precomputed for the reranker in " in printed
    assert " per second" in printed
    monkeypatch.setattr("vitrina.api.rerankers.open_reranker", lambda *_: pytest.fail("It was opened."))
    status, printed, _ = index(folder)
    assert status == 0
    assert "for the reranker" not in printed


@pytest.mark.parametrize("reranker", ["off", "http://127.0.0.1:9/v1", "anthropic", "some/model-on-the-hub"])
def test_nothing_is_precomputed_for_a_reranker_outside_this_process(
    index: Vitrina, reranker: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("vitrina.api.rerankers.open_reranker", lambda *_: pytest.fail("It was opened."))
    status, printed, complaint = index(reranker)
    assert status == 0
    assert "for the reranker" not in printed + complaint
    assert not (tmp_path / "home" / "features").exists()


def test_a_dry_run_precomputes_nothing(index: Vitrina, folder: Path, tmp_path: Path) -> None:
    status, printed, _ = index(folder, "--dry-run")
    assert status == 0
    assert "for the reranker" not in printed
    assert not (tmp_path / "home" / "features").exists()


def test_large_models_are_not_opened(index: Vitrina, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vitrina.api.rerankers.MAX_SMALL_BYTES", 1000)
    monkeypatch.setattr("vitrina.api.rerankers.open_reranker", lambda *_: pytest.fail("It was opened."))
    assert index(folder)[0] == 0


def damaged_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"nothing of the kind")


def no_configuration(folder: Path) -> None:
    (folder / "config.json").unlink()


def code_of_its_own(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    changed = config | {"model_type": "foreign", "auto_map": {"AutoModelForCausalLM": "modeling.Model"}}
    (folder / "config.json").write_text(json.dumps(changed))


@pytest.mark.parametrize("harm", [damaged_weights, no_configuration, code_of_its_own])
def test_a_reranker_that_fails_does_not_stop_indexing(
    index: Vitrina, folder: Path, harm: Callable[[Path], None], tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    harm(copy)
    status, printed, complaint = index(copy)
    assert status == 0
    assert f"{N_PRODUCTS} items in " in printed
    assert "No features were precomputed for the reranker" in complaint


def test_a_damaged_feature_cache_does_not_stop_indexing(index: Vitrina, folder: Path, tmp_path: Path) -> None:
    index(folder)
    (file,) = (tmp_path / "home" / "features").glob("*.db")
    file.write_bytes(b"no database at all" * 1000)
    status, printed, complaint = index(folder)
    assert status == 0
    assert f"{N_PRODUCTS} items in " in printed
    assert "delete it" in complaint.lower()
