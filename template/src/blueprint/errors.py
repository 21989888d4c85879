"""The one exception that the command line prints as a single line, without a traceback."""

from .logins import hide


class UserError(Exception):
    """A mistake that the person at the keyboard can mend: what is wrong, where, and what to do.

    Libraries quote the URL that failed: its login is left out of the text.
    """

    def __init__(self, text: object = "") -> None:
        super().__init__(hide(str(text)))
