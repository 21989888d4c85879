"""The section `gate`: what a model must reach."""

from typing import Annotated

from pydantic import Field, model_validator

from ..settings import Section


class Champion(Section):
    """How the model in service is compared: it may be better by `margin`, but surely not by more.

    `confidence` is that of the comparison, and of McNemar's test.
    """

    metric: str = "accuracy"
    margin: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95


class Slices(Section):
    """Floors for parts of the test rows: each value of `columns`, and each class. Off without any.

    Parts of fewer than `min_rows` rows are not judged.
    """

    columns: list[str] = []
    classes: bool = False
    min_rows: Annotated[int, Field(ge=1)] = 50
    floors: dict[str, float] = {}

    @model_validator(mode="after")
    def be_whole(self) -> "Slices":
        if bool(self.floors) != bool(self.columns or self.classes):
            raise ValueError("give floors, and columns or classes: true, to which they apply")
        return self


class Budgets(Section):
    """What one prediction and the exported model may cost; unset is not asked for."""

    latency_ms: Annotated[float, Field(gt=0)] | None = None
    size_mb: Annotated[float, Field(gt=0)] | None = None


class Gate(Section):
    """What a model must reach to be registered and served. See docs/gate.md."""

    floors: dict[str, float] = {}
    baseline: bool = True
    champion: Champion = Champion()
    overlap: Annotated[float, Field(ge=0, lt=1)] = 0.0
    slices: Slices = Slices()
    budgets: Budgets = Budgets()


SECTIONS = {"gate": (Gate, Gate())}
