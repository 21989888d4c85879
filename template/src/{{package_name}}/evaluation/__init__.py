"""How good the exported model is: numbers (`metrics`), what is known (`record`), and its report."""

from .metrics import METRICS, Predictions, metrics_of

__all__ = ["METRICS", "Predictions", "metrics_of"]
