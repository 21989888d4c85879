"""Cron expressions as people write them: five fields, from minute to day of the week.

Kubeflow's have the second first, and its Sunday is 0 alone (robfig/cron 1); times are UTC unless
its operator has set another zone (CRON_SCHEDULE_TIMEZONE).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from ...errors import UserError

MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
FIELDS = [
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of the month", 1, 31, {}),
    ("month", 1, 12, {name: number for number, name in enumerate(MONTHS, 1)}),
    ("day of the week", 0, 7, {name: number for number, name in enumerate(DAYS)}),
]
YEARS = 8  # in which a 29 February comes at least once
PART = re.compile(r"(?P<first>\*|\w+)(-(?P<last>\w+))?(/(?P<step>\d+))?")


@dataclass(frozen=True)
class Cron:
    """When something is to run: the values of each field, and the fields as they were written."""

    fields: tuple[str, ...]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    @classmethod
    def parse(cls, text: str) -> "Cron":
        """Read five fields. Raises `UserError`, also when no time ever fits."""
        fields = tuple(text.split())
        if len(fields) != len(FIELDS):
            hint = "; leave the seconds out" if len(fields) == len(FIELDS) + 1 else ""
            raise UserError(
                f"CRON={text!r}: expected five fields (minute, hour, day of the month, month, day "
                f'of the week) such as "0 3 * * *", got {len(fields)}{hint}'
            )
        values = [_values(field, *form) for field, form in zip(fields, FIELDS, strict=True)]
        minutes, hours, days, months, weekdays = values
        sundays = frozenset(0 if day == 7 else day for day in weekdays)
        cron = cls(fields, minutes, hours, days, months, sundays)
        if not cron.next(datetime(2024, 1, 1), 1):
            raise UserError(f"CRON={text!r}: there is no such day")
        return cron

    def kubeflow(self) -> str:
        """The same as Kubeflow reads it."""
        *fields, weekday = self.fields
        if "7" in weekday:
            weekday = ",".join(str(day) for day in sorted(self.weekdays))
        return " ".join(["0", *fields, weekday])

    def next(self, after: datetime, count: int) -> list[datetime]:
        """The next times after `after`; fewer than `count` when no more come."""
        return list(islice(self._times(after), count))

    def _times(self, after: datetime) -> Iterator[datetime]:
        day = after.replace(hour=0, minute=0, second=0, microsecond=0)
        end = day + timedelta(days=366 * YEARS)
        while day < end:
            if self._fits(day):
                for hour in sorted(self.hours):
                    for minute in sorted(self.minutes):
                        time = day.replace(hour=hour, minute=minute)
                        if time > after:
                            yield time
            day += timedelta(days=1)

    def _fits(self, day: datetime) -> bool:
        """A day fits by either of its fields when both are narrowed, as in every cron."""
        by_day, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        either = not (self.fields[2].startswith("*") or self.fields[4].startswith("*"))
        fits = by_day or by_weekday if either else by_day and by_weekday
        return day.month in self.months and fits


def _values(field: str, name: str, low: int, high: int, names: dict[str, int]) -> frozenset[int]:
    found: set[int] = set()
    for part in field.split(","):
        match = PART.fullmatch(part)
        if not match:
            raise UserError(f"CRON: {name}: {part!r} is none of *, 3, 1-5, */15 or 1,15")
        first, last, step = match["first"], match["last"], int(match["step"] or 1)
        if first == "*":
            begin, end = low, high
        else:
            begin = _number(first, name, low, high, names)
            end = _number(last, name, low, high, names) if last else begin
            if match["step"] and not last:
                end = high
        if begin > end or step < 1:
            raise UserError(f"CRON: {name}: {part!r} has no values")
        found |= set(range(begin, end + 1, step))
    return frozenset(found)


def _number(text: str, name: str, low: int, high: int, names: dict[str, int]) -> int:
    value = names.get(text.lower(), int(text) if text.isdigit() else -1)
    if not low <= value <= high:
        raise UserError(f"CRON: {name}: {text!r} is not from {low} to {high}")
    return value
