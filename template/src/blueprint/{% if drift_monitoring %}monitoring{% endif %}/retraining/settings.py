"""The section `retraining`: whether drift starts a training, and how often at most."""

from typing import Annotated

from pydantic import Field

from ...settings import Section


class Retraining(Section):
    """What the pipeline `monitoring` does about drift. See docs/retraining.md.

    Unless `enabled`, it only says so. A training begins at the earliest `cooldown_hours` after the
    one before it, whatever became of that, and at most `per_week` begin within seven days.
    """

    enabled: bool = False
    cooldown_hours: Annotated[float, Field(ge=0)] = 24
    per_week: Annotated[int, Field(ge=1)] = 2


SECTIONS = {"retraining": (Retraining, Retraining())}
IMAGES = {"monitor_model": "monitoring"}  # steps that need more than the pipeline's image has
