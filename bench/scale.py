"""The work of the scale row: a table of many rows is loaded, checked, split and evaluated.

`scale.py write FOLDER ROWS` writes the table and a model for it; `scale.py measure FOLDER PACKAGE`
does what the steps do, in a process of its own, and prints its seconds and its peak memory as JSON.
"""

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

PART = 500_000  # rows of a file
GROUP = 122_880  # rows of a Parquet row group, as DuckDB writes them; Polars reads eight ahead
CITIES = [f"city {number}" for number in range(200)]
CODES = 100_000
COLUMNS: dict[str, dict[str, Any]] = {
    "age": {"dtype": "uint8", "min": 0, "max": 120},
    "orders": {"dtype": "int64", "min": 0},
    "items": {"dtype": "int32", "nullable": True},
    "income": {"dtype": "float64", "nullable": True},
    "height": {"dtype": "float32"},
    "width": {"dtype": "float32"},
    "weight": {"dtype": "float64", "min": 0},
    "member": {"dtype": "bool"},
    "city": {"dtype": "string", "nullable": True},
    "code": {"dtype": "string"},
    "label": {"values": ["no", "yes"]},
}
SPLIT = {"validation": 0.15, "test": 0.2}


def write_rows(folder: Path, rows: int) -> None:
    """Parquet files of at most `PART` rows each, the same ones in every run."""
    import polars as pl

    folder.mkdir(parents=True)
    for begin in range(0, rows, PART):
        random = np.random.default_rng(begin)
        n = min(PART, rows - begin)
        income = random.lognormal(10, 1, n)
        label = random.random(n) < 1 / (1 + np.exp(10 - np.log(income)))
        gaps = random.random((3, n)) < 0.05
        numbers = pl.DataFrame(
            {
                "age": random.integers(18, 100, n, np.uint8),
                "orders": random.poisson(9, n),
                "items": random.integers(0, 50, n, np.int32),
                "income": income,
                "height": random.normal(1.7, 0.1, n).astype(np.float32),
                "width": random.normal(0.4, 0.1, n).astype(np.float32),
                "weight": random.gamma(9, 8, n),
                "member": random.random(n) < 0.3,
            }
        )
        texts = {
            "city": pl.Series(CITIES).gather(random.integers(0, len(CITIES), n)),
            "code": pl.Series(random.integers(0, CODES, n)).cast(pl.String),
            "label": pl.Series(["no", "yes"]).gather(label.astype(np.int64)),
        }
        table = numbers.with_columns(**texts)
        for name, gap in zip(("items", "income", "city"), gaps, strict=True):
            table = table.with_columns(pl.when(~pl.Series(gap)).then(pl.col(name)).alias(name))
        table.write_parquet(folder / f"{begin:010}.parquet", row_group_size=GROUP)


def write_model(directory: Path, inputs: dict[str, str]) -> None:
    """A logistic model with an input a column, of the given dtypes, in the exported form."""
    import onnx
    from onnx import TensorProto, helper

    nodes, values = [], []
    for name, dtype in inputs.items():
        if dtype == "string":
            kind = TensorProto.STRING
            encode = helper.make_node(
                "LabelEncoder",
                [name],
                [f"{name}/raw"],
                domain="ai.onnx.ml",
                keys_strings=CITIES,
                values_floats=[float(number % 7) for number in range(len(CITIES))],
                default_float=0.0,
            )
        else:
            kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
            encode = helper.make_node("Cast", [name], [f"{name}/raw"], to=TensorProto.FLOAT)
        values.append(helper.make_tensor_value_info(name, kind, ["rows"]))
        nodes += [
            encode,
            helper.make_node("IsNaN", [f"{name}/raw"], [f"{name}/gap"]),
            helper.make_node("Where", [f"{name}/gap", "zero", f"{name}/raw"], [f"{name}/known"]),
            helper.make_node("Unsqueeze", [f"{name}/known", "axis"], [f"{name}/column"]),
        ]
    weights = np.zeros((len(inputs), 2), np.float32)
    weights[list(inputs).index("income"), 1] = 1e-5
    constants = {
        "zero": np.float32(0),
        "axis": np.array([1]),
        "weights": weights,
        "bias": np.array([0.2, 0], np.float32),
    }
    nodes += [
        helper.make_node("Concat", [f"{name}/column" for name in inputs], ["table"], axis=1),
        helper.make_node("Gemm", ["table", "weights", "bias"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "model",
        values,
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["rows", 2])],
        [
            onnx.numpy_helper.from_array(np.asarray(value), name)
            for name, value in constants.items()
        ],
    )
    versions = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 2)]
    directory.mkdir(parents=True)
    onnx.save(
        helper.make_model(graph, opset_imports=versions, ir_version=8), directory / "model.onnx"
    )


def write_signature(directory: Path, schema: Any, package: str) -> None:
    """The file that says what the model takes: the features of the data set."""
    import importlib

    model = importlib.import_module(f"{package}.model")
    inputs = tuple(
        model.Tensor(name, feature.dtype, feature.shape, feature.nullable)
        for name, feature in schema.features.items()
    )
    output = model.Tensor("probabilities", "float32", (2,))
    sha256 = model.digest(directory / "model.onnx")
    signature = model.Signature(schema.task, inputs, output, schema.classes, sha256)
    signature.write(directory / "signature.json")


def measure(folder: Path, package: str) -> dict[str, float]:
    """Seconds of loading and of evaluating, and peak memory (GB) after each."""
    import importlib

    begin = time.perf_counter()
    sources = importlib.import_module(f"{package}.data.sources")
    data = importlib.import_module(f"{package}.data")
    configuration = importlib.import_module(f"{package}.settings").sections()["data"][0](
        task="tabular-classification",
        source="files",
        files={"path": str(folder / "rows")},
        columns=COLUMNS,
        split=SPLIT,
    )
    rows, report = sources.read(configuration)
    sets = data.write_splits(
        rows,
        {name: folder / "sets" / name for name in ("train", "validation", "test")},
        configuration.split.model_dump(),
        label=configuration.label,
        source=configuration.origin(),
        task=configuration.task,
        nullable=configuration.nullable(),
    )
    load, load_peak = time.perf_counter() - begin, peak()

    write_signature(folder / "model", sets["test"].schema, package)
    model = importlib.import_module(f"{package}.model").Model(folder / "model")
    metrics = importlib.import_module(f"{package}.evaluation.metrics")
    batches = [(labels, model.predict(features)) for features, labels in sets["test"].batches()]
    labels, outputs = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    del batches
    found = metrics.Predictions(labels, outputs, model.signature.classes).metrics()
    if not found["roc_auc"] > 0.6:
        sys.exit(f"the model knows better than chance, and the metrics do not say so: {found}")
    return {
        "rows": report.rows,
        "load": load,
        "load_peak": load_peak,
        "evaluate": time.perf_counter() - begin - load,
        "peak": peak(),
    }


def peak() -> float:
    """The most memory that this process has held so far, in GB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def main(command: str, folder: Path, argument: str) -> None:
    if command == "measure":
        print(json.dumps(measure(folder, argument)))
        return
    write_rows(folder / "rows", int(argument))
    stored = {"items": "float64"}  # what may be missing is a float
    inputs = {name: column["dtype"] for name, column in COLUMNS.items() if name != "label"}
    write_model(folder / "model", inputs | stored)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
