"""How good the exported model is: numbers (`metrics`), pictures (`plots`), a page (`report`)."""

from .metrics import METRICS, classification_metrics, confusion_matrix
from .plots import write_confusion_png
from .report import write_report

__all__ = [
    "METRICS",
    "classification_metrics",
    "confusion_matrix",
    "write_confusion_png",
    "write_report",
]
