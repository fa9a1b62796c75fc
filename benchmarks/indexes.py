"""Vector indexes at equal recall: Vitrina's own beside hnswlib, usearch, LanceDB, Milvus Lite and pgvector, on the same
vectors. ``python -m benchmarks.indexes``.

The peers are the extra ``peers``: ``pip install vitrina[peers]``; those that are not installed are left out. Each index
has a process of its own on one core, to build and to search it, servers of its own on that core, too. It searches as
little as finds .95 of the ten best rows of the queries, one query at a time, and all are timed in turns.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import typer

from benchmarks import growth
from benchmarks.catalogs import RESULTS, Figure, turn, write_measured
from benchmarks.peer_indexes import OURS, PEERS, SERVICE, Ids, PeerIndex, made, package_of
from benchmarks.synthetic import N_MEANINGS, VARIATION, ItemMaker, spread
from vitrina.search.encoders.base import Encoder, unit_rows
from vitrina.search.encoders.registry import load_encoder
from vitrina.search.types.models import Vectors

N_ROWS = 100_000
N_QUERIES = 200
K = 10
MIN_RECALL = 0.95
N_ROUNDS = 5
N_WARM = 50
MAX_WAIT_S = 180.0
"""So long an index may be built, and efforts be tried; one that takes longer is left out."""


@dataclass(frozen=True, slots=True)
class Picked:
    """How much of an index is searched, and the recall of that."""

    effort: int
    recall: float


@dataclass(frozen=True, slots=True)
class Built:
    """An index in its process: what it is, how long building took, and what was picked, None below the recall."""

    name: str
    package: str
    knob: str
    build_s: float
    picked: Picked | None
    best_recall: float


@dataclass(slots=True)
class Timed:
    """An index and its rounds: the milliseconds of every query in each."""

    built: Built
    rounds: list[list[float]] = field(default_factory=list)

    @property
    def queries_per_s(self) -> float:
        """The median of the rounds."""
        return statistics.median(1000 * len(times) / sum(times) for times in self.rounds)

    @property
    def median_ms(self) -> float:
        """The median of the rounds' medians."""
        return statistics.median(statistics.median(times) for times in self.rounds)


def synthetic_rows(encoder: Encoder, n: int, seed: int = 0) -> Vectors:
    """Text vectors as ``synthetic.fill`` makes them, shape (n, d)."""
    random = np.random.default_rng(seed)
    centres, directions = spread(encoder, ItemMaker(seed).meanings)
    of_each = random.integers(0, N_MEANINGS, n)
    around = random.normal(size=(n, len(directions))).astype(np.float32) @ directions
    return unit_rows(centres[of_each] + np.float32(VARIATION["text"]) * around)


def query_vectors(encoder: Encoder, n: int) -> Vectors:
    """The vectors of different queries such as shoppers type, shape (at most n, d)."""
    return encoder.encode_texts(list(dict.fromkeys(growth.queries(3 * n)))[:n])


def exact(rows: Vectors, queries: Vectors, k: int) -> Ids:
    """The positions of the k best rows of each query, shape (m, k)."""
    return np.argsort(-(queries @ rows.T), axis=1, kind="stable")[:, :k].astype(np.int64)


def recall_of(found: Sequence[Ids], truth: Ids) -> float:
    """The mean share of the best rows that were found."""
    return float(np.mean([np.isin(best, got).mean() for best, got in zip(truth, found, strict=True)]))


def least_effort(recall: Callable[[int], float], efforts: Sequence[int], target: float) -> tuple[Picked | None, float]:
    """The least of the rising efforts that reaches a recall, by bisection, with the recall that it has; and the best
    recall that was found."""
    first, last = 0, len(efforts) - 1
    best = Picked(efforts[last], recall(efforts[last]))
    if best.recall < target:
        return None, best.recall
    picked = best
    while first < last:
        middle = (first + last) // 2
        tried = Picked(efforts[middle], recall(efforts[middle]))
        if tried.recall >= target:
            picked, last = tried, middle
        else:
            first = middle + 1
    return picked, best.recall


def searched(index: PeerIndex, queries: Vectors, effort: int) -> tuple[list[Ids], list[float]]:
    """What each query finds, one at a time, and the milliseconds it takes."""
    found, times = [], []
    for query in queries:
        started = time.perf_counter()
        found.append(index.search(query, K, effort))
        times.append((time.perf_counter() - started) * 1000)
    return found, times


def built(name: str, index: PeerIndex, rows: Vectors, queries: Vectors, truth: Ids) -> Built:
    started = time.perf_counter()
    index.build(rows)
    build_s = time.perf_counter() - started
    picked, best = least_effort(
        lambda effort: recall_of(searched(index, queries, effort)[0], truth), index.efforts, MIN_RECALL
    )
    return Built(name, package_of(name), index.knob, build_s, picked, best)


def work(connection: Connection, name: str, data: Path, core: int) -> None:
    """A process of one index on one core: builds it, and searches it whenever it is asked to."""
    os.sched_setaffinity(0, {core})  # before its libraries count the cores and start threads
    rows, queries, truth = (np.load(data / f"{part}.npy") for part in ("rows", "queries", "truth"))
    with TemporaryDirectory(prefix="index-", ignore_cleanup_errors=True) as folder, ExitStack() as stack:
        try:
            index = made(name, Path(folder), stack)
        except ImportError as error:
            connection.send(f"{error.name or error} is not installed")
            return
        measured = built(name, index, rows, queries, truth)
        connection.send(measured)
        while connection.recv() and measured.picked is not None:
            searched(index, queries[:N_WARM], measured.picked.effort)
            connection.send(searched(index, queries, measured.picked.effort)[1])


@contextmanager
def running(name: str, data: Path) -> Iterator[Connection]:
    """The process of an index, which ends with the context."""
    ours, theirs = (context := multiprocessing.get_context("spawn")).Pipe()
    process = context.Process(target=work, args=(theirs, name, data, max(os.sched_getaffinity(0))))
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        with suppress(OSError):
            ours.send(False)
        process.join(10)
        process.kill()


def timed(names: Sequence[str], data: Path, n_rounds: int) -> list[Timed]:
    """Build all indexes, one after the other, and time those that reach the recall in turns."""
    with ExitStack() as stack:
        connections: dict[str, Connection] = {}
        found: dict[str, Timed] = {}
        for name in names:
            with turn():  # it builds as soon as it runs
                process = ExitStack()
                connection = process.enter_context(running(name, data))
                told = answer(connection)
                if not isinstance(told, Built):
                    process.close()  # before anything is timed
                    typer.echo(f"{name} is left out: {told}.", err=True)
                    continue
            stack.push(process)
            typer.echo(str(told), err=True)
            connections[name], found[name] = connection, Timed(told)
        for _ in range(n_rounds):
            with turn():
                for name, each in found.items():
                    if each.built.picked is not None:
                        connections[name].send(True)
                        times = answer(connections[name])
                        assert isinstance(times, list)
                        each.rounds.append(times)
    return list(found.values())


def answer(connection: Connection) -> object:
    """What a process sends; a string where it ended or took too long."""
    if not connection.poll(MAX_WAIT_S):
        return f"it took more than {MAX_WAIT_S:.0f} s"
    try:
        return connection.recv()
    except EOFError:
        return "its process ended"


def how(each: Timed) -> str:
    """Everything but the rate."""
    built, picked = each.built, each.built.picked
    of_build = f"built in {built.build_s:.1f} s; {built.package}"
    if picked is None:
        return f"recall@{K} {built.best_recall:.3f} at most, too little; {of_build}"
    knob = f"{built.knob} {picked.effort}" if picked.effort else built.knob
    return f"median {each.median_ms:.2f} ms; recall@{K} {picked.recall:.3f} ({knob}); {of_build}"


def figures(found: Sequence[Timed], n_rows: int, load_average: float) -> Iterator[Figure]:
    """The rate of each, and of Vitrina's best kind and of its service as multiples of the fastest peer's."""
    for each in found:
        yield Figure(
            f"{each.built.name}, queries a second", each.queries_per_s if each.rounds else 0, None, how=how(each)
        )
    peers = [each for each in found if each.built.name in PEERS and each.rounds]
    ours = [each for each in found if each.built.name in OURS and each.rounds]
    if not peers or not ours:
        return
    fastest = max(peers, key=lambda each: each.queries_per_s)
    best = max(ours, key=lambda each: each.queries_per_s)
    said = f"{n_rows:,} rows, top {K}, one core; load average {load_average:.1f} before"
    named = [(best, "the fastest kind"), *((each, "a service's") for each in ours if each.built.name == SERVICE)]
    for one, called in named:
        name = f"Vitrina, {called} / the fastest peer, queries a second"
        rates = f"{one.built.name} and {fastest.built.name}"
        yield Figure(name, one.queries_per_s / fastest.queries_per_s, 1.0, how=f"{rates}; {said}")


def measure(encoder: Encoder, names: Sequence[str], n_rows: int, n_rounds: int) -> Iterator[Figure]:
    with TemporaryDirectory() as folder:
        rows, queries = synthetic_rows(encoder, n_rows), query_vectors(encoder, N_QUERIES)
        for part, array in (("rows", rows), ("queries", queries), ("truth", exact(rows, queries, K))):
            np.save(Path(folder) / f"{part}.npy", array)
        load_average = os.getloadavg()[0]
        yield from figures(timed(names, Path(folder), n_rounds), n_rows, load_average)


def measure_indexes(encoder: Encoder, data: Path) -> Iterator[Figure]:
    """All indexes, without the data."""
    yield from measure(encoder, [*OURS, *PEERS], N_ROWS, N_ROUNDS)


def run(
    index: Annotated[list[str] | None, typer.Option(help="Some of the indexes.", show_default="all")] = None,
    n_rows: Annotated[int, typer.Option(help="How many rows.")] = N_ROWS,
    rounds: Annotated[int, typer.Option(help="How often each is timed, in turn.")] = N_ROUNDS,
    out: Annotated[Path, typer.Option(help="Where the table goes.")] = RESULTS,
) -> None:
    """Compare vector indexes; exits non-zero where a peer is faster."""
    names = index or [*OURS, *PEERS]
    if unknown := [name for name in names if name not in OURS and name not in PEERS]:
        raise typer.BadParameter(f"There is no index {unknown[0]!r}; there are: {'; '.join([*OURS, *PEERS])}.")
    write_measured("indexes", measure(load_encoder(None), names, n_rows, rounds), out)


if __name__ == "__main__":
    typer.run(run)
