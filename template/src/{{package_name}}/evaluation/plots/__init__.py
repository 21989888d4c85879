"""Pictures: SVG for the page, and one PNG for the record in MLflow."""

from pathlib import Path

from ..metrics import Predictions, problem
from .classification import write_confusion
from .regression import write_scatter

__all__ = ["write_picture"]


def write_picture(directory: Path, predictions: Predictions) -> Path:
    """Write `confusion_matrix.png`, or for a regression `predictions.png`, and return its path.

    Predictions that cannot be scored give a picture that says why.
    """
    labels, outputs, classes = predictions
    path = directory / ("confusion_matrix.png" if classes else "predictions.png")
    if reason := problem(predictions):
        _write_text(path, f"Nothing to draw: {reason}.")
    elif classes:
        write_confusion(path, labels, outputs, classes)
    else:
        write_scatter(path, labels, outputs)
    return path


def _write_text(path: Path, text: str) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 1))
    figure.text(0.5, 0.5, text, ha="center", va="center")
    figure.savefig(path, format="png")
