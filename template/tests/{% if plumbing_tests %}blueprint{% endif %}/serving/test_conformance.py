"""The conformance suite against real servers: it passes ours, and finds what is wrong."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving.tiny_models import picture_rows, table_rows, write_picture_model, write_table_model

from blueprint.registry import store
from blueprint.serving import conformance


def failures(server: Any, model: Path, rows: Any) -> list[str]:
    target = conformance.of_model(str(server.http.base_url), "digits", model)
    target.rows = rows
    return conformance.run(target)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_server_of_pictures_is_conformant(
    tmp_path: Path, running: Callable[..., Any], workers: int
) -> None:
    model = write_picture_model(tmp_path / "made", answer=None)
    store.deploy(model, "1", tmp_path, "digits")
    with running(tmp_path, workers=workers) as server:
        assert failures(server, model, picture_rows()) == []


def test_a_server_of_tables_is_conformant(tmp_path: Path, running: Callable[..., Any]) -> None:
    model = write_table_model(tmp_path / "made")
    store.deploy(model, "1", tmp_path, "digits")
    with running(tmp_path) as server:
        assert failures(server, model, table_rows()) == []


class Fixed:
    """A model whose sums come out as a number of cores has them."""

    def __init__(self, number: float) -> None:
        self.prediction = np.array([[number]], np.float32)

    def predict(self, rows: Any) -> np.ndarray:
        return self.prediction


def test_a_slow_model_may_be_served_on_all_cores() -> None:
    one, all_cores, neither = 0.5972980, 0.5972981, 0.5972982
    models: Any = (Fixed(one), Fixed(all_cores))
    target = conformance.Target("http://127.0.0.1:1", "digits", *models, {}, "")
    for right in (one, all_cores):
        target.same([[right]], {})
    with pytest.raises(AssertionError):
        target.same([[neither]], {})


def test_another_model_is_found(
    tmp_path: Path, running: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_picture_model(tmp_path / "made", answer=None)
    store.deploy(write_picture_model(tmp_path / "other", answer=3), "2", tmp_path, "digits")
    with running(tmp_path) as server:
        failed = failures(server, model, picture_rows())
    assert {
        "predictions for 64 rows",
        "metadata holds the signature",
        "many at once get their own answers",
    } <= {*failed}
    assert {"/healthz", "rejects NaN", "the answer names the version"}.isdisjoint(failed)
    assert "FAIL  predictions for 64 rows: " in capsys.readouterr().out
