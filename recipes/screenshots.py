"""The screenshots in ``docs``: the page over the demo's boutique, in a browser. ``make screenshots`` renews them.

    python -m recipes.screenshots --store demo/store --out docs

Serves the store on a free port and takes about half a minute. Needs Chromium and ``vitrina[dev]``.
"""

from __future__ import annotations

import argparse
import io
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvicorn
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from vitrina.api.app import create_app
from vitrina.api.settings import Settings

JPEG_QUALITY = 78
"""At 70 the hairlines of the page grow shadows; above 80 the files grow faster than they improve."""

DESKTOP = (1280, 860)
PHONE = (390, 844)
"""Width and height in CSS pixels."""


@dataclass(frozen=True)
class Shot:
    """A view to photograph once ``ready`` is on the page, after ``act`` did something to it."""

    name: str
    path: str
    ready: str
    size: tuple[int, int] = DESKTOP
    act: Callable[[Page], None] = lambda page: None
    dark: bool = False


def open_colours(page: Page) -> None:
    """Open the panel of colours."""
    page.get_by_role("button", name="Colour", exact=True).click()
    page.mouse.move(0, 0)


def open_fit(page: Page) -> None:
    """Show where in the photo the first verdict comes from."""
    page.locator(".fit button.chip").first.hover()
    page.wait_for_selector(".region.shown")


SHOTS = (
    Shot("page-search", "/?q=navy+shirt&without=striped", ".explanation:not(:empty)", act=open_colours),
    Shot("page-item", "/items/VB00-0000070?q=navy+shirt", ".fit .verdict", act=open_fit),
    Shot("page-phone", "/?q=something+warm+in+grey", ".explanation:not(:empty)", size=PHONE, dark=True),
)


@contextmanager
def served(store: Path) -> Iterator[str]:
    """The address of a service over a store, once its reranker is open."""
    app = create_app(Settings(store=store, rerank_deadline_ms=20_000, rerank_explain_ms=20_000))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.05)
        address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        while (httpx.get(f"{address}/readyz").json()["reranker"] or {}).get("status") == "opening":
            time.sleep(0.2)
        yield address
    finally:
        server.should_exit = True
        thread.join()


def take(address: str, out: Path) -> None:
    """Write each shot as a JPEG."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for shot in SHOTS:
            width, height = shot.size
            page = browser.new_page(viewport={"width": width, "height": height}, locale="en-GB")
            page.emulate_media(color_scheme="dark" if shot.dark else "light")
            page.goto(address + shot.path)
            page.wait_for_selector(shot.ready)
            shot.act(page)
            page.wait_for_load_state("networkidle")
            page.wait_for_timeout(500)  # transitions
            shown = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
            shown.save(out / f"{shot.name}.jpg", quality=JPEG_QUALITY, optimize=True, progressive=True)
            page.close()
        browser.close()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Take the documentation's screenshots.")
    parser.add_argument("--store", type=Path, default=Path("demo/store"), help="The demo's store (make demo).")
    parser.add_argument("--out", type=Path, default=Path("docs"))
    options = parser.parse_args()
    with served(options.store) as address:
        take(address, options.out)


if __name__ == "__main__":
    main()
