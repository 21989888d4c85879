"""Bulk scoring: rows of any number from files to files, with the predictions of one model."""
