"""Every setting, read once at the door and passed down."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from platformdirs import user_data_path
from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from vitrina.search.encoders.base import Encoder, LoadEncoder
from vitrina.search.encoders.open_clip import load_encoder
from vitrina.search.encoders.registry import load_catalog_encoder
from vitrina.search.encoders.runtime import Runtime
from vitrina.search.store.store import Store
from vitrina.search.types.query import MAX_DEADLINE_MS, MAX_EXPLAIN, MAX_EXPLAIN_MS, MAX_TOP


def loader(settings: Settings) -> LoadEncoder:
    """Loads encoders onto the device that the settings name."""
    return partial(load_encoder, device=settings.device, runtime=Runtime(settings.runtime))


def encoder_for(store: Store, settings: Settings) -> Encoder:
    """The encoder that the settings name, else the home's own. Blocks for seconds; raises EncoderError."""
    return load_catalog_encoder(store, loader(settings), settings.encoder)


class Settings(BaseSettings):
    """Environment variables with the prefix ``VITRINA_``; the command line's options win over them."""

    model_config = SettingsConfigDict(env_prefix="VITRINA_", frozen=True, hide_input_in_errors=True)

    store: Path = Field(default_factory=lambda: user_data_path("vitrina", appauthor=False))
    """The folder that holds the catalog and everything derived from it."""

    home: Path | None = Field(default=None, exclude=True)
    """What ``store`` was called before; read for one version more."""

    encoder: str | None = None
    """``embedded``, a folder, ``MODEL/PRETRAINED`` or ``hf-hub:NAME``; None for the home's own, in a new one the
    embedded."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the encoder runs; ``auto`` takes a GPU where there is one."""

    runtime: Literal["auto", "torch", "onnx"] = "auto"
    """What runs the encoder: ``auto`` takes ONNX Runtime on a CPU where ``vitrina encoder export`` was run, and
    PyTorch elsewhere; ``torch`` and ``onnx`` insist."""

    reranker: str | None = None
    """What looks at the best hits again: a folder or a name on the Hugging Face hub, the http(s) address of an
    OpenAI-compatible server, which mostly ends in /v1, ``anthropic``, ``embedded``, or ``off``; None for what
    ``api.rerankers.DEFAULT`` names."""

    reranker_model: str = ""
    """The model's name at the server, or at Anthropic."""

    reranker_key: SecretStr | None = None
    """The server's or Anthropic's API key."""

    reranker_device: Literal["auto", "cpu", "cuda"] | None = None
    """Where a reranker in this process runs; None for where the encoder does."""

    reranker_may_run_its_own_code: bool = False
    """Whether Python files that a model brings beside its weights may run, with all rights of this process."""

    reranker_max_pixels: Annotated[int, Field(ge=64 * 64, le=4096 * 4096)] | None = None
    """What a picture is reduced to before a reranker looks at it; None for some 450 pixels square."""

    reranker_parallel_requests: Annotated[int, Field(ge=1, le=256)] = 8
    """How many requests a server is sent at a time."""

    reranker_cache_bytes: Annotated[int, Field(ge=0)] = 512 * 2**20
    """For the features of pictures that a reranker in this process saw last."""

    reranker_open_timeout_s: Annotated[float, Field(gt=0)] = 60.0
    """How long a server may take for the questions that open it: the first may have to wait for its model."""

    rerank_top: Annotated[int, Field(ge=1, le=MAX_TOP)] = 20
    """How many of the best hits are looked at where a request does not say."""

    rerank_deadline_ms: Annotated[int, Field(ge=1, le=MAX_DEADLINE_MS)] = 800
    """How long that may take where a request does not say."""

    rerank_explain: Annotated[int, Field(ge=0, le=MAX_EXPLAIN)] = 5
    """How many hits are explained where a request does not say."""

    rerank_explain_ms: Annotated[int, Field(ge=1, le=MAX_EXPLAIN_MS)] = 3_000
    """How long that may take where a request does not say."""

    max_body_bytes: Annotated[int, Field(gt=0)] = 64 * 1024 * 1024
    """The largest HTTP request accepted: eight pictures of 6 MB in base64."""

    @model_validator(mode="before")
    @classmethod
    def _accept_old_names(cls, values: dict[str, object]) -> dict[str, object]:
        if values.get("home") is not None:
            values.setdefault("store", values["home"])
        return values
