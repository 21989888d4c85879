"""What is known of a metric beside its value."""

from typing import NamedTuple


class Metric(NamedTuple):
    """How a metric is called for a reader, and which direction is better."""

    title: str
    higher_is_better: bool
