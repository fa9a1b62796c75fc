"""Peers are compared fairly: what they print is read right, and each index searches as little as reaches the recall."""

from __future__ import annotations

import fcntl
import json
import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from benchmarks import clip_retrieval, indexes, peer_indexes, plots
from benchmarks.catalogs import table, turn, write_sections
from benchmarks.clip_retrieval import INT8, ONNX, TORCH, PairedRun, PeerRun
from benchmarks.indexes import Built, Picked, Timed
from benchmarks.peer_indexes import VitrinaIndex
from benchmarks.pipeline import IndexingRun, parse_run
from vitrina.search.index.kinds import IndexKind


def test_the_rate_of_clip_retrieval_is_that_of_all_its_parts() -> None:
    parts = [
        {"sample_count": 100, "start_time": 50.0, "end_time": 60.0},
        {"sample_count": 20, "start_time": 59.0, "end_time": 62.0},
    ]
    assert clip_retrieval.parse_stats([json.dumps(part) for part in parts]) == 10.0


@pytest.mark.parametrize("parts", [[], [{"sample_count": 0, "start_time": 1.0, "end_time": 1.0}]])
def test_a_peer_that_embedded_nothing_has_no_rate(parts: list[dict[str, float]]) -> None:
    with pytest.raises(ValueError, match="no picture"):
        clip_retrieval.parse_stats([json.dumps(part) for part in parts])


def test_the_rate_of_indexing_is_until_all_are_committed() -> None:
    stages = {"embed": {"busy_s": 3.0}}
    events = [
        {"event": "progress", "n_done": 32, "seconds": 2.0, "stages": stages},
        {"event": "progress", "n_done": 64, "seconds": 4.0, "stages": stages},
        {"event": "report", "seconds": 5.0},
    ]
    run = parse_run("\n".join(map(json.dumps, events)), 9.0)
    assert (run.rate, run.whole_s) == (16.0, 9.0)
    assert run.how == "busy, s: embed 3.0; index, twins and trust 1.0 s, the command as a whole 9.0 s"


def measured(peer: float, torch: float) -> PairedRun:
    runs = {way: IndexingRun(torch * times, 20.0, "") for way, times in ((TORCH, 1), (ONNX, 2), (INT8, 3))}
    return PairedRun(PeerRun(peer, 40.0), 2 * torch, runs, 0.5)


def test_each_round_is_a_pair() -> None:
    found = {each.name: each for each in clip_retrieval.figures("9", [measured(8, 16), measured(4, 6), measured(8, 8)])}
    assert found["9: clip-retrieval, pictures a second"].value == 8
    assert found["9, torch: indexed / clip-retrieval"].value == 1.5
    assert not found["9, torch: indexed / clip-retrieval"].is_met
    assert found["9, int8: indexed / clip-retrieval"].value == 4.5
    assert found["9, ONNX: indexed / clip-retrieval"].bound is None
    assert found["9, torch: the whole commands' rates"].value == 2
    assert found["9, torch: indexed / encoder alone"].value == 0.5


def test_without_clip_retrieval_it_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(clip_retrieval.PYTHON, raising=False)
    assert [*clip_retrieval.measure(tmp_path, {"small": ((60, 80), 1)}, 1)] == []
    assert "setuptools<80" in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]


def test_a_turn_holds_the_lock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BENCHMARK_LOCK", str(tmp_path / "lock"))
    with (tmp_path / "lock").open("w") as other:
        with turn(), pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_efforts_rise_to_the_most() -> None:
    steps = peer_indexes.ladder(1, 100)
    assert (steps[0], steps[-1]) == (1, 100)
    assert steps == sorted(set(steps))


@pytest.mark.parametrize(("target", "effort"), [(0.05, 1), (0.5, 5), (0.51, 6), (1.0, 10)])
def test_the_least_effort_that_reaches_the_recall_is_picked(target: float, effort: int) -> None:
    picked, best = indexes.least_effort(lambda effort: effort / 10, range(1, 11), target)
    assert picked == Picked(effort, effort / 10)
    assert best == 1


def test_an_index_that_never_reaches_the_recall_has_no_effort() -> None:
    assert indexes.least_effort(lambda effort: effort / 20, range(1, 11), 0.95) == (None, 0.5)


def rows(n: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    made = np.random.default_rng(0).normal(size=(n, 16)).astype(np.float32)
    return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), np.float32)


@pytest.mark.parametrize("kind", [None, IndexKind.IVF_SQ8, IndexKind.HNSW])
def test_vitrinas_own_index_finds_the_exact_best_at_its_greatest_effort(kind: IndexKind | None) -> None:
    index, made = VitrinaIndex(kind, own=kind is None), rows(600)
    measured = indexes.built("Vitrina, flat", index, made, made[:20], indexes.exact(made, made[:20], indexes.K))
    assert measured.best_recall >= 0.99
    assert measured.picked is not None
    assert measured.picked.recall >= indexes.MIN_RECALL
    assert index.search(made[7], 1, measured.picked.effort).tolist() == [7]


def test_a_peer_that_is_not_installed_is_no_index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "hnswlib", None)
    with ExitStack() as stack, pytest.raises(ImportError):
        peer_indexes.made("hnswlib", tmp_path, stack)


def timed(name: str, ms: float | None) -> Timed:
    picked = None if ms is None else Picked(20, 0.951)
    return Timed(Built(name, "made-up 1.0", "ef", 3.0, picked, 0.9), [] if ms is None else [[ms, ms], [ms, 3 * ms]])


def test_the_fastest_of_ours_is_held_to_the_fastest_peer(tmp_path: Path) -> None:
    ours = [timed(peer_indexes.SERVICE, 2.0), timed("Vitrina, HNSW of bytes", 0.5)]
    peers = [timed("hnswlib", 0.25), timed("usearch, int8", None)]
    found = {each.name: each for each in indexes.figures([*ours, *peers], 100, 0.1)}
    assert found["Vitrina, the fastest kind / the fastest peer, queries a second"].value == 0.5
    assert found["Vitrina, a service's / the fastest peer, queries a second"].value == 0.125
    assert found["usearch, int8, queries a second"].value == 0
    assert found["usearch, int8, queries a second"].how.startswith("recall@10 0.900 at most, too little")
    assert found["hnswlib, queries a second"].how.startswith("median 0.38 ms; recall@10 0.951 (ef 20)")
    write_sections(tmp_path / "results.md", {"indexes": table([*found.values()])})
    assert "hnswlib" in plots.draw("indexes", tmp_path / "results.md")
