"""The documentation site: it builds without a warning, and loads nothing from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from benchmarks import documentation, plots
from vitrina.api.settings import Settings

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site. A dead link, a page outside the navigation or a missing docstring fails the build."""
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONWARNINGS": "default"}
    ended = subprocess.run(build, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=110)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return folder


@pytest.mark.slow
def test_pages_load_nothing_from_other_sites(site: Path) -> None:
    loading = re.compile(r"<(?:script|img|iframe|source)[^>]*\ssrc=\"?https?:|<link[^>]*\shref=\"?https?:[^>]*>")
    pages = list(site.rglob("*.html"))
    assert len(pages) > 40
    for page in pages:
        found = [each for each in loading.findall(page.read_text(encoding="utf-8")) if "canonical" not in each]
        assert not found, page


@pytest.mark.slow
def test_references_name_every_setting_route_and_command(site: Path) -> None:
    settings, http, cli = (
        (site / "reference" / f"{name}.html").read_text(encoding="utf-8") for name in ("settings", "http", "cli")
    )
    for name in Settings.model_fields:
        assert f"VITRINA_{name.upper()}" in settings
    for words in ("POST /v1/search", "PUT /v1/items/{sku}", "GET /readyz", "SearchRequest", "no_good_match"):
        assert words in http
    for command in ("vitrina index", "vitrina encoder use", "vitrina train reranker"):
        assert f"<code>{command}</code>" in cli


@pytest.mark.slow
def test_the_python_reference_has_what_is_public(site: Path) -> None:
    import vitrina

    page = (site / "reference" / "python.html").read_text(encoding="utf-8")
    for name in vitrina.__all__:
        assert f'id="vitrina.{name}"' in page


@pytest.mark.slow
def test_the_reference_of_the_client_has_its_methods(site: Path) -> None:
    import vitrina.client
    from vitrina.client import flows

    page = (site / "reference" / "client.html").read_text(encoding="utf-8")
    methods = [name for name in vars(vitrina.client.Client) if not name.startswith("_") and hasattr(flows, name)]
    assert len(methods) > 10
    for name in (*vitrina.client.__all__, *(f"flows.{method}" for method in methods)):
        assert f'id="vitrina.client.{name}"' in page, name


@pytest.mark.slow
def test_benchmarks_have_their_plots(site: Path) -> None:
    page = (site / "benchmarks.html").read_text(encoding="utf-8")
    for name in plots.PLOTS:
        assert f'src="plots/{name}.svg"' in page
        assert (site / "plots" / f"{name}.svg").read_text(encoding="utf-8").count("<path") > 10


def test_the_figures_in_the_readme_are_those_that_were_measured() -> None:
    results = (ROOT / "benchmarks" / "results.md").read_text(encoding="utf-8")
    section = results.partition("\n## unseen\n")[2].partition("\n## ")[0]
    measured = {each.name: each.value for each in plots.read_measurements(section)}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\| ([\w ]+), [^|]+ \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", readme, re.MULTILINE)
    assert len(shown) == 3
    for shop, *figures in shown:
        names = [f"{shop}, nDCG@10, {name}" for name in ("the search", "BM25", "MiniLM")]
        assert figures == [f"{measured[name]:.2f}" for name in names]


def test_measurements_are_read_with_units_bounds_and_intervals() -> None:
    section = "| figure | measured | bound | met | how |\n|---|---|---|---|---|\n"
    section += "| a | 1,301 | at least 1,000 | yes | 95% interval -0.060 to +0.043 |\n| b | 36.9 ms |  |  |  |\n"
    first, second = plots.read_measurements(section)
    assert (first.value, first.bound, first.interval) == (1301, 1000, (-0.06, 0.043))
    assert (second.value, second.bound, second.interval) == (36.9, None, None)


def test_links_of_the_repository_become_links_of_the_site() -> None:
    markdown = "[log](LOG.md#x) [card](../search/encoders/embedded/README.md) [licence](../LICENSE) [gone](no.md)\n"
    file = File("ranking.md", "docs", "site", use_directory_urls=False)
    page = Page(None, file, MkDocsConfig())
    links = documentation.on_page_markdown(markdown, page, MkDocsConfig(), Files([]))
    assert links == "[log](LOG.md#x) [card](models/encoder.md) licence [gone](no.md)\n"
