"""Every setting, read once at the door and passed down."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from platformdirs import user_data_path
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Environment variables with the prefix ``VITRINA_``; the command line's options win over them."""

    model_config = SettingsConfigDict(env_prefix="VITRINA_", frozen=True)

    home: Path = Field(default_factory=lambda: user_data_path("vitrina", appauthor=False))
    """The folder that holds the catalog and everything derived from it."""

    encoder: str | None = None
    """``embedded``, a folder, ``MODEL/PRETRAINED`` or ``hf-hub:NAME``; None for the home's own, in a new one the
    embedded."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the encoder runs; ``auto`` takes a GPU where there is one."""

    runtime: Literal["auto", "torch", "onnx"] = "auto"
    """What runs the encoder: ``auto`` takes ONNX Runtime on a CPU where ``vitrina encoder export`` was run, and
    PyTorch elsewhere; ``torch`` and ``onnx`` insist."""

    max_body_bytes: Annotated[int, Field(gt=0)] = 64 * 1024 * 1024
    """The largest HTTP request accepted: eight pictures of 6 MB in base64."""
