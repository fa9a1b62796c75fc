"""``vitrina train encoder``, from its arguments to a search with the new encoder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.api.conftest import Vitrina, run_vitrina
from tests.search.encoders.conftest import write_tiny_encoder
from tests.tuning.conftest import put_products
from vitrina.search.store.store import Store

N_PRODUCTS = 120


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = Store(tmp_path_factory.mktemp("indexed") / "home")
    put_products(store, N_PRODUCTS)
    store.close()
    return store.folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoders") / "tiny"
    write_tiny_encoder(folder)
    return folder


@pytest.fixture
def vitrina(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Vitrina:
    """Runs the command on the catalog in ``store``; returns its exit status, standard output and standard error."""
    monkeypatch.setenv("VITRINA_STORE", str(tmp_path / "home"))
    monkeypatch.setenv("VITRINA_DEVICE", "cpu")
    monkeypatch.setenv("COLUMNS", "200")

    return run_vitrina


def test_a_tuned_encoder_answers_searches(
    vitrina: Vitrina, indexed: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(indexed, tmp_path / "home")
    for name in ("N_TEXTS", "N_PHOTOS", "N_OUT_OF_CATALOG"):  # a calibration would take longer than training
        monkeypatch.setattr(f"vitrina.tuning.encoder.calibration.{name}", 10)
    out = tmp_path / "tuned"
    asked = ("--caption", "{colour}", "--caption", "{colour} {article}", "--epochs", "6", "--held-out", "0.2")
    status, printed, said = vitrina("train", "encoder", "--out", str(out), "--from", str(tiny), *asked)
    assert status == 0, said
    assert "mean over templates" in printed
    assert "Before training: nDCG@10" in said
    assert "Epoch 1: loss" in said
    assert (out / "README.md").is_file()
    again, _, refused = vitrina("train", "encoder", "--out", str(out), "--from", str(tiny), *asked)
    assert again == 2
    assert "is there already" in refused
    assert vitrina("encoder", "use", str(out))[0] == 0
    status, found, _ = vitrina("search", "navy blue dress")
    assert status == 0
    assert "VB00-" in found


def test_a_run_without_gain_exits_with_1(vitrina: Vitrina, indexed: Path, tiny: Path, tmp_path: Path) -> None:
    shutil.copytree(indexed, tmp_path / "home")
    out = tmp_path / "tuned"
    asked = (
        "--caption",
        "{title}",
        "--epochs",
        "2",
        "--learning-rate",
        "1e-30",
        "--patience",
        "1",
        "--held-out",
        "0.2",
    )
    status, _, said = vitrina("train", "encoder", "--out", str(out), "--from", str(tiny), "--freeze", "image", *asked)
    assert status == 1, said
    assert "No epoch improved on the encoder as it was" in said
    assert not out.exists()
    assert (tmp_path / "tuned.work" / "loss.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--caption", "{color} shirt"), ("No item has a field 'color'", "colour")),
        (("--caption", "{colour"), ("cannot be read",)),
        (("--held-out", "1.5"), ("cannot be held out",)),
        (("--held-out", "0.01"), ("are too few", "--held-out")),
    ],
)
def test_bad_options_are_refused_before_a_model_is_loaded(
    arguments: tuple[str, ...], said: tuple[str, ...], vitrina: Vitrina, indexed: Path, tmp_path: Path
) -> None:
    shutil.copytree(indexed, tmp_path / "home")
    status, _, printed = vitrina("train", "encoder", "--out", str(tmp_path / "out"), "--from", "no-such", *arguments)
    assert status == 2
    assert all(each in printed for each in said)


def test_an_empty_store_says_how_to_start(vitrina: Vitrina, tmp_path: Path) -> None:
    status, _, printed = vitrina("train", "encoder", "--out", str(tmp_path / "out"))
    assert status == 2
    assert "vitrina index" in printed
