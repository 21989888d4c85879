"""The one exception that the command line prints as a single line, without a traceback."""


class UserError(Exception):
    """A mistake that the person at the keyboard can mend: what is wrong, where, and what to do."""
