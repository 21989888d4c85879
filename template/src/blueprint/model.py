"""An exported model: a directory with `signature.json` and `model.onnx`.

A model that has no ONNX form is an MLflow pyfunc instead, in the folder `pyfunc`: slower, and it
needs MLflow and the model's own packages wherever it runs.

This is the only code that runs a model, shared by evaluation and serving, so that what is
evaluated is what is served. It imports nothing of the project.
"""

import hashlib
import json
import math
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError

MODEL_FILE = "model.onnx"
PYFUNC_FOLDER = "pyfunc"
SIGNATURE_FILE = "signature.json"
EXAMPLE_FILE = "example.json"
PICKLE_0_4_0 = "data/native.pkl"  # in a pyfunc of 0.4.0: it names the code of its project

# The types of values, by NumPy's names and "string", and what each is in JSON.
DTYPES = {
    "bool": "boolean",
    **{f"{sign}int{bits}": "integer" for sign in ("", "u") for bits in (8, 16, 32, 64)},
    "float32": "number",
    "float64": "number",
    "string": "string",
}
ONNX_NAMES = {"float32": "float", "float64": "double"}  # those that ONNX calls otherwise


class ModelError(Exception):
    """A model that cannot be loaded or run; the message is one line."""


@dataclass(frozen=True)
class Tensor:
    """One input or output. `shape` leaves out the batch axis: a scalar per instance is `()`.

    Where an input is `nullable`, a missing number is NaN and a missing text is empty.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    nullable: bool = False

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ValueError(f"unknown dtype {self.dtype!r}")
        if self.nullable and DTYPES[self.dtype] not in ("number", "string"):
            raise ValueError(f"{self.dtype} has no missing values; a nullable number is a float")

    @cached_property  # every request needs it
    def numpy_dtype(self) -> np.dtype[Any]:
        """The dtype of the arrays; strings travel as object arrays."""
        return np.dtype(object if self.dtype == "string" else self.dtype)

    @property
    def empty(self) -> float | str:
        """What stands for a missing value, or for any where none may be missing."""
        if self.dtype == "string":
            return ""
        return math.nan if self.nullable else 0

    def __str__(self) -> str:
        return f"{self.dtype} {['n', *self.shape]}".replace("'", "")


@dataclass(frozen=True)
class Signature:
    """What a model takes and gives. Tensor names are those of the ONNX graph.

    `sha256` is the `digest` of the model: of `model.onnx`, or of the folder `pyfunc`.
    """

    task: str
    inputs: Annotated[tuple[Tensor, ...], Field(min_length=1)]
    output: Tensor
    classes: tuple[str, ...]
    sha256: str
    format: Literal["onnx", "pyfunc"] = "onnx"

    @classmethod
    def read(cls, path: Path) -> "Signature":
        """The signature in a JSON file, or a ModelError that names what is wrong with it."""
        try:
            signature: Signature = TypeAdapter(cls).validate_json(path.read_bytes())
        except OSError as error:
            raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
        except ValidationError as error:
            problem = error.errors()[0]
            key = ".".join(str(part) for part in problem["loc"])
            raise ModelError(f"{path}: {f'{key}: ' if key else ''}{problem['msg']}") from error
        return signature

    def write(self, path: Path) -> None:
        """Write the JSON file that `read` reads."""
        text = json.dumps(asdict(self), indent=2, allow_nan=False)
        path.write_text(text + "\n", encoding="utf-8")


def digest(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal; of a folder, that of the list of its files' digests.

    The list is what `sha256sum` prints for the relative paths in sorted order. Compiled Python is
    left out: it appears when a model is loaded.
    """
    if path.is_dir():
        names = {file.relative_to(path) for file in path.rglob("*") if file.is_file()}
        kept = sorted(name.as_posix() for name in names if "__pycache__" not in name.parts)
        lines = [f"{digest(path / name)}  {name}\n" for name in kept]
        return hashlib.sha256("".join(lines).encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Model:
    """An exported model, loaded and ready to predict; safe to use from several threads.

    `threads` bounds the cores that one prediction of an ONNX model uses; None leaves it to ONNX
    Runtime. Raises ModelError when a file is missing or damaged, or the two files disagree.
    """

    def __init__(self, directory: Path | str, threads: int | None = None) -> None:
        directory = Path(directory)
        if not directory.is_dir():
            raise ModelError(f"{directory}: there is no such model directory")
        self.signature = Signature.read(directory / SIGNATURE_FILE)
        onnx = self.signature.format == "onnx"
        path = directory / (MODEL_FILE if onnx else PYFUNC_FOLDER)
        try:
            sha256 = digest(path)
        except OSError as error:
            raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
        if sha256 != self.signature.sha256:
            raise ModelError(f"{path}: is damaged (its SHA-256 differs from {SIGNATURE_FILE}'s)")
        load = _load_onnx if onnx else _load_pyfunc
        self._run = load(path, self.signature, threads)

    def predict(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """The outputs for a batch: arrays of shape (n, *shape) by input name → (n, *shape).

        Raises ModelError for inputs or outputs that do not fit the signature.
        """
        rows = self._check(inputs)
        output = self.signature.output
        if not rows:
            return np.empty((0, *output.shape), output.numpy_dtype)
        try:
            result = self._run(dict(inputs))
        except Exception as error:  # ONNX Runtime's exceptions have no common base
            raise ModelError(f"the model failed ({summary(error)})") from error
        if result.shape != (rows, *output.shape):
            raise ModelError(f"{output.name}: expected {output}, got shape {list(result.shape)}")
        return result

    def example(self, n: int = 1) -> dict[str, np.ndarray]:
        """A batch of n instances without content, to warm up with.

        Values are missing where they may be; other numbers are zero, other texts empty.
        """
        return {
            tensor.name: np.full((n, *tensor.shape), tensor.empty, tensor.numpy_dtype)
            for tensor in self.signature.inputs
        }

    def _check(self, inputs: Mapping[str, np.ndarray]) -> int:
        """The number of rows, once every input has its dtype, its shape and as many rows."""
        if inputs.keys() != {tensor.name for tensor in self.signature.inputs}:
            expected = ", ".join(tensor.name for tensor in self.signature.inputs)
            raise ModelError(f"expected the inputs {expected}; got {', '.join(inputs) or 'none'}")
        rows = len(inputs[self.signature.inputs[0].name])
        for tensor in self.signature.inputs:
            array = inputs[tensor.name]
            if array.shape != (rows, *tensor.shape) or array.dtype != tensor.numpy_dtype:
                given = f"{array.dtype} {list(array.shape)}"
                raise ModelError(f"{tensor.name}: expected {tensor}, got {given}")
        return rows


Run = Callable[[dict[str, np.ndarray]], np.ndarray]


def _load_onnx(path: Path, signature: Signature, threads: int | None) -> Run:
    """A function that runs the graph with ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors are raised
    if threads is not None:
        options.intra_op_num_threads = threads
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions have no common base
        raise ModelError(f"{path}: cannot be loaded ({summary(error)})") from error
    _compare(path, signature, session)
    outputs = [signature.output.name]

    def run(inputs: dict[str, np.ndarray]) -> np.ndarray:
        return np.asarray(session.run(outputs, inputs)[0])

    return run


def _compare(path: Path, signature: Signature, session: Any) -> None:
    """Check that the graph has the signature's inputs, its output, and a free batch axis."""
    nodes = {node.name: node for node in (*session.get_inputs(), *session.get_outputs())}
    given = sorted(node.name for node in session.get_inputs())
    names = sorted(tensor.name for tensor in signature.inputs)
    if given != names:
        raise ModelError(f"{path}: takes {given}; its signature says {names}")
    for tensor in (*signature.inputs, signature.output):
        node = nodes.get(tensor.name)
        if node is None:
            raise ModelError(f"{path}: does not give {tensor.name!r}, as its signature says")
        batch, *sizes = node.shape or [None]
        fits = len(sizes) == len(tensor.shape) and all(
            size == expected or not isinstance(size, int)  # a named axis takes any size
            for size, expected in zip(sizes, tensor.shape, strict=True)
        )
        dtype = f"tensor({ONNX_NAMES.get(tensor.dtype, tensor.dtype)})"
        if node.type != dtype or isinstance(batch, int) or not fits:
            found = f"{path}: {tensor.name} is {node.type} {node.shape}"
            raise ModelError(f"{found}; its signature says {tensor}")


def _load_pyfunc(path: Path, signature: Signature, threads: int | None) -> Run:
    """A function that hands the arrays by name to the `predict` of an MLflow pyfunc."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # a server tells nobody
    try:
        if (path / PICKLE_0_4_0).exists():
            reader = EntryPoint("", "blueprint.export.pickle_0_4_0:load", "")  # of the project
            model = reader.load()(path / PICKLE_0_4_0)
        else:
            from mlflow import pyfunc

            model = pyfunc.load_model(str(path))
    except ImportError as error:
        raise ModelError(
            f"{path}: cannot be loaded ({error}): mlflow and all that the model imports must be "
            "installed where it is evaluated and served"
        ) from error
    except Exception as error:  # it runs anybody's code
        raise ModelError(f"{path}: cannot be loaded ({summary(error)})") from error
    one_at_a_time = threading.Lock()  # not every Python model can be used from several threads

    def run(inputs: dict[str, np.ndarray]) -> np.ndarray:
        with one_at_a_time:
            result = np.asarray(model.predict(inputs))
        return result.astype(signature.output.numpy_dtype, copy=False)

    return run


def summary(error: Exception) -> str:
    """An exception's type and the first line of its message, in at most 200 characters."""
    line = str(error).strip().split("\n", 1)[0]
    return f"{type(error).__name__}: {line}"[:200] if line else type(error).__name__
