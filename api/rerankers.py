"""Opening the reranker that the settings name: the one place that knows all kinds."""

from __future__ import annotations

from contextlib import ExitStack
from urllib.parse import urlsplit

from api.settings import Settings
from search.errors import NoRerankerError, RerankerError
from search.home import FEATURES_FOLDER
from search.reranking.base import Reranker, RerankerIdentity
from search.reranking.budget import Rerank

OFF = "off"
ANTHROPIC = "anthropic"

DEFAULT = "embedded"
"""What reranks where ``VITRINA_RERANKER`` is not set: ``loading.EMBEDDED``, which is not imported for its name."""

MAX_SMALL_BYTES = 256 * 2**20
"""Of weights. Pictures of larger models take more room than is kept for one (``keeping.MAX_PICTURE_BYTES``), and they
take long to open."""

CHOICES = (
    "VITRINA_RERANKER takes embedded, the folder of a vision-language model, its name on the Hugging Face hub, the "
    "address of an OpenAI-compatible server (http://127.0.0.1:8001/v1), or anthropic."
)


def reranker_name(settings: Settings) -> str | None:
    """What the reranker is called before it is open, None where there is none. Shows no key, password or query."""
    chosen = settings.reranker or DEFAULT
    if chosen == OFF:
        return None
    if is_address(chosen):
        return f"{settings.reranker_model or 'a model'} at {host_of(chosen)}"
    return f"{settings.reranker_model or 'a model'} at Anthropic" if chosen == ANTHROPIC else chosen


def needed_reranker(settings: Settings) -> str:
    """The same, for what cannot do without one. Raises NoRerankerError where there is none."""
    name = reranker_name(settings)
    if name is None:
        raise no_reranker()
    return name


def no_reranker() -> NoRerankerError:
    """For what asks for a reranker where none is set."""
    return NoRerankerError(
        "There is no reranker on this installation, which would look at pictures, rerank hits and explain them.",
        remedy=f'To have one, set it: {CHOICES} A search without "rerank" and "explain" gives the retrieval order.',
    )


def usual_budget(settings: Settings) -> Rerank:
    """The budget of a query that gives none."""
    return Rerank(
        top=settings.rerank_top,
        deadline_ms=settings.rerank_deadline_ms,
        explain=settings.rerank_explain,
        explain_ms=settings.rerank_explain_ms,
    )


def open_reranker(settings: Settings, closing: ExitStack) -> Reranker:
    """Open and probe it; what it holds open is closed with ``closing``.

    Blocks, for minutes where weights are large or downloaded. Uses a GPU where the settings say so. Raises
    RerankerError.
    """
    chosen = settings.reranker or DEFAULT
    if is_address(chosen):
        return _open_server(chosen, settings, closing)
    if chosen == ANTHROPIC:
        return _open_anthropic(settings, closing)
    return _open_here(chosen, settings, closing)


def small_reranker(settings: Settings) -> RerankerIdentity | None:
    """The reranker that the settings name, not opened, where it is a folder's small model, as the embedded one is; None
    for others, and where there is none.

    What such a model sees of pictures is worth keeping in the home. Blocks for some 10 ms, and a second where
    transformers is not imported yet. Raises RerankerError.
    """
    from search.reranking.backends.transformers.loading import folder_here, identity_of, n_weight_bytes
    from search.reranking.backends.transformers.questions import MAX_PIXELS

    chosen = settings.reranker or DEFAULT
    folder = None if chosen in (OFF, ANTHROPIC) else folder_here(chosen)
    if folder is None or n_weight_bytes(folder) > MAX_SMALL_BYTES:
        return None
    return identity_of(chosen, max_pixels=settings.reranker_max_pixels or MAX_PIXELS)


def is_address(chosen: str) -> bool:
    """Whether it is a server's address and no model's name."""
    return chosen.startswith(("http://", "https://"))


def host_of(address: str) -> str:
    """Its host alone: the rest may hold what is not to be shown."""
    try:
        return urlsplit(address).hostname or "an unnamed server"
    except ValueError:
        return "an unnamed server"


def _open_server(address: str, settings: Settings, closing: ExitStack) -> Reranker:
    from search.reranking.backends.openai import OpenAIReranker
    from search.reranking.backends.remote.picture import MAX_PIXELS

    if not settings.reranker_model:
        raise RerankerError(
            f"The reranker's server at {host_of(address)} is set, its model is not.",
            remedy="Set VITRINA_RERANKER_MODEL to the name under which the server has it.",
        )
    return closing.enter_context(
        OpenAIReranker(
            address,
            settings.reranker_model,
            key=settings.reranker_key,
            n_parallel=settings.reranker_parallel_requests,
            max_pixels=settings.reranker_max_pixels or MAX_PIXELS,
            open_timeout_s=settings.reranker_open_timeout_s,
        )
    )


def _open_anthropic(settings: Settings, closing: ExitStack) -> Reranker:
    from search.reranking.backends.anthropic import AnthropicReranker
    from search.reranking.backends.remote.picture import MAX_PIXELS

    if settings.reranker_key is None or not settings.reranker_model:
        raise RerankerError(
            "Anthropic is set as the reranker, and its key or the model's name is not.",
            remedy="Set VITRINA_RERANKER_KEY to an API key and VITRINA_RERANKER_MODEL to a model's name.",
        )
    return closing.enter_context(
        AnthropicReranker(
            settings.reranker_model,
            key=settings.reranker_key,
            n_parallel=settings.reranker_parallel_requests,
            max_pixels=settings.reranker_max_pixels or MAX_PIXELS,
            open_timeout_s=settings.reranker_open_timeout_s,
        )
    )


def _open_here(chosen: str, settings: Settings, closing: ExitStack) -> Reranker:
    from search.reranking.backends.transformers.loading import load_reranker
    from search.reranking.backends.transformers.questions import MAX_PIXELS

    return closing.enter_context(
        load_reranker(
            chosen,
            device=settings.reranker_device or settings.device,
            allow_remote_code=settings.reranker_may_run_its_own_code,
            max_pixels=settings.reranker_max_pixels or MAX_PIXELS,
            cache_bytes=settings.reranker_cache_bytes,
            features=settings.home / FEATURES_FOLDER,
        )
    )
