"""``vitrina backup`` and ``vitrina restore``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vitrina.api.cli.console import StoreOption, print_line, print_note, progress, settings_for

if TYPE_CHECKING:
    from vitrina.search.store.backup import BackupHeader, OnBytes

BYTES_PER_STEP = 1_000_000

OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")],
    overwrite: OverwriteOption = False,
    folder: StoreOption = None,
) -> None:
    """Write the whole store to one file, while services search and index.

    The file appears when it is complete. It has everything but the snapshots of the vector index, which are made again.
    """
    from vitrina.api.settings import existing_store
    from vitrina.search.store.backup import back_up

    with closing(existing_store(settings_for(folder))) as store, megabytes("Backing up") as on_bytes:
        header = back_up(store, file, overwrite=overwrite, on_bytes=on_bytes)
    print_line(f"{header.n_items:,} items in {file}, {file.stat().st_size / 1e6:,.1f} MB")


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file that vitrina backup wrote.")],
    overwrite: OverwriteOption = False,
    check: Annotated[bool, typer.Option("--check", help="Only say whether the backup is whole.")] = False,
    folder: StoreOption = None,
) -> None:
    """Bring a store back from a backup, whole or not at all; one of an older Vitrina is upgraded.

    Restart the services that have the store open. Restore only files that you trust: models in them are loaded.
    """
    from vitrina.search.store.restore import check_backup
    from vitrina.search.store.restore import restore as restore_store

    if check:
        with megabytes("Checking") as on_bytes:
            header = check_backup(file, on_bytes)
        print_line(f"Whole: {contents(header)}")
        return
    store = settings_for(folder).store
    with megabytes("Restoring") as on_bytes:
        header = restore_store(file, store, overwrite=overwrite, on_bytes=on_bytes)
    print_line(f"{contents(header)} restored to {store}")
    print_note("Restart the services that have this store open.")


def contents(header: BackupHeader) -> str:
    """What a backup holds, in words."""
    made_at = datetime.fromtimestamp(header.made_at).astimezone()
    return f"{header.n_items:,} items as of {made_at:%Y-%m-%d %H:%M}, by Vitrina {header.vitrina}"


@contextmanager
def megabytes(description: str) -> Iterator[OnBytes]:
    """Show a bar in megabytes; yields the callback that moves it by bytes."""
    with progress(description, unit="MB") as on_progress:

        def on_bytes(n_done: int, n_total: int) -> None:
            on_progress(n_done // BYTES_PER_STEP, max(1, n_total // BYTES_PER_STEP))

        yield on_bytes
