"""The section `fetch`: how a pod gets its model."""

from typing import Annotated

from pydantic import Field

from ...settings import Section


class Fetch(Section):
    """`seconds` bounds all of it: what has not come by then is given up."""

    seconds: Annotated[float, Field(gt=0)] = 120


SECTIONS = {"fetch": (Fetch, Fetch())}
