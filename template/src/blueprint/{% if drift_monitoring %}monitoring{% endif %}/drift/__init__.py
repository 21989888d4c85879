"""Drift: what a model is asked about beside what it has learned from."""
