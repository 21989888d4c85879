"""The one exception that ends a program as a single line, without a traceback."""

import sys
from typing import NoReturn

from .logins import hide


class UserError(Exception):
    """A mistake that the person at the keyboard can fix: what is wrong, where, and what to do.

    Libraries quote the URL that failed: its login is left out of the text.
    """

    def __init__(self, text: object = "") -> None:
        super().__init__(hide(str(text)))


def end(error: UserError) -> NoReturn:
    """End the program with exit code 1, the error on standard error."""
    for line in str(error).splitlines():
        print(f"error: {line}", file=sys.stderr)
    raise SystemExit(1) from None
