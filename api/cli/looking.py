"""Has the reranker look at a catalog's pictures once they are indexed."""

from __future__ import annotations

from contextlib import ExitStack

from rich.markup import escape

from api.cli.console import errors, output, progress_bar
from api.rerankers import open_reranker, reranker_name, small_reranker
from api.settings import Settings
from indexer.looking import Looked, look_ahead, n_unseen
from search.errors import VitrinaError
from search.home import Home


def prepare_pictures(home: Home, settings: Settings) -> None:
    """Show the settings' reranker the pictures that it has not seen, and say how many and how fast; where that fails,
    why. Opens it only where there are any, and only one that is small. Blocks; raises nothing of the reranker's."""
    try:
        identity = small_reranker(settings)
        n_pictures = n_unseen(home, identity) if identity else 0
        if n_pictures:
            show_looked(look_with_progress(home, settings, n_pictures))
    except VitrinaError as error:
        said = f"The pictures are not prepared for the reranker, which will see them when it is asked: {error}"
        errors.print(said, highlight=False, soft_wrap=True, markup=False)


def look_with_progress(home: Home, settings: Settings, n_pictures: int) -> Looked:
    with ExitStack() as closing:
        with errors.status(f"Opening the reranker {escape(reranker_name(settings) or '')}"):
            reranker = open_reranker(settings, closing)
        with progress_bar() as bar:
            task = bar.add_task("Preparing pictures for the reranker", total=n_pictures)
            return look_ahead(home, reranker, lambda n_done: bar.update(task, completed=n_done))


def show_looked(looked: Looked) -> None:
    if looked.n_seen:
        pace = f"in {looked.seconds:.1f} s, {looked.n_seen / looked.seconds:,.0f} a second"
        output.print(f"{looked.n_seen:,} pictures prepared for the reranker {pace}", highlight=False)
    if looked.n_lost:
        errors.print(f"{looked.n_lost:,} pictures are gone or damaged, and were not prepared", highlight=False)
