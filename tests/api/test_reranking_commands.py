"""Reranking on the command line: what ``search``, ``eval``, ``status`` and ``serve`` print of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.api.conftest import Vitrina, run_vitrina
from tests.fakes import COLOURS, FakeEncoder
from tests.search.reranking.shops import SimpleEyes, fill
from vitrina.api.cli.serve import reranker_line
from vitrina.api.rerankers import BackgroundReranker
from vitrina.api.service import Service
from vitrina.api.settings import Settings
from vitrina.evaluation.run import read_run
from vitrina.search.reranking.base import Deadline, Reranker
from vitrina.search.reranking.fusion import FusionWeights
from vitrina.search.store.store import Store
from vitrina.search.types.errors import RerankerError

SECRET = "sk-never-shown-9f2"


def opened(settings: Settings, _: ExitStack) -> Reranker:
    return SimpleEyes(fusion_weights=FusionWeights(whole=1.0, parts=1.0))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Colours and articles in turn, a few of them listed wrong."""
    store = Store(tmp_path / "home")
    fill(store, FakeEncoder())
    yield store
    store.close()


@pytest.fixture
def vitrina(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, store: Store) -> Vitrina:
    """Runs the command over a shop whose reranker looks with simple eyes; returns its exit status, standard output and
    standard error."""
    monkeypatch.setattr("vitrina.api.settings.load_encoder", lambda *_, **__: FakeEncoder())
    monkeypatch.setattr("vitrina.api.rerankers.open_reranker", opened)
    monkeypatch.setattr("vitrina.api.rerankers.open_reranker", opened)
    monkeypatch.setenv("VITRINA_HOME", str(store.folder))
    monkeypatch.setenv("VITRINA_RERANKER", "https://vlm.example/v1")
    monkeypatch.setenv("VITRINA_RERANKER_MODEL", "eyes")
    monkeypatch.setenv("VITRINA_RERANKER_KEY", SECRET)
    monkeypatch.setenv("VITRINA_RERANK_DEADLINE_MS", "20000")
    monkeypatch.setenv("COLUMNS", "160")

    def run(*arguments: str) -> tuple[int, str, str]:
        status, printed, complaint = run_vitrina(*arguments)
        assert SECRET not in printed + complaint
        return status, printed, complaint

    return run


def test_verdicts_and_explanations_stand_below_the_hits(vitrina: Vitrina) -> None:
    status, printed, _ = vitrina("search", "white", "--explain", "2", "--limit", "20")
    assert status == 0
    assert "   ✓ colour: white  " in printed
    assert "   ✗ colour: white  " in printed
    assert "≠ listing says Black, photo looks white" in printed
    assert printed.count("It fits white.") == 2
    assert "item-5" in printed


def test_without_the_option_nothing_is_reranked(vitrina: Vitrina, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vitrina.api.rerankers.open_reranker", lambda *_: pytest.fail("opened"))
    for arguments in (("search", "white"), ("search", "white", "--no-rerank"), ("search", "white", "--explain", "0")):
        status, printed, _ = vitrina(*arguments)
        assert status == 0
        assert "✓" not in printed


def test_json_is_the_http_services_answer(vitrina: Vitrina) -> None:
    status, printed, _ = vitrina("search", "white boots", "--rerank", "--json")
    answer = json.loads(printed)
    assert status == 0
    assert (answer["reranked"], answer["reranker"]) == ("reranked", "simple eyes")
    assert [hit["explanation"] is not None for hit in answer["hits"]] == [True] * 5 + [False] * 5


def test_a_reranker_that_cannot_be_opened_leaves_the_hits_and_says_why(
    vitrina: Vitrina, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(settings: Settings, _: ExitStack) -> Reranker:
        raise RerankerError("The reranker at vlm.example refuses the key.", remedy="Set VITRINA_RERANKER_KEY.")

    monkeypatch.setattr("vitrina.api.rerankers.open_reranker", broken)
    status, printed, complaint = vitrina("search", "white", "--rerank")
    assert status == 0
    assert "item-17" in printed
    assert "Not reranked: The reranker at vlm.example refuses the key. Set VITRINA_RERANKER_KEY." in complaint
    assert "readyz" not in complaint


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("--explain", "21"), 2, "explain is 21"),
        (("--explain", "-1"), 2, "explain is -1"),
        (("--explain", "3", "--no-rerank"), 2, "forbids the reranking"),
    ],
)
def test_bad_options_say_what_to_do(vitrina: Vitrina, arguments: tuple[str, ...], status: int, says: str) -> None:
    left, printed, complaint = vitrina("search", "white", *arguments)
    assert (left, printed) == (status, "")
    assert says in complaint


def test_where_it_is_off_asking_for_it_is_an_error_that_says_how_to_have_one(
    vitrina: Vitrina, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VITRINA_RERANKER", "off")
    status, _, complaint = vitrina("search", "white", "--rerank")
    assert status == 1
    assert "no reranker on this installation" in complaint
    assert "VITRINA_RERANKER takes" in complaint
    assert "none; set VITRINA_RERANKER to use one" in vitrina("status")[1]


def test_status_and_serve_say_which_reranker_is_used(vitrina: Vitrina, store: Store) -> None:
    status, printed, _ = vitrina("status")
    assert status == 0
    assert "eyes at vlm.example" in printed
    reranking = BackgroundReranker.from_settings(Settings(), store)
    with_one = Service(Store(store.folder), FakeEncoder(), reranking=reranking)
    assert reranker_line(with_one) == "Opening the reranker eyes at vlm.example in the background."
    with Service(Store(store.folder), FakeEncoder()) as without:
        assert "VITRINA_RERANKER" in reranker_line(without)


def judgements(folder: Path) -> str:
    """What is of each colour by its picture, whatever the listing says."""
    lines = [
        {"query": colour, "relevant": [f"item-{number}" for number in range(place, 36, 6)]}
        for place, colour in enumerate(COLOURS)
    ]
    path = folder / "judged.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return str(path)


def test_eval_measures_the_reranked_search_against_the_retrieval_alone(vitrina: Vitrina, tmp_path: Path) -> None:
    judged, run, report = judgements(tmp_path), str(tmp_path / "run.json"), str(tmp_path / "report.html")
    plain = str(tmp_path / "plain.json")
    assert vitrina("eval", judged, "--json", plain)[0] == 0
    before = read_run(Path(plain))
    least = f"r@10={before.summaries[0].metrics['r@10'].mean + 0.01}"
    assert vitrina("eval", judged, "--require", least)[0] == 1
    options = ("--rerank", "--rerank-top", "36", "--json", run, "--report", report, "--against", plain)
    status, printed, _ = vitrina("eval", judged, *options, "--require", least)
    assert status == 0, "what is required is required of the reranked run"
    assert "judged.jsonl against retrieval alone" in printed
    assert "judged.jsonl against the earlier run" in printed
    assert "Won most, 2 in all" in printed
    assert "Reranked by simple eyes: up to 36 hits per query, images and listings." in printed
    assert "Judged 192 of 216 hits." in printed
    assert "24 were not judged: It has no image." in printed
    assert "ms a query at the median" in printed
    kept = read_run(Path(run))
    assert kept.reranking is not None
    assert kept.reranking.reranker == "simple eyes"
    assert [result.ranking for result in kept.results] != [result.ranking for result in before.results]
    html = Path(report).read_text(encoding="utf-8")
    assert "Against retrieval alone" in html
    assert "Against the earlier run" in html
    assert "reranker simple eyes" in html


def test_eval_by_images_alone(vitrina: Vitrina, tmp_path: Path) -> None:
    status, printed, _ = vitrina("eval", judgements(tmp_path), "--rerank", "--hide-listings")
    assert status == 0
    assert "Reranked by simple eyes: up to 20 hits per query, images alone, listings hidden." in printed


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("--hide-listings",), 2, "Add --rerank"),
        (("--rerank-top", "5"), 2, "Add --rerank"),
        (("--rerank", "--rerank-top", "0"), 2, "top is 0"),
        (("--rerank", "--rerank-top", "101"), 2, "top is 101"),
    ],
)
def test_eval_says_what_is_wrong_before_it_asks(
    vitrina: Vitrina, tmp_path: Path, arguments: tuple[str, ...], status: int, says: str
) -> None:
    left, printed, complaint = vitrina("eval", judgements(tmp_path), *arguments)
    assert (left, printed) == (status, "")
    assert says in complaint


def test_eval_without_a_reranker_or_with_a_broken_one_is_an_error(
    vitrina: Vitrina, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(deadline: Deadline) -> None:
        raise RerankerError("It broke.", remedy="Mend it.")

    monkeypatch.setattr("vitrina.api.rerankers.open_reranker", lambda *_: SimpleEyes(before=failing))
    status, printed, complaint = vitrina("eval", judgements(tmp_path), "--rerank")
    assert (status, printed) == (1, "")
    assert "reranked no hit of any query" in complaint
    assert "The reranker failed." in complaint
    monkeypatch.setenv("VITRINA_RERANKER", "off")
    status, printed, complaint = vitrina("eval", judgements(tmp_path), "--rerank")
    assert (status, printed) == (1, "")
    assert "no reranker on this installation" in complaint


def test_the_demo_has_some_hits_explained(vitrina: Vitrina, tmp_path: Path) -> None:
    status, printed, _ = vitrina("demo", "--products", "40", "--folder", str(tmp_path / "demo"))
    assert status == 0
    assert printed.count("vitrina search") == 4
    assert "--explain 3" in printed
    assert "✓ colour: white" in printed
