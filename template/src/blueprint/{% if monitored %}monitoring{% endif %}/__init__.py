"""Watching the model in service: metrics, the log of predictions, drift. docs/monitoring.md."""
