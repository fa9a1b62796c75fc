from __future__ import annotations

import json
from pathlib import Path

import pytest

from vitrina.search.reranking.backends.dialects import PLAIN, QWEN3_VL_RERANKER, PromptDialect, dialect_of


@pytest.mark.parametrize(
    ("name", "model_type", "expected"),
    [
        ("Qwen/Qwen3-VL-Reranker-2B", "qwen3_vl", QWEN3_VL_RERANKER),
        ("Qwen/Qwen3-VL-2B-Instruct", "qwen3_vl", PLAIN),
        ("my-reranker", "llava", PLAIN),
    ],
)
def test_a_name_tells_rerankers_of_one_configuration_apart(
    name: str, model_type: str, expected: PromptDialect, tmp_path: Path
) -> None:
    assert dialect_of(name, tmp_path, model_type) is expected


@pytest.mark.parametrize(("name", "dialect"), [("shop-reranker", PLAIN), ("tuned", QWEN3_VL_RERANKER)])
def test_a_tuned_model_goes_on_in_its_dialect_whatever_its_folder_is_called(
    name: str, dialect: PromptDialect, tmp_path: Path
) -> None:
    (tmp_path / "vitrina.json").write_text(json.dumps({"dialect": dialect.name}))
    assert dialect_of(name, tmp_path, "qwen3_vl") is dialect


@pytest.mark.parametrize("card", ["", "[]", "{}", '{"dialect": "klingon"}'])
def test_a_card_that_says_nothing_of_it_changes_nothing(card: str, tmp_path: Path) -> None:
    (tmp_path / "vitrina.json").write_text(card)
    assert dialect_of("plain", tmp_path, "qwen3_vl") is PLAIN
