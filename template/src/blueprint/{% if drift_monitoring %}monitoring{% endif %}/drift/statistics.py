"""Stand-in for room D's use of Evidently: to be replaced in the merge."""


def load() -> None:
    """Import what compares."""
