"""What an export can end with."""

from ..errors import UserError


class ExportError(UserError):
    """A model that cannot be exported, or whose export predicts something else."""
