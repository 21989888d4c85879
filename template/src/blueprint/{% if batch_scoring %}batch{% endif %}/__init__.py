"""Batch scoring: rows of any number from files to files, with the predictions of one model."""

from .scoring import BatchError, Summary, score

__all__ = ["BatchError", "Summary", "score"]
