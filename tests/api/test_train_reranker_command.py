"""``vitrina train reranker``, from its arguments to a folder that a search can load."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.api.conftest import Vitrina, run_vitrina
from tests.fakes import FakeEncoder
from tests.tuning.reranker.conftest import PHRASES, brief_llava, put_things, sku_of
from vitrina.evaluation.judgements import JudgedQuery
from vitrina.search.reranking.backends.transformers.loading import load_reranker
from vitrina.search.store.store import Store


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = Store(tmp_path_factory.mktemp("indexed") / "home")
    put_things(store)
    store.close()
    return store.folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return brief_llava(tmp_path_factory.mktemp("vlm"))


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch, indexed: Path, tmp_path: Path) -> Vitrina:
    """Runs the command on a copy of the catalog; returns its exit status, standard output and standard error."""
    shutil.copytree(indexed, tmp_path / "home")
    monkeypatch.setattr("vitrina.api.settings.load_encoder", lambda *_, **__: FakeEncoder())
    monkeypatch.setenv("VITRINA_STORE", str(tmp_path / "home"))
    monkeypatch.setenv("VITRINA_DEVICE", "cpu")
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> tuple[int, str, str]:
        return run_vitrina("train", "reranker", *arguments)

    return run


def judgements(folder: Path, *queries: JudgedQuery) -> str:
    path = folder / "judged.jsonl"
    lines = [json.dumps({"query": query.text, "relevant": dict(query.judged)}) for query in queries]
    path.write_text("\n".join(lines), encoding="utf-8")
    return str(path)


def asked(colour: str) -> list[JudgedQuery]:
    grades = {sku_of(index): int((index % 2 == 0) == (colour == "red")) for index in range(16)}
    return [JudgedQuery(text, "", grades, text=text) for text in (phrase.format(colour) for phrase in PHRASES)]


def test_a_tuned_reranker_is_written_and_loads(train: Vitrina, model: Path, tmp_path: Path) -> None:
    out, judged = tmp_path / "tuned", judgements(tmp_path, *asked("red"), *asked("blue"))
    arguments = ("--judgements", judged, "--out", str(out), "--from", str(model), "--held-out", "0.3")
    more = ("--epochs", "3", "--learning-rate", "0.005", "--batch-size", "16", "--licence", "CC0")
    status, printed, said = train(*arguments, *more)
    assert status == 0, said
    assert "balanced accuracy" in printed
    assert "Before training: balanced accuracy" in said
    assert "Epoch 1: loss" in said
    assert load_reranker(str(out), device="cpu").capabilities.writes
    again, _, refused = train(*arguments)
    assert again == 2
    assert "is there already" in refused


def test_the_help_lists_the_main_options(train: Vitrina) -> None:
    status, printed, _ = train("--help")
    assert status == 0
    for option in ("--judgements", "--out", "--from", "--image-tower", "--resume", "--licence"):
        assert option in printed


@pytest.mark.parametrize(
    ("queries", "arguments", "said"),
    [
        ([], (), "are empty"),
        ([JudgedQuery("", "", {"nobody": 1}, text="hat")], (), "None of the 1 judged skus is in the catalog"),
        ([JudgedQuery("", "", {sku_of(0): 0}, text="hat")], (), "No query has a relevant item"),
        (asked("red")[:2], (), "2 judged queries are too few"),
        (asked("red"), ("--held-out", "1.5"), "cannot be held out"),
    ],
)
def test_bad_judgements_are_refused_before_a_model_is_opened(
    queries: list[JudgedQuery], arguments: tuple[str, ...], said: str, train: Vitrina, model: Path, tmp_path: Path
) -> None:
    path, out = judgements(tmp_path, *queries), str(tmp_path / "out")
    status, _, printed = train("--judgements", path, "--out", out, "--from", str(model), *arguments)
    assert status == 2
    assert said in " ".join(printed.split())


@pytest.mark.parametrize(
    ("name", "said"), [("./nowhere", "There is no folder nowhere"), (".", "it holds no config.json")]
)
def test_a_folder_without_a_model_is_refused_before_the_catalog_is_searched(
    name: str, said: str, train: Vitrina, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    status, _, printed = train("--judgements", judgements(tmp_path, *asked("red")), "--out", "out", "--from", name)
    assert status == 1
    assert said in " ".join(printed.split())
    assert "Searching" not in printed
