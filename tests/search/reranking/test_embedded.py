"""The vision-language model in the package: it loads with plain transformers, it is small, and it looks."""

import json
import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from transformers import AutoImageProcessor

from recipes.encoder.corpus import LabelledRows
from recipes.encoder.images import decode
from recipes.reranker.evaluation import NEAR, Evaluator
from recipes.reranker.grounding import Boxes, read_grounding_data
from recipes.reranker.model import MAX_FOLDER_BYTES, load
from recipes.reranker.statements import draw_statements
from recipes.reranker.tasks import Lexicon, draw_verdicts
from vitrina.search.encoders.registry import load_encoder
from vitrina.search.reranking.backends import RerankerOptions, open_by_name
from vitrina.search.reranking.backends.matched import MatchedReranker
from vitrina.search.reranking.backends.model_folders import EMBEDDED, EMBEDDED_FOLDER, folder_fingerprint
from vitrina.search.reranking.backends.onnx.exports import read_export
from vitrina.search.reranking.backends.onnx.loading import load_exported
from vitrina.search.reranking.backends.onnx.reranker import OnnxReranker
from vitrina.search.reranking.backends.transformers.loading import load_reranker
from vitrina.search.reranking.backends.transformers.reranker import TransformersReranker
from vitrina.search.reranking.base import Deadline, RerankCandidate, Scoring
from vitrina.search.reranking.explanations.generation import explain
from vitrina.search.reranking.explanations.templates import fact
from vitrina.search.reranking.matcher import CARD_FILE, MATCHER_FOLDER
from vitrina.search.types.requirement import Author, Status

SOON = partial(Deadline.within, 60.0)
WHITE = Image.new("RGB", (96, 96), "white")


@pytest.fixture(scope="module")
def plain() -> TransformersReranker:
    """In PyTorch, on the pixels that Pillow makes: torchvision rounds a few of them to the next of 256 levels."""
    reranker = load_reranker(EMBEDDED, device="cpu")
    images = AutoImageProcessor.from_pretrained(EMBEDDED_FOLDER, backend="pil")
    reranker.prompted_model.chat.processor.image_processor = images
    return reranker


@pytest.fixture(scope="module")
def embedded() -> Iterator[OnnxReranker]:
    """The model alone, as a search runs it."""
    with load_exported(EMBEDDED, EMBEDDED_FOLDER, RerankerOptions(device="cpu")) as reranker:
        yield reranker


@pytest.fixture(scope="module")
def matched() -> Iterator[MatchedReranker]:
    """As a search opens it."""
    with open_by_name(EMBEDDED, RerankerOptions(device="cpu")) as reranker:
        assert isinstance(reranker, MatchedReranker)
        yield reranker


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[LabelledRows, Boxes]:
    """Drawings of a seed that nothing was trained on."""
    return read_grounding_data(tmp_path_factory.mktemp("drawn"), 48, lambda line: None, seed=77)


def test_it_fits_in_the_package() -> None:
    n_bytes = sum(path.stat().st_size for path in EMBEDDED_FOLDER.rglob("*") if path.is_file())
    assert n_bytes < MAX_FOLDER_BYTES


def test_it_can_do_all_that_a_search_asks_for(matched: MatchedReranker) -> None:
    assert matched.identity.name == EMBEDDED
    assert matched.capabilities.scoring is Scoring.LOGITS
    assert matched.capabilities.writes
    assert matched.capabilities.boxes
    assert matched.fusion_weights is not None
    assert "held out" in matched.fusion_weights.source


def test_the_matcher_beside_it_was_measured_with_the_embedded_encoder() -> None:
    card = json.loads((EMBEDDED_FOLDER / MATCHER_FOLDER / CARD_FILE).read_text(encoding="utf-8"))
    assert card["measured_with"] == load_encoder(EMBEDDED).identity.fingerprint


def test_the_matcher_tells_things_that_the_model_never_learnt(matched: MatchedReranker) -> None:
    """Drawings of no shop: a red ball on white is neither a guitar nor blue."""
    ball = Image.new("RGB", (160, 160), "white")
    ImageDraw.Draw(ball).ellipse((30, 30, 130, 130), "crimson")
    statements = ["red ball", "electric guitar", "blue sofa"]
    yes = matched.judge([RerankCandidate("ball", ball)], statements, SOON())[0]
    assert yes[0] > max(yes[1:])


def test_it_answers_as_pytorch_does(
    embedded: OnnxReranker, plain: TransformersReranker, drawn: tuple[LabelledRows, Boxes]
) -> None:
    assert embedded.identity == plain.identity
    candidates = [RerankCandidate(str(at), decode(image)) for at, image in enumerate(drawn[0].images)]
    statements = ["navy blue shirt", "red", "a striped dress for women", "made of leather"]
    answers = embedded.judge(candidates, statements, SOON())
    np.testing.assert_allclose(answers, plain.judge(candidates, statements, SOON()), atol=1e-4)
    as_loaded = load_reranker(EMBEDDED, device="cpu").judge(candidates, statements, SOON())
    np.testing.assert_allclose(answers, as_loaded, atol=1e-2)
    lexicon, rng = Lexicon.of(drawn[0].products), random.Random(0)
    for candidate in candidates[:12]:
        facts = [fact(verdict) for verdict in draw_verdicts(lexicon, rng)]
        written = "".join(embedded.write(candidate, facts, SOON()))
        assert written == "".join(plain.write(candidate, facts, SOON()))
        assert embedded.locate(candidate, "shirt", SOON()) == plain.locate(candidate, "shirt", SOON())


def test_plain_transformers_computes_the_same(embedded: OnnxReranker, drawn: tuple[LabelledRows, Boxes]) -> None:
    images = [decode(image) for image in drawn[0].images[:4]]
    evaluator = Evaluator(*load(EMBEDDED_FOLDER))
    statements = ["navy blue shirt", "red"]
    plain = [evaluator.judge(evaluator.image_features([image]).expand(2, -1, -1), statements) for image in images]
    candidates = [RerankCandidate(str(at), image) for at, image in enumerate(images)]
    np.testing.assert_allclose(embedded.judge(candidates, statements, SOON()), plain, atol=0.02)


def test_it_judges_by_the_image(embedded: OnnxReranker, drawn: tuple[LabelledRows, Boxes]) -> None:
    rows, _ = drawn
    asked = draw_statements(rows.products, ["boutique"] * len(rows.products), random.Random(0), NEAR)
    right = blind = n_statements = 0
    for at, some in enumerate(asked):
        if not some:
            continue
        candidates = [RerankCandidate(str(at), decode(rows.images[at])), RerankCandidate("white", WHITE)]
        known, unseen = embedded.judge(candidates, [judged.text for judged in some], SOON()) >= 0.5
        truth = np.array([judged.status is Status.MET for judged in some])
        right += int((known == truth).sum())
        blind += int((unseen == truth).sum())
        n_statements += len(some)
    assert n_statements > 100
    assert right / n_statements > 0.8
    assert blind / n_statements == pytest.approx(0.5)  # each claim is as often true as false


def test_it_puts_boxes_around_things(embedded: OnnxReranker, drawn: tuple[LabelledRows, Boxes]) -> None:
    rows, boxes = drawn
    overlaps = []
    for product, image in zip(rows.products, rows.images, strict=True):
        article = product.kinds[0]
        found = embedded.locate(RerankCandidate(product.sku, decode(image)), article, SOON())
        overlaps.append(boxes[product.sku][article].overlap(found) if found else 0.0)
    assert np.mean(overlaps) > 0.6


def test_some_of_what_it_writes_stands(embedded: OnnxReranker, drawn: tuple[LabelledRows, Boxes]) -> None:
    lexicon, rng = Lexicon.of(drawn[0].products), random.Random(0)
    candidate = RerankCandidate("0", decode(drawn[0].images[0]))
    told = [explain(embedded, candidate, draw_verdicts(lexicon, rng), SOON()) for _ in range(20)]
    assert sum(each.written_by is Author.MODEL for each in told) > 1
    assert all(each.text for each in told)


def test_a_box_or_a_sentence_ends_in_time(embedded: OnnxReranker, drawn: tuple[LabelledRows, Boxes]) -> None:
    candidate = RerankCandidate("0", decode(drawn[0].images[0]))
    assert embedded.locate(candidate, "shirt", Deadline.within(0.0)) is None
    assert list(embedded.write(candidate, ["colour red: met"], Deadline.within(0.0))) == []


def test_the_folder_loads_by_its_path_too(tmp_path: Path) -> None:
    (tmp_path / "model").symlink_to(EMBEDDED_FOLDER)
    by_path = load_reranker(str(tmp_path / "model"), device="cpu")
    assert by_path.identity.fingerprint == load_reranker(EMBEDDED, device="cpu").identity.fingerprint


def test_its_export_is_of_its_files() -> None:
    """After a change of the model: vitrina reranker export embedded."""
    assert read_export(EMBEDDED_FOLDER, folder_fingerprint(EMBEDDED_FOLDER)).model_type == "fast_vlm"
