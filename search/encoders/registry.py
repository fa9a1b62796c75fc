"""The encoder registry: encoders loaded by name, and the one that a store's catalog was embedded with."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from weakref import WeakValueDictionary

from vitrina.search.encoders.base import (
    EMBEDDED,
    Encoder,
    EncoderOptions,
    EncoderPlugin,
    LoadEncoder,
    Runtime,
    encoder_folder,
    fingerprint_of,
    full_name,
)
from vitrina.search.encoders.exports import is_int8
from vitrina.search.encoders.onnx import uses_export
from vitrina.search.plugins import ENCODERS, load_plugin, registered
from vitrina.search.store.store import Store
from vitrina.search.types.errors import EncoderError, MissingDependencyError
from vitrina.search.types.models import EncoderIdentity

log = logging.getLogger(__name__)

MIN_PREFIX = 6
"""The least number of a fingerprint's digits that name an encoder."""


def load_encoder(
    name: str | None = None,
    *,
    device: str = "auto",
    runtime: Runtime = Runtime.AUTO,
    n_threads: int | None = None,
    known_as: str | None = None,
    exact: bool = False,
) -> Encoder:
    """Load an encoder by name; the other parameters are those of ``EncoderOptions``.

    ``name`` is None or ``embedded`` for the one in the package, ``local-dir:FOLDER``, ``MODEL/WEIGHTS`` of open_clip's
    own list, ``hf-hub:ORGANISATION/MODEL``, or ``PLUGIN`` or ``PLUGIN:REST`` for another package's plug-in of the group
    ``vitrina.encoders``. If a folder's export cannot be used, ``Runtime.AUTO`` logs a warning and takes PyTorch.
    The one in the package is loaded once, and shared while anybody uses it: a catalog and the matcher both do.
    Blocks; encoders that are in no folder may be downloaded. Raises EncoderError, whose remedy lists what works, and
    PluginError.
    """
    name = name or EMBEDDED
    options = EncoderOptions(device, runtime, n_threads, None if known_as == name else known_as, exact)
    if name != EMBEDDED:
        return _load(name, options)
    with _loading:
        encoder = _embedded.get(options) or _load(name, options)
        _embedded[options] = encoder
        return encoder


_embedded: WeakValueDictionary[EncoderOptions, Encoder] = WeakValueDictionary()
_loading = threading.Lock()


def _load(name: str, options: EncoderOptions) -> Encoder:
    folder = encoder_folder(name)
    if folder and uses_export(folder, options):
        try:
            return plugin("onnx")(name, options)
        except (EncoderError, MissingDependencyError) as error:
            if options.runtime is Runtime.ONNX or is_int8(folder):
                raise
            log.warning("%s PyTorch runs the encoder. %s", error.message, error.remedy)
    scheme = name.partition(":")[0]
    return plugin(scheme if scheme in registered(ENCODERS) else "open_clip")(name, options)


def plugin(name: str) -> EncoderPlugin:
    """The plug-in of that name. Raises PluginError."""
    loader: EncoderPlugin = load_plugin(ENCODERS, name)
    return loader


def load_catalog_encoder(store: Store, load: LoadEncoder, name: str | None = None) -> Encoder:
    """The encoder of that name; without a name the catalog's own, or in a new store the embedded one.

    A name is one that ``load`` knows, the path of a folder, or the beginning of the fingerprint of an encoder that
    the catalog knows. Blocks for seconds. Raises EncoderError.
    """
    known = [version.identity for version in store.catalog.index_versions()]
    if name is None:
        active = store.catalog.active_encoder()
        return load(EMBEDDED) if active is None else load_known(store, load, active)
    for identity in known:
        if len(name) >= MIN_PREFIX and identity.fingerprint.startswith(name):
            return load_known(store, load, identity)
    name = full_name(name)
    try:
        return load(name)
    except EncoderError:
        for identity in known:  # its folder is gone, its copy is not
            if identity.name == name and store.models.source_of(identity) != name:
                return load_known(store, load, identity)
        raise


def load_known(store: Store, load: LoadEncoder, identity: EncoderIdentity) -> Encoder:
    """An encoder that the catalog knows, from the store's copy if there is one. Raises EncoderError."""
    remedy = f"Put {identity.name} back as it was, or go over to another encoder: vitrina encoder use NAME."
    try:
        encoder = load(source_of(store, identity), known_as=identity.name)
    except EncoderError as error:
        raise EncoderError(f"The catalog's encoder cannot be loaded: {error.message}", remedy=remedy) from error
    if encoder.identity.fingerprint != identity.fingerprint:
        raise EncoderError(
            f"The encoder {identity.name!r} is not the one the catalog was embedded with any more: it was "
            f"{identity.fingerprint[:12]} and is {encoder.identity.fingerprint[:12]}.",
            remedy=remedy,
        )
    return encoder


def source_of(store: Store, identity: EncoderIdentity) -> str:
    """The name to load an encoder by that a catalog knows: the embedded one is the package's, which is loaded once and
    shared, if that is the same still; others are the store's copies."""
    if identity.name == EMBEDDED and folder_of(identity) is not None:
        return EMBEDDED
    return store.models.source_of(identity)


def open_index_version(store: Store, encoder: Encoder) -> int:
    """The key of the active index version, which must be the encoder's; a new store takes the encoder as its own, with
    a copy of its folder.

    Raises EncoderError where the catalog was embedded with another.
    """
    if store.catalog.active_encoder() is None:
        keep_copy(store, encoder.identity)
    return store.open_index_version(encoder.identity)


def keep_copy(store: Store, identity: EncoderIdentity) -> None:
    """Copy the folder that an encoder was loaded from into the store, or bring its copy up to date.

    Does nothing where the folder is gone, or holds another encoder by now. Raises StorageError.
    """
    folder = folder_of(identity)
    if folder is not None:
        store.models.keep(identity, folder)


def folder_of(identity: EncoderIdentity) -> Path | None:
    """The folder that an encoder was loaded from, if it is there and unchanged."""
    try:
        folder = encoder_folder(identity.name)
    except EncoderError:
        return None
    return folder if folder is not None and fingerprint_of(folder) == identity.fingerprint else None
