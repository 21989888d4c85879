"""Stores with the tiny models of the plumbing's tests, and 64 rows with what they answer.

Run by the project's Python: write_models.py FOLDER NAME
"""

import importlib
import json
import sys
from pathlib import Path

template = Path(__file__).parents[3] / "template"
sys.path.append(str(template / "tests" / "{% if plumbing_tests %}blueprint{% endif %}"))
tiny = importlib.import_module("serving.tiny_models")
model = importlib.import_module("blueprint.model")
data = importlib.import_module("blueprint.data")
store = importlib.import_module("blueprint.registry.store")

folder = Path(sys.argv[1])
for kind, directory, rows in [
    ("picture", tiny.write_picture_model(folder / "picture" / "1", None), tiny.picture_rows()),
    ("table", tiny.write_table_model(folder / "table" / "1"), tiny.table_rows()),
]:
    exported = model.Model(directory)
    inputs = {tensor.name: tensor for tensor in exported.signature.inputs}
    example = {
        "instances": [
            data.as_instance({name: array[place] for name, array in rows.items()}, inputs)
            for place in range(64)
        ],
        "predictions": exported.predict(rows).tolist(),
    }
    (directory / "example.json").write_text(json.dumps(example))
    store.deploy(directory, "1", folder / kind, sys.argv[2])
