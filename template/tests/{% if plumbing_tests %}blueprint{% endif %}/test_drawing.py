"""Terminal pictures: a known digit, extremes, and who decides about colour."""

import io
import re

import numpy as np
import pytest
from sklearn.datasets import load_digits

from blueprint.drawing import draw_bars, draw_image, draw_row, round_alike, use_color

ZERO = """\
      ..::==####**==::
      ..--++####**++--::....
      ::++##%%%%##**##**--::..
      ::**%%##**++++####++--..
    ..--####++--::--****++--..
    ..==####--..  ::++**++==..
  ..::==****::    ..==++++==..
  ..::==**++::    ..==++++==..
  ..::--++==..    ..==++++==..
  ..::--++==..    ::==**++--..
  ..::--++++::    ::++**++--..
  ..::--**++::..::--****==::..
    ..--**##==--==++##**--..
    ..::****++++******==..
      ..==++******++--..
      ..--++####**==::"""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def zero() -> np.ndarray:
    return load_digits().images[0].astype(np.uint8)  # 0 to 16


def test_a_known_digit_without_colour(zero: np.ndarray) -> None:
    assert draw_image(zero, color=False) == ZERO


def test_brightness_is_relative_to_the_image(zero: np.ndarray) -> None:
    assert draw_image(zero * 15, color=False) == ZERO


def test_a_known_digit_in_colour(zero: np.ndarray) -> None:
    lines = draw_image(zero, color=True).splitlines()
    assert len(lines) == 12
    assert all(line.count("▀") == 24 and line.endswith("\033[0m") for line in lines)
    # The middle of a zero is dark, its sides are bright.
    row = re.findall(r"38;5;(\d+);48;5;\d+m▀", lines[6])
    left, middle, right = (int(row[place]) for place in (7, 12, 16))
    assert middle < left
    assert middle < right


@pytest.mark.parametrize("color", [True, False])
@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (28, 28), (33, 20), (300, 224), (28, 28, 1)])
def test_any_size_fits(shape: tuple[int, ...], color: bool) -> None:
    picture = draw_image(np.full(shape, 255, np.uint8), color)
    plain = re.sub(r"\033\[[\d;]*m", "", picture).splitlines()
    assert len(plain) <= 32
    assert 1 <= max(map(len, plain)) <= (32 if color else 64)
    assert len(set(map(len, plain))) == 1


def test_a_black_image_is_blank() -> None:
    assert draw_image(np.zeros((28, 28), np.uint8), color=False).split() == []
    assert set(re.findall(r"8;5;(\d+)", draw_image(np.zeros((8, 8), np.uint8), True))) == {"16"}


def test_bars_are_ordered_and_to_scale() -> None:
    bars = draw_bars(["cat", "horse", "dog"], np.array([0.25, 0.05, 0.7]), width=20, top=2)
    assert bars.splitlines() == [
        "dog  ##############......   70.0%",
        "cat  #####...............   25.0%",
    ]


def test_bars_in_colour_keep_their_width() -> None:
    bars = draw_bars(["a", "b"], np.array([1.0, 0.0]), width=10, color=True)
    plain = re.sub(r"\033\[[\d;]*m", "", bars).splitlines()
    assert plain == ["a  ██████████  100.0%", "b                0.0%"]


def test_bars_of_what_is_not_a_number_do_not_fail() -> None:
    assert "nan%" in draw_bars(["a", "b"], np.array([np.nan, 1.0]))


def test_a_row_is_aligned_and_what_is_missing_a_dash() -> None:
    row = {"age": np.float64(42), "mean area": np.float32(0.1), "rooms": 3, "town": "Ulm"}
    missing = {"note": "", "height": float("nan"), "width": None, "pixels": np.zeros((3, 2))}
    assert draw_row(row | missing).splitlines() == [
        "age        42",
        "mean area  0.1",
        "rooms      3",
        "town       Ulm",
        "note       –",
        "height     –",
        "width      –",
        "pixels     6 values",
    ]


def test_a_long_row_is_cut() -> None:
    lines = draw_row({f"column {index}": 1234567.0 for index in range(30)}).splitlines()
    assert lines[:1] + lines[11:] == ["column 0   1234567", "column 11  1234567", "… and 18 more"]


def test_a_row_in_colour_has_grey_names() -> None:
    assert draw_row({"a": 1, "b": 2}, color=True, top=1) == (
        "\033[38;5;245ma\033[0m  1\n\033[38;5;245m… and 1 more\033[0m"
    )


def test_texts_stay_on_their_line_and_do_not_reach_the_terminal_raw() -> None:
    [line] = draw_row({"a": "x\033[2J\n" + "y" * 99}).splitlines()
    assert line == "a  x\ufffd[2J\ufffd" + "y" * 33 + "…"


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


@pytest.mark.parametrize(
    ("terminal", "environment", "expected"),
    [
        (True, {}, True),
        (False, {}, False),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"NO_COLOR": ""}, True),
        (True, {"TERM": "dumb"}, False),
        (False, {"FORCE_COLOR": "1"}, True),
        (True, {"FORCE_COLOR": "0"}, False),
        (False, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_who_decides_about_colour(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, environment: dict[str, str], expected: bool
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert use_color(Terminal() if terminal else io.StringIO()) is expected
