"""Whole runs on a small rendered boutique, with a model of every class."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch

from tests.tuning.conftest import loaded
from vitrina.search.encoders.base import EMBEDDED_FOLDER
from vitrina.search.encoders.registry import load_encoder
from vitrina.search.store.store import Store
from vitrina.search.types.errors import InputError, MissingDependencyError, StateError
from vitrina.tuning import Loss, TunedTower
from vitrina.tuning.encoder.corpus import EncoderPlan, read_corpus
from vitrina.tuning.encoder.run import EncoderTuning, check
from vitrina.tuning.encoder.validation import EncoderScore
from vitrina.tuning.loop import TrainingProgress
from vitrina.tuning.run_directory import History, RunDirectory

WriteTiny = Callable[[str], Path]

SHORT = EncoderPlan(n_epochs=1, batch_size=16, held_out=0.2, captions=("colour", "{colour} {article}"), licence="CC0")
LONG = EncoderPlan(n_epochs=4, batch_size=16, patience=4, held_out=0.2, captions=("colour",), learning_rate=2e-4)


@pytest.fixture(autouse=True)
def few_calibration_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    """A calibration, which every run ends with, would take longer than its training."""
    calibrate_with(30, monkeypatch)


def calibrate_with(n_queries: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("N_TEXTS", "N_PHOTOS", "N_OUT_OF_CATALOG"):
        monkeypatch.setattr(f"vitrina.tuning.encoder.calibration.{name}", n_queries)


@dataclass
class Notes:
    """A watcher that remembers."""

    n_steps: int = 0
    scores: list[float] = field(default_factory=list)
    cut_after: int | None = None

    def on_start(self, tuning: EncoderTuning) -> None:
        assert tuning.n_trained > 0

    def on_step(self, progress: TrainingProgress) -> None:
        if progress.epoch == self.cut_after:
            raise CutError
        self.n_steps += 1

    def on_epoch(self, history: History[EncoderScore]) -> None:
        self.scores.append(history.scores[-1].ndcg)


class CutError(Exception):
    pass


def prepared(shop: Store, folder: Path, plan: EncoderPlan, work: Path, *, resume: bool = False) -> EncoderTuning:
    return EncoderTuning(read_corpus(shop, plan), loaded(folder), f"local-dir:{folder}", plan, work, resume=resume)


@pytest.mark.slow
@pytest.mark.timeout(300)  # it trains: a minute on two free cores, five beside other work
def test_the_embedded_encoder_learns_a_shops_own_words(shop: Store, tmp_path: Path) -> None:
    tuning = prepared(shop, EMBEDDED_FOLDER, LONG, tmp_path / "work")
    history = tuning.tune(Notes())
    after = tuning.write(tmp_path / "out")
    assert history.best is not None
    assert after.ndcg == pytest.approx(history.scores[history.best].ndcg, abs=0.02)
    assert after.ndcg > history.start.ndcg + 0.25
    assert np.mean(history.losses[-1]) < np.mean(history.losses[0])


@pytest.mark.parametrize(
    ("kind", "plan"),
    [
        pytest.param("timm", SHORT, marks=pytest.mark.slow),
        pytest.param("timm", replace(SHORT, lora_rank=4), marks=pytest.mark.slow),
        ("clip", replace(SHORT, freeze=TunedTower.TEXT)),
        pytest.param("clip", replace(SHORT, lora_rank=2, loss=Loss.SIGLIP), marks=pytest.mark.slow),
        pytest.param("siglip", SHORT, marks=pytest.mark.slow),
        ("siglip", replace(SHORT, freeze=TunedTower.IMAGE, lora_rank=2, loss=Loss.CLIP)),
    ],
)
def test_every_class_of_model_ends_in_a_folder_that_loads_everywhere(
    kind: str,
    plan: EncoderPlan,
    corner_shop: Store,
    write_tiny: WriteTiny,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calibrate_with(5, monkeypatch)
    folder = write_tiny(kind)
    tuning = prepared(corner_shop, folder, plan, tmp_path / "work")
    assert plan.loss_of(tuning.base.model) is (plan.loss or (Loss.SIGLIP if kind == "siglip" else Loss.CLIP))
    as_if_won(tuning, tuning.tune(Notes()))
    out = tmp_path / "out"
    tuning.write(out)
    model, _, _ = open_clip.create_model_and_transforms(f"local-dir:{out}")
    assert set(model.state_dict()) == set(loaded(folder).model.state_dict())
    tokens = open_clip.get_tokenizer(f"local-dir:{out}")(["navy blue dress"])
    by_open_clip = model.eval().encode_text(tokens, normalize=True).detach().numpy()
    by_us = load_encoder(f"local-dir:{out}").encode_texts(["navy blue dress"])
    np.testing.assert_allclose(by_us, by_open_clip, atol=1e-4)
    assert moved(model, loaded(folder).model) == {"image", "text"} - {str(plan.freeze)}
    assert not (tmp_path / "work").exists()


def as_if_won(tuning: EncoderTuning, history: History[EncoderScore]) -> None:
    """Let the last epoch count as the best, whatever it reached: the folder is what matters here."""
    history.start = replace(history.start, ndcg=-1.0)
    torch.save(tuning.base.model.state_dict(), tuning.work.best)


def moved(model: torch.nn.Module, before: torch.nn.Module) -> set[str]:
    """The towers whose weights changed by more than their rounding."""
    old = before.state_dict()
    return {
        "image" if name.startswith("visual") else "text"
        for name, tensor in model.state_dict().items()
        if "logit" not in name and tensor.is_floating_point() and not torch.allclose(tensor, old[name], atol=2e-4)
    }


def test_the_folder_says_what_it_is(corner_shop: Store, write_tiny: WriteTiny, tmp_path: Path) -> None:
    tuning = prepared(corner_shop, write_tiny("timm"), SHORT, tmp_path / "work")
    as_if_won(tuning, tuning.tune(Notes()))
    tuning.write(tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    kept, held_out = len(tuning.corpus.rows.kept), len(tuning.corpus.rows.held_out)
    for said in (f"{kept:,} rows", f"{held_out:,} more", "CC0", "`{colour} {article}`", "Limits", "before"):
        assert said in card
    facts = json.loads((tmp_path / "out" / "vitrina.json").read_text())
    assert facts["rows"] == {"trained": kept, "held_out": held_out}
    assert set(facts["calibration"]["curves"]) <= {"text", "image", "text and image"}
    assert "text" in facts["calibration"]["curves"]
    assert (tmp_path / "out" / "training.png").read_bytes().startswith(b"\x89PNG")


def test_a_run_that_was_cut_off_goes_on_to_the_same_weights(
    corner_shop: Store, write_tiny: WriteTiny, tmp_path: Path
) -> None:
    folder, plan = write_tiny("timm"), replace(SHORT, n_epochs=2, patience=2)
    whole = prepared(corner_shop, folder, plan, tmp_path / "whole")
    whole.tune(Notes())
    with pytest.raises(CutError):
        prepared(corner_shop, folder, plan, tmp_path / "cut").tune(Notes(cut_after=1))
    with pytest.raises(StateError, match="unfinished"):
        prepared(corner_shop, folder, plan, tmp_path / "cut")
    with pytest.raises(InputError, match="another seed"):
        prepared(corner_shop, folder, replace(plan, seed=3), tmp_path / "cut", resume=True)
    resumed, notes = prepared(corner_shop, folder, plan, tmp_path / "cut", resume=True), Notes()
    resumed.tune(notes)
    assert len(notes.scores) == 1
    np.testing.assert_allclose(resumed.history.losses, whole.history.losses, atol=1e-3)
    for one, other in zip(whole.base.model.parameters(), resumed.base.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-3)


def test_tuning_that_wins_nothing_stops_early_and_writes_nothing(
    corner_shop: Store, write_tiny: WriteTiny, tmp_path: Path
) -> None:
    plan = replace(SHORT, n_epochs=5, patience=1, learning_rate=1e-9)
    tuning, notes = prepared(corner_shop, write_tiny("timm"), plan, tmp_path / "work"), Notes()
    tuning.history.start = replace(tuning.history.start, ndcg=1.0)
    assert tuning.tune(notes).best is None
    assert not RunDirectory(tuning.work.folder, {}, resume=True).is_resumed
    assert len(notes.scores) == 1
    with pytest.raises(StateError, match="No epoch beat"):
        tuning.write(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there already"):
        check(SHORT, tmp_path)


@pytest.mark.parametrize(("package", "plan"), [("matplotlib.figure", SHORT), ("peft", replace(SHORT, lora_rank=2))])
def test_a_missing_package_is_named_with_the_extra_that_brings_it(
    package: str, plan: EncoderPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependencyError) as caught:
        check(plan, tmp_path / "out")
    assert "vitrina[train]" in caught.value.remedy
