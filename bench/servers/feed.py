"""Rows of the table model as its inputs."""

import numpy as np


def feed(rows: list[dict]) -> dict[str, np.ndarray]:
    dtypes = {"count": np.int64, "city": object}
    return {
        name: np.array([row[name] for row in rows], dtypes.get(name, np.float32))
        for name in rows[0]
    }
