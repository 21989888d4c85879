"""How good the exported model is: numbers (`metrics`), pictures (`plots`), a page (`report`)."""

from .metrics import METRICS, Predictions, metrics_of
from .plots import write_picture
from .report import write_report

__all__ = ["METRICS", "Predictions", "metrics_of", "write_picture", "write_report"]
