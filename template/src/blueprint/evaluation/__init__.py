"""How good the exported model is: metrics, evidence, and one report for page, card and comment."""

from .metrics import METRICS, Predictions, metrics_of

__all__ = ["METRICS", "Predictions", "metrics_of"]
