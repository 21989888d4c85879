"""What a platform relies on: health, readiness, metrics, and many requests at once."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conformance import v2
from conformance.target import Target
from prometheus_client.parser import text_string_to_metric_families

THREADS = 16


def test_healthz(target: Target) -> None:
    assert target.http.get("/healthz").status_code == 200


def test_readyz(target: Target) -> None:
    assert target.http.get("/readyz").status_code == 200


def test_an_unknown_path_is_not_found(target: Target) -> None:
    assert target.http.get("/no/such/path").status_code == 404


def test_the_metrics_count_requests(target: Target) -> None:
    before = counted(target)
    for _ in range(20):  # a scrape may reach another replica than the request did
        target.check_alive()
        if counted(target) > before:
            return
    raise AssertionError(f"{target.profile.counter} stays at {before}")


def counted(target: Target) -> float:
    """The prediction requests that the server says it has answered."""
    response = target.http.get(target.profile.metrics)
    assert response.status_code == 200
    families = text_string_to_metric_families(response.text)
    samples = [sample for family in families for sample in family.samples]
    name = f"{target.profile.counter}_total"
    return sum(sample.value for sample in samples if sample.name == name)


@pytest.mark.parametrize("protocol", ["v1", "v2 in json", "v2 in bytes"])
def test_each_of_many_at_once_gets_its_own_answer(target: Target, protocol: str) -> None:
    if protocol != "v1" and "test_v2" in target.profile.differs:
        pytest.skip(f"{target.profile.title}: {target.profile.differs['test_v2']}")

    def ask(row: int) -> np.ndarray:
        if protocol == "v1":
            response = target.predict({"instances": target.instances(1, row)})
            assert response.status_code == 200, response.text
            return np.array(response.json()["predictions"])
        if protocol == "v2 in json":
            return v2.read(target.infer(v2.request(target.take(1, row))))[1]
        both = {"binary_data_output": True}
        return v2.read(target.infer(*v2.binary_request(target.take(1, row), parameters=both)))[1]

    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(ask, range(8 * THREADS)))
    # A server may predict for several at once, and a batch of another size may round otherwise.
    for row, answer in enumerate(answers):
        np.testing.assert_allclose(answer, target.expected(1, row), rtol=1e-4, atol=1e-6)
