"""The section `drift`: which rows are looked at, and from when on a difference is one."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ...settings import Section

# Evidently's names. Distances grow with a difference, probabilities (p-values) shrink.
Method = Literal["wasserstein", "jensenshannon", "psi", "ks", "chisquare"]
DISTANCES = ("wasserstein", "jensenshannon", "psi")
NUMBERS_ALONE, CATEGORIES_ALONE = ("wasserstein", "ks"), ("chisquare",)
Threshold = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(gt=0, le=1)]


class Rule(Section):
    """How one column is compared, where it is not as all others are."""

    method: Method | None = None
    threshold: Threshold | None = None


class Thresholds(Section):
    """From when on a column has moved, by method. See docs/drift.md for how they were chosen."""

    wasserstein: Threshold = 0.1
    jensenshannon: Threshold = 0.1
    psi: Threshold = 0.2
    ks: Threshold = 0.005
    chisquare: Threshold = 0.005


class Drift(Section):
    """Which rows are compared with those that the model was made of, and how. See docs/drift.md.

    `window_hours` takes the last hours in place of the last `window_rows`; of files and of a query,
    `time` is the column that says when. Drift is found when `share` of the features have moved,
    when what the model predicts has, or when labels say that it is `worse` by this share. `columns`
    are features, or "prediction" and "probability".
    """

    source: Literal["log", "path", "query"] = "log"
    path: str | None = None
    query: str | None = None
    window_rows: Annotated[int, Field(ge=1)] = 10_000
    window_hours: Annotated[float, Field(gt=0)] | None = None
    time: str | None = None
    min_rows: Annotated[int, Field(ge=20)] = 200
    share: Share = 0.3
    thresholds: Thresholds = Thresholds()
    columns: dict[str, Rule] = {}
    segments: list[str] = []
    worse: Share = 0.1

    @model_validator(mode="after")
    def name_rows(self) -> "Drift":
        if self.source != "log" and not getattr(self, self.source):
            raise ValueError(f"source: {self.source} needs {self.source}")
        if self.source != "log" and self.window_hours and not self.time:
            raise ValueError(f"window_hours of source: {self.source} needs time, a column's name")
        return self


SECTIONS = {"drift": (Drift, Drift())}
