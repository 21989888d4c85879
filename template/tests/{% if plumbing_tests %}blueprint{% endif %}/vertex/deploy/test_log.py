"""What the endpoint's servers log to a bucket is what `make drift` reads there."""

import time

import polars as pl
import pytest

from blueprint.deploy import deployment
from blueprint.model import Model
from blueprint.monitoring.drift import windows
from blueprint.monitoring.drift.settings import Drift
from blueprint.monitoring.prediction_log.settings import PredictionLog

LOG = "gs://digits-staging/predictions"


@pytest.fixture
def no_login():
    """Polars asks google-auth by itself, which finds no login here."""
    pl.Config.set_default_credential_provider(None)
    yield
    pl.Config.set_default_credential_provider("auto")


def test_the_servers_log_is_the_window(project, executing, no_login):
    named = {"REGISTRY__NAME": "digits", "PREDICTION_LOG__PATH": LOG}
    named |= {"PREDICTION_LOG__FLUSH_SECONDS": "0.1"}
    executing.code.variables = {f"MLOPS_{key}": value for key, value in named.items()}
    project.train()
    deployment.deploy(project.settings())  # it asks for a prediction of two rows

    model, end = Model(project.folder / "model 0"), time.monotonic() + 30
    while True:
        window = windows.read(Drift(), model, "digits", "1", PredictionLog(path=LOG))
        if len(window.frame) or time.monotonic() > end:
            break
        time.sleep(0.2)
    assert len(window.frame) == 2
    assert {"input.brightness", "prediction", "probability"} <= {*window.frame.columns}
