"""``vitrina encoder export``, around an export that was made before."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.api.conftest import run_vitrina
from tests.fakes import FakeEncoder
from vitrina.api.cli import encoder_export
from vitrina.api.settings import Settings
from vitrina.indexer.fetch import Fetcher
from vitrina.indexer.pipeline import Indexer
from vitrina.indexer.sources import open_source
from vitrina.search.store.store import Store
from vitrina.search.types.errors import SourceError
from vitrina.tuning.export.encoder import Pace


def test_it_prints_both_speeds_and_the_agreement(
    exported_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(exported_folder, tmp_path / "encoder")
    made: list[Path] = []
    monkeypatch.setattr("vitrina.tuning.export.encoder.export_encoder", made.append)
    monkeypatch.setattr(encoder_export, "N_DEMO_SAMPLE", 20)
    monkeypatch.setenv("COLUMNS", "200")
    paces = [Pace(10.0, 10.0, 1.0), Pace(20.0, 20.0, 1.0)]
    monkeypatch.setattr("vitrina.tuning.export.encoder.measure_paces", lambda *_: paces)
    status, printed, _ = run_vitrina("encoder", "export", str(folder), "--store", str(tmp_path / "none"))
    assert status == 0
    assert made == [folder]
    assert "images/s" in printed
    assert "1.00000" in printed
    assert "20 images and titles of the demo's boutique" in printed
    assert "VITRINA_RUNTIME=torch" not in printed
    assert not (tmp_path / "none").exists()
    paces.reverse()
    _, printed, _ = run_vitrina("encoder", "export", str(folder), "--store", str(tmp_path / "none"))
    assert "PyTorch embeds images faster on this machine; VITRINA_RUNTIME=torch keeps to it." in printed


def test_the_indexed_catalog_is_the_sample(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "home")
    Indexer(store, FakeEncoder(), Fetcher()).run(open_source(str(shop), {}))
    titles = {item.item.title for item in store.catalog.all_items()}
    store.close()
    monkeypatch.setattr(encoder_export, "N_SAMPLE", 7)
    sample = encoder_export.sample_for(Settings(store=tmp_path / "home"))
    assert len(sample.images) == len(sample.texts) == 7
    assert set(sample.texts) <= titles


def test_calibration_images_come_from_any_source(shop: Path, tmp_path: Path) -> None:
    assert len(encoder_export.images_of(str(shop))) == 40
    (tmp_path / "words.csv").write_text("sku,title\nA,red mug\n")
    with pytest.raises(SourceError, match="no image"):
        encoder_export.images_of(str(tmp_path / "words.csv"))


def test_a_model_without_a_folder_is_refused() -> None:
    status, _, complaint = run_vitrina("encoder", "export", "ViT-B-32/openai")
    assert status == 1
    assert "is not a folder" in complaint
