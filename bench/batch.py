"""The work of the batch row: the table of scale.py scored in bulk, and by a loop as one writes it.

`batch.py write FOLDER ROWS` writes rows and a model; `batch.py ours|pandas FOLDER PACKAGE` scores
the rows in a process of its own and prints its seconds and its peak memory as JSON. The loop reads
with PyArrow, works with pandas, and asks the same ONNX model in batches of the same size.
"""

import importlib
import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import scale


def write(folder: Path, rows: int, package: str) -> None:
    scale.write_rows(folder / "rows", rows)
    features = {
        name: SimpleNamespace(
            dtype="float64" if name == "items" else column["dtype"],
            shape=(),
            nullable=column.get("nullable", False),
        )
        for name, column in scale.COLUMNS.items()
        if name != "label"
    }
    scale.write_model(folder / "model", {name: each.dtype for name, each in features.items()})
    schema: Any = SimpleNamespace(
        task="tabular-classification", features=features, classes=("no", "yes")
    )
    scale.write_signature(folder / "model", schema, package)


def ours(folder: Path, package: str) -> int:
    batch = importlib.import_module(f"{package}.batch")
    model = importlib.import_module(f"{package}.model").Model(folder / "model")
    settings = importlib.import_module(f"{package}.batch.settings").Batch()
    source, output = str(folder / "rows"), str(folder / "ours.parquet")
    silent = lambda text: None  # noqa: E731
    return int(batch.score(source, output, model, "1", settings, force=True, say=silent).rows)


def pandas(folder: Path, package: str) -> int:
    import numpy as np
    import onnxruntime
    import pyarrow as pa
    import pyarrow.parquet as pq

    session = onnxruntime.InferenceSession(folder / "model" / "model.onnx")
    kinds = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(bool)": "bool"}
    kinds |= {f"tensor({name})": name for name in ("uint8", "int64", "int32")}
    done, writer = 0, None
    for path in sorted((folder / "rows").iterdir()):
        for chunk in pq.ParquetFile(path).iter_batches(8_192):
            frame = chunk.to_pandas()
            inputs = {
                each.name: frame[each.name].fillna("").to_numpy(object)
                if each.type == "tensor(string)"
                else frame[each.name].to_numpy(kinds[each.type])
                for each in session.get_inputs()
            }
            output = session.run(None, inputs)[0]
            frame["prediction"] = np.array(["no", "yes"])[output.argmax(axis=1)]
            frame["probability"] = output.max(axis=1)
            table = pa.Table.from_pandas(frame, preserve_index=False)
            writer = writer or pq.ParquetWriter(folder / "pandas.parquet", table.schema)
            writer.write_table(table.cast(writer.schema))
            done += len(frame)
    assert writer
    writer.close()
    return done


def main(command: str, folder: Path, *arguments: str) -> None:
    if command == "write":
        write(folder, int(arguments[0]), arguments[1])
        return
    begin = time.perf_counter()
    rows = {"ours": ours, "pandas": pandas}[command](folder, *arguments)
    seconds = time.perf_counter() - begin
    print(json.dumps({"rows": rows, "seconds": seconds, "peak": scale.peak()}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
