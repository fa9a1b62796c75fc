"""Loads a vision-language model from a folder, or by its name on the Hugging Face hub."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitrina.search.encoders.compute import computes_in_bfloat16, device_of, require_models
from vitrina.search.reranking.backends import RerankerOptions
from vitrina.search.reranking.backends.dialects import dialect_of
from vitrina.search.reranking.backends.model_folders import (
    LOCAL_PREFIX,
    MAX_PIXELS,
    USAGE,
    configuration,
    identity_of,
    local_folder,
    n_weight_bytes,
)
from vitrina.search.reranking.backends.transformers.reranker import (
    CACHE_BYTES,
    MODEL_ERRORS,
    SMALL_WEIGHTS,
    TransformersReranker,
)
from vitrina.search.reranking.fusion import CARD_FILE, read_fusion_weights
from vitrina.search.store.feature_cache import FeatureCache, features_file
from vitrina.search.types.errors import RerankerError

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

HUB_PREFIX = "hf-hub:"

_WANTED_FILES = ["*.json", "*.jinja", "*.txt", "*.model", "*.safetensors"]


def load_reranker(
    name: str,
    *,
    device: str = "auto",
    allow_remote_code: bool = False,
    max_pixels: int = MAX_PIXELS,
    cache_bytes: int = CACHE_BYTES,
    features: Path | None = None,
    exact: bool = True,
) -> TransformersReranker:
    """Load a model: ``embedded``, a folder, with or without ``local-dir:``, or a name on the hub, with or without
    ``hf-hub:``.

    ``device`` is ``auto`` (CUDA if available), ``cpu``, ``cuda`` or ``cuda:N``; weights are bfloat16 on CUDA, float32
    on the CPU, or there, unless ``exact``, bfloat16 where it computes in that and the model is not small. Models that
    come with their own code are refused unless ``allow_remote_code``, since it would run with
    all rights of this process. Images are reduced to ``max_pixels``. Features of the latest images are cached in up to
    ``cache_bytes`` of memory and, if they are small, in a file of the folder ``features`` where one is given. Blocks,
    for minutes if the weights are large; downloads names on the hub. Raises RerankerError, and MissingDependencyError
    without the extra ``models``.
    """
    require_models("torch", "transformers")
    placed = device_of(device, RerankerError)
    folder = model_folder(name, allow_remote_code=allow_remote_code)
    config = read_configuration(name, folder, allow_remote_code=allow_remote_code)
    model_type = str(config.get("model_type", ""))
    native = _is_native(model_type)
    may_round = not exact and n_weight_bytes(folder) > 2 * SMALL_WEIGHTS
    is_rounded = placed.type == "cuda" or (may_round and computes_in_bfloat16())
    model, processor = _loaded(name, folder, config, placed, native=native, is_rounded=is_rounded)
    identity = identity_of(name, folder, max_pixels=max_pixels)
    with _as_reranker_error(name):
        return TransformersReranker(
            model,
            processor,
            identity,
            dialect_of(name, folder, model_type),
            max_pixels=max_pixels,
            cache_bytes=cache_bytes,
            fusion_weights=read_fusion_weights(folder / CARD_FILE),
            features=FeatureCache(features_file(features, identity)) if features else None,
        )


def open_model(name: str, options: RerankerOptions) -> TransformersReranker:
    """Open a model in this process as the reranker: a plug-in of the group ``vitrina.rerankers``."""
    return load_reranker(
        name,
        device=options.device,
        allow_remote_code=options.allow_remote_code,
        max_pixels=options.max_pixels or MAX_PIXELS,
        cache_bytes=options.cache_bytes,
        features=options.features,
        exact=False,
    )


def model_folder(name: str, *, allow_remote_code: bool = False) -> Path:
    """Return a model's folder, or the hub's copy in the download cache. Downloads. Raises RerankerError."""
    if (local := local_folder(name)) is not None:
        return local
    if name.startswith((LOCAL_PREFIX, "/", ".", "~")):
        raise RerankerError(f"There is no folder {Path(name.removeprefix(LOCAL_PREFIX))}.", remedy=USAGE)
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    wanted = [*_WANTED_FILES, "*.py"] if allow_remote_code else _WANTED_FILES
    log.info("Searching for '%s' in the download cache and on the hub.", name)
    try:
        with without_progress_bars():
            return Path(huggingface_hub.snapshot_download(name.removeprefix(HUB_PREFIX), allow_patterns=wanted))
    except (HfHubHTTPError, HFValidationError, OSError, ValueError) as error:
        raise RerankerError(
            f"Reranker '{name}' is not a local folder and cannot be downloaded from the Hugging Face hub: {error}",
            remedy="Check the name and the network, and for gated models the access token (HF_TOKEN); or download the "
            f"model on another machine and give its folder. {USAGE}",
        ) from error


def read_configuration(name: str, folder: Path, *, allow_remote_code: bool = False) -> dict[str, Any]:
    """Return the configuration of the model in a folder. Raises RerankerError for a model that cannot be loaded, before
    its weights are read."""
    config = configuration(name, folder)
    model_type = str(config.get("model_type", ""))
    if not _is_native(model_type):
        _check_foreign(name, model_type, config, allow_remote_code=allow_remote_code)
    return config


def has_own_code(folder: Path) -> bool:
    """Whether the model in a folder runs on code of its own. Raises RerankerError if there is no model."""
    config = configuration(folder.name, folder)
    return "auto_map" in config and not _is_native(str(config.get("model_type", "")))


def _is_native(model_type: str) -> bool:
    """Whether transformers has the model's classes itself; some such folders contain older code, which is unused."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES

    return model_type in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES


def _check_foreign(name: str, model_type: str, config: dict[str, Any], *, allow_remote_code: bool) -> None:
    if "auto_map" not in config:
        raise RerankerError(
            f"'{name}' is of type '{model_type}', which transformers does not know as a model of images and text.",
            remedy=USAGE,
        )
    if not allow_remote_code:
        raise RerankerError(
            f"'{name}' (type '{model_type}') needs its own code, which comes with its weights. It would "
            "run with all the rights of this process: it could read your catalog and your keys.",
            remedy="Read the Python files beside the weights and set VITRINA_RERANKER_TRUST_REMOTE_CODE=true if you "
            f"trust them, or choose a model without its own code. {USAGE}",
        )


def _loaded(
    name: str, folder: Path, config: dict[str, Any], device: torch.device, *, native: bool, is_rounded: bool
) -> tuple[Any, Any]:
    import torch
    import transformers

    foreign = {} if native else {"trust_remote_code": True}
    causal = not native and "AutoModelForImageTextToText" not in config["auto_map"]
    auto_class = transformers.AutoModelForCausalLM if causal else transformers.AutoModelForImageTextToText
    with _as_reranker_error(name), without_progress_bars():
        processor = transformers.AutoProcessor.from_pretrained(folder, local_files_only=True, **foreign)
        model, report = auto_class.from_pretrained(
            folder,
            dtype=torch.bfloat16 if is_rounded else torch.float32,
            use_safetensors=True,  # loading a pickle runs its code
            local_files_only=True,
            output_loading_info=True,
            **foreign,
        )
    if report["missing_keys"]:
        raise RerankerError(
            f"'{name}' lacks {len(report['missing_keys'])} of its weights, for example {min(report['missing_keys'])}.",
            remedy="Copy or download it again.",
        )
    _make_deterministic(model, processor)
    return model.to(device).eval().requires_grad_(False), processor


def _make_deterministic(model: Any, processor: Any) -> None:
    """Always the likeliest token, and no image splitting: Idefics3 and SmolVLM split for documents, which turns 64
    tokens into 1,100."""
    settings = model.generation_config
    settings.do_sample = False
    settings.temperature = settings.top_p = settings.top_k = None
    if settings.pad_token_id is None:
        settings.pad_token_id = processor.tokenizer.pad_token_id or processor.tokenizer.eos_token_id
    if hasattr(processor.image_processor, "do_image_splitting"):
        processor.image_processor.do_image_splitting = False


@contextlib.contextmanager
def _as_reranker_error(name: str) -> Iterator[None]:
    """Raise RerankerError for anything that transformers raises on a folder that it cannot load."""
    import jinja2
    from safetensors import SafetensorError

    try:
        yield
    except ImportError as error:
        raise RerankerError(
            f"Reranker '{name}' needs a package that is not installed: {error}",
            remedy="Install what it names; pip install 'vitrina[rerank]' brings what the native models need.",
        ) from error
    except (*MODEL_ERRORS, SafetensorError, jinja2.TemplateError) as error:
        raise RerankerError(
            f"Reranker '{name}' could not be loaded: {error or type(error).__name__}",
            remedy=f"Check that the folder is complete and made for this version of transformers. {USAGE}",
        ) from error


@contextlib.contextmanager
def without_progress_bars() -> Iterator[None]:
    """Switch off progress bars, since the caller decides what is shown on a screen."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
    from transformers.utils import logging as transformers_logging

    shown, hub_shown = transformers_logging.is_progress_bar_enabled(), not are_progress_bars_disabled()
    transformers_logging.disable_progress_bar()
    disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()
        if hub_shown:
            enable_progress_bars()
