"""One component a step. Bodies run alone in their container, so they import what they use."""

from .data import load_data
from .deploy import deploy_model
from .evaluate import evaluate_model
from .register import register_model
from .score import score_rows
from .train import train_model

__all__ = [
    "deploy_model",
    "evaluate_model",
    "load_data",
    "register_model",
    "score_rows",
    "train_model",
]
