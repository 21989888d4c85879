"""A folder of pictures: one folder a class, `path/<class>/*.png`, one size for all."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ..dataset import DataError
from ..streams import Batches, lazy

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"}
BATCH_ROWS = 1_024
GRAY = ("1", "L", "LA", "La")
READ = (*GRAY, "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV")
ORIENTATION = 0x112  # Exif's tag
DEEP = ("I", "I;16", "I;16B", "I;16L", "I;16N", "F")
DEEP_TILE = re.compile(r"(L|LA|I|RGB|RGBA|RGBX|RGBa|CMYK);(12|16|32)")


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
    """The pixels of one file, upright: (height, width), or (height, width, 3) where it has colors.

    Eight bits a channel: what has more, or what a picture without a background does not say, is
    refused.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            _check(image)
            upright = ImageOps.exif_transpose(image)
            if upright.has_transparency_data and _see_through(upright):
                raise DataError("it has transparent pixels: save it on a background, without alpha")
            gray = image.mode in GRAY and not color
            return np.asarray(upright.convert("L" if gray else "RGB"))
    except UnidentifiedImageError:
        raise DataError(f"files {path}: no picture that Pillow can read") from None
    except Image.DecompressionBombError:
        raise DataError(f"files {path}: more pixels than Pillow reads; make it smaller") from None
    except Exception as error:  # a damaged file ends in as many ways as there are formats
        raise DataError(f"files {path}: {' '.join(str(error).split()) or repr(error)}") from None


def _check(image: Any) -> None:
    """Refuse what has no eight bits a channel, or no one picture."""
    if image.mode in DEEP or any(DEEP_TILE.match(str(part)) for part in _tile(image)):
        raise DataError(
            f"more than 8 bits a channel (mode {image.mode}): scale it to 8 bits, or keep the "
            "numbers as arrays in Parquet files"
        )
    if image.mode not in READ:
        raise DataError(f"mode {image.mode}: convert it to RGB")
    if image.format == "TIFF" and image.getexif().get(ORIENTATION, 1) > 4:
        raise DataError("a TIFF that lies on its side, which Pillow reads wrong: save it upright")
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":  # a camera's: the others are previews
        raise DataError(f"it has {frames} frames: keep one of them")


def _tile(image: Any) -> tuple[Any, ...]:
    """How the pixels are coded; Pillow reads colors of 16 bits as if they were of 8."""
    arguments = image.tile[0].args if image.tile else ()
    return arguments if isinstance(arguments, tuple) else (arguments,)


def _see_through(image: Any) -> bool:
    alpha: np.ndarray = np.asarray(image.convert("RGBA").getchannel("A"))
    return bool((alpha < 255).any())


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
