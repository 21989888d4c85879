"""Real artifacts for components that are called as functions."""

import pytest
from kfp import dsl


@pytest.fixture
def artifact(folder):
    """Make an artifact in the test's folder: artifact(dsl.Model, "model")."""

    def make(kind: type[dsl.Artifact], name: str) -> dsl.Artifact:
        return kind(name=name, uri=str(folder / "artifacts" / name))

    (folder / "artifacts").mkdir()
    return make
