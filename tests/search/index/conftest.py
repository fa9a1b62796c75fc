"""The vector indexes that the contract's tests run on."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tests.search.index.brute_force import DIMENSION, Engine
from vitrina.search.index.base import VectorIndex
from vitrina.search.index.faiss import FaissIndex


def restored(index: VectorIndex) -> FaissIndex:
    assert isinstance(index, FaissIndex)
    again = FaissIndex(DIMENSION)
    again.restore(index.state())
    return again


FAISS = Engine(lambda: FaissIndex(DIMENSION), restored)


@pytest.fixture(scope="session")
def milvus_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Milvus Lite, whose client is that of a cluster."""
    from milvus_lite.server_manager import server_manager_instance

    path = str(tmp_path_factory.mktemp("milvus") / "vectors.db")
    yield path
    server_manager_instance.release_server(path)


@pytest.fixture(scope="session")
def milvus(milvus_file: str) -> Engine:
    from vitrina.search.index.milvus import MilvusIndex
    from vitrina.search.index.milvus_server import MilvusServer

    numbers = itertools.count(1)

    def again(index: VectorIndex) -> MilvusIndex:
        assert isinstance(index, MilvusIndex)
        return MilvusIndex(MilvusServer(milvus_file), index.collection, DIMENSION)

    return Engine(lambda: MilvusIndex(MilvusServer(milvus_file), f"rows_{next(numbers)}", DIMENSION), again)


@pytest.fixture(params=["faiss", "milvus"])
def engine(request: pytest.FixtureRequest) -> Engine:
    return FAISS if request.param == "faiss" else request.getfixturevalue("milvus")
