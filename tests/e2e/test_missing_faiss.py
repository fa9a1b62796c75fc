"""Without FAISS the command says which two packages bring it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from vitrina.search.store.store import Store

WITHOUT_FAISS = """
import sys
sys.modules["faiss"] = None
from vitrina.api.cli import main
sys.argv = ["vitrina", "search", "shirt", "--store", sys.argv[1]]
main()
"""


def test_a_missing_faiss_names_both_packages(tmp_path: Path) -> None:
    Store(tmp_path).close()
    command = [sys.executable, "-c", WITHOUT_FAISS, str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "faiss-cpu" in ended.stderr
    assert "vitrina[gpu]" in ended.stderr
    assert "Traceback" not in ended.stderr
