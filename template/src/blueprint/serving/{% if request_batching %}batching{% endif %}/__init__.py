"""Requests that are predicted together: the section `serving.batching`; the rest is in batcher.py,
which the command line need not import."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ...settings import Section

if TYPE_CHECKING:
    from ..http.work import Work
    from ..settings import Serving


class Batching(Section):
    """Requests that wait for each other, to be predicted together; off while `wait_ms` is 0.

    None waits longer than `wait_ms`, and no batch has more than `max_rows` rows.
    """

    wait_ms: Annotated[float, Field(ge=0, le=1000)] = 0
    max_rows: Annotated[int, Field(ge=1)] = 64


def work(serving: "Serving") -> "Work":
    """What the server has predict: it gathers requests, if the section says so."""
    from .batcher import InBatches

    return InBatches(serving)
