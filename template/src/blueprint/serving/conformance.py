"""Is a server's contract the one in docs/serving.md? `python -m blueprint.serving.conformance`.

It asks this project's server, or any --url; the exported model says what must be answered.
"""

import argparse
import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import settings
from ..errors import UserError
from ..model import EXAMPLE_FILE, Model, ModelError
from ..registry import store
from . import features, server

AUTHORIZATION = "CONFORMANCE_AUTHORIZATION"  # the environment variable that holds this header
SECONDS = 120  # until a server must have answered
# What another program than this project's own server cannot, by the beginning of a check's name.
DIFFERS: dict[str, str] = getattr(server, "DIFFERS", {})
METRICS = getattr(server, "METRICS", ("/metrics", "predict_requests_total"))
TOLERANCE: float = getattr(server, "TOLERANCE", 0)  # of a prediction; 0 is to the last bit
Check = Callable[["Target"], None]


class Answer(NamedTuple):
    code: int
    headers: Any
    content: bytes


@dataclass
class Target:
    """A server under test, and the model on this machine that it must answer like."""

    url: str
    name: str
    model: Model  # on one core
    on_all_cores: Model  # which a server takes for a slow one; they add in another order
    rows: dict[str, np.ndarray]
    path: str  # of predictions
    version: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def ask(self, path: str, body: Any = None, **headers: str) -> Answer:
        return ask(f"{self.url}{path}", body, self.headers | headers)

    def predict(self, body: Any, **headers: str) -> Answer:
        return self.ask(self.path, body, **headers)

    def take(self, n: int, start: int = 0) -> dict[str, np.ndarray]:
        """Some rows, as the model takes them; after the last comes the first."""
        at = range(start, start + n)
        return {name: array.take(at, axis=0, mode="wrap") for name, array in self.rows.items()}

    def instances(self, n: int, start: int = 0) -> list[dict[str, Any]]:
        """The same rows as V1 has them: null is a missing number."""
        columns = {name: array.tolist() for name, array in self.take(n, start).items()}
        text = json.dumps([{name: columns[name][i] for name in columns} for i in range(n)])
        return list(json.loads(text, parse_constant=lambda _: None))

    def same(self, got: Any, rows: dict[str, np.ndarray], tolerance: float = TOLERANCE) -> None:
        """Hold predictions to the model's for some rows."""
        one, all_cores = (each.predict(rows) for each in (self.model, self.on_all_cores))
        got = np.asarray(got).astype(one.dtype)
        expected = all_cores if np.array_equal(got, all_cores) else one
        np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)

    def right(self, answer: Answer, rows: Any, tolerance: float = TOLERANCE) -> None:
        """Hold a V1 answer to the same."""
        equal(answer.code, 200)
        self.same(json.loads(answer.content)["predictions"], rows, tolerance)

    def rejected(self, answer: Answer, text: str = "", code: int = 400) -> None:
        """Hold an answer to an error whose message has a text, and the server to go on."""
        equal(answer.code, code)
        message = json.loads(answer.content)["error"]
        assert text in message, f"{text!r} is not in {message!r}"
        equal(self.predict({"instances": self.instances(1)}).code, 200)


def checks(target: Target) -> Iterator[tuple[str, Check]]:
    """Every check of the V1 protocol and of what a platform relies on: its name and itself."""
    good, row = target.instances(2)
    tensor = target.model.signature.inputs[0]

    def answers(n: int, body: dict[str, Any], type_: str = "application/json") -> Check:
        return lambda t: t.right(t.predict(body, **{"Content-Type": type_}), t.take(n))

    for n in (1, 2, 64):
        yield f"predictions for {n} rows", answers(n, {"instances": target.instances(n)})
    backwards = dict(reversed(good.items()))
    yield "columns in any order, other keys", answers(1, {"instances": [backwards], "x": 1})
    yield "any content type", answers(1, {"instances": [good]}, "text/plain")
    if len(good) == 1:
        [bare] = good.values()
        yield "bare values", answers(1, {"instances": [bare]})
        yield "bare values and objects together", answers(2, {"instances": [bare, row]})
    yield "null is a missing value", gaps
    number = tensor.numpy_dtype.kind in "iuf"
    wrong = {"a wrong type": "text", "NaN": float("nan")} if number else {"a wrong type": 7}
    bad = {case: {tensor.name: replaced(row[tensor.name], value)} for case, value in wrong.items()}
    bad |= {"a wrong shape": {tensor.name: [row[tensor.name]]}, "an extra column": {"no such": 1}}
    for case, change in bad.items():
        body: Any = {"instances": [good, row | change]}
        yield f"rejects {case}", rejects(body, f"instances[1].{next(iter(change))}")
    missing = {key: each for key, each in row.items() if key != tensor.name}
    yield "rejects a missing column", rejects({"instances": [missing]}, f"[0].{tensor.name}")
    for case, body, text in (("text", b"hello", "JSON"), ("no rows", {"instances": []}, "inst")):
        yield f"rejects {case}", rejects(body, text)
    yield "another model is not here", lambda t: t.rejected(t.ask("/v1/models/another"), code=404)
    yield "GET is no way to predict", lambda t: t.rejected(t.ask(t.path), code=405)
    for path, code in {"/healthz": 200, "/readyz": 200, "/no/such/path": 404}.items():
        yield path, lambda t, path=path, code=code: equal(t.ask(path).code, code)  # type: ignore[misc]
    yield "status names the version", lambda t: equal(bool(t.version), True)
    yield (
        "the answer names the version",
        lambda t: equal(t.predict({"instances": [good]}).headers["X-Model-Version"], t.version),
    )
    yield "metadata holds the signature", metadata
    yield "metrics count requests", counted
    yield "many at once get their own answers", many


def rejects(body: Any, text: str) -> Check:
    return lambda t: t.rejected(t.predict(body), "" if "names the field" in DIFFERS else text)


def gaps(target: Target) -> None:
    blank, nullable = target.model.example(), target.model.signature.inputs
    names = [tensor.name for tensor in nullable if tensor.nullable]
    nulls = {name: np.full(blank[name].shape[1:], None).tolist() for name in names}
    answer = target.predict({"instances": [target.instances(1)[0] | nulls]})
    target.right(answer, target.take(1) | {name: blank[name] for name in names})


def metadata(target: Target) -> None:
    answer = json.loads(target.ask(f"/v1/models/{target.name}/metadata").content)["signature"]
    equal(answer["sha256"], target.model.signature.sha256)
    for given, tensor in zip(answer["inputs"], target.model.signature.inputs, strict=True):
        expected = {"name": tensor.name, "dtype": tensor.dtype, "shape": [*tensor.shape]}
        equal(given, expected | {"nullable": tensor.nullable})


def counted(target: Target) -> None:
    def count() -> float:
        lines = target.ask(METRICS[0]).content.decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(METRICS[1]))

    before = count()
    for _ in range(20):  # a scrape may reach another replica than the request did
        target.predict({"instances": target.instances(1)})
        if count() > before:
            return
    raise AssertionError(f"{METRICS[1]} stays at {before}")


def many(target: Target) -> None:
    bodies = [{"instances": target.instances(1, row)} for row in range(128)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(target.predict, bodies))
    # A server may predict for several at once, and a batch of another size may round otherwise.
    for row, answer in enumerate(answers):
        target.right(answer, target.take(1, row), tolerance=1e-4)


def replaced(value: Any, new: object) -> Any:
    """A value, or nested lists of them, with another one at the very first place."""
    return [replaced(value[0], new), *value[1:]] if isinstance(value, list) else new


def equal(got: object, expected: object) -> None:
    assert got == expected, f"got {got!r}, expected {expected!r}"


def available(status: Answer) -> str | None:
    """The version that a model's V1 status says is available."""
    with suppress(ValueError, KeyError, TypeError):
        versions = json.loads(status.content)["model_version_status"]
        return next((each["version"] for each in versions if each["state"] == "AVAILABLE"), None)
    return None


def ask(url: str, body: Any, headers: dict[str, str]) -> Answer:
    """GET, or POST of a body; one that is not bytes is sent as JSON."""
    content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, content, {"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as response:
            return Answer(response.status, response.headers, response.read())
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.headers, error.read())


def run(target: Target, skip: dict[str, str] = DIFFERS) -> list[str]:
    """Run every check and print its line: the names of those that fail."""
    added = (each for feature in features("conformance") for each in feature.checks(target))
    found, failed = [*checks(target), *added], []
    for name, check in found:
        if reason := next((skip[start] for start in skip if name.startswith(start)), None):
            print(f"skip  {name}: {reason}")
            continue
        try:
            check(target)
            print(f"ok    {name}")
        except (AssertionError, OSError, ValueError, KeyError, TypeError) as error:
            failed.append(name)
            print(f"FAIL  {name}: {' '.join(str(error).split())[:200] or type(error).__name__}")
    print(f"{len(found)} checks, {len(failed)} failed")
    return failed


def of_model(url: str, name: str, directory: Path, path: str = "", **headers: str) -> Target:
    """A server under test, and the exported model in a folder: the rows are those it has kept."""
    try:
        model, on_all_cores = (Model(directory, threads) for threads in (1, os.cpu_count()))
    except ModelError as error:
        raise UserError(str(error)) from None
    rows = model.example()
    with suppress(OSError, ValueError, KeyError):
        kept = json.loads((directory / EXAMPLE_FILE).read_bytes())["instances"]
        for tensor in model.signature.inputs:
            column = [tensor.empty if r[tensor.name] is None else r[tensor.name] for r in kept]
            rows[tensor.name] = np.array(column, tensor.numpy_dtype)
    path = path or f"/v1/models/{name}:predict"
    target = Target(url, name, model, on_all_cores, rows, path, headers=headers)
    target.version = available(target.ask(f"/v1/models/{name}"))
    return target


def find(options: argparse.Namespace) -> Target:
    """The server that the command line names, with the model of the version that it serves."""
    loaded = settings.load()
    url = options.url.rstrip("/") or f"http://{loaded.serving.host}:{loaded.serving.port}"
    name, directory = options.model or loaded.registry.name, options.model_dir
    given = {"Authorization": os.environ.get(AUTHORIZATION, ""), "Host": options.host}
    headers = {key: value for key, value in given.items() if value}
    try:
        answer = ask(f"{url}/v1/models/{name}", None, headers)
    except OSError as error:
        raise UserError(f"no server answers at {url} ({error}): start `make serve`") from None
    if answer.code in (401, 403):
        raise UserError(f"{url} answers {answer.code}: set {AUTHORIZATION}='Bearer …'")
    version = available(answer) or ""
    if not directory and not version:
        raise UserError(f"{url} has no version of {name!r}: give MODEL=…, or --model-dir")
    if not directory and loaded.serving.store:
        directory = store.find(loaded.serving.store, name, version)
    if directory:
        return of_model(url, name, directory, options.predict_path, **headers)
    from ..registry.client import RegistryError, connect

    registry = connect(loaded.registry)  # as where a cluster serves
    try:
        with registry.model(registry.version(version)) as directory:
            return of_model(url, name, directory, options.predict_path, **headers)
    except RegistryError as error:
        raise UserError(f"{error}; --model-dir names a folder instead") from None


def main() -> None:
    """Run the checks that the command line asks for; exit code 1 if one fails."""
    parser = argparse.ArgumentParser(description="Hold a server to the contract.")
    parser.add_argument("--url", default="", help="of the server, if it is not this project's")
    parser.add_argument("--model", help="its name there, if it is not registry.name")
    parser.add_argument("--model-dir", type=Path, help="the exported model it must answer like")
    parser.add_argument("--predict-path", default="", help="if it is not /v1/models/<name>:predict")
    parser.add_argument("--host", default="", help="the Host header, for a gateway's routes")
    parser.add_argument("--skip", action="append", default=[], help="checks that begin so")
    options = parser.parse_args()
    try:
        target = find(options)
    except UserError as error:
        raise SystemExit(f"error: {error}") from None
    print(f"{target.url}: {target.name}, version {target.version or 'unknown'}")
    raise SystemExit(bool(run(target, DIFFERS | dict.fromkeys(options.skip, "as asked for"))))


if __name__ == "__main__":
    main()
