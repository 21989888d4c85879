"""`make predict`: what goes over the wire for a row, and what a person sees."""

import io
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from rich.console import Console
from sklearn.datasets import load_digits

from blueprint.data import Feature, Schema, as_instance
from blueprint.errors import UserError
from blueprint.predict import draw_bars, draw_image, draw_row, predict, round_alike

ROWS = {
    "age": pl.Series([42.5, float("nan")]),
    "rooms": pl.Series([3, 4]),
    "town": pl.Series(["Ulm", ""]),
    "note": pl.Series(["", "new"]),
}
FEATURES = {
    "age": Feature("float64", (), nullable=True),
    "rooms": Feature("int64", ()),
    "town": Feature("string", (), nullable=True),
    "note": Feature("string", ()),
}
CLASSES = ("cheap", "dear")


class Answers:
    """A server that gives every request the same answer, and keeps what it was asked."""

    def __init__(self) -> None:
        self.code, self.answer = 200, "{}"
        self.version, self.status = "7", "{}"
        self.asked: list[tuple[str, Any]] = []
        answers = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answers.asked.append((self.path, json.loads(body)))
                self.send_response(answers.code)
                if answers.version:
                    self.send_header("X-Model-Version", answers.version)
                self.end_headers()
                self.wfile.write(answers.answer.encode())

            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(answers.status.encode())

            def log_message(self, *_: object) -> None:
                pass

        self.http = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"


@pytest.fixture
def server() -> Iterator[Answers]:
    answers = Answers()
    thread = threading.Thread(target=answers.http.serve_forever, args=(0.01,))
    thread.start()
    yield answers
    answers.http.shutdown()
    thread.join()
    answers.http.server_close()


def write_test_set(
    columns: dict[str, pl.Series], features: dict[str, Feature], classes: tuple[str, ...]
) -> None:
    directory = Path(".mlops/runs/1/load-data/test_data")
    directory.mkdir(parents=True)
    frame = pl.DataFrame(columns)
    frame.write_parquet(directory / "part-0.parquet")
    schema = Schema("", features, "label", classes, len(frame), "", "sample")
    schema.write(directory / "schema.json")


def write_houses(label: list[str] | list[float], classes: tuple[str, ...] = ()) -> None:
    write_test_set(ROWS | {"label": pl.Series(label)}, FEATURES, classes)


def test_a_row_and_its_class(
    folder: Path, server: Answers, capsys: pytest.CaptureFixture[str]
) -> None:
    write_houses(["cheap", "dear"], CLASSES)
    server.answer = '{"predictions": [[0.25, 0.75]]}'
    predict(server.url, "houses", 0)
    [(path, body)] = server.asked
    assert path == "/v1/models/houses:predict"
    assert body == {"instances": [{"age": 42.5, "rooms": 3, "town": "Ulm", "note": ""}]}
    *shown, verdict, last = capsys.readouterr().out.splitlines()
    assert [line.rstrip() for line in shown] == [
        "age    42.5",
        "rooms  3",
        "town   Ulm",
        "note   –",
        "",
        f"dear   {'█' * 30}{' ' * 10}  75.0%",
        f"cheap  {'█' * 10}{' ' * 30}  25.0%",
    ]
    assert verdict == "predicted dear (75.0%), wrong: it is cheap"
    assert last.startswith("test row 0, version 7, ")
    assert last.endswith(" ms")


@pytest.mark.parametrize("states", [["UNLOADING", "AVAILABLE"], ["LOADING"]])
def test_where_an_answer_names_no_version_the_status_does(
    states: list[str], folder: Path, server: Answers, capsys: pytest.CaptureFixture[str]
) -> None:
    write_houses(["cheap", "dear"], CLASSES)
    server.answer, server.version = '{"predictions": [[0.25, 0.75]]}', ""
    versions = [{"version": str(n), "state": state} for n, state in enumerate(states, 8)]
    server.status = json.dumps({"model_version_status": versions})
    predict(server.url, "houses", 0)
    version = "9" if "AVAILABLE" in states else "?"
    assert f"test row 0, version {version}, " in capsys.readouterr().out


def test_a_missing_value_of_a_nullable_feature_is_null(folder: Path, server: Answers) -> None:
    write_houses([90.0, 149.0])
    server.answer = '{"predictions": [1]}'
    predict(server.url, "houses", 1)
    [(_, body)] = server.asked
    assert body == {"instances": [{"age": None, "rooms": 4, "town": None, "note": "new"}]}


def test_a_predicted_number(
    folder: Path, server: Answers, capsys: pytest.CaptureFixture[str]
) -> None:
    write_houses([90.0, 149.0])
    server.answer = '{"predictions": [151.16]}'
    predict(server.url, "houses", 1)
    *_, verdict, last = capsys.readouterr().out.splitlines()
    assert verdict == "predicted 151.2, true 149.0, off by 2.2"
    assert last.startswith("test row 1, version 7, ")


def test_a_picture(folder: Path, server: Answers, capsys: pytest.CaptureFixture[str]) -> None:
    image = np.full((1, 8, 8), 255, np.uint8)
    columns = {"image": pl.Series(image), "label": pl.Series(["dear"])}
    write_test_set(columns, {"image": Feature("uint8", (8, 8))}, CLASSES)
    server.answer = '{"predictions": [[0.1, 0.9]]}'
    predict(server.url, "houses")
    assert server.asked[0][1] == {"instances": [{"image": image[0].tolist()}]}
    out = capsys.readouterr().out
    assert "@@@@" in out
    assert "(90.0%), right" in out
    assert "\033" not in out


@pytest.mark.parametrize(
    ("code", "answer", "message"),
    [
        (400, '{"error": "instances[0].age: missing"}', "answered 400: .*age: missing"),
        (200, '{"outputs": []}', "is no prediction: {'outputs'"),
        (200, "[]", "is no prediction"),
        (200, '{"predictions": []}', "is no prediction"),
        (200, '{"predictions": [1.5]}', "predicts a number, the newest test set has 2 classes"),
        (200, '{"predictions": [[0, 0, 1]]}', "predicts 3 classes, the newest test set has 2"),
    ],
)
def test_an_answer_that_is_none(
    folder: Path, server: Answers, code: int, answer: str, message: str
) -> None:
    write_houses(["cheap", "dear"], CLASSES)
    server.code, server.answer = code, answer
    with pytest.raises(UserError, match=message):
        predict(server.url, "houses", 0)


def test_a_row_that_is_not_there(folder: Path) -> None:
    write_houses([90.0, 149.0])
    with pytest.raises(UserError, match="--row 2: the test set has rows 0 to 1"):
        predict("http://127.0.0.1:1", "houses", 2)


def test_no_server(folder: Path) -> None:
    write_houses([90.0, 149.0])
    with pytest.raises(UserError, match=r"no server answers at .*: start `make serve` first"):
        predict("http://127.0.0.1:1", "houses", 0)


def test_numbers_of_any_type_are_those_of_json() -> None:
    values = {"a": np.float32(0.5), "b": np.int8(-1), "c": np.bool_(True), "d": np.float64("nan")}
    features = {name: Feature("float64", (), nullable=True) for name in values}
    assert json.dumps(as_instance(values, features)) == '{"a": 0.5, "b": -1, "c": true, "d": null}'
    vector = {"v": np.array([1.5, np.nan])}
    assert as_instance(vector, {"v": Feature("float64", (2,), nullable=True)}) == {"v": [1.5, None]}


def drawn(what: Any, **options: Any) -> list[str]:
    """The lines that a console of 80 columns shows."""
    console = Console(file=io.StringIO(), width=80, highlight=False, **options)
    console.print(draw_image(what, console) if isinstance(what, np.ndarray) else what)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


COLOR = {"force_terminal": True, "color_system": "truecolor"}


def test_a_known_digit_without_colour() -> None:
    """A zero: dark in its middle, bright at its sides, whatever its scale."""
    zero = load_digits().images[0].astype(np.uint8)  # 0 to 16
    lines = drawn(zero)
    assert lines == drawn(zero * 15)
    assert len(lines) == 16
    middle = lines[8].ljust(32)
    assert middle[14:18] == "    "
    assert "+" in middle[:14]
    assert "+" in middle[18:]


@pytest.mark.parametrize("options", [{}, COLOR], ids=["plain", "colour"])
@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (28, 28), (33, 20), (300, 224), (28, 28, 1)])
def test_any_size_fits(shape: tuple[int, ...], options: dict[str, Any]) -> None:
    lines = drawn(np.full(shape, 255, np.uint8), **options)
    plain = [re.sub(r"\033\[[\d;]*m", "", line) for line in lines]
    assert 1 <= len(plain) <= 32
    assert 8 <= max(map(len, plain)) <= 64
    assert len(set(map(len, plain))) == 1
    assert ("▀" in plain[0]) == bool(options)


def test_a_black_image_is_blank() -> None:
    assert "".join(drawn(np.zeros((28, 28), np.uint8))).strip() == ""


def test_bars_fit_whatever_the_names_are() -> None:
    lines = drawn(draw_bars(("x" * 99, "b", "c", "d"), [0.5, float("nan"), 0.4, 0.1]))
    assert len(lines) == 3
    assert max(map(len, lines)) <= 80
    assert "…" in "".join(lines)


def test_a_long_row_is_cut() -> None:
    lines = drawn(draw_row({f"column {index}": 1234567.0 for index in range(30)}))
    assert [line.rstrip() for line in lines[11:]] == ["column 11      1234567", "… and 18 more"]


def test_texts_stay_on_their_line_and_do_not_reach_the_terminal_raw() -> None:
    [line] = drawn(draw_row({"a": "x\033[2J\n[red]" + "y" * 99}))
    assert line.startswith("a  x\ufffd[2J\ufffd[red]yyy")
    assert line.rstrip().endswith("…")


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ((151.16, 149, 2.16), ["151.2", "149.0", "2.2"]),
        ((452600.4, 450000, 2600.4), ["452600", "450000", "2600"]),
        ((0.01234, -0.01, 0.02234), ["0.01234", "-0.01000", "0.02234"]),
        ((0, 0, 0), ["0.000", "0.000", "0.000"]),
    ],
)
def test_numbers_to_compare_have_the_same_decimals(
    numbers: tuple[float, ...], expected: list[str]
) -> None:
    assert round_alike(*numbers) == expected
