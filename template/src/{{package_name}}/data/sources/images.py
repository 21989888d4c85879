"""A folder of pictures: one folder a class, `path/<class>/*.png`, one size for all."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ..dataset import DataError
from ..streams import Batches, lazy

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"}
BATCH_ROWS = 1_024
GRAY = ("1", "L")


def files(folder: Path) -> dict[str, list[Path]]:
    """The picture files of each class, both in the order of their names."""
    folders = sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")
    found = {
        path.name: sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
        for path in folders
    }
    return {name: paths for name, paths in found.items() if paths}


def scan(folder: Path) -> pl.LazyFrame:
    """Columns `image` (uint8; height × width in gray, height × width × 3 in color) and `label`.

    The first picture says whether all are gray, and how large. Raises `DataError` with the file
    that cannot be read or differs.
    """
    classes = files(folder)
    pictures = [(path, name) for name, paths in classes.items() for path in paths]
    if not pictures:
        raise DataError(f"files {folder}: no pictures in <class>/ folders")
    shape = _read(pictures[0][0]).shape
    kinds = pl.Enum(list(classes))

    def read() -> Batches:
        for start in range(0, len(pictures), BATCH_ROWS):
            batch = pictures[start : start + BATCH_ROWS]
            images = np.stack([_alike(path, shape, pictures[0][0]) for path, _ in batch])
            labels = pl.Series([name for _, name in batch], dtype=kinds)
            yield pl.DataFrame({"image": images, "label": labels})

    return lazy(read, pl.Schema({"image": pl.Array(pl.UInt8, shape), "label": kinds}))


def _read(path: Path, *, color: bool = False) -> np.ndarray:
    """The pixels of one file: (height, width), or (height, width, 3) where it has colors."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            mode = "L" if image.mode in GRAY and not color else "RGB"
            return np.asarray(image.convert(mode))
    except UnidentifiedImageError:
        raise DataError(f"files {path}: no picture that Pillow can read") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"files {path}: {' '.join(str(error).split())}") from None


def _alike(path: Path, shape: tuple[int, ...], first: Path) -> np.ndarray:
    image = _read(path, color=len(shape) == 3)
    if image.shape != shape:
        raise DataError(
            f"files {path}: {_size(image.shape)}, but {first.name} is {_size(shape)}; "
            "all pictures must have one size"
        )
    return image


def _size(shape: tuple[Any, ...]) -> str:
    return f"{shape[1]} × {shape[0]} in {'gray' if len(shape) == 2 else 'color'}"
