"""``vitrina reranker export``: what it prints, and what it refuses."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.api.conftest import run_vitrina
from tests.search.reranking.backends.transformers import tiny
from vitrina.api.cli import encoder_export
from vitrina.search.reranking.backends.onnx.exports import EXPORT_FILE, is_exported
from vitrina.search.types.errors import RerankerError
from vitrina.tuning.export.reranker import export_reranker


def test_it_prints_both_speeds_and_the_agreement(
    exported_vlm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []
    monkeypatch.setattr("vitrina.tuning.export.reranker.export_reranker", made.append)
    monkeypatch.setattr(encoder_export, "N_DEMO_SAMPLE", 8)
    monkeypatch.setenv("COLUMNS", "200")
    status, printed, _ = run_vitrina("reranker", "export", str(exported_vlm), "--store", str(tmp_path / "none"))
    assert status == 0
    assert made == [exported_vlm]
    assert "8 images, 3 statements, new" in printed
    assert "of 8 explanations are the same" in printed  # at the length limit xgrammar fits a shorter token
    assert not (tmp_path / "none").exists()


def test_an_export_is_of_the_folder_s_weights_alone(exported_vlm: Path) -> None:
    assert is_exported(exported_vlm)
    weights = (exported_vlm / "model.safetensors").stat().st_size
    graphs = sum(path.stat().st_size for path in (exported_vlm / EXPORT_FILE).parent.glob("*.onnx"))
    assert graphs < 2 * weights + 400_000


def test_a_name_without_a_folder_is_refused() -> None:
    status, _, complaint = run_vitrina("reranker", "export", "shop/model")
    assert status == 1
    assert "is not a folder" in complaint


@pytest.mark.parametrize("kind", ["llava", "qwen2-vl"])
def test_models_of_other_kinds_are_refused(kind: str, tmp_path: Path) -> None:
    with pytest.raises(RerankerError) as raised:
        export_reranker(tiny.save(kind, tmp_path))
    assert "PyTorch" in raised.value.remedy
    assert not is_exported(tmp_path / kind)


def test_a_template_that_is_rendered_otherwise_is_refused(exported_vlm: Path, tmp_path: Path) -> None:
    """As one that asks for what transformers alone has."""
    folder = shutil.copytree(exported_vlm, tmp_path / "model")
    template = folder / "chat_template.jinja"
    template.write_text("{{ strftime_now('%Y') }}" + template.read_text())
    with pytest.raises(RerankerError, match="strftime_now"):
        export_reranker(folder)
