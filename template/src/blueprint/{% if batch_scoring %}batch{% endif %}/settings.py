"""The section `batch`: how rows are scored in bulk."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field

from ..settings import Section


class Batch(Section):
    """How many rows are scored in bulk. See docs/batch.md.

    Unset options of CSV are those of `data.files`. A killed run loses at most `part_rows` rows'
    work. Rows in `quarantine` are kept without a prediction; without it, the first one stops.
    """

    separator: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    null_values: list[str] | None = None
    part_rows: Annotated[int, Field(ge=1)] = 100_000
    quarantine: bool = False

    def resolved(self, settings: Any) -> "Batch":
        """The section as a pipeline is given it, with what it leaves open."""
        return scoring(settings)


def scoring(settings: Any) -> Batch:
    """The section, what it leaves open taken from the source of the training data."""
    files = settings.data.files.model_dump() if settings.data.files else {}
    given = {key: files.get(key) for key in ("separator", "null_values")}
    return Batch.model_validate(given | settings.batch.model_dump(exclude_none=True))


def named(uri: str, run: str) -> str:
    """A URI for one run of a schedule: `{run}` is its name, which stays when it is tried again, and
    `{date}` the day, UTC."""
    return uri.replace("{run}", run).replace("{date}", f"{datetime.now(UTC):%Y-%m-%d}")


SECTIONS = {"batch": (Batch, Batch())}
