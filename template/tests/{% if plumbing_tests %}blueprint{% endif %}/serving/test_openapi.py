"""The description of the server, and that its examples work."""

from typing import Any

import pytest


def test_the_examples_work_as_they_are(server: Any) -> None:
    paths = server.http.get("/openapi.json").json()["paths"]
    posts = {path: methods["post"] for path, methods in paths.items() if "post" in methods}
    assert posts.keys() == {"/v1/models/digits:predict", "/v2/models/digits/infer"}
    for path, operation in posts.items():
        example = operation["requestBody"]["content"]["application/json"]["example"]
        assert server.http.post(path, json=example).status_code == 200


def test_every_path_is_there(server: Any) -> None:
    for path, methods in server.http.get("/openapi.json").json()["paths"].items():
        for method in methods:
            code = server.http.request(method, path).status_code
            assert code == (400 if method == "post" else 200), path


def test_the_page_needs_nothing_from_elsewhere(server: Any) -> None:
    page = server.http.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "http://" not in page.text
    assert "https://" not in page.text


@pytest.mark.parametrize("prefix", ["/v2/models/digits", "/v2/models/digits/versions/1"])
def test_v2_over_http(server: Any, prefix: str) -> None:
    [image] = server.http.get(prefix).json()["inputs"]
    assert image == {"name": "image", "datatype": "UINT8", "shape": [-1, 8, 8]}
    assert server.http.get(f"{prefix}/ready").json() == {"name": "digits", "ready": True}
    head = b'{"inputs":[{"name":"image","datatype":"UINT8","shape":[1,8,8],"parameters":'
    head += b'{"binary_data_size":64}}],"parameters":{"binary_data_output":true}}'
    response = server.http.post(
        f"{prefix}/infer",
        content=head + bytes(64),
        headers={"Inference-Header-Content-Length": str(len(head))},
    )
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/octet-stream"
    length = int(response.headers["inference-header-content-length"])
    assert len(response.content) - length == 4 * 10
    wrong = server.http.post(f"{prefix}/infer", content=head, headers={"X": "y"})
    assert wrong.status_code == 400
    assert server.http.get("/v2/models/digits/versions/2").status_code == 404
