"""What the documentation site has beside the files of ``docs/``: references made from the code, and pages that lie
elsewhere in the repository. A hook of MkDocs (``mkdocs.yml``)."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from posixpath import dirname, join, normpath, relpath
from tempfile import TemporaryDirectory

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # MkDocs imports this file by its path

from benchmarks import plots, reference  # noqa: E402

OUTSIDE: Mapping[str, str] = {
    "CHANGELOG.md": "changelog.md",
    "benchmarks/results.md": "benchmarks.md",
    "recipes/README.md": "internals/recipes.md",
    "search/encoders/embedded/README.md": "models/encoder.md",
    "search/reranking/embedded/README.md": "models/reranker.md",
    **{f"notebooks/{path.name}": f"notebooks/{path.stem}.md" for path in (ROOT / "notebooks").glob("*.ipynb")},
}
"""Files of the repository that are pages of the site, and where they lie there."""

GENERATED: Mapping[str, Callable[[], str]] = {
    "reference/settings.md": reference.settings_page,
    "reference/http.md": reference.http_page,
    "reference/cli.md": reference.cli_page,
    "internals/decisions.md": lambda: decisions_page(),
}

LINK = re.compile(r"(?<=\]\()(?!\w+:|#|/)([^)\s#]+)((?:#[^)\s]*)?)(?=\))")
"""The target of a relative link, and its anchor."""

PACKAGE = TemporaryDirectory(prefix="vitrina-docs-")

REPOSITORY_PATHS = {site: place for place, site in OUTSIDE.items()}


@event_priority(100)  # before mkdocstrings reads its settings
def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Give mkdocstrings the package as it is installed, in one folder: it follows neither links nor import hooks."""
    for folder in ("search", "indexer", "api", "evaluation", "tuning"):
        for path in (ROOT / folder).rglob("*.py"):
            copy = Path(PACKAGE.name) / "vitrina" / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
    shutil.copytree(ROOT / "vitrina", Path(PACKAGE.name) / "vitrina", dirs_exist_ok=True)
    config.plugins["mkdocstrings"].config["handlers"]["python"]["paths"] = [PACKAGE.name]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in ``docs/``."""
    for place, site in OUTSIDE.items():
        text = (ROOT / place).read_text(encoding="utf-8")
        files.append(File.generated(config, site, content=notebook_page(text) if place.endswith(".ipynb") else text))
    for site, make in GENERATED.items():
        files.append(File.generated(config, site, content=make()))
    for name in plots.PLOTS:
        files.append(File.generated(config, f"plots/{name}.svg", content=plots.draw(name)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links between files of the repository into links between pages of the site."""
    here = page.file.src_uri
    if here in GENERATED:
        return markdown
    place = REPOSITORY_PATHS.get(here, f"docs/{here}")
    if here == "benchmarks.md":
        heading, _, rest = markdown.partition("\n")
        return f"{heading}\n\n{plots.figures()}\n{rest}"

    def on_site(found: re.Match[str]) -> str:
        target = normpath(join(dirname(place), found[1]))
        if target in OUTSIDE:
            return relpath(OUTSIDE[target], dirname(here) or ".") + found[2]
        if target.startswith("docs/"):
            return relpath(target.removeprefix("docs/"), dirname(here) or ".") + found[2]
        return found[0]

    return without_code(LINK, on_site, without_outside_links(markdown, place))


def without_outside_links(markdown: str, place: str) -> str:
    """Keep only the words of links to files that the site does not have, such as the licence."""

    def words(found: re.Match[str]) -> str:
        target = normpath(join(dirname(place), found[2]))
        is_on_site = target in OUTSIDE or target.startswith("docs/")
        return found[0] if is_on_site or not (ROOT / target).exists() else found[1]

    return without_code(re.compile(r"(?<!!)\[([^\]]*)\]\((?!\w+:|#|/)([^)\s#]+)(?:#[^)\s]*)?\)"), words, markdown)


def without_code(pattern: re.Pattern[str], replace: Callable[[re.Match[str]], str], markdown: str) -> str:
    """Replace outside fenced code."""
    parts = re.split(r"(^```.*?^```$)", markdown, flags=re.MULTILINE | re.DOTALL)
    return "".join(part if part.startswith("```") else pattern.sub(replace, part) for part in parts)


def notebook_page(text: str) -> str:
    """A notebook's cells as Markdown, without its outputs, which are not kept."""
    pages = []
    for cell in json.loads(text)["cells"]:
        source = "".join(cell["source"])
        pages.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
    return "\n\n".join(pages) + "\n"


def decisions_page() -> str:
    """The list of the decisions, by their headings."""
    lines = ["# Decisions", "", "Why things are as they are, a short page each.", ""]
    for path in sorted((ROOT / "docs" / "decisions").glob("*.md")):
        heading = path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
        number, _, title = heading.partition(". ")
        lines.append(f"- {number}: [{title}](../decisions/{path.name})")
    return "\n".join(lines) + "\n"
