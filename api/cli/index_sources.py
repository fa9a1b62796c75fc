"""Which sources ``vitrina index`` opens, and how: by its options, or as an earlier run did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import typer

from vitrina.indexer.dead_letters import RetriedLetters, SourceOptions
from vitrina.indexer.sources import open_source
from vitrina.indexer.sources.base import Source
from vitrina.indexer.uploads import unpacked
from vitrina.search.types.errors import SourceError


def parse_mapping(maps: Sequence[str]) -> Mapping[str, str]:
    """Parse ``FIELD=COLUMN`` options. Raises SourceError for one that does not have that form."""
    mapping: dict[str, str] = {}
    for each in maps:
        field, equals, column = each.partition("=")
        if not (field and equals and column):
            raise SourceError(f"--map {each!r} is not FIELD=COLUMN.", remedy="For example: --map sku=product_id")
        mapping[field] = column
    return mapping


@dataclass(frozen=True, slots=True)
class GivenOptions:
    """What the command line says of how to open sources."""

    name: str | None
    mapping: Mapping[str, str]
    dialect: str | None
    images: Path | None
    encoding: str | None
    shown_only: bool

    def of(self, location: str, before: SourceOptions | None) -> SourceOptions:
        """How to open one source: as before, except for what is given."""
        path = str(Path(location).expanduser().absolute())
        dialect = absolute(self.dialect) if self.dialect and Path(self.dialect).is_file() else self.dialect
        images = None if self.images is None else absolute(self.images)
        if before is None:
            return SourceOptions(path, self.name or path, self.mapping, dialect, images, self.encoding, self.shown_only)
        return SourceOptions(
            path,
            self.name or before.name,
            self.mapping or before.mapping,
            dialect or before.dialect,
            images or before.images,
            self.encoding or before.encoding,
            self.shown_only or before.shown_only,
        )


def absolute(path: Path | str) -> str:
    """A path that means the same in any folder."""
    return str(Path(path).expanduser().absolute())


def options_of(sources: Sequence[str], given: GivenOptions, retried: RetriedLetters | None) -> list[SourceOptions]:
    """How to open each source. Raises SourceError for several sources of one name, each of which would take the others'
    items for gone, and where there is none, or for dead letters not just one."""
    before = None if retried is None else retried.options
    if retried is not None and before is not None and not sources:
        sources = [before.location]
    if retried is not None and len(sources) != 1:
        told = "does not say which source it is of" if not sources else "is of one source"
        remedy = f"Give the source: vitrina index SOURCE --retry {retried.path}"
        raise SourceError(f"The dead-letter file {retried.path} {told}.", remedy=remedy)
    if not sources:
        raise typer.BadParameter("Give at least one folder or file to index.", param_hint="SOURCES")
    if given.name is not None and len(sources) > 1:
        message = f"{len(sources)} sources cannot all be {given.name!r}."
        raise SourceError(message, remedy="Index each in a run of its own.")
    return [given.of(source, before) for source in sources]


def open_again(options: SourceOptions, stack: ExitStack, max_bytes: int) -> Source:
    """Open a source as its options say; what is unpacked for it, ``max_bytes`` at most, stays until
    the stack ends. Raises SourceError."""
    images = None if options.images is None else Path(options.images)
    return open_source(
        stack.enter_context(unpacked(options.location, max_bytes)),
        options.mapping,
        image_folder=images,
        dialect=options.dialect,
        encoding=options.encoding,
        shown_only=options.shown_only,
    )
