"""Models of tables behind a real server: mixed columns, missing values, and Python code."""

import json
import textwrap
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from mlflow import pyfunc
from serving.tiny_models import CHANCES, INPUTS, MEDIAN_AGE, PRICE, write_table_model

from blueprint.model import Signature, digest
from blueprint.registry import store


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory, running: Callable[..., Any]) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("store")
    store.deploy(write_table_model(folder / "made", PRICE), "1", folder, "digits")
    with running(folder) as server:
        yield server


def body(*instances: object) -> bytes:
    return json.dumps({"instances": instances}).encode()


def row(**values: object) -> dict[str, object]:
    return {"age": 42, "home city": "Mainz", "owns.house": True} | values


def test_mixed_columns_and_a_number_for_each_row(prices: Any) -> None:
    ulm = {"owns.house": False, "home city": "Ulm", "age": 1.5}
    response = prices.predict(body(row(), ulm, row(**{"home city": "Erdmannhausen"})))
    assert response.json() == {"predictions": [521, 215, 422]}
    assert response.status_code == 200


def test_null_is_what_the_model_makes_of_a_missing_value(prices: Any) -> None:
    response = prices.predict(body(row(age=None), row(**{"home city": None})))
    assert response.json() == {"predictions": [10 * MEDIAN_AGE + 101, 422]}


@pytest.mark.parametrize(
    ("instance", "message"),
    [
        (row(age="42"), "instances[1].age: expected number or null, got string"),
        (row(**{"home city": 7}), "instances[1].home city: expected string or null, got integer"),
        (row(**{"owns.house": None}), "instances[1].owns.house: expected boolean, got null"),
        (row(size=1), "instances[1].size: unknown; the model takes age, home city, owns.house"),
        ({"age": 42}, "instances[1].home city: missing"),
        ([42, "Mainz", True], "instances[1]: expected object, got list"),
    ],
)
def test_a_bad_row_is_rejected_and_the_field_named(
    prices: Any, instance: object, message: str
) -> None:
    response = prices.predict(body(row(), instance))
    assert response.status_code == 400
    assert message in response.json()["error"]
    assert prices.predict(body(row())).status_code == 200


def test_a_prediction_that_json_cannot_hold_is_the_servers_fault(prices: Any) -> None:
    response = prices.predict(body(row(), row(age=1e38)))  # ten times that is no float32
    assert response.status_code == 500
    error = "version 1: the prediction for instances[1] is inf"
    assert response.json() == {"error": error}
    assert f'"level":"ERROR","message":"{error}"' in prices.log
    assert prices.predict(body(row())).status_code == 200


def test_the_metadata_say_what_may_be_missing(prices: Any) -> None:
    signature = prices.http.get("/v1/models/digits/metadata").json()["signature"]
    assert signature["task"] == "tabular-regression"
    assert signature["classes"] == []
    assert signature["inputs"] == [
        {"name": "age", "dtype": "float64", "shape": [], "nullable": True},
        {"name": "home city", "dtype": "string", "shape": [], "nullable": True},
        {"name": "owns.house", "dtype": "bool", "shape": [], "nullable": False},
    ]


def test_another_kind_of_model_can_take_over(
    tmp_path: Path, running: Callable[..., Any], wait_for: Callable[..., None]
) -> None:
    store.deploy(write_table_model(tmp_path / "1", PRICE), "1", tmp_path, "digits")
    with running(tmp_path) as server:
        assert server.predict(body(row())).json() == {"predictions": [521]}
        store.deploy(write_table_model(tmp_path / "2", CHANCES), "2", tmp_path, "digits")
        wait_for(lambda: "serving version 2" in server.log, "version 2")
        nobody = {"age": -0.1, "home city": "", "owns.house": False}
        assert server.predict(body(row(), nobody)).json() == {"predictions": [[0, 1], [0.5, 0.5]]}


def test_a_model_in_python_is_served_and_holds_up_nobody(
    tmp_path: Path, running: Callable[..., Any]
) -> None:
    code = tmp_path / "slow.py"
    code.write_text(
        textwrap.dedent(
            """
            import time
            import numpy as np
            from mlflow import models, pyfunc

            class Slow(pyfunc.PythonModel):
                def predict(self, context, model_input, params=None):
                    cities = model_input["home city"]
                    if "" in cities:
                        raise ValueError("no city\\n(second line)")
                    time.sleep(0.5)
                    return np.nan_to_num(model_input["age"], nan=40) + (cities == "Mainz") * 100

            models.set_model(Slow())
            """
        )
    )
    version = tmp_path / "made"
    version.mkdir(parents=True)
    pyfunc.save_model(str(version / "pyfunc"), python_model=str(code), pip_requirements=[])
    sha256 = digest(version / "pyfunc")
    Signature("tabular-regression", INPUTS, PRICE, (), sha256, "pyfunc").write(
        version / "signature.json"
    )
    store.deploy(version, "1", tmp_path / "store", "digits")
    with running(tmp_path / "store") as server, ThreadPoolExecutor() as pool:
        # Nothing is known of the city in the row for the warm-up, which this model rejects.
        assert "warm-up: the model failed (ValueError: no city)" in server.log
        slow = pool.submit(server.predict, body(row(), row(age=None), row(**{"home city": "Ulm"})))
        assert server.http.get("/healthz").status_code == 200
        assert not slow.done()
        assert slow.result().json() == {"predictions": [142, 140, 42]}
        failed = server.predict(body(row(**{"home city": None})))
        assert failed.status_code == 500
        error = "version 1: the model failed (ValueError: no city)"
        assert failed.json() == {"error": error}
        assert "(second line)" in server.log
        assert server.predict(body(row())).json() == {"predictions": [142]}
