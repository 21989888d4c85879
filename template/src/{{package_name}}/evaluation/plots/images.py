"""Pictures of examples that are pictures themselves."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray


def image_png(image: NDArray[Any], brightest: float) -> bytes:
    """A PNG of one image, (h, w) or (h, w, channels), 0 = black to `brightest` = white."""
    from matplotlib.image import imsave

    step = -(-max(image.shape[:2]) // 64)
    pixels = np.asarray(image[::step, ::step], dtype=np.float64) / max(brightest, 1)
    if pixels.ndim == 3 and pixels.shape[2] != 3:
        pixels = pixels.mean(axis=2)
    file = io.BytesIO()
    imsave(file, pixels, cmap="gray", vmin=0, vmax=1, format="png")
    return file.getvalue()
