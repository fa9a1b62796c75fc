"""One running installation: a home, its engine, its indexer, and the thread that keeps the view true."""

from __future__ import annotations

from types import TracebackType

from api.settings import Settings
from indexer.fetch import Fetcher
from indexer.pipeline import Indexer
from search.encoders.base import Encoder
from search.encoders.openclip import load_encoder
from search.engine import SearchEngine
from search.follower import Follower
from search.home import Home


class Service:
    """Everything a request needs. A context manager: inside it the view follows the catalog."""

    def __init__(self, home: Home, encoder: Encoder) -> None:
        self.home = home
        self.encoder = encoder
        self.view = home.open_view(encoder)
        self.engine = SearchEngine(home.catalog, encoder, self.view)
        self.fetcher = Fetcher()
        self.indexer = Indexer(home, encoder, self.fetcher)
        self._follower = Follower(self.view)

    @classmethod
    def from_settings(cls, settings: Settings) -> Service:
        """Open the home and load the encoder. Blocks for seconds; raises EncoderError, StorageError or StateError."""
        return cls(Home(settings.home), load_encoder(settings.encoder, device=settings.device))

    def __enter__(self) -> Service:
        self._follower.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._follower.__exit__()
        self.fetcher.close()
        self.home.close()
