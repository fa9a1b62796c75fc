"""A headless Chromium, driven through its remote-debugging pipe: JSON messages that end in a zero byte."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find_chromium() -> str | None:
    """The browser's program, or None where there is none."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if (found := shutil.which(name))), None)


def dump_dom(program: str, url: str, profile: Path) -> str:
    """The document as it stands once the page has come to rest. Blocks for seconds."""
    command = [program, *FLAGS, f"--user-data-dir={profile}", "--virtual-time-budget=10000", "--dump-dom", url]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


class Browser:
    """One page in a browser of its own, until the ``with`` block ends. ``profile``: an empty folder."""

    def __init__(self, program: str, profile: Path) -> None:
        from_us, self._commands = os.pipe()
        self._answers, from_browser = os.pipe()
        self._process = subprocess.Popen(
            # Chromium reads commands from descriptor 3 and answers on 4; the shell puts the pipes there.
            [
                "/bin/bash",
                "-c",
                f'exec "$@" 3<&{from_us} 4>&{from_browser}',
                "bash",
                program,
                *FLAGS,
                f"--user-data-dir={profile}",
                "--remote-debugging-pipe",
            ],
            pass_fds=(from_us, from_browser),
            stderr=subprocess.DEVNULL,
        )
        os.close(from_us)
        os.close(from_browser)
        self._n_calls, self._session, self._received = 0, "", b""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.terminate()
        self._process.wait(timeout=20)
        os.close(self._commands)
        os.close(self._answers)

    def call(self, method: str, **params: object) -> Any:
        """One command of the DevTools protocol, and its result. Blocks; raises RuntimeError where it fails."""
        self._n_calls += 1
        message = {"id": self._n_calls, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while (answer := self._receive()).get("id") != self._n_calls:
            pass
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._received:
            chunk = os.read(self._answers, 1 << 16)
            if not chunk:
                raise RuntimeError("The browser closed its pipe.")
            self._received += chunk
        message, _, self._received = self._received.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        return answer

    def open(self, url: str) -> None:
        """Go to an address and wait until the page and its script have loaded."""
        self.call("Page.navigate", url=url)
        self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'")

    def run(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page. Raises RuntimeError with what it threw."""
        outcome = self.call("Runtime.evaluate", expression=expression, returnByValue=True, userGesture=True)
        if "exceptionDetails" in outcome:
            raise RuntimeError(f"{expression}: {outcome['exceptionDetails']}")
        return outcome["result"].get("value")

    def wait_for(self, expression: str, *, timeout_s: float = 20) -> Any:
        """The value of the expression once it is true-like. Raises TimeoutError."""
        deadline = time.monotonic() + timeout_s
        while not (value := self.run(expression)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{expression} stayed {value!r} for {timeout_s} s")
            time.sleep(0.05)
        return value

    def choose_file(self, selector: str, path: Path) -> None:
        """Put a file into a file input, as a click and a choice would."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path)])
