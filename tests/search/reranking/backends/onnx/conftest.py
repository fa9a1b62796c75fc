"""A tiny FastVLM, exported once a session: of other shapes than the embedded model, and with a template of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.search.reranking.backends.transformers import tiny
from vitrina.tuning.export.reranker import export_reranker


@pytest.fixture(scope="session")
def exported_vlm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tiny.save("fast-vlm", tmp_path_factory.mktemp("exported"))
    export_reranker(folder)
    return folder
