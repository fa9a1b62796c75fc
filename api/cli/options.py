"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api.settings import Settings

HomeOption = Annotated[
    Path | None, typer.Option("--home", help="The catalog's folder; VITRINA_HOME, else the platform's data folder.")
]


def settings_for(home: Path | None) -> Settings:
    """The settings, with the folder that ``--home`` names."""
    settings = Settings()
    return settings if home is None else settings.model_copy(update={"home": home})
