"""Plug-ins: encoders, rerankers, sources and vector indexes that installed packages register as entry points."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any

from vitrina.search.types.errors import PluginError

ENCODERS = "vitrina.encoders"
RERANKERS = "vitrina.rerankers"
SOURCES = "vitrina.sources"
INDEXES = "vitrina.indexes"


def registered(group: str) -> Mapping[str, EntryPoint]:
    """The plug-ins of a group by name, sorted; nothing of them is imported.

    Raises PluginError where two packages register different plug-ins under one name.
    """
    return _registered(group, tuple(sys.path))


@lru_cache(maxsize=16)
def _registered(group: str, path: tuple[str, ...]) -> Mapping[str, EntryPoint]:
    """Cached for as long as the import path stays the same: a scan of the installed packages takes 40 ms."""
    found: dict[str, EntryPoint] = {}
    for entry in sorted(entry_points(group=group), key=lambda entry: entry.name):
        other = found.setdefault(entry.name, entry)
        if other.value != entry.value:
            raise PluginError(
                f"Two packages register {group} under the name {entry.name!r}: "
                f"{package_of(other)} ({other.value}) and {package_of(entry)} ({entry.value}).",
                remedy=f"Uninstall one of them: pip uninstall {package_of(entry)}.",
                details={"group": group, "name": entry.name},
            )
    return MappingProxyType(found)


def load_plugin(group: str, name: str) -> Any:
    """Import what is registered under a name: for each group a callable, whose signature the group's caller documents.

    Raises PluginError where nothing has that name or it cannot be imported.
    """
    known = registered(group)
    if name not in known:
        raise PluginError(
            f"No installed package registers {name!r} in {group}.",
            remedy=f"Use one of: {', '.join(known) or '(none is installed)'}; or install the package that brings it.",
            details={"group": group, "name": name},
        )
    entry = known[name]
    try:
        return entry.load()
    except (ImportError, AttributeError, SyntaxError) as error:
        raise PluginError(
            f"The plug-in {name!r} of {group} ({entry.value}, from {package_of(entry)}) cannot be imported: {error}",
            remedy=f"Install or update it: pip install --upgrade {package_of(entry)}.",
            details={"group": group, "name": name},
        ) from error


def package_of(entry: EntryPoint) -> str:
    """The name of the package that registers an entry point."""
    return entry.dist.name if entry.dist is not None else "an unknown package"
