"""The project with the other choices, in short: scikit-learn, and Fashion-MNIST from a mirror. Its
own tests are those of others: test_models.py.

The mirror is a real HTTP server on this machine. Its files have Fashion-MNIST's names and format,
and hold the digits that come with scikit-learn, enlarged to 28 × 28 pixels.
"""

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml

from support.project import Project, environment
from support.runs import champion, flat, post

FILES = """
import gzip, hashlib, json, pathlib, struct, sys
import numpy as np
from sklearn.datasets import load_digits

digits, folder, sums = load_digits(), pathlib.Path(sys.argv[1]), {}
images = np.pad(np.kron(digits.images * 15.9, np.ones((3, 3))), [(0, 0), (2, 2), (2, 2)])
for part, rows in (("train", slice(1500)), ("t10k", slice(1500, None))):
    for kind, array in (("images-idx3", images[rows]), ("labels-idx1", digits.target[rows])):
        header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
        content = gzip.compress(header + array.astype(np.uint8).tobytes())
        (folder / f"{part}-{kind}-ubyte.gz").write_bytes(content)
        sums[f"{part}-{kind}-ubyte.gz"] = "sha256:" + hashlib.sha256(content).hexdigest()
print(json.dumps(sums))
"""


@pytest.fixture(scope="module")
def mirrored(other_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The project, its configuration pointing to a mirror on this machine."""
    folder = tmp_path_factory.mktemp("mirror")
    python = other_project.path / ".venv" / "bin" / "python"
    command = [str(python), "-c", FILES, str(folder)]
    made = subprocess.run(command, check=True, capture_output=True, env=environment())
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    file = other_project.path / "config" / "local.yaml"
    text = file.read_text()
    mirror = {
        "mirror": f"http://127.0.0.1:{server.server_port}/",
        "cache": str(tmp_path_factory.mktemp("cache")),
        "checksums": json.loads(made.stdout),
    }
    file.write_text(yaml.safe_dump(yaml.safe_load(text) | {"data": {"fashion_mnist": mirror}}))
    yield other_project
    file.write_text(text)
    server.shutdown()
    server.server_close()


def test_it_trains_serves_and_answers(mirrored: Project) -> None:
    output = flat(mirrored.make("run").stdout)
    assert "fashion-mnist, 10 classes" in output
    assert "accepted" in output
    assert champion(mirrored) == "1"
    with mirrored.serve() as server:
        shown = mirrored.make("predict", f"PORT={server.port}").stdout
        assert re.search(
            r"predicted (T-s|Trou|Pull|Dress|Coat|Sandal|Shirt|Snea|Bag|Ank).* \([\d.]+%\), ", shown
        )
        status, body, _ = post(server, "digit-recognition", {"instances": [[[0] * 28] * 28]})
        assert status == 200
        assert abs(sum(json.loads(body)["predictions"][0]) - 1) < 1e-3


def test_it_has_no_tensorflow_and_no_ci(other_project: Project) -> None:
    packages = other_project.path.glob(".venv/lib/python3*/site-packages/tensorflow*")
    assert not list(packages)
    assert not (other_project.path / ".github").exists()
