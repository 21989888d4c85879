"""What a model version says of its training data: `reference.json`, in its folder."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

log = logging.getLogger(__name__)

FILE = "reference.json"


@dataclass(frozen=True)
class Feature:
    """The range of a number, or the categories; None and nothing where there is none."""

    name: str
    low: float | None
    high: float | None
    categories: frozenset[str]


@dataclass(frozen=True)
class Reference:
    """Features by their names, and what divides a regression's predictions into tenths."""

    features: Mapping[str, Feature]
    deciles: np.ndarray


def read(folder: Path) -> Reference | None:
    """The reference of the version in that folder; None where it has none.

    One that cannot be read is said once, in the log: the server answers without it.
    """
    path = folder / FILE
    try:
        content = json.loads(path.read_bytes())
        features = {name: _feature(name, each) for name, each in content["features"].items()}
        return Reference(features, _inner(content.get("predictions", {})))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        log.warning("%s: not as expected, inputs are not compared with it (%s)", path, error)
        return None


def _feature(name: str, given: Mapping[str, Any]) -> Feature:
    low, high = given.get("min"), given.get("max")
    numbers = isinstance(low, int | float) and isinstance(high, int | float)
    categories = frozenset(map(str, given.get("categories") or ()))
    return Feature(name, low if numbers else None, high if numbers else None, categories)


def _inner(predictions: Mapping[str, Any]) -> np.ndarray:
    """The nine numbers between ten buckets: of eleven, the smallest and the largest are none."""
    deciles = np.asarray(predictions.get("deciles") or (), float)
    return deciles[1:-1] if len(deciles) == 11 else deciles
