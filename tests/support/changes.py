"""Changes of mind: a way through the choices of each question, derived from `questions/`."""

from dataclasses import dataclass
from typing import Any

from support import questions


@dataclass(frozen=True)
class Way:
    """Answers that a project starts from, and the answers that one question then gets, in turn; the
    last is the first again."""

    axis: str
    base: dict[str, Any]
    values: tuple[Any, ...]

    def __str__(self) -> str:
        return "-".join(str(each) for each in (self.axis, *self.values))


def ways() -> list[Way]:
    """Of each question a way, or a few, on which every choice is taken and left again."""
    found = []
    axes = questions.axes()
    rows = questions.pairwise(axes, questions.allowed)
    for axis, values in axes.items():
        left = set(values)
        for row in rows:
            fitting = [v for v in values if questions.allowed({**row, axis: v})]
            new = [value for value in fitting if value in left]
            if not new or len(fitting) < 2:
                continue
            start = row[axis] if row[axis] not in new else new[0]
            others = [value for value in new if value != start] or [
                next(value for value in fitting if value != start)
            ]
            found.append(Way(axis, {**row, axis: start}, (*others, start)))
            left -= {start, *others}
    return found
