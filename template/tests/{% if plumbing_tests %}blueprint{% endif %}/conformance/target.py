"""A server under test: what it is asked, and what it must answer."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import pytest
from conformance.profiles import Profile

from blueprint.data import as_instance
from blueprint.model import Model, Signature, Tensor

HUGE = 50 * 2**20


@dataclass(frozen=True, repr=False)
class Target:
    """A server, the model on this machine that it must answer like, and the rows it is asked for.

    `version` is None where the server names none; `source` says where the rows are from.
    """

    http: httpx.Client
    name: str
    version: str | None
    model: Model
    rows: dict[str, np.ndarray]
    profile: Profile
    predict_path: str
    source: str

    @property
    def signature(self) -> Signature:
        return self.model.signature

    def take(self, n: int, start: int = 0) -> dict[str, np.ndarray]:
        """Some rows, as the model takes them; after the last comes the first."""
        places = range(start, start + n)
        return {name: a.take(places, axis=0, mode="wrap") for name, a in self.rows.items()}

    def instances(self, n: int, start: int = 0) -> list[dict[str, Any]]:
        """The same rows, as a V1 request holds them."""
        taken = self.take(n, start)
        inputs = {tensor.name: tensor for tensor in self.signature.inputs}
        return [as_instance({k: a[i] for k, a in taken.items()}, inputs) for i in range(n)]

    def expected(self, n: int, start: int = 0) -> np.ndarray:
        """What the model answers to these rows, on this machine."""
        return self.model.predict(self.take(n, start))

    def predict(self, body: object, **headers: str) -> httpx.Response:
        """Ask by V1; a body that is not bytes is sent as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.http.post(self.predict_path, content=content, headers=headers)

    def infer(self, content: bytes, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """Ask by V2."""
        return self.http.post(f"/v2/models/{self.name}/infer", content=content, headers=headers)

    def check(self, got: Any, expected: np.ndarray) -> None:
        """Assert that predictions are the model's: to the last bit, where the runtime can."""
        got = np.asarray(got).astype(expected.dtype)
        if self.profile.tolerance:
            tolerance = self.profile.tolerance
            np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)
        else:
            np.testing.assert_array_equal(got, expected)

    def check_alive(self) -> None:
        """Assert that the server still answers."""
        response = self.predict({"instances": self.instances(1)})
        assert response.status_code == 200, response.text
        assert len(response.json()["predictions"]) == 1

    def refusal(self, response: httpx.Response) -> str:
        """The message of a refusal; an AssertionError for any other answer."""
        assert 400 <= response.status_code < 500, f"{response.status_code}: {response.text[:500]}"
        assert response.headers["content-type"].partition(";")[0] == "application/json"
        message = response.json()["error"]
        if self.profile.wraps_errors:
            message = message["message"]
        assert isinstance(message, str)
        assert message
        return message

    def refuses_50_mb(self, path: str) -> None:
        """Assert that a body of 50 MB is refused, or that the server hangs up over it."""
        with suppress(httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
            response = self.http.post(path, content=b"[" + b" " * HUGE)
            assert 400 <= response.status_code < 500, response.text[:500]

    def input(self, kinds: str = "biufO", nullable: bool | None = None) -> Tensor:
        """The model's first input of one of these NumPy kinds, or a skip."""
        for tensor in self.signature.inputs:
            if tensor.numpy_dtype.kind in kinds and nullable in (None, tensor.nullable):
                return tensor
        pytest.skip("the model has no such input")

    def empty(self) -> tuple[dict[str, np.ndarray], list[str]]:
        """A row in which all is missing that may be, and the names of that; or a skip."""
        names = [tensor.name for tensor in self.signature.inputs if tensor.nullable]
        if not names:
            pytest.skip("no value may be missing in this model's rows")
        blank = self.model.example()
        return self.take(1) | {name: blank[name] for name in names}, names

    def __repr__(self) -> str:
        version = f" version {self.version}" if self.version else ""
        return f"{self.http.base_url}: {self.name}{version}, held to {self.profile.title}"


def first_replaced(value: Any, new: object) -> Any:
    """A value, or nested lists of them, with another one at the very first place."""
    return [first_replaced(value[0], new), *value[1:]] if isinstance(value, list) else new
