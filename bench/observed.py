"""The work of the observed row: the CPU time of a request that the server tells its metrics of, and
of one that it tells nobody of, as JSON in microseconds. PACKAGE is the argument.

Both applications serve the same model of 13 numbers, whose reference they are held to, in this
process: the route is called as Starlette calls it, without a socket.
"""

import asyncio
import importlib
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

FEATURES = [f"feature {n}" for n in range(13)]
ROUNDS, REQUESTS = 2000, 20
BODY = json.dumps({"instances": [dict.fromkeys(FEATURES, 0.5)]}).encode()


def write(package: str, directory: Path) -> Path:
    """A model that adds its inputs, and the reference of what it was trained on."""
    model = importlib.import_module(f"{package}.model")
    nodes = [helper.make_node("Sum", FEATURES, ["prediction"])]

    def value(name: str) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"])

    graph = helper.make_graph(nodes, "sum", [*map(value, FEATURES)], [value("prediction")])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    directory.mkdir()
    onnx.save(made, directory / "model.onnx")
    inputs = tuple(model.Tensor(name, "float32", ()) for name in FEATURES)
    output = model.Tensor("prediction", "float32", ())
    sha256 = model.digest(directory / "model.onnx")
    signature = model.Signature("tabular-regression", inputs, output, (), sha256)
    signature.write(directory / "signature.json")
    ranges = {name: {"min": 0.0, "max": 1.0} for name in FEATURES}
    reference = {"features": ranges, "predictions": {"deciles": [float(n) for n in range(9)]}}
    (directory / "reference.json").write_text(json.dumps(reference))
    return directory


def route(package: str, store: Path, *, observed: bool) -> tuple[Any, Any]:
    """The route that predicts, and the holder of the model; `observed` or not."""
    observers = importlib.import_module(f"{package}.serving.observers")
    serving = importlib.import_module(f"{package}.serving.settings").Serving
    create_app = importlib.import_module(f"{package}.serving.http.app").create_app
    watch = observers.routes
    if not observed:
        observers.routes = lambda api: []
    app = create_app(serving(store=store), "sum").app
    observers.routes = watch
    [found] = [each for each in app.routes if each.path.endswith(":predict")]
    app.state.holder.refresh()
    return found.app, app.state.holder


async def seconds(app: Any) -> float:
    """The CPU seconds of a request, of REQUESTS."""

    async def receive() -> Any:
        return {"type": "http.request", "body": BODY, "more_body": False}

    async def send(message: Any) -> None: ...

    begin = time.process_time()
    for _ in range(REQUESTS):
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/models/sum:predict",
            "headers": [(b"content-type", b"application/json")],
            "path_params": {"model": "sum"},
        }
        await app(scope, receive, send)
    return (time.process_time() - begin) / REQUESTS


async def measure(package: str, folder: Path) -> dict[str, float]:
    store = importlib.import_module(f"{package}.registry.store")
    store.deploy(write(package, folder / "model"), "1", folder / "store", "sum")
    apps = {
        name: route(package, folder / "store", observed=name == "with")[0]
        for name in ("with", "without")
    }
    found: dict[str, list[float]] = {name: [] for name in apps}
    for _ in range(ROUNDS):
        for name, app in apps.items():
            found[name].append(await seconds(app) * 1e6)
    return {name: min(each) for name, each in found.items()}  # the others were held up


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        print(json.dumps(asyncio.run(measure(sys.argv[1], Path(made)))))
