"""70,000 pictures of clothes, 28 × 28 pixels: the four files of Fashion-MNIST.

Source: H. Xiao, K. Rasul, R. Vollgraf, arXiv:1708.07747. The file format is IDX, as described at
http://yann.lecun.com/exdb/mnist: two zero bytes, a type (8 is uint8), the number of dimensions,
each dimension as a big-endian uint32, then the values.
"""

import gzip
import math
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from ..dataset import DataError

MIRROR = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
CHECKSUMS = {
    "train-images-idx3-ubyte.gz": "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte.gz": "md5:25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte.gz": "md5:bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte.gz": "md5:bb300cfdad3c16e7a12a480ee83cd310",
}
# fmt: off
CLASSES = np.array([
    "T-shirt", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
])
# fmt: on


def scan(
    *,
    cache: Path,
    mirror: str = MIRROR,
    checksums: Mapping[str, str] = CHECKSUMS,
) -> pl.LazyFrame:
    """Columns `image` (28 × 28, uint8, 0 to 255) and `label` (the name of the garment).

    Files are kept in the folder `cache`, and downloaded from `mirror` when they are not there or do
    not match their checksum. Raises `DataError` when they cannot be had.
    """
    paths = {name: _fetch(name, mirror, cache, checksums) for name in CHECKSUMS}
    arrays = {name: _read_idx(path) for name, path in paths.items()}
    images = np.concatenate([array for name, array in arrays.items() if "images" in name])
    codes = np.concatenate([array for name, array in arrays.items() if "labels" in name])
    if len(images) != len(codes):
        raise DataError(f"fashion-mnist: {len(images)} images but {len(codes)} labels")
    labels = pl.Series(CLASSES[codes], dtype=pl.Enum(CLASSES))
    return pl.LazyFrame({"image": images, "label": labels})


def _fetch(name: str, mirror: str, cache: Path, checksums: Mapping[str, str]) -> Path:
    import pooch  # an import of 0.3 s: only where it is used
    import requests

    url = f"{mirror.rstrip('/')}/{name}"
    advice = "check the network, or set data.fashion_mnist.mirror in config/"
    try:
        return Path(pooch.retrieve(url, known_hash=checksums[name], fname=name, path=cache))
    except ValueError:
        raise DataError(f"fashion-mnist: {url} does not match its checksum; {advice}") from None
    except requests.RequestException as error:
        reason = " ".join(str(error).split())[:120]
        raise DataError(f"fashion-mnist: cannot read {url} ({reason}); {advice}") from None
    except OSError as error:
        raise DataError(
            f"fashion-mnist: cannot write to {cache} ({error.strerror}); set KERAS_HOME"
        ) from None


def _read_idx(path: Path) -> np.ndarray:
    data = gzip.decompress(path.read_bytes())
    zeros, kind, dimensions = struct.unpack(">HBB", data[:4])
    start = 4 + 4 * dimensions
    shape = struct.unpack(f">{dimensions}I", data[4:start])
    if zeros != 0 or kind != 8 or len(data) != start + math.prod(shape):
        raise DataError(f"fashion-mnist: {path} is not an IDX file of bytes")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)
