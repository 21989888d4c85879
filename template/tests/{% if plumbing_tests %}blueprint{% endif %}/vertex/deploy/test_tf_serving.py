"""TensorFlow Serving in a container of Vertex AI: what its script gets, once the model is there."""

import os

import pytest
import tensorflow_serving  # noqa: F401  (where it is not, nothing here is to be tested)

from blueprint.data.storage import Folder
from blueprint.errors import UserError
from blueprint.model import digest
from blueprint.registry import store
from blueprint.serving.vertex import __main__ as program


@pytest.fixture
def container(stored, folder, tmp_path, monkeypatch):
    """The variables of a container whose model is in the bucket, and what the script was given."""
    model, there = tmp_path / "model", Folder("gs://digits-staging/models/digits/7")
    (model / "saved_model" / "1").mkdir(parents=True)
    (model / "saved_model" / "1" / "saved_model.pb").write_text("a")
    there.write("saved_model/1/saved_model.pb", b"a")
    for name, value in {
        "AIP_HTTP_PORT": "8501",
        "AIP_PREDICT_ROUTE": "/v1/models/digits:predict",
        "AIP_HEALTH_ROUTE": "/v1/models/digits",
        "AIP_STORAGE_URI": there.path,
        "MODEL_VERSION": "7",
        "MODEL_SHA256": digest(model),
        "MLOPS_ENV": "test",
        "MLOPS_REGISTRY__NAME": "digits",
    }.items():
        monkeypatch.setenv(name, value)
    given = {}
    monkeypatch.setattr(os, "execve", lambda path, args, variables: given.update(variables))
    return given


def test_it_becomes_the_script_that_follows_a_store(container):
    program.main()
    assert (container["PORT"], container["MODEL_NAME"]) == ("8501", "digits")
    version = store.current(container["MODELS"], "digits")
    assert version.version == "7"
    version.verify()
    assert (version.folder / "saved_model" / "1" / "saved_model.pb").read_text() == "a"


def test_a_route_that_it_does_not_have(container, monkeypatch):
    monkeypatch.setenv("AIP_PREDICT_ROUTE", "/predict")
    with pytest.raises(UserError, match="AIP_PREDICT_ROUTE=/predict: TensorFlow Serving has"):
        program.main()
