"""Requests as the server would hand them to the log, and the numbers of what became of them."""

import time
from collections import Counter

import numpy as np
from serving.tiny_models import CHANCES, INPUTS, PRICE, table_rows

from blueprint.model import Signature, Tensor
from blueprint.monitoring.prediction_log.table import Entry

PEOPLE = Signature("tabular-classification", INPUTS, CHANCES, ("no", "yes"), "")
PRICES = Signature("tabular-regression", INPUTS, PRICE, (), "")
PICTURE = Tensor("image", "uint8", (8, 8))
PICTURES = Signature("image-classification", (PICTURE,), CHANCES, ("no", "yes"), "")


def entry(request_id="r", rows=1, version="1", at=None, signature=PEOPLE, inputs=None):
    """A logged request; every second row is a yes of 75 %, the others are a no of 60 %."""
    share = np.where(np.arange(rows) % 2, 0.75, 0.4).astype(np.float32)
    outputs = np.stack([1 - share, share], axis=1) if signature.classes else 10 * share
    at = time.time() if at is None else at
    inputs = table_rows(rows) if inputs is None else inputs
    return Entry(request_id, at, version, "v1", signature, inputs, outputs)


class Counts:
    """Counts rows, as Prometheus would."""

    def __init__(self):
        self.written = 0
        self.drops = Counter()

    def wrote(self, rows):
        self.written += rows

    def dropped(self, reason, rows):
        self.drops[reason] += rows
