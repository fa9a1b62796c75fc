"""``vitrina synonyms``: a shop's own synonyms."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from vitrina.api.cli.console import StoreOption, print_line, print_note, settings_for
from vitrina.search.types.errors import InputError

MAX_BYTES = 4_000_000


def synonyms(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="'a, b, c' for equal words, 'a, b => c' for words to replace; # comments."),
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Remove the shop's synonyms.")] = False,
    folder: StoreOption = None,
) -> None:
    """Set the shop's own synonyms, which running services use at once; without FILE, show them."""
    from vitrina.api.settings import existing_store
    from vitrina.search.analysis.synonyms import parse_synonyms

    if clear and file is not None:
        raise InputError("FILE and --clear exclude each other.", remedy="Give one of them.")
    text = None if file is None else read_text(file)
    n_rules = len(parse_synonyms(text or ""))
    with closing(existing_store(settings_for(folder))) as store:
        if clear or text is not None:
            store.catalog.keep_synonyms(text or "")
            print_line("Synonyms removed" if clear else f"{n_rules:,} {'rule' if n_rules == 1 else 'rules'} kept")
            return
        kept = store.catalog.text_settings().synonyms
    if kept:
        print_line(kept.rstrip("\n"))
    else:
        print_note("The shop has no synonyms of its own. Set them with: vitrina synonyms FILE")


def read_text(file: Path) -> str:
    """A text file in UTF-8. Raises InputError."""
    try:
        if file.stat().st_size > MAX_BYTES:
            raise InputError(f"{file} is larger than {MAX_BYTES:,} bytes.", remedy="Leave out some synonyms.")
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}.", remedy="Check the path.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not text in UTF-8 (byte {error.start}).", remedy="Save it as UTF-8.") from error
