"""What is watched of a picture in place of its pixels: brightness, contrast and sharpness."""

from collections.abc import Mapping

import numpy as np

NAMES = ("brightness", "contrast", "sharpness")


def statistics(images: np.ndarray) -> dict[str, np.ndarray]:
    """Three numbers a picture, float32 (n,) by name, in the unit of its pixels.

    `images` are (n, H, W) or (n, H, W, C), whose channels are averaged first; (n, W) is a picture
    of one line. Brightness is the mean of the pixels, contrast their standard deviation, sharpness
    the mean absolute difference between neighbours, across and down.
    """
    grey = images.astype(np.float32, copy=False)
    grey = grey.mean(axis=3) if grey.ndim == 4 else grey if grey.ndim == 3 else grey[:, None, :]
    across, down = np.abs(np.diff(grey, axis=2)), np.abs(np.diff(grey, axis=1))
    pairs = across[0].size + down[0].size if len(grey) else 1
    total = across.sum(axis=(1, 2)) + down.sum(axis=(1, 2))
    values = grey.mean(axis=(1, 2)), grey.std(axis=(1, 2)), total / max(pairs, 1)
    return {name: each.astype(np.float32) for name, each in zip(NAMES, values, strict=True)}


def described(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A model's inputs with numbers of each picture, (n,) by name, in place of its pixels.

    They are called by their names alone, or `<input>.<name>` where another input is there.
    """
    values: dict[str, np.ndarray] = {}
    for name, array in inputs.items():
        if array.ndim == 1:
            values[name] = array
            continue
        prefix = f"{name}." if len(inputs) > 1 else ""
        values |= {f"{prefix}{each}": number for each, number in statistics(array).items()}
    return values
