"""A whole tiny run of the recipe, from encoded images to a folder that open_clip and the product load."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import open_clip
import pytest
from PIL import Image

from recipes.encoder.corpus import LabelledRows, is_held_out, read_rows, repeat_factors
from recipes.encoder.labels import LabelledProduct, LabelLossWeights
from recipes.encoder.recipe import Cycle, Phase, Recipe, make_encoder, place, repeats_of
from tests.search.encoders.conftest import TINY
from vitrina.search.encoders.registry import load_encoder
from vitrina.tuning.encoder.trainer import EncoderSchedule
from vitrina.tuning.model_folder import MAX_FOLDER_BYTES, n_bytes

SCHEDULE = EncoderSchedule(batch_size=32)
COARSE, FINE = (
    Phase(1, (16, 16), LabelLossWeights()),
    Phase(1, (32, 32), LabelLossWeights(likeness=0.5), {"tiny-train": 2.0}),
)
CYCLES = (Cycle(2e-3, (COARSE,)), Cycle(1e-3, (FINE,)))
RECIPE = Recipe(TINY, CYCLES, SCHEDULE)


def rows(n: int = 80) -> LabelledRows:
    rng = np.random.default_rng(0)
    products, images = [], []
    for index in range(n):
        colour, kind = ("red", "blue")[index % 2], ("mug", "shirt", "bag")[index % 3]
        products.append(LabelledProduct(f"sku-{index}", f"{colour} {kind} {index % 7}", kinds=(kind,), colour=colour))
        file = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (40, 30, 3), dtype=np.uint8)).save(file, "JPEG")
        images.append(file.getvalue())
    return LabelledRows("tiny-train", tuple(products), tuple(images))


def run(tmp_path: Path, *, resume: bool = False) -> list[str]:
    said: list[str] = []
    make_encoder([rows()], tmp_path / "out", tmp_path / "work", RECIPE, resume=resume, say=said.append)
    return said


def test_a_tiny_run_ends_in_a_folder_that_loads_everywhere(tmp_path: Path) -> None:
    said = run(tmp_path)
    out = tmp_path / "out"
    assert any("epoch 2/2" in line and "min left" in line for line in said)
    assert n_bytes(out) < MAX_FOLDER_BYTES
    encoder = load_encoder(f"local-dir:{out}", device="cpu")
    vectors = encoder.encode_texts(["red mug", "blue shirt"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    model, _, _ = open_clip.create_model_and_transforms(f"local-dir:{out}")
    model.eval()
    tokens = open_clip.get_tokenizer(f"local-dir:{out}")(["red mug", "blue shirt"])
    np.testing.assert_allclose(model.encode_text(tokens, normalize=True).detach().numpy(), vectors, atol=1e-4)
    assert "MIT" in (out / "README.md").read_text()


def test_a_run_that_was_cut_off_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    run(tmp_path / "whole")

    class CutError(Exception):
        pass

    def cut(line: str) -> None:
        if line.startswith("epoch 2/2"):
            raise CutError

    with pytest.raises(CutError):
        make_encoder([rows()], tmp_path / "cut" / "out", tmp_path / "cut" / "work", RECIPE, resume=False, say=cut)
    assert not (tmp_path / "cut" / "out").exists()
    said = run(tmp_path / "cut", resume=True)
    assert not any(line.startswith("epoch 1/2") for line in said)
    whole, resumed = (load_encoder(f"local-dir:{tmp_path / name / 'out'}") for name in ("whole", "cut"))
    np.testing.assert_allclose(whole.encode_texts(["red mug"]), resumed.encode_texts(["red mug"]), atol=1e-3)


def test_a_run_from_an_encoder_goes_through_the_last_cycle_alone(tmp_path: Path) -> None:
    run(tmp_path / "first")
    said: list[str] = []
    recipe = replace(RECIPE, cycles=(*CYCLES, Cycle(1e-3, (FINE,))))
    start, work = tmp_path / "first" / "out", tmp_path / "second"
    make_encoder([rows()], work / "out", work, recipe, start=start, say=said.append)
    assert {line.split()[1] for line in said if line.startswith("epoch")} == {"3/3"}
    before, after = (load_encoder(f"local-dir:{folder}") for folder in (start, work / "out"))
    near = float((before.encode_texts(["red mug"]) * after.encode_texts(["red mug"])).sum())
    assert 0.5 < near < 0.99999  # it went on from those weights, and went on
    assert (start / "tokenizer.json").read_bytes() == (work / "out" / "tokenizer.json").read_bytes()


def test_rows_held_out_depend_on_the_sku_alone() -> None:
    kept, held_out = rows(500).split()
    assert 5 < len(held_out.products) < 50
    assert all(is_held_out(product.sku) for product in held_out.products)
    assert len(kept.products) == len(kept.images) == 500 - len(held_out.products)


def test_rows_numbered_one_after_the_other_are_held_out_together() -> None:
    held_out = [is_held_out(f"grocery-{name}_{number:03}") for name in "abcdefghijkl" for number in range(8, 72)]
    runs = [set(held_out[start : start + 8]) for start in range(0, len(held_out), 8)]
    assert all(len(run) == 1 for run in runs)
    assert 2 <= sum(True in run for run in runs) <= 20


def test_of_rows_that_are_whole_none_is_held_out() -> None:
    kept, held_out = replace(rows(500), is_whole=True).split()
    assert (len(kept.products), len(held_out.products)) == (500, 0)


def test_rows_are_read_whatever_columns_exist(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "some.parquet"
    table = {"sku": ["a", "b"], "title": ["A", None], "article": ["mug", None], "image": [b"x", None]}
    pq.write_table(pa.table(table), path)
    assert read_rows(path) == LabelledRows("some", (LabelledProduct("a", "A", kinds=("mug",)),), (b"x",))


def test_products_of_rare_articles_come_more_often() -> None:
    products = [LabelledProduct(str(i), kinds=("shirt",)) for i in range(3999)] + [
        LabelledProduct("r", kinds=("robe",))
    ]
    factors = repeat_factors(products)
    assert factors[0] == 1
    assert 1 < factors[-1] <= 4


def test_products_of_rare_colours_come_more_often() -> None:
    products = [LabelledProduct(str(i), kinds=("shirt",), colour="Blue") for i in range(995)]
    products += [LabelledProduct(str(i), kinds=("shirt",), colour="Peach") for i in range(4)] + [
        LabelledProduct("n", kinds=("shirt",))
    ]
    factors = repeat_factors(products)
    assert [factors[0].item(), factors[-1].item()] == [1, 1]
    assert 1 < factors[995] <= 4


def test_the_recipe_is_part_of_the_card(tmp_path: Path) -> None:
    run(tmp_path)
    card = json.loads((tmp_path / "out" / "vitrina.json").read_text())
    assert [cycle["learning_rate"] for cycle in card["recipe"]["cycles"]] == [2e-3, 1e-3]
    assert card["trained_on"] == {"tiny-train": 80}


def test_an_epoch_has_the_phase_and_the_learning_rate_of_its_cycle() -> None:
    cycles = (Cycle(2e-3, (replace(COARSE, n_epochs=2), FINE)), Cycle(1e-3, (FINE,)))
    placed = [place(cycles, epoch, SCHEDULE) for epoch in range(4)]
    assert [phase.size for phase, _ in placed] == [(16, 16), (16, 16), (32, 32), (32, 32)]
    assert [schedule.first_epoch for _, schedule in placed] == [0, 0, 0, 3]
    assert [schedule.n_epochs for _, schedule in placed] == [3, 3, 3, 1]
    assert [schedule.learning_rate for _, schedule in placed] == [2e-3, 2e-3, 2e-3, 1e-3]


def test_a_phase_sees_the_products_of_a_named_shop_more_often() -> None:
    assert set(repeats_of([rows(40)], COARSE.repeats).tolist()) == {1.0}
    assert set(repeats_of([rows(40)], FINE.repeats).tolist()) == {2.0}
