"""Texts for people: the one place that cuts, lists and counts."""

from collections.abc import Iterable


def shorten(text: str, width: int) -> str:
    """The text in at most `width` characters, an ellipsis for what is cut."""
    return text if len(text) <= width else f"{text[: max(width - 1, 0)]}…"


def listing(names: Iterable[object], most: int = 10) -> str:
    """The names in one line, the first `most` of them."""
    shown = [str(name) for name in names]
    return ", ".join([*shown[:most], "…"] if len(shown) > most else shown)


def count(number: int, noun: str) -> str:
    """A number and what it counts: "1 row", "1,200 rows"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
