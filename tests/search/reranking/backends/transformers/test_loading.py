from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.search.reranking.backends.transformers.candidates import STATEMENTS, three_candidates
from tests.search.reranking.backends.transformers.conftest import FolderOf, Opened
from vitrina.search.reranking.backends import RerankerOptions
from vitrina.search.reranking.backends.model_folders import MAX_PIXELS
from vitrina.search.reranking.backends.transformers import loading
from vitrina.search.reranking.backends.transformers.loading import load_reranker
from vitrina.search.reranking.base import Deadline
from vitrina.search.types.errors import RerankerError


def _changed(folder: Path, tmp_path: Path, **changes: Any) -> Path:
    """A copy of a model with another configuration."""
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | changes))
    return copy


@pytest.mark.parametrize("name", ["/no/such/folder", "local-dir:nowhere", "./nowhere"])
def test_a_folder_that_is_not_there_is_an_error(name: str) -> None:
    with pytest.raises(RerankerError, match="There is no folder"):
        load_reranker(name)


def test_a_folder_without_a_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RerankerError, match=r"holds no config\.json"):
        load_reranker(str(tmp_path))


def test_a_hub_that_cannot_be_reached_is_an_error_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(RerankerError, match="cannot be downloaded from the Hugging Face hub") as caught:
        load_reranker("vitrina-shop/no-such-model")
    assert "give its folder" in caught.value.remedy


def test_a_name_on_the_hub_opens_what_was_downloaded(folder_of: FolderOf, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def download(name: str, allow_patterns: list[str]) -> str:
        asked.append((name, "*.py" in allow_patterns))
        return str(folder_of("llava"))

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    reranker = load_reranker("hf-hub:llava-hf/tiny", device="cpu")
    assert asked == [("llava-hf/tiny", False)]
    assert reranker.identity.name == "hf-hub:llava-hf/tiny"


def test_a_model_that_brings_code_is_refused(folder_of: FolderOf, tmp_path: Path) -> None:
    folder = _changed(
        folder_of("llava"), tmp_path, model_type="molmo", auto_map={"AutoModelForCausalLM": "modeling_molmo.Molmo"}
    )
    with pytest.raises(RerankerError, match="needs its own code") as caught:
        load_reranker(str(folder))
    assert "VITRINA_RERANKER_TRUST_REMOTE_CODE=true if you trust them" in caught.value.remedy


def test_a_model_that_brings_code_is_passed_on_where_that_is_allowed(folder_of: FolderOf, tmp_path: Path) -> None:
    auto_map = {"AutoConfig": "configuration_foreign.Foreign", "AutoModelForImageTextToText": "modeling_foreign.Model"}
    folder = _changed(folder_of("llava"), tmp_path, model_type="foreign", auto_map=auto_map)
    (folder / "configuration_foreign.py").write_text("raise RuntimeError('the code ran')")
    with pytest.raises(RerankerError, match="the code ran"):
        load_reranker(str(folder), allow_remote_code=True)


def test_code_beside_a_native_model_is_not_run(folder_of: FolderOf, tmp_path: Path) -> None:
    folder = _changed(folder_of("llava"), tmp_path, auto_map={"AutoModelForImageTextToText": "modeling_old.Model"})
    (folder / "modeling_old.py").write_text("raise RuntimeError('the code ran')")
    assert load_reranker(str(folder), device="cpu").capabilities.writes


def test_a_model_of_words_alone_is_refused(folder_of: FolderOf, tmp_path: Path) -> None:
    with pytest.raises(RerankerError, match="does not know as a model of images and text"):
        load_reranker(str(_changed(folder_of("llava"), tmp_path, model_type="bert")))


def test_missing_weights_are_noticed(folder_of: FolderOf, tmp_path: Path) -> None:
    folder = _changed(folder_of("llava"), tmp_path)
    weights = load_file(folder / "model.safetensors")
    del weights[next(name for name in weights if "q_proj" in name)]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(RerankerError, match="lacks 1 of its weights"):
        load_reranker(str(folder))


def test_damaged_weights_are_an_error(folder_of: FolderOf, tmp_path: Path) -> None:
    folder = _changed(folder_of("llava"), tmp_path)
    (folder / "model.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(RerankerError, match="could not be loaded"):
        load_reranker(str(folder))


@pytest.mark.parametrize("device", ["tpu", "cuda:0"])
def test_a_device_that_is_not_there_is_an_error(
    device: str, folder_of: FolderOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(RerankerError, match=device):
        load_reranker(str(folder_of("llava")), device=device)


def test_the_fingerprint_follows_weights_templates_prompts_and_limits(
    folder_of: FolderOf, tmp_path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = opened("llava").identity.fingerprint
    assert re.fullmatch("[0-9a-f]{64}", original)
    copy = _changed(folder_of("llava"), tmp_path)
    (copy / "README.md").write_text("A model card may change.")

    def fingerprint(max_pixels: int = MAX_PIXELS) -> str:
        return load_reranker(str(copy), device="cpu", max_pixels=max_pixels).identity.fingerprint

    (copy / "config.json").write_bytes((folder_of("llava") / "config.json").read_bytes())
    assert fingerprint() == original
    assert fingerprint(max_pixels=10_000) != original
    template = copy / "chat_template.jinja"
    template.write_text(f"{template.read_text()} ")
    changed = fingerprint()
    assert changed != original
    monkeypatch.setattr("vitrina.search.reranking.prompts.INSTRUCTIONS", "Judge.")
    assert fingerprint() not in (original, changed)


def test_a_copy_under_the_prefix_judges_the_same(folder_of: FolderOf, opened: Opened) -> None:
    again = load_reranker(f"local-dir:{folder_of('llava')}", device="cpu")
    candidates, deadline = three_candidates(), Deadline.within(60)
    first, second = (model.judge(candidates, STATEMENTS, deadline) for model in (opened("llava"), again))
    assert (first == second).all()


def test_naming_the_backend_costs_no_import_of_transformers() -> None:
    code = (
        "import sys, search.reranking.backends.transformers.loading; "
        "print([name for name in ('torch', 'transformers', 'xgrammar') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=100)
    assert done.stdout.strip() == "[]"


def test_a_missing_package_is_named_with_the_extra_that_brings_it(
    folder_of: FolderOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of("smolvlm")
    monkeypatch.setattr("transformers.models.smolvlm.processing_smolvlm.num2words", None)
    with pytest.raises(RerankerError, match="num2words") as caught:
        load_reranker(str(folder), device="cpu")
    assert "vitrina[rerank]" in caught.value.remedy


@pytest.mark.parametrize(("n_small", "kind"), [(0, torch.bfloat16), (10**9, torch.float32)])
def test_large_models_are_rounded_where_the_cpu_computes_in_bfloat16(
    folder_of: FolderOf, monkeypatch: pytest.MonkeyPatch, n_small: int, kind: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True})
    monkeypatch.setattr(loading, "SMALL_WEIGHTS", n_small)
    name, until = str(folder_of("llava")), Deadline.within(60)
    with loading.open_model(name, RerankerOptions(device="cpu")) as usual, load_reranker(name, device="cpu") as exact:
        assert next(usual.prompted_model.model.parameters()).dtype is kind
        assert next(exact.prompted_model.model.parameters()).dtype is torch.float32
        rounded, whole = (each.judge(three_candidates(), STATEMENTS, until) for each in (usual, exact))
    np.testing.assert_allclose(rounded, whole, atol=0.05)
