"""The configuration of TensorFlow Serving, in the form that its own programs read."""

import re
from pathlib import Path

from google.protobuf import text_format
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from blueprint.serving.server import METRICS

CONFIG = Path(__file__).parents[3] / "docker" / "tf-serving"
# Of session_bundle_config.proto, which is in no Python package: the wrapped types by field.
BATCHING = {
    "max_batch_size": int,
    "max_execution_batch_size": int,
    "batch_timeout_micros": int,
    "max_enqueued_batches": int,
    "num_batch_threads": int,
    "enable_large_batch_splitting": bool,
}
VALUES = {int: r"\d+", bool: "true|false"}


def test_the_models() -> None:
    text = (CONFIG / "models.config").read_text()
    for placeholder, value in {"@NAME@": "digits", "@PATH@": "/a", "@VERSION@": "3"}.items():
        assert placeholder in text
        text = text.replace(placeholder, value)
    [model] = text_format.Parse(text, ModelServerConfig()).model_config_list.config
    assert (model.name, model.base_path, model.model_platform) == ("digits", "/a", "tensorflow")
    assert model.model_version_policy.specific.versions == [3]


def test_the_batches() -> None:
    lines = re.sub(r" *#.*", "", (CONFIG / "batching.config").read_text()).split("\n")
    found = {}
    for line in filter(None, lines):
        match = re.fullmatch(r"(\w+) \{ value: (\w+) \}", line)
        assert match, line
        name, value = match.groups()
        assert name not in found
        assert re.fullmatch(VALUES[BATCHING[name]], value)
        found[name] = value
    # A request may have as many rows as can wait.
    assert found["enable_large_batch_splitting"] == "true"
    at_once, waiting = int(found["max_execution_batch_size"]), int(found["max_enqueued_batches"])
    assert int(found["max_batch_size"]) == at_once * waiting


def test_the_metrics_are_where_they_are_looked_for() -> None:
    text = (CONFIG / "monitoring.config").read_text()
    path = METRICS[0]
    assert text.split() == ["prometheus_config", "{", "enable:", "true", "path:", f'"{path}"', "}"]
