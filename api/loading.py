"""Loading the encoder that a command or the service works with."""

from __future__ import annotations

from functools import partial

from api.settings import Settings
from search.encoders.base import Encoder, LoadEncoder
from search.encoders.openclip import load_encoder
from search.encoders.runtime import Runtime
from search.home import Home


def loader(settings: Settings) -> LoadEncoder:
    """Loads encoders onto the device that the settings name."""
    return partial(load_encoder, device=settings.device, runtime=Runtime(settings.runtime))


def encoder_for(home: Home, settings: Settings) -> Encoder:
    """The encoder that the settings name, else the home's own. Blocks for seconds; raises EncoderError."""
    return home.load_encoder(loader(settings), settings.encoder)
