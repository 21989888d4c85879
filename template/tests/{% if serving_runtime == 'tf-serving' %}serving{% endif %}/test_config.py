"""The configuration of TensorFlow Serving, in the form that its own programs read."""

import re
from pathlib import Path

from google.protobuf import text_format
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

CONFIG = Path(__file__).parents[2] / "docker" / "tf-serving"
# session_bundle_config.proto, which is in no Python package.
BATCHING = {"max_batch_size", "batch_timeout_micros", "max_enqueued_batches", "num_batch_threads"}


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
    found = [re.fullmatch(r"(\w+) \{ value: \d+ \}", line) for line in lines if line]
    names = [match and match[1] for match in found]
    assert set(names) <= BATCHING
    assert len(set(names)) == len(names)


def test_the_metrics_are_where_they_are_looked_for() -> None:
    from conformance.profiles import PROFILES

    text = (CONFIG / "monitoring.config").read_text()
    path = PROFILES["tf-serving"].metrics
    assert text.split() == ["prometheus_config", "{", "enable:", "true", "path:", f'"{path}"', "}"]
