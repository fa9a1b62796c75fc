"""Tiny models, each built and opened once a session."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.search.reranking.backends.transformers import tiny
from vitrina.search.reranking.backends.transformers.loading import load_reranker
from vitrina.search.reranking.backends.transformers.reranker import TransformersReranker

FolderOf = Callable[[str], Path]
Opened = Callable[[str], TransformersReranker]


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> FolderOf:
    root = tmp_path_factory.mktemp("vlm")
    return cache(lambda family: tiny.save(family, root))


@pytest.fixture(scope="session")
def opened(folder_of: FolderOf) -> Opened:
    return cache(lambda family: load_reranker(str(folder_of(family)), device="cpu"))


@pytest.fixture(scope="session")
def llava(opened: Opened) -> TransformersReranker:
    return opened("llava")
