"""The Fashion-MNIST reader against a real HTTP server on this machine, with IDX files of digits."""

import gzip
import hashlib
import struct
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from sklearn.datasets import load_digits

from blueprint.data import DataError
from blueprint.data.settings import Data
from blueprint.data.sources import fashion_mnist, scan


def idx(array):
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return gzip.compress(header + array.astype(np.uint8).tobytes(), mtime=0)


@pytest.fixture
def mirror(tmp_path):
    """A folder served over HTTP: its path, its URL, the checksums, and what was asked for."""
    digits = load_digits()
    files = {
        "train-images-idx3-ubyte.gz": idx(digits.images[:1500]),
        "train-labels-idx1-ubyte.gz": idx(digits.target[:1500]),
        "t10k-images-idx3-ubyte.gz": idx(digits.images[1500:]),
        "t10k-labels-idx1-ubyte.gz": idx(digits.target[1500:]),
    }
    folder = tmp_path / "mirror"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    asked = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            asked.append(self.path)

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    checksums = {name: f"sha256:{hashlib.sha256(c).hexdigest()}" for name, c in files.items()}
    yield folder, f"http://127.0.0.1:{server.server_port}/", checksums, asked
    server.shutdown()
    server.server_close()


def test_rows_are_the_files_in_order(mirror, tmp_path):
    _, url, checksums, asked = mirror

    rows = scan(
        "fashion-mnist", mirror=url, cache=tmp_path / "cache", checksums=checksums
    ).collect()

    digits = load_digits()
    np.testing.assert_array_equal(rows["image"].to_numpy(), digits.images.astype(np.uint8))
    np.testing.assert_array_equal(rows["label"].to_physical().to_numpy(), digits.target)
    assert rows["label"].dtype.categories.to_list()[9] == "Ankle boot"
    assert len(asked) == 4


def test_files_in_the_cache_are_not_asked_for_again(mirror, tmp_path):
    _, url, checksums, asked = mirror
    for _ in range(2):
        scan("fashion-mnist", mirror=url, cache=tmp_path / "cache", checksums=checksums)

    assert len(asked) == 4


def test_a_broken_file_in_the_cache_is_replaced(mirror, tmp_path):
    _, url, checksums, _ = mirror
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "train-labels-idx1-ubyte.gz").write_bytes(b"half a downl")

    rows = scan("fashion-mnist", mirror=url, cache=cache, checksums=checksums).collect()

    assert len(rows) == 1797


def test_a_corrupt_file_on_the_mirror_is_named(mirror, tmp_path):
    folder, url, checksums, _ = mirror
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(b"corrupt")

    with pytest.raises(DataError, match=r"t10k-images-idx3-ubyte.gz does not match its checksum"):
        scan("fashion-mnist", mirror=url, cache=tmp_path / "cache", checksums=checksums)


def test_a_file_that_is_no_idx_is_named(mirror, tmp_path):
    folder, url, checksums, _ = mirror
    content = gzip.compress(b"\0\0\x08\x03 and then too little", mtime=0)
    (folder / "train-images-idx3-ubyte.gz").write_bytes(content)
    checksums["train-images-idx3-ubyte.gz"] = f"sha256:{hashlib.sha256(content).hexdigest()}"

    with pytest.raises(DataError, match=r"train-images-idx3-ubyte.gz is not an IDX file"):
        scan("fashion-mnist", mirror=url, cache=tmp_path / "cache", checksums=checksums)


def test_a_dead_mirror_is_named_with_the_way_out(tmp_path):
    with pytest.raises(DataError, match=r"127.0.0.1:9/train.*set data.fashion_mnist.mirror"):
        scan("fashion-mnist", mirror="http://127.0.0.1:9/", cache=tmp_path)


def test_a_missing_file_is_named(mirror, tmp_path):
    folder, url, checksums, _ = mirror
    (folder / "train-labels-idx1-ubyte.gz").unlink()

    with pytest.raises(DataError, match=r"train-labels-idx1-ubyte.gz \(404"):
        scan("fashion-mnist", mirror=url, cache=tmp_path / "cache", checksums=checksums)


def test_a_cache_that_cannot_be_written_is_named(mirror, tmp_path):
    _, url, checksums, _ = mirror
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(DataError, match=r"cannot write to .*/file/cache .*set KERAS_HOME"):
        scan("fashion-mnist", mirror=url, cache=tmp_path / "file" / "cache", checksums=checksums)


def test_the_official_checksums_are_the_default():
    assert set(fashion_mnist.CHECKSUMS) == {
        f"{part}-{kind}-ubyte.gz"
        for part in ("train", "t10k")
        for kind in ("images-idx3", "labels-idx1")
    }
    assert all(checksum.startswith("md5:") for checksum in fashion_mnist.CHECKSUMS.values())


def test_the_cache_is_that_of_keras(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    data = Data(task="image-classification", source="fashion-mnist")

    assert data.options()["cache"] == tmp_path / "datasets" / "fashion-mnist"
    assert data.fixed


def test_pictures_are_no_table():
    with pytest.raises(ValueError, match=r"fashion-mnist gives pictures; task: tabular-regression"):
        Data(task="tabular-regression", source="fashion-mnist")
