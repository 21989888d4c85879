"""One component a step. Bodies run alone in their container, so they import what they use."""

from .deploy_model import deploy_model
from .evaluate_model import evaluate_model
from .load_data import load_data
from .register_model import register_model
from .train_model import train_model

__all__ = ["deploy_model", "evaluate_model", "load_data", "register_model", "train_model"]
