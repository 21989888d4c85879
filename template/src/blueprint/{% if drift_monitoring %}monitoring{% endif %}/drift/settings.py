"""The section `drift`. Stand-in: room D's takes its place."""

from typing import Annotated

from pydantic import Field

from ...settings import Section


class Drift(Section):
    """Which rows are compared, and how much may have moved."""

    window_rows: Annotated[int, Field(ge=1)] = 10_000
    min_rows: Annotated[int, Field(ge=20)] = 200
    share: Annotated[float, Field(gt=0, le=1)] = 0.3


SECTIONS = {"drift": (Drift, Drift())}
