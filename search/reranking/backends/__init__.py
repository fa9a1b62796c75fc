"""The reranker registry: rerankers opened by name, each by a plug-in of the group ``vitrina.rerankers``."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from vitrina.search.encoders.base import Runtime
from vitrina.search.plugins import RERANKERS, load_plugin, registered
from vitrina.search.reranking.base import Reranker

SERVER_PLUGIN = "openai"
MODEL_PLUGIN = "embedded"
"""For exported models; it leaves others to ``transformers``."""


class Secret(Protocol):
    """A text that is shown only on request, such as pydantic's SecretStr."""

    def get_secret_value(self) -> str:
        """The text itself."""


@dataclass(frozen=True, slots=True)
class RerankerOptions:
    """How to open a reranker; each plug-in uses what applies to it.

    For servers: ``model`` is its name there, ``key`` the API key, ``n_parallel`` bounds the requests at a time, and
    ``open_timeout_s`` the probe. For models in this process: ``device`` is ``auto``, ``cpu``, ``cuda`` or ``cuda:N``,
    ``runtime`` what runs a model that was exported, ``cache_bytes`` bounds the image features in memory, and
    ``features`` is a folder to cache them in. Images are reduced to ``max_pixels``; None leaves that to the plug-in.
    """

    model: str = ""
    key: Secret | None = None
    n_parallel: int = 8
    open_timeout_s: float = 60.0
    device: str = "auto"
    runtime: Runtime = Runtime.AUTO
    allow_remote_code: bool = False
    cache_bytes: int = 512 * 2**20
    features: Path | None = None
    max_pixels: int | None = None


RerankerPlugin = Callable[[str, RerankerOptions], AbstractContextManager[Reranker]]
"""Opens a reranker by name; leaving the context closes it. Plug-ins of the group ``vitrina.rerankers`` are such
callables. Raises RerankerError."""


def open_by_name(name: str, options: RerankerOptions) -> AbstractContextManager[Reranker]:
    """Open a reranker: a server by its address, another package's plug-in as ``PLUGIN`` or ``PLUGIN:REST``, else a
    model in this process by its folder or its name on the Hugging Face hub.

    Blocks, for minutes if weights are large or downloaded. Raises RerankerError and PluginError.
    """
    scheme = name.partition(":")[0]
    default = SERVER_PLUGIN if is_address(name) else MODEL_PLUGIN
    opener: RerankerPlugin = load_plugin(RERANKERS, scheme if scheme in registered(RERANKERS) else default)
    return opener(name, options)


def is_address(name: str) -> bool:
    """Whether a name is a server's address."""
    return name.startswith(("http://", "https://"))


def host_of(address: str) -> str:
    """Return an address's host alone, since the rest may hold secrets."""
    try:
        return urlsplit(address).hostname or "an unnamed server"
    except ValueError:
        return "an unnamed server"
