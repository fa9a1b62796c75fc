"""Whole runs on a shop of red and blue things, with tiny models."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from recipes.reranker.model import RerankerArchitecture, create_processor, create_untrained, write_model
from recipes.reranker.template import train_vocabulary
from tests.search.reranking.backends.transformers import tiny
from tests.tuning.reranker.conftest import patch
from vitrina.evaluation.judgements import JudgedQuery
from vitrina.search.engine import SearchEngine
from vitrina.search.reranking.backends.transformers.loading import load_reranker
from vitrina.search.reranking.base import Deadline, RerankCandidate
from vitrina.search.store.store import Store
from vitrina.search.types.errors import InputError, RerankerError, StateError
from vitrina.tuning.loop import TrainingProgress
from vitrina.tuning.reranker.corpus import RerankerCorpus, read_corpus
from vitrina.tuning.reranker.plan import RerankerPlan, find_base, load_base
from vitrina.tuning.reranker.run import RerankerTuning, check
from vitrina.tuning.reranker.validation import RerankerScore
from vitrina.tuning.run_directory import History

SHORT = RerankerPlan(n_epochs=1, lora_rank=4, batch_size=64, learning_rate=5e-3, licence="CC0")
LONG = replace(SHORT, n_epochs=3, patience=3, lora_rank=16, batch_size=32)


@dataclass
class Notes:
    """A watcher that remembers."""

    scores: list[RerankerScore] = field(default_factory=list)
    cut_after: int | None = None

    def on_start(self, tuning: RerankerTuning) -> None:
        assert tuning.n_trained > 0

    def on_step(self, progress: TrainingProgress) -> None:
        if progress.epoch == self.cut_after:
            raise CutError

    def on_epoch(self, history: History[RerankerScore]) -> None:
        self.scores.append(history.scores[-1])


class CutError(Exception):
    pass


@pytest.fixture(scope="module")
def corpus(colour_shop: Store, engine: SearchEngine, judged: list[JudgedQuery]) -> RerankerCorpus:
    return read_corpus(colour_shop, engine, judged, SHORT, lambda _: None)


def prepared(
    corpus: RerankerCorpus, folder: Path, plan: RerankerPlan, work: Path, *, resume: bool = False
) -> RerankerTuning:
    return RerankerTuning(corpus, load_base(find_base(str(folder)), plan, "cpu"), plan, work, resume=resume)


def small(corpus: RerankerCorpus) -> RerankerCorpus:
    """Enough for a step or two."""
    return replace(corpus, kept=corpus.kept[:8], held_out=corpus.held_out[:3])


def test_a_model_learns_what_images_alone_can_tell(corpus: RerankerCorpus, folder: Path, tmp_path: Path) -> None:
    tuning = prepared(corpus, folder, LONG, tmp_path / "work")
    start = tuning.history.start
    history = tuning.tune(Notes())
    after = tuning.write(tmp_path / "out")
    assert start.balanced_accuracy < 0.7
    assert after.balanced_accuracy > 0.85
    assert after.auc > 0.9
    assert after.ndcg > tuning.validation.ndcg_of_search + 0.2
    assert np.mean(history.losses[-1]) < np.mean(history.losses[0])
    assert not (tmp_path / "work").exists()


def test_the_folder_answers_as_the_model_did_and_says_what_it_is(
    corpus: RerankerCorpus, folder: Path, tmp_path: Path
) -> None:
    tuning = prepared(small(corpus), folder, SHORT, tmp_path / "work")
    as_if_won(tuning, tuning.tune(Notes()))
    candidates, statements = (
        [RerankCandidate(colour, patch(colour, 0)) for colour in ("red", "blue")],
        ["red", "blue one"],
    )
    expected = tuning.base.reranker.judge(candidates, statements, Deadline.within(100))
    out = tmp_path / "shop-reranker"
    tuning.write(out)
    loaded = load_reranker(str(out), device="cpu")
    np.testing.assert_allclose(loaded.judge(candidates, statements, Deadline.within(100)), expected, atol=1e-4)
    before = load_reranker(str(folder), device="cpu").judge(candidates, statements, Deadline.within(100))
    assert np.abs(before - expected).max() > 1e-3
    plain = transformers.AutoModelForImageTextToText.from_pretrained(out)
    assert not any("lora" in name for name in plain.state_dict())
    facts = json.loads((out / "vitrina.json").read_text())
    assert facts["dialect"] == "plain"
    assert facts["licence"] == "CC0"
    card = (out / "README.md").read_text()
    for said in ("8 judged queries", "3 more", "CC0", "balanced accuracy", "Limits", tuning.base.reranker.identity.key):
        assert said in card
    assert (out / "training.png").read_bytes().startswith(b"\x89PNG")


def as_if_won(tuning: RerankerTuning, history: History[RerankerScore]) -> None:
    """Let the last epoch count as the best, whatever it reached: the folder is what matters here."""
    history.start = RerankerScore(-1.0, -1.0, -1.0)
    torch.save(tuning.adapters.state_dict(), tuning.work.best)


@pytest.mark.parametrize(
    ("family", "image_tower"),
    [
        ("qwen2.5-vl", True),
        pytest.param("qwen3-vl-reranker", False, marks=pytest.mark.slow),
        pytest.param("smolvlm", False, marks=pytest.mark.slow),
        # untrained, its gates keep the image out, and gradients with it
        pytest.param("llama-3.2-vision", False, marks=pytest.mark.slow),
        pytest.param("gemma-3", True, marks=pytest.mark.slow),
        pytest.param("ours", False, marks=pytest.mark.slow),
        ("ours", True),
    ],
)
def test_every_family_is_tuned_and_loads_again(
    family: str, image_tower: bool, corpus: RerankerCorpus, tmp_path: Path
) -> None:
    plan = replace(SHORT, image_tower=image_tower, batch_size=8, n_rows=3, listings=True)
    few = replace(corpus, kept=corpus.kept[:1], held_out=corpus.held_out[:1])
    folder = ours(tmp_path / "ours") if family == "ours" else tiny.save(family, tmp_path)
    tuning = prepared(few, folder, plan, tmp_path / "work")
    as_if_won(tuning, tuning.tune(Notes()))
    tower = [weight for name, weight in tuning.adapters.state_dict().items() if "vis" in name and "lora_B" in name]
    assert any(bool(weight.any()) for weight in tower) == image_tower
    reached = tuning.history.scores[-1]
    assert tuning.write(tmp_path / "tuned").value == pytest.approx(reached.value, abs=0.02)
    dialect = load_reranker(str(tmp_path / "tuned"), device="cpu").prompted_model.dialect
    assert dialect.name == tuning.base.reranker.prompted_model.dialect.name


def ours(folder: Path) -> Path:
    """The shape of the embedded model, made small and untrained."""
    architecture, tokenizer = (
        RerankerArchitecture(width=32, n_layers=2, n_heads=2, mlp_width=64),
        train_vocabulary([], 400),
    )
    torch.manual_seed(0)
    write_model(folder, create_untrained(architecture, tokenizer), create_processor(architecture, tokenizer))
    return folder


def test_a_batch_in_parts_is_a_batch_in_one(corpus: RerankerCorpus, folder: Path, tmp_path: Path) -> None:
    losses = []
    for n_rows in (64, 5):
        tuning = prepared(small(corpus), folder, replace(SHORT, n_rows=n_rows), tmp_path / f"{n_rows}")
        losses.append(tuning.tune(Notes()).losses[0])
    np.testing.assert_allclose(losses[0], losses[1], atol=1e-3)


def test_a_run_that_was_cut_off_goes_on_to_the_same_weights(
    corpus: RerankerCorpus, folder: Path, tmp_path: Path
) -> None:
    plan, few = replace(SHORT, n_epochs=2), small(corpus)
    whole = prepared(few, folder, plan, tmp_path / "whole")
    whole.tune(Notes())
    with pytest.raises(CutError):
        prepared(few, folder, plan, tmp_path / "cut").tune(Notes(cut_after=1))
    with pytest.raises(StateError, match="unfinished"):
        prepared(few, folder, plan, tmp_path / "cut")
    with pytest.raises(InputError, match="another seed"):
        prepared(few, folder, replace(plan, seed=3), tmp_path / "cut", resume=True)
    with pytest.raises(InputError, match="another set of judgements"):
        prepared(replace(few, kept=few.kept[1:]), folder, plan, tmp_path / "cut", resume=True)
    resumed, notes = prepared(few, folder, plan, tmp_path / "cut", resume=True), Notes()
    resumed.tune(notes)
    assert len(notes.scores) == 1
    np.testing.assert_allclose(resumed.history.losses, whole.history.losses, atol=1e-3)
    for name, weight in whole.adapters.state_dict().items():
        torch.testing.assert_close(resumed.adapters.state_dict()[name], weight, atol=1e-3, rtol=1e-3)


def test_tuning_that_wins_nothing_stops_early_and_writes_nothing(
    corpus: RerankerCorpus, folder: Path, tmp_path: Path
) -> None:
    tuning, notes = prepared(small(corpus), folder, replace(SHORT, n_epochs=5, patience=1), tmp_path / "work"), Notes()
    tuning.history.start = RerankerScore(1.0, 1.0, 1.0)
    assert tuning.tune(notes).best is None
    assert len(notes.scores) == 1
    with pytest.raises(StateError, match="No epoch beat"):
        tuning.write(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there already"):
        check(tmp_path)


def test_a_model_that_brings_code_is_refused_in_plain_words(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    config = json.loads((copy / "config.json").read_text())
    config |= {"model_type": "molmo", "auto_map": {"AutoModelForCausalLM": "modeling_molmo.Molmo"}}
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(RerankerError, match="cannot be tuned") as caught:
        find_base(str(copy))
    assert "--from" in caught.value.remedy
    del config["auto_map"]
    (copy / "config.json").write_text(json.dumps(config | {"model_type": "bert"}))
    with pytest.raises(RerankerError, match="as a model of images and text"):
        find_base(str(copy))


@pytest.mark.parametrize("wrong", [{"held_out": 1.0}, {"learning_rate": 0.0}])
def test_numbers_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        RerankerPlan(**wrong)  # type: ignore[arg-type]
