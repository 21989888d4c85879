"""The SavedModel predicts as the ONNX file does, or there is none."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_serving  # noqa: F401  (where it is not, nothing here is to be tested)

from blueprint.data import write_splits
from blueprint.export import ExportError, saved_model
from blueprint.export.export import export_model
from blueprint.model import Model, ModelError


@pytest.fixture
def network(sample):
    """A small untrained network for the sample's pictures."""
    [feature] = sample["train"].schema.features.values()
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input(feature.shape, dtype="uint8", name="image"),
            layers.Rescaling(1 / 255),
            layers.Flatten(),
            layers.Dropout(0.5),  # off when it predicts
            layers.Dense(len(sample["train"].schema.classes), activation="softmax"),
        ]
    )
    model(np.zeros((1, *feature.shape), "uint8"))  # an export needs a model that has been called
    return model


def test_the_two_files_predict_alike(network, sample, tmp_path):
    assert export_model(network, sample["validation"], tmp_path) == ""

    saved_model.check(tmp_path)
    saved = tf.saved_model.load(str(tmp_path / saved_model.FOLDER)).signatures["serving_default"]
    model = Model(tmp_path)
    [tensor] = model.signature.inputs
    _, given = saved.structured_input_signature
    assert given[tensor.name].dtype.name == tensor.dtype
    assert tuple(given[tensor.name].shape) == (None, *tensor.shape)
    features, _ = sample["test"].arrays()
    answer = saved(**{tensor.name: features[tensor.name]})
    assert list(answer) == [model.signature.output.name]
    predictions = answer[model.signature.output.name].numpy()
    np.testing.assert_allclose(predictions, model.predict(features), atol=1e-5)


def test_a_model_that_would_be_served_otherwise_is_rejected(network, sample, tmp_path, monkeypatch):
    other = keras.models.clone_model(network)
    other.set_weights([-weights for weights in network.get_weights()])
    save = saved_model.save
    monkeypatch.setattr(saved_model, "save", lambda _, *rest: save(other, *rest))

    with pytest.raises(ExportError, match=r"the SavedModel differs from the ONNX file by 0\.\d+"):
        export_model(network, sample["validation"], tmp_path)


class Oracle:
    """A model that no exporter knows: it is sure of the first class."""

    def predict(self, features):
        return np.eye(10)[np.zeros(len(features["image"]), int)]


def test_a_model_that_is_not_kerass_is_rejected(sample, tmp_path):
    with pytest.raises(ExportError, match=r"serves Keras models .* returned a Oracle"):
        export_model(Oracle(), sample["validation"], tmp_path)


def test_an_input_that_a_saved_model_would_rename_is_rejected(network, sample, tmp_path):
    rows = sample["test"].scan().rename({"image": "a.b"})
    directories = {name: tmp_path / name for name in ("train", "test")}
    options = {"label": "label", "source": "here", "task": sample["test"].schema.task}
    data = write_splits(rows, directories, {"test": 0.2}, **options)

    with pytest.raises(ExportError, match=r"takes no input called 'a.b': rename it in"):
        export_model(network, data["test"], tmp_path / "model")


def test_a_model_from_before_is_not_put_in_service(tmp_path):
    with pytest.raises(ModelError, match="has no SavedModel"):
        saved_model.check(tmp_path)
