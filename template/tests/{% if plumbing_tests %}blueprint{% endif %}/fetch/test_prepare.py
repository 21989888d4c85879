"""A pod's server, before it starts: it serves the version that its pod says, or nothing."""

import shutil

import pytest

from blueprint.errors import UserError
from blueprint.model import digest
from blueprint.registry import store
from blueprint.serving.pod import prepare
from blueprint.serving.settings import Serving


@pytest.fixture
def pin(model, monkeypatch):
    def set_pin(version, sha256=""):
        monkeypatch.setenv("MODEL_VERSION", version)
        monkeypatch.setenv("MODEL_SHA256", sha256 or digest(model))

    return set_pin


def test_without_a_pin_nothing_changes(model, tmp_path):
    store.deploy(model, "1", tmp_path, "digits")
    serving = Serving(store=tmp_path)
    assert prepare(serving, "digits") is serving


def test_the_pinned_version_is_served_and_no_other(model, pin, tmp_path):
    serving = Serving(store=tmp_path)
    pin("7")
    assert prepare(serving, "digits") is serving  # it comes later, or never
    store.deploy(model, "7", tmp_path, "digits")
    assert prepare(serving, "digits") is serving
    for pinned in (("8",), ("7", "0" * 64)):
        pin(*pinned)
        with pytest.raises(UserError, match=r"holds version 7 of digits .*pinned to version"):
            prepare(serving, "digits")


def test_the_files_of_kserve_s_own_initializer_are_served(model, pin, tmp_path):
    folder = tmp_path / "models"
    shutil.copytree(model, folder)
    pin("7")
    prepared = prepare(Serving(store=folder, port=1234), "digits")

    deployed = store.current(prepared.folder(), "digits")
    assert (deployed.version, deployed.sha256, prepared.port) == ("7", digest(model), 1234)
    deployed.verify()
    (folder / "model.onnx").write_text("another")
    with pytest.raises(store.StoreError, match="damaged"):
        deployed.verify()
