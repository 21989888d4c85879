"""The description of the server, and that its examples work."""

from typing import Any


def test_the_examples_work_as_they_are(server: Any) -> None:
    paths = server.http.get("/openapi.json").json()["paths"]
    posts = {path: methods["post"] for path, methods in paths.items() if "post" in methods}
    assert "/v1/models/digits:predict" in posts
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
