"""What everything that travels over HTTP has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class WireModel(BaseModel):
    """Knows its fields and no others, and neither changes nor holds infinities."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
