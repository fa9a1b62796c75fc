"""The settings, read once at start and passed down."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Final, Literal

from platformdirs import user_data_path
from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from vitrina.api.rate_limits import RATE_PATTERN
from vitrina.search.encoders.base import Encoder, LoadEncoder, Runtime
from vitrina.search.encoders.registry import load_catalog_encoder, load_encoder, source_of
from vitrina.search.store.store import RECALL, Store, StoreOptions
from vitrina.search.types.errors import StateError
from vitrina.search.types.models import EncoderIdentity
from vitrina.search.types.query import MAX_DEADLINE_MS, MAX_EXPLAIN, MAX_EXPLAIN_MS, MAX_TOP

log = logging.getLogger(__name__)

PREFIX: Final = "VITRINA_"


def check_origins(setting: str) -> str:
    """The same. Raises ValueError for what no browser calls an origin."""
    for origin in filter(None, map(str.strip, setting.split(","))):
        if not re.fullmatch(r"https?://[^/?#@\s*]+", origin):
            raise ValueError(f"{origin!r} is no origin; write https://shop.example")
    return setting


def check_hosts(setting: str) -> str:
    """The same. Raises ValueError for what is no name of a host."""
    for host in filter(None, map(str.strip, setting.split(","))):
        if not re.fullmatch(r"[^/:@\s]+", host):
            raise ValueError(f"{host!r} is no name of a host; write search.shop.example, without a port")
    return setting


def check_proxies(setting: str) -> str:
    """The same. Raises ValueError for what is neither an address nor a network."""
    for proxy in filter(None, map(str.strip, setting.split(","))):
        if proxy != "*":
            ip_network(proxy, strict=False)
    return setting


class Settings(BaseSettings):
    """Environment variables with the prefix ``VITRINA_``; options on the command line win over them."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, hide_input_in_errors=True)

    store: Path = Field(default_factory=lambda: user_data_path("vitrina", appauthor=False))
    """The data directory: the catalog and everything derived from it."""

    database: SecretStr | None = None
    """The address of a PostgreSQL database, ``postgresql://USER:PASSWORD@HOST/DATABASE``, that holds the catalog and
    the images in place of the store's SQLite files (``vitrina[postgres]``). Several services may share it."""

    images: str | None = None
    """Where the bytes of images are stored, if not in the database: ``s3://BUCKET/FOLDER``, or another address that
    fsspec knows (``vitrina[s3]``)."""

    vectors: SecretStr | None = None
    """The address of a Milvus server, ``http://[USER:PASSWORD@]HOST:19530[/DATABASE]``, that searches the vectors in
    place of ``vector_index``, or a local file that ends in ``.db`` for Milvus Lite (``vitrina[milvus]``). Several
    services may share it."""

    encoder: str | None = None
    """``embedded``, a folder, ``MODEL/PRETRAINED`` or ``hf-hub:NAME``; None for the store's own encoder, which in a new
    store is the embedded one."""

    ray_address: str | None = None
    """The Ray cluster that ``vitrina index --engine ray`` works on, ``HOST:PORT``, or ``auto`` for the one that this
    machine belongs to; None to start one on this machine for the time of the run (``vitrina[ray]``)."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the encoder runs; ``auto`` uses a GPU if there is one."""

    runtime: Literal["auto", "torch", "onnx"] = "auto"
    """What runs the encoder: ``auto`` uses ONNX Runtime on a CPU if ``vitrina encoder export`` was run, and PyTorch
    otherwise; ``torch`` and ``onnx`` force one or the other."""

    vector_index: str = "faiss"
    """The engine that searches vectors: ``faiss``, which chooses a kind of index by size and memory, or a kind:
    ``faiss-flat``, ``faiss-hnsw``, ``faiss-ivf-sq8``, ``faiss-ivf-pq``; or a plug-in of another package
    (``vitrina.indexes``)."""

    recall: Annotated[float, Field(gt=0, le=1)] = RECALL
    """The share of the best items that an approximate vector index should find, as against comparing all of them."""

    reranker: str | None = None
    """The vision-language model that reranks: a folder or a name on the Hugging Face hub, the http(s) address of an
    OpenAI-compatible server (it usually ends in /v1), ``anthropic``, ``embedded``, or ``off``; None for
    ``api.rerankers.DEFAULT``."""

    reranker_model: str = ""
    """The model's name on the server, or at Anthropic."""

    reranker_key: SecretStr | None = None
    """The API key for the server or for Anthropic."""

    reranker_device: Literal["auto", "cpu", "cuda"] | None = None
    """Where a reranker in this process runs; None for the encoder's device."""

    reranker_trust_remote_code: bool = False
    """Whether Python files that come with a model's weights may run, with all the rights of this process."""

    reranker_max_pixels: Annotated[int, Field(ge=64 * 64, le=4096 * 4096)] | None = None
    """The size to which images are reduced for the reranker; None for about 450 x 450."""

    reranker_parallel_requests: Annotated[int, Field(ge=1, le=256)] = 8
    """How many requests are sent to a server at the same time."""

    reranker_cache_bytes: Annotated[int, Field(ge=0)] = 512 * 2**20
    """Memory for the image features that a reranker in this process used last."""

    reranker_open_timeout_s: Annotated[float, Field(gt=0)] = 60.0
    """How long a server may take to answer the probes at start, the first of which may have to wait for its model."""

    rerank_top: Annotated[int, Field(ge=1, le=MAX_TOP)] = 20
    """How many of the best candidates are reranked if a request does not say."""

    rerank_deadline_ms: Annotated[int, Field(ge=1, le=MAX_DEADLINE_MS)] = 800
    """How long that may take if a request does not say."""

    rerank_explain: Annotated[int, Field(ge=0, le=MAX_EXPLAIN)] = 5
    """How many hits are explained if a request does not say."""

    rerank_explain_ms: Annotated[int, Field(ge=1, le=MAX_EXPLAIN_MS)] = 3_000
    """How long the explanations may take if a request does not say."""

    api_keys: Literal["auto", "required", "off"] = "auto"
    """Whether requests need an API key: ``auto`` where ``vitrina serve`` listens on more than this machine's loopback
    address, ``off`` nowhere, for networks in which everybody may search, change and delete."""

    rate_limit: Annotated[str, Field(pattern=f"{RATE_PATTERN}|^$")] = "6000/minute"
    """How often each key may ask, or each address where no keys are used, this machine's own excepted; empty for no
    limit. Also ``/second`` and ``/hour``."""

    trusted_proxies: Annotated[str, AfterValidator(check_proxies)] = "127.0.0.1,::1"
    """Addresses and networks of reverse proxies, separated by commas, whose ``X-Forwarded-For`` is believed."""

    allowed_hosts: Annotated[str, AfterValidator(check_hosts)] = ""
    """Names under which the service is reached, beside its addresses and ``localhost``, separated by commas; ``*``
    stands for any characters, as in ``*.shop.example``."""

    allowed_origins: Annotated[str, AfterValidator(check_origins)] = ""
    """Origins of other sites whose pages may ask the service, separated by commas: ``https://shop.example``."""

    log: Literal["text", "json"] = "text"
    """How the service logs: warnings as lines of text, or everything as JSON, an object a line, with a line for each
    answer. Neither has bodies, images, or texts searched for in it."""

    tracing: bool = False
    """Whether requests are traced by OpenTelemetry and sent by OTLP, as the standard variables say
    (``OTEL_EXPORTER_OTLP_ENDPOINT``, ``OTEL_SERVICE_NAME``). Needs the extra ``tracing``."""

    max_body_bytes: Annotated[int, Field(gt=0)] = 64 * 1024 * 1024
    """The largest HTTP request body accepted: eight images of 6 MB in base64."""

    max_import_bytes: Annotated[int, Field(gt=0)] = 2 * 2**30
    """The largest catalog file that is taken over HTTP, or fetched from an address for an import."""

    max_unpacked_bytes: Annotated[int, Field(gt=0)] = 20 * 2**30
    """How large such a file may be once it is decompressed."""


def read_settings() -> Settings:
    """The settings of the environment. Logs a warning for each variable that looks like one and is none. Raises
    StateError for values that they cannot have."""
    for name in unknown_names(os.environ):
        like = get_close_matches(name.upper(), NAMES, 1)
        log.warning("%s is not a setting%s; it is not used.", name, f" (did you mean {like[0]}?)" if like else "")
    try:
        return Settings()
    except ValidationError as error:
        wrong = [f"{PREFIX}{'.'.join(map(str, each['loc'])).upper()}: {each['msg']}" for each in error.errors()]
        raise StateError(
            f"{'; '.join(wrong)}.", remedy="Correct or unset it; the documentation's reference has every setting."
        ) from error


NAMES: Final = [f"{PREFIX}{name.upper()}" for name in Settings.model_fields]
_OF_KUBERNETES: Final = re.compile(rf"{PREFIX}(SERVICE_(HOST|PORT.*)|PORT(_\d+_.*)?)")
"""What Kubernetes sets in each container beside a service of the name vitrina."""


def unknown_names(environment: Iterable[str]) -> list[str]:
    """The variables with the settings' prefix that are none of them."""
    own = [name for name in environment if name.upper().startswith(PREFIX)]
    return sorted(name for name in own if name.upper() not in NAMES and not _OF_KUBERNETES.fullmatch(name))


def open_store(settings: Settings) -> Store:
    """The store that the settings name, made if there is none. Raises StorageError and StateError."""
    return Store(settings.store, store_options(settings))


def existing_store(settings: Settings) -> Store:
    """The store that the settings name. Raises NotFoundError where nothing was indexed into it."""
    return Store.existing(settings.store, store_options(settings))


def address_of(settings: Settings) -> str | None:
    """The address of the database, if it is not SQLite's."""
    return None if settings.database is None else settings.database.get_secret_value()


def store_options(settings: Settings) -> StoreOptions:
    """What the store keeps outside of its folder, and how it is searched."""
    vectors = None if settings.vectors is None else settings.vectors.get_secret_value()
    return StoreOptions(settings.vector_index, settings.recall, address_of(settings), settings.images, vectors)


def loader(settings: Settings) -> LoadEncoder:
    """Loads encoders on the device and runtime of the settings."""
    return partial(load_encoder, device=settings.device, runtime=Runtime(settings.runtime))


def encoder_for(store: Store, settings: Settings) -> Encoder:
    """The encoder that the settings name, or else the store's own. Blocks for seconds; raises EncoderError."""
    return load_catalog_encoder(store, loader(settings), settings.encoder)


def worker_loader(store: Store, identity: EncoderIdentity, settings: Settings) -> Callable[[int | None], Encoder]:
    """Loads the encoder of a store's catalog in other processes, for so many CPU threads: the embedded one from the
    package, others from the store's copy, for which the store's folder must be where it is here."""
    return partial(
        load_in_worker, source_of(store, identity), identity.name, settings.device, Runtime(settings.runtime)
    )


def load_in_worker(name: str, known_as: str, device: str, runtime: Runtime, n_threads: int | None) -> Encoder:
    """Load an encoder, for so many CPU threads. Blocks; raises EncoderError."""
    return load_encoder(name, device=device, runtime=runtime, n_threads=n_threads, known_as=known_as)
