"""``vitrina index`` shows the reranker what it indexed, and fails for nothing of the reranker's."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.api.conftest import N_PRODUCTS, run_vitrina
from tests.fakes import FakeEncoder
from tests.search.reranking.backends.transformers import tiny

Index = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save("fast-vlm", tmp_path_factory.mktemp("vlm"))


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shop: Path) -> Index:
    """Runs ``vitrina index`` over the boutique with a reranker; returns its exit status, standard output and standard
    error."""
    monkeypatch.setattr("vitrina.api.settings.load_encoder", lambda *_, **__: FakeEncoder())
    monkeypatch.setenv("VITRINA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")

    def run(reranker: object, *options: str) -> tuple[int, str, str]:
        monkeypatch.setenv("VITRINA_RERANKER", str(reranker))
        return run_vitrina("index", str(shop), *options)

    return run


def test_images_are_prepared_once(index: Index, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status, printed, _ = index(folder)
    assert status == 0
    assert f"Features of {N_PRODUCTS} images precomputed for the reranker in " in printed
    assert " per second" in printed
    monkeypatch.setattr("vitrina.api.rerankers.open_reranker", lambda *_: pytest.fail("It was opened."))
    status, printed, _ = index(folder)
    assert status == 0
    assert "for the reranker" not in printed


@pytest.mark.parametrize("reranker", ["off", "http://127.0.0.1:9/v1", "anthropic", "some/model-on-the-hub"])
def test_nothing_is_prepared_for_what_keeps_nothing(
    index: Index, reranker: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("vitrina.api.rerankers.open_reranker", lambda *_: pytest.fail("It was opened."))
    status, printed, complaint = index(reranker)
    assert status == 0
    assert "for the reranker" not in printed + complaint
    assert not (tmp_path / "home" / "features").exists()


def test_a_dry_run_prepares_nothing(index: Index, folder: Path, tmp_path: Path) -> None:
    status, printed, _ = index(folder, "--dry-run")
    assert status == 0
    assert "for the reranker" not in printed
    assert not (tmp_path / "home" / "features").exists()


def test_large_models_are_not_opened(index: Index, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_a_reranker_that_fails_costs_the_indexing_nothing(
    index: Index, folder: Path, harm: Callable[[Path], None], tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    harm(copy)
    status, printed, complaint = index(copy)
    assert status == 0
    assert f"{N_PRODUCTS} items in " in printed
    assert "No features were precomputed for the reranker" in complaint


def test_a_damaged_store_costs_the_indexing_nothing(index: Index, folder: Path, tmp_path: Path) -> None:
    index(folder)
    (file,) = (tmp_path / "home" / "features").glob("*.db")
    file.write_bytes(b"no database at all" * 1000)
    status, printed, complaint = index(folder)
    assert status == 0
    assert f"{N_PRODUCTS} items in " in printed
    assert "delete it" in complaint.lower()
