"""A whole tiny run, and the folder that comes out of it."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from recipes.reranker.model import MAX_FOLDER_BYTES, create_untrained, load, start_tower, tower_of
from recipes.reranker.recipe import make_reranker
from recipes.reranker.template import train_vocabulary
from recipes.reranker.trainer import Budget, RecipeSchedule, Stage
from tests.recipes.reranker.conftest import SCHEDULE, TINY, Made, grounding_corpus


def run(
    encoder: Path,
    folder: Path,
    said: list[str],
    *,
    budget: Budget,
    resume: bool = False,
    start: Path | None = None,
) -> None:
    make_reranker(
        grounding_corpus(),
        encoder,
        folder / "out",
        folder / "work",
        say=said.append,
        architecture=TINY,
        vocabulary_size=500,
        schedule=SCHEDULE,
        budget=budget,
        resume=resume,
        start=start,
    )


def test_a_tiny_run_ends_in_a_folder_that_transformers_loads(made: Made) -> None:
    assert any("min left" in line for line in made.said)
    assert type(made.model).__name__ == "FastVlmForConditionalGeneration"
    assert type(made.processor).__name__ == "LlavaProcessor"
    assert {parameter.dtype for parameter in made.model.parameters()} == {torch.float32}
    assert sum(path.stat().st_size for path in made.folder.rglob("*")) < MAX_FOLDER_BYTES
    assert "MIT" in (made.folder / "README.md").read_text()


def test_the_card_tells_every_measure(made: Made) -> None:
    card = json.loads((made.folder / "vitrina.json").read_text())
    assert card["trained_on"] == {"tiny-train": 60, "boutique": 20}
    assert set(card["explanations"]) == {"explanations, all mentions supported", "explanations, requirements named"}


@pytest.mark.slow
def test_a_run_that_was_cut_off_goes_on_to_the_same_weights(made: Made, tiny_encoder: Path, tmp_path: Path) -> None:
    class CutError(Exception):
        pass

    class Cut(list[str]):
        def append(self, line: str) -> None:
            super().append(line)
            if line.startswith("epoch 2"):
                raise CutError

    with pytest.raises(CutError):
        run(tiny_encoder, tmp_path, Cut(), budget=Budget(2))
    assert not (tmp_path / "out").exists()
    said: list[str] = []
    run(tiny_encoder, tmp_path, said, budget=Budget(2), resume=True)
    assert not any(line.startswith("epoch 1") for line in said)
    again, _ = load(tmp_path / "out")
    for name, weight in made.model.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], weight, atol=1e-3, rtol=1e-2)


def test_a_finished_model_goes_through_the_last_stage_alone(made: Made, tiny_encoder: Path, tmp_path: Path) -> None:
    run(tiny_encoder, tmp_path, [], budget=Budget(1000, minutes=0.001), start=made.folder)
    again, _ = load(tmp_path / "out")
    weights = again.state_dict()
    for name, weight in made.model.named_parameters():
        torch.testing.assert_close(weights[name], weight, atol=0.02, rtol=0.05)
    (stage,) = json.loads((tmp_path / "out" / "vitrina.json").read_text())["schedule"]["stages"]
    assert stage == {"share": 1.0, "learning_rate": 1e-3, "tower_rate": 1e-4}


def test_a_budget_of_minutes_ends_within_an_epoch(tiny_encoder: Path, tmp_path: Path) -> None:
    said: list[str] = []
    run(tiny_encoder, tmp_path, said, budget=Budget(1000, minutes=0.001))
    assert (tmp_path / "out" / "config.json").is_file()


def test_the_tower_starts_as_the_encoders(tiny_encoder: Path) -> None:
    model = create_untrained(TINY, train_vocabulary(["a red shirt"], 400))
    start_tower(model, tiny_encoder)
    stored = load_file(tiny_encoder / "open_clip_model.safetensors")
    weights = tower_of(model).state_dict()
    assert len(weights) > 50
    for name, weight in weights.items():
        assert weight.ndim == 0 or torch.equal(weight, stored[f"visual.trunk.{name}"].float())


def test_stages_follow_each_other_and_each_ends_at_zero() -> None:
    schedule = RecipeSchedule((Stage(0.25, 2e-3), Stage(0.75, 1e-3, tower_rate=1e-4)), warmup=0.1)
    stage, factor = schedule.place(0.025)
    assert stage.tower_rate == 0
    assert factor == pytest.approx(1)
    assert schedule.place(0.2499)[1] < 1e-3
    assert schedule.place(0.26)[0].tower_rate == 1e-4
    assert schedule.place(1.0)[1] == pytest.approx(0)
