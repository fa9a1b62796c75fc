"""Traces one HTTP search: which of our files it passes. A script that `benchmarks.structure` runs."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import FrameType

from fastapi.testclient import TestClient
from PIL import Image

from vitrina.api import cli
from vitrina.api.app import create_app
from vitrina.api.settings import read_settings

QUERY = {"text": "red shirt, not striped", "rerank": {"deadline_ms": 30_000, "explain": 2, "explain_ms": 30_000}}
WHOLE = {"SearchRequest", "Query", "ParsedQuery", "RerankOptions", "Answer", "AnswerStream"}
"""The types that stand for a whole search, on its way in and out."""

COLOURS = {
    "red shirt": (200, 30, 40),
    "blue shirt": (30, 60, 200),
    "green mug": (20, 160, 60),
    "red mug": (190, 20, 30),
}


class Trace:
    """What runs in our files while ``is_on``, in this thread and in those begun after `start`.

    ``ran``: files in which a function ran. ``given``: files with a function that was given the whole search, or
    returned it. ``handing``: those that handed it on to another file.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.is_on = False
        self.ran: set[str] = set()
        self.given: set[str] = set()
        self.handing: set[str] = set()
        self._files: dict[str, str | None] = {}

    def start(self) -> None:
        threading.setprofile(self.profile)
        sys.setprofile(self.profile)

    def profile(self, frame: FrameType, event: str, argument: object) -> None:
        if not self.is_on or event not in ("call", "return") or (file := self.file_of(frame)) is None:
            return
        self.ran.add(file)
        if event == "return":
            if is_whole(argument):
                self.given.add(file)
            return
        code = frame.f_code
        arguments = [frame.f_locals.get(name) for name in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]]
        if code.co_varnames[:1] == ("self",):
            del arguments[0]
        if any(map(is_whole, arguments)):
            self.given.add(file)
            if (caller := self.caller_of(frame)) not in (None, file):
                self.handing.add(str(caller))

    def caller_of(self, frame: FrameType) -> str | None:
        """The nearest of our files up the stack."""
        caller = frame.f_back
        while caller is not None:
            if file := self.file_of(caller):
                return file
            caller = caller.f_back
        return None

    def file_of(self, frame: FrameType) -> str | None:
        name = frame.f_code.co_filename
        if name not in self._files:
            path = Path(name).resolve()
            is_ours = not name.startswith("<") and path.is_relative_to(self.root)
            place = path.relative_to(self.root).as_posix() if is_ours else "."
            self._files[name] = None if place.startswith(".") else place
        return self._files[name]


def is_whole(value: object) -> bool:
    return type(value).__name__ in WHOLE


def main() -> None:
    """Index four images, answer one query over HTTP with the embedded models, and print the calls as JSON."""
    root = Path.cwd().resolve()
    with tempfile.TemporaryDirectory() as work:
        os.environ |= {"VITRINA_STORE": f"{work}/store", "VITRINA_DEVICE": "cpu", "VITRINA_RERANKER": "embedded"}
        shop = Path(work, "shop")
        shop.mkdir()
        for name, colour in COLOURS.items():
            Image.new("RGB", (96, 96), colour).save(shop / f"{name}.png")
        sys.argv = ["vitrina", "index", str(shop)]
        try:
            cli.main()
        except SystemExit as leaving:
            if leaving.code:
                raise
        trace = Trace(root)
        trace.start()
        search(trace)
        sys.setprofile(None)
        threading.setprofile(None)
    found = {name: sorted(getattr(trace, name)) for name in ("ran", "given", "handing")}
    sys.stdout.write("\n" + json.dumps(found) + "\n")


def search(trace: Trace) -> None:
    """Answer the query once to warm up, and once traced. Blocks for seconds."""
    with TestClient(create_app(read_settings()), base_url="http://localhost") as client:
        while client.get("/readyz").json()["reranker"]["status"] == "opening":
            time.sleep(0.05)
        client.post("/v1/search", json=QUERY | {"text": "warm up"}).raise_for_status()
        trace.is_on = True
        answer = client.post("/v1/search", json=QUERY).raise_for_status().json()
        trace.is_on = False
    if answer["rerank_status"] not in ("reranked", "judged"):
        raise RuntimeError(f"The reranker did not answer: {answer['rerank_note']}")


if __name__ == "__main__":
    main()
