"""What is asked of an image, and the answers that are taught."""

import json
import random

import pytest
import torch

from recipes.encoder.labels import LabelledProduct
from recipes.reranker.statements import JudgedStatement
from recipes.reranker.tasks import ECHO_SHARE, Lexicon, TaskWriter, TrainingTask, draw_verdicts, fields_of
from tests.recipes.reranker.conftest import grounding_corpus
from vitrina.search.reranking.prompts import EXPLANATION_PATTERN, MAX_EXPLANATION_CHARACTERS
from vitrina.search.types.requirement import Status

UNMOVED = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


@pytest.fixture(scope="module")
def writer() -> TaskWriter:
    corpus = grounding_corpus()
    return TaskWriter([product for rows in corpus.rows for product in rows.products], corpus.boxes)


def asked(writer: TaskWriter, index: int, n: int = 200, *, explain: bool = False) -> list[TrainingTask]:
    rng = random.Random(0)
    statement = JudgedStatement("red shirts", (("colour", "red"), ("kind", "shirts")), Status.CONTRADICTED)
    return [task for _ in range(n) for task in writer.tasks(index, [statement], UNMOVED, rng, explain=explain)]


def test_labels_are_read_and_statements_judged(writer: TaskWriter) -> None:
    answers = {(task.prompt, task.answer) for task in asked(writer, 0)}
    assert {(" red shirts?", "no"), (" colour:", "red"), (" article:", "shirts"), (" gender:", "men")} <= answers


def test_what_is_not_visible_and_not_labelled_is_unknown(writer: TaskWriter) -> None:
    answers = {task.prompt: task.answer for task in asked(writer, 0)}
    assert answers[" material:"] == answers[" season:"] == "unknown"
    assert " pattern:" not in answers


def test_boxes_are_those_of_drawings(writer: TaskWriter) -> None:
    localizations = [task for task in asked(writer, 60) if task.prompt.startswith(" where:")]
    assert {task.prompt for task in localizations} >= {" where: sleeve", " where: shirts"}
    assert all(task.answer.count("<loc_") == 4 for task in localizations)
    assert not any(task.prompt.startswith(" where:") for task in asked(writer, 0))


def test_rare_values_of_a_field_that_one_dominates_weigh_more(writer: TaskWriter) -> None:
    products = [
        LabelledProduct(str(at), kinds=("Shirts",), usage="Formal" if at < 5 else "Casual") for at in range(100)
    ]
    weights = {
        task.answer: task.weight
        for at in (0, 99)
        for task in asked(TaskWriter(products, {}), at)
        if task.prompt == " usage:"
    }
    assert weights["formal"] > 2 > 1 > weights["casual"]


def test_explanations_can_be_shown_and_kept_to_a_schema(writer: TaskWriter) -> None:
    import re

    explanations = [task for task in asked(writer, 0, explain=True) if task.prompt.endswith((".", "json:"))]
    assert len(explanations) == 200
    assert not any(task.blind for task in asked(writer, 0) if not task.prompt.startswith(" say "))
    for task in explanations:
        as_json = task.prompt.endswith("json:")
        said = json.loads(task.answer)["explanation"] if as_json else task.answer
        assert re.fullmatch(EXPLANATION_PATTERN, said), said
    assert any(task.blind for task in explanations)


def test_verdicts_are_about_different_things_and_short_enough(writer: TaskWriter) -> None:
    rng = random.Random(0)
    for _ in range(200):
        verdicts = draw_verdicts(writer.lexicon, rng)
        assert 1 <= len(verdicts) <= 4
        assert len({verdict.requirement.words for verdict in verdicts}) >= len(verdicts) - 1
    assert MAX_EXPLANATION_CHARACTERS > 100


def test_a_lexicon_has_the_fields_that_vary() -> None:
    products = [
        LabelledProduct("1", kinds=("Shirt", "Clothes"), colour="Red"),
        LabelledProduct("2", kinds=("Shirt", "Food"), colour="Blue"),
    ]
    assert fields_of(products[0]) == {"article": "shirt", "category": "clothes", "colour": "red"}
    assert dict(Lexicon.of(products).values) == {"category": ("clothes", "food"), "colour": ("blue", "red")}


def test_some_words_are_to_be_repeated_without_an_image(writer: TaskWriter) -> None:
    echoes = [task for task in asked(writer, 0, 1000) if task.prompt.startswith(" say ")]
    assert len(echoes) == pytest.approx(1000 * ECHO_SHARE, abs=40)
    assert all(task.prompt == f" say {task.answer}" and task.blind for task in echoes)
