"""``vitrina keys``: who may ask the service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from vitrina.api.cli.console import StoreOption, output, print_line, print_note, settings_for
from vitrina.search.types.errors import InputError

if TYPE_CHECKING:
    from vitrina.api.keys import KeyFile, ServiceKey

app = typer.Typer(name="keys", no_args_is_help=True, help="Make, list and revoke the API keys of the service.")


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Who uses it, such as website.")],
    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", help="search, write or admin, which includes both. Repeatable; by default search."),
    ] = None,
    rate_limit: Annotated[
        str | None,
        typer.Option("--rate-limit", metavar="RATE", help="Its own limit, such as 600/minute."),
    ] = None,
    folder: StoreOption = None,
) -> None:
    """Make a key, and print it once: only its hash is kept. Running services accept it at once."""
    from vitrina.api.keys import KeyScope
    from vitrina.api.rate_limits import Rate

    wanted = scope or ["search"]
    if unknown := [each for each in wanted if each not in set(KeyScope)]:
        raise InputError(
            f"There is no scope {unknown[0]!r}.",
            remedy="Give --scope search to search and read items, write to change the catalog, admin for everything.",
        )
    try:
        rate = rate_limit and Rate.of(rate_limit)
    except ValueError as error:
        raise InputError(f"{error}.", remedy="Write 10/second, 600/minute or 20000/hour.") from error
    key, secret = key_file(folder).add(name, {KeyScope(each) for each in wanted}, rate_limit if rate else None)
    print_note(f"The key {key.id} of {key.name}, for {', '.join(sorted(key.scopes))}. It is not shown again:")
    print_line(secret)


@app.command(name="list")
def list_keys(
    as_json: Annotated[bool, typer.Option("--json", help="One key a line, as JSON.")] = False,
    folder: StoreOption = None,
) -> None:
    """List the keys, those that were revoked, too. No key can be shown again."""
    keys = key_file(folder).all_keys()
    if as_json:
        output.file.writelines(f"{key.model_dump_json(exclude={'digest'})}\n" for key in keys)
    elif keys:
        show_keys(keys)
    else:
        print_note("There are no keys. Make one with: vitrina keys add NAME --scope search")


@app.command()
def revoke(
    name: Annotated[str, typer.Argument(help="The key's name or id, as the list shows them.")],
    folder: StoreOption = None,
) -> None:
    """Revoke a key. Running services refuse it from the next request on."""
    key = key_file(folder).revoke(name)
    print_line(f"The key {key.id} of {key.name} is revoked.")


def key_file(folder: StoreOption) -> KeyFile:
    """The keys of the store that an option or the settings name."""
    from vitrina.api.keys import KeyFile

    return KeyFile(settings_for(folder).store)


def show_keys(keys: tuple[ServiceKey, ...]) -> None:
    """Print keys as a table."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("id", "name", "scopes", "rate limit", "made", "revoked"):
        table.add_column(column)
    for key in keys:
        scopes, revoked = ", ".join(sorted(key.scopes)), key.revoked_at
        made, ended = f"{key.created_at:%Y-%m-%d %H:%M}", f"{revoked:%Y-%m-%d %H:%M}" if revoked else ""
        table.add_row(key.id, Text(key.name), scopes, key.rate_limit or "", made, ended)
    output.print(table)
