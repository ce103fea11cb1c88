"""What every table of the configuration is made of."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

TOPIC_LEVEL: Final = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$"
TopicName = Annotated[str, Field(pattern=TOPIC_LEVEL)]
"""One MQTT topic level that is also safe in file names: letters, digits, '_', '.', '-'."""
Share = Annotated[float, Field(ge=0.0, le=1.0)]
LineEnds = tuple[Share, Share, Share, Share]
Polygon = Annotated[tuple[tuple[Share, Share], ...], Field(min_length=3)]


class Table(BaseModel):
    """Base of every table: unknown keys are refused, values can't change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
