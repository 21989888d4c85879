"""The page, read back by a parser: it is whole, says everything, and asks nobody for anything."""

import math
import re
from base64 import b64decode
from html import unescape
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blueprint.evaluation.metrics import TITLES, Predictions
from blueprint.evaluation.record import Evaluation
from blueprint.evaluation.report import write_report
from blueprint.evaluation.report.blocks import show
from blueprint.evaluation.report.plots import chart, dots, line
from blueprint.export.record import Training

KNOWN = [name for name in TITLES if find_spec(f"blueprint.evaluation.{name}")]
classification = pytest.mark.skipif("classification" not in KNOWN, reason="of another task")
regression = pytest.mark.skipif("regression" not in KNOWN, reason="of another task")

VOID = {"br", "img", "link", "meta", "wbr"}
PNG = b"\x89PNG\r\n\x1a\n"
GAIN = {"gain": 0.025, "low": -0.01, "high": 0.06, "limit": -0.03}
RECORD = {
    "accepted": False,
    "reason": "log_loss < 0.5: 0.7311",
    "rules": [
        {"name": "a", "rule": "accuracy ≥ 0.9", "passed": True, "detail": "0.9750"},
        {"name": "b", "rule": "log_loss < 0.5", "passed": False, "detail": "0.7 & up"},
    ],
    "metrics": {"accuracy": 0.975, "log_loss": 0.7311, "macro_f1": None},
    "champion": None,
    "evaluated": "2026-11-27T10:20:30+00:00",
    "facts": {"data.source": "sample", "git.commit": "a1b2c3d4" * 5 + "-dirty"},
}
TRAINING = Training(
    {"epochs": 2.0, "rate": 0.0125},
    {"loss": [1.0, 0.5], "val_loss": [1.1, 0.7]},
    {"hash": "beef", "rows": "1000"},
    "3.12.1",
    framework="Keras 3.12.0",
)
CHAMPION = {"version": "3", "metrics": {"accuracy": 0.95, "log_loss": 0.6}}


class Page(HTMLParser):
    """A page's text, tags and attributes. Raises on a tag that is not closed in order."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()
        assert not self.open, f"never closed: {self.open}"
        self.text = " ".join(" ".join(self.words).split())
        self.headings = re.findall(r"<h2>(.*?)</h2>", self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    def values(self, name: str) -> list[str]:
        return [value for _, attribute, value in self.attributes if attribute == name]

    def rows(self, section: str) -> list[list[str]]:
        """The texts of a section's table, its head first."""
        part = self.source.partition(f"<h2>{section}</h2>")[2].partition("</section>")[0]
        return [
            [unescape(cell.replace("<wbr>", "")) for cell in re.findall(r"<t[hd].*?>(.*?)</t", row)]
            for row in re.findall(r"<tr>(.*?)</tr>", part, re.DOTALL)
        ]


def evaluation(predictions: Predictions, **changes: Any) -> Evaluation:
    classes, confusion = predictions.classes, None
    if 0 < len(classes) <= 50 and not predictions.problem:
        counts = predictions.task.confusion_matrix(predictions.labels, predictions.outputs)
        confusion = {"classes": classes, "counts": counts.tolist()}
    return Evaluation.model_validate({**RECORD, "confusion": confusion, **changes})


def write(folder: Path, predictions: Predictions, features: Any, **changes: Any) -> Page:
    """A page of these predictions; `features` holds arrays (n, *shape) by name."""
    title, training = changes.pop("title", "digits"), changes.pop("training", TRAINING)
    write_report(
        folder / "report.html",
        title,
        evaluation(predictions, **changes),
        predictions,
        training,
        lambda rows: {name: values[rows] for name, values in features.items()},
    )
    return Page(folder / "report.html")


def make(folder: Path, count: int = 3, rows: int = 90, **changes: Any) -> Page:
    """A page of made-up predictions of `count` classes, a third of them wrong."""
    random = np.random.default_rng(0)
    labels = np.arange(rows) % count
    scores = random.random((rows, count))
    scores[np.arange(rows), np.where(np.arange(rows) % 7 % 3, labels, (labels + 1) % count)] += 2
    predictions = Predictions(
        changes.pop("labels", labels),
        changes.pop("probabilities", scores / scores.sum(axis=1, keepdims=True)),
        tuple(changes.pop("classes", [f"class {k}" for k in range(count)])),
    )
    images = random.integers(0, 256, (rows, 8, 8)).astype(np.uint8)
    return write(folder, predictions, changes.pop("features", {"image": images}), **changes)


def make_regression(folder: Path, rows: int = 90, **changes: Any) -> Page:
    """A page of made-up predictions of numbers; the further down a row, the further off."""
    labels = changes.pop("labels", np.arange(rows) * 10.0)
    outputs = changes.pop("predictions", (labels + np.arange(len(labels))).astype(np.float32))
    return write(folder, Predictions(labels, outputs, ()), {"age": np.arange(rows)}, **changes)


def make_many(folder: Path) -> Page:
    return make(folder, count=100, rows=600)


def make_binary(folder: Path) -> Page:
    return make(folder, count=2)


def make_any(folder: Path, **changes: Any) -> Page:
    """A page of this project's task."""
    return (make if "classification" in KNOWN else make_regression)(folder, **changes)


END = ["Worst mistakes", "Training", "Lineage"]
CLASSES = ["Confusion matrix", "Classes", "Probabilities", *END]
PAIRS = ["Confusion matrix", "Most frequent confusions", "The 20 classes with the lowest F1"]
BINARY = ["false positive rate", "recall", "share of the rows", "epoch", "Loss", "no skill"]


@pytest.mark.parametrize(
    ("build", "headings", "axes"),
    [
        pytest.param(make_binary, CLASSES, BINARY, marks=classification),
        pytest.param(
            make, CLASSES, ["precision", "probability of the predicted class"], marks=classification
        ),
        pytest.param(
            make_many, [*PAIRS, "Probabilities", *END], ["predicted class"], marks=classification
        ),
        pytest.param(
            make_regression,
            ["Predictions against the truth", "Residuals", *END],
            ["truth", "residual: prediction − truth"],
            marks=regression,
        ),
    ],
)
def test_a_page_of_each_task(tmp_path: Path, build: Any, headings: Any, axes: Any) -> None:
    page = build(tmp_path)

    assert page.headings == ["Rejected", "Metrics", *headings]
    assert "candidate evaluated 2026-11-27 10:20 UTC commit a1b2c3d4a1b2-dirty Keras" in page.text
    assert "1 of 2 rules failed. There was no champion to compare with." in page.text
    assert "log_loss < 0.5 0.7 & up ✗ fail accuracy ≥ 0.9 0.9750 ✓ pass" in page.text
    assert all(name in page.text for name in (*axes, "not computable", "0.0125", "1000", "beef"))
    # Nothing is asked of anybody, and nothing is too much for a browser.
    assert "script" not in page.tags
    for tag, name, value in page.attributes:
        if name in {"src", "href", "srcset", "action"}:
            assert value.startswith(("data:", "#")), (tag, name, value)
    assert not re.search(r"@import|https?:|url\((?!['\"]?#)", page.source)
    assert len(page.source) < 1_000_000
    # A screen reader finds words; a narrow screen has each value's column.
    assert all(page.values("alt"))
    assert page.values("aria-label").count("") == 0
    plots = page.source.count('<svg viewBox="0 0 400') + page.source.count('class="pixels"')
    assert plots == page.tags.count("figure") > 1
    for name in page.headings[:2]:
        head = page.rows(name)[0][1:]
        assert all(page.values("data-name").count(column) > 1 for column in head)


def test_plots_take_the_colours_of_the_page(tmp_path: Path) -> None:
    page = make_any(tmp_path)
    drawings = " ".join(re.findall(r"<svg.*?</svg>", page.source, flags=re.DOTALL))
    styles = {style for names in re.findall(r'class="(.*?)"', drawings) for style in names.split()}
    known = set(re.findall(r"\.(\w+) ?[{,]", page.source)) | {"end", "value"}
    assert {"blue", "orange", "muted", "grid"} <= styles <= known
    for color in ("blue", "orange", "green", "muted", "ink", "line"):
        assert page.source.count(f"--{color}: #") == 2, "light and dark"
    assert not re.search(r"#[0-9a-f]{3,6}\b|nan|inf\b", drawings)


@pytest.mark.parametrize("y", [[0.0, 0.0], [1e-9, 2e-9], [1e9, 3e12], [-5.0, math.nan], [7.0, 7.0]])
def test_a_plot_has_ticks_on_every_scale(y: list[float]) -> None:
    svg = chart("", ("epoch", "loss"), [line([1, 2], y, "blue"), dots([1], y[:1], "orange")]).svg
    ticks = re.findall(r'class="end"[^>]*>(.*?)</text>', svg)
    assert 1 < len(ticks) <= 7
    assert len(set(ticks)) == len(ticks)
    for place in re.findall(r"[ML]([-\d.]+) ([-\d.]+)", svg):
        assert all(0 <= float(number) <= 400 for number in place)


@classification
def test_foreign_text_stays_text(tmp_path: Path) -> None:
    evil = "<script>alert('$x^$')</script>\"&"
    page = make(
        tmp_path,
        title=evil,
        classes=[evil, "$\\frac$", "ok"],
        accepted=True,
        reason=evil,
        rules=[{"name": evil, "rule": evil, "passed": True, "detail": evil, "numbers": {}}],
        metrics={evil: 1.0},
        champion={"version": evil, "metrics": {evil: 1.0}},
        slices=[{"name": evil, "rows": 1, "metrics": {evil: 1.0}}],
        facts={"data.source": evil, "git.commit": evil},
        training=Training({evil: evil}, {evil: [1.0]}, {"hash": evil}, evil, framework=evil),
    )
    assert "script" not in page.tags
    assert page.text.count(evil) >= 15


def test_metrics_stand_beside_the_champion_and_a_constant_answer(tmp_path: Path) -> None:
    page = make_any(
        tmp_path,
        metrics={"accuracy": 0.975, "log_loss": 0.7311, "macro_f1": None},
        champion=CHAMPION,
        confidence=0.95,
        intervals={"accuracy": [0.96, 0.985]},
        baseline={"accuracy": 0.6, "log_loss": 0.69},
        slices=[
            {"name": "city=Mainz", "rows": 50, "metrics": {"accuracy": 0.9}},
            {"name": "city=Worms", "rows": 70, "metrics": {"accuracy": 0.8, "log_loss": 0.3}},
        ],
    )
    assert "Compared with the champion, version 3, on the same rows." in page.text
    head, *rows = page.rows("Metrics")
    assert head[2:] == ["90% interval", "Champion (version 3)", "Change", "Constant answer"]
    assert rows == [
        ["Accuracy", "0.9750", "0.9600 to 0.9850", "0.9500", "+0.0250 better", "0.6000"],
        ["Log loss", "0.7311", "–", "0.6000", "+0.1311 worse", "0.6900"],
        ["Macro F1", "not computable", "–", "–", "–", "–"],
    ]
    assert page.rows("Slices")[1:] == [
        ["city=Worms", "70", "0.8000", "0.3000"],
        ["city=Mainz", "50", "0.9000", "–"],
    ]


@pytest.mark.parametrize(("numbers", "drawn"), [(GAIN, True), (GAIN | {"low": None}, False)])
def test_the_gain_over_the_champion_is_drawn_where_it_is_known(
    tmp_path: Path, numbers: Any, drawn: bool
) -> None:
    rule = {"name": "champion", "rule": "", "passed": True, "detail": "", "numbers": numbers}
    page = make_any(tmp_path, rules=[rule], champion={"version": "3", "metrics": {}})
    assert ("Gain over the champion" in page.headings) == drawn
    assert "✓ pass" in page.text
    assert "✓ pass" not in make_any(tmp_path, rules=[rule | {"numbers": {}}]).text
    assert "The champion, version 3, could not be measured." in page.text


def test_a_verdict_whose_rules_all_passed_gives_its_reason(tmp_path: Path) -> None:
    page = make_any(tmp_path, rules=RECORD["rules"][:1], reason="the champion changed")
    assert "Rejected The champion changed." in page.text


@classification
def test_calibration_shows_how_many_rows_a_bin_has(tmp_path: Path) -> None:
    sure = np.array([0.99] * 37 + [0.71] * 2)
    page = make(
        tmp_path,
        labels=np.zeros(39, int),
        probabilities=np.stack([sure, 1 - sure], axis=1),
        classes=["yes", "no"],
    )
    counts = re.findall(r">(\d+)</text>", page.source)
    assert {"37", "2"} <= set(counts)
    assert "ROC" not in page.text  # which needs both classes


@classification
def test_the_most_confident_mistakes_come_first(tmp_path: Path) -> None:
    arguments = {
        "classes": ["benign", "malignant"],
        "labels": np.array([0, 1, 0, 1]),
        "probabilities": np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.1, 0.9]]),
    }
    page = make(tmp_path, **arguments, features={"image": np.zeros((4, 8, 8), np.uint8)})
    assert page.values("alt") == [
        "Test image 2: a benign taken for malignant",
        "Test image 1: a malignant taken for benign",
    ]
    assert "2 of 4 rows are wrong; the most confident first." in page.text
    for source in page.values("src"):
        assert b64decode(source.removeprefix("data:image/png;base64,")).startswith(PNG)
    columns = {
        "Row": np.array([10.0, math.nan, 30.25, 40.0]),
        "home_city": np.array(["", "", "Mainz <b>", "Worms"], object),
        "signal": np.zeros((4, 128), np.float32),
        **{f"feature {k}": np.arange(4) for k in range(30)},
    }
    page = make(tmp_path, **arguments, features=columns)
    head, *rows = page.rows("Worst mistakes")
    first = ["Row", "Truth", "Prediction", "Probability", "Row", "home_city", "signal"]
    assert head == [*first, *(f"feature {k}" for k in range(5))]
    assert [row[:7] for row in rows] == [
        ["2", "benign", "malignant", "80%", "30.25", "Mainz <b>", "128 numbers"],
        ["1", "malignant", "benign", "60%", "–", "–", "128 numbers"],
    ]
    assert "The first 8 of 33 features are shown." in page.text


@classification
def test_large_colour_images_are_shrunk(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (90, 150, 100, 3)).astype(np.uint8)
    page = make(tmp_path, features={"image": images})
    assert page.tags.count("img") == 24
    assert len(page.source) < 1_000_000


@regression
def test_a_regression_shows_its_largest_residuals(tmp_path: Path) -> None:
    page = make_regression(tmp_path)
    assert "Half of the predictions are within 44.5 of the truth" in page.text
    head, *rows = page.rows("Worst mistakes")
    assert head == ["Row", "Truth", "Prediction", "Residual", "age"]
    assert rows[0] == ["89", "890", "979", "89", "89"]
    assert len(rows) == 12
    page = make_regression(
        tmp_path, labels=np.array([10.0, 10.0]), predictions=np.array([10.0, 7.5]), rows=2
    )
    assert page.rows("Worst mistakes")[1:] == [["1", "10", "7.5", "−2.5", "1"]]


@regression
def test_few_rows_can_be_drawn_and_mistakes_be_missing(tmp_path: Path) -> None:
    for labels, predictions in (([5.0], [5.0]), ([5.0], [6.0]), ([0.0, 0.0], [0.0, 0.0])):
        arrays = np.array(labels), np.array(predictions)
        page = make_regression(tmp_path, labels=arrays[0], predictions=arrays[1])
        assert page.tags.count("figure") == 3
    assert "None in 2 rows." in page.text


@classification
def test_a_page_can_have_neither_mistakes_nor_learning_curves(tmp_path: Path) -> None:
    assert "None in 3 rows." in make(tmp_path, labels=np.arange(3), probabilities=np.eye(3)).text
    page = make(tmp_path, training=Training({}, {}, {"hash": "beef"}, "3.12"))
    assert "No parameters." in page.text
    assert "epoch" not in page.text


@regression
def test_many_rows_are_a_sample_in_the_picture_and_one_far_off_is_told(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    labels = random.normal(size=20_000)
    predictions = labels + random.normal(size=20_000)
    predictions[7] = 1e6
    page = make_regression(tmp_path, rows=20_000, labels=labels, predictions=predictions)
    assert "2000 of 20000 test rows" in page.text
    assert "1 of 20000 rows are further off than the plot shows." in page.text
    assert page.rows("Worst mistakes")[1][:3] == ["7", show(labels[7]), "1000000"]
    assert len(page.source) < 500_000


@pytest.mark.parametrize(
    ("labels", "probabilities", "reason"),
    [
        (np.zeros(0, int), np.zeros((0, 3)), "the test set is empty"),
        (np.zeros(2, int), np.full((2, 3), math.nan), "not a finite number"),
    ],
)
def test_predictions_that_cannot_be_scored_are_said_so(
    tmp_path: Path, labels: Any, probabilities: Any, reason: str
) -> None:
    if "classification" in KNOWN:
        page = make(tmp_path, labels=labels, probabilities=probabilities)
    else:
        page = make_regression(tmp_path, labels=labels, predictions=probabilities[:, 0])
    assert reason in page.text
    assert "Rejected" in page.text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (42.0, "42"),
        (np.int64(2**40), "1099511627776"),
        (-0.118412, "−0.1184"),
        (123456.789, "123457"),
        (1e-7, "1e−07"),
        (math.nan, "–"),
        (None, "–"),
        (math.inf, "inf"),
        (np.True_, "true"),
        ("", "–"),
        ("a word of more than two dozen letters", "a word of more than two…"),
        (np.zeros((3, 4)), "3 × 4 numbers"),
    ],
)
def test_values_are_shortened(value: Any, text: str) -> None:
    assert show(value) == text


def test_every_metric_has_a_title(tmp_path: Path) -> None:
    titles = TITLES["classification"] | TITLES["regression"]
    page = make_any(tmp_path, metrics=dict.fromkeys(titles, 1.0))
    assert all(title in page.text for title in titles.values())
