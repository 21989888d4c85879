"""What would be found after minutes of training is found before a run starts."""

import pytest
import yaml

from blueprint import pipelines
from blueprint.data import check_columns
from blueprint.errors import UserError
from blueprint.runs import RUNS
from blueprint.settings import SettingsError
from blueprint.targets import code, local, preflight

CLASSES, NUMBERS = "data.task=tabular-classification", "data.task=tabular-regression"
FLOORS = "gate.slices={classes: true, floors: {macro_fl: 0.5}}"


def test_the_projects_own_configuration_is_sound(load):
    preflight.check(load())


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([CLASSES, "gate.floors.acuracy=0.9"], r"gate\.floors\.acuracy .* did you mean accuracy\?"),
        ([CLASSES, "gate.champion.metric=rmse"], r"no metric 'rmse'; there are accuracy, macro_f1"),
        ([CLASSES, FLOORS], r"gate\.slices\.floors\.macro_fl .* did you mean macro_f1\?"),
        ([NUMBERS, "gate.floors={accuracy: 0.9}"], r"tabular-regression has no metric 'accuracy'"),
        ([NUMBERS, FLOORS], r"gate\.slices\.classes in config/: a regression has no classes"),
    ],
)
def test_what_the_gate_cannot_ask_is_named(load, overrides, message):
    with pytest.raises(SettingsError, match=message):
        local.run(load(*overrides))
    assert not [*RUNS.glob("*.log")]


@pytest.fixture
def train_model(folder, tmp_path, monkeypatch):
    """Write a `train_model` with other arguments, of which the configuration gives none."""
    test = folder / "config" / "test.yaml"
    test.write_text(yaml.safe_dump(yaml.safe_load(test.read_text()) | {"train": {}}))
    package = tmp_path / "owned" / "shop"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "data.py").touch()
    monkeypatch.syspath_prepend(tmp_path / "owned")
    monkeypatch.setattr(pipelines, "package", lambda: "shop")

    def write(arguments, imports=""):
        (package / "train.py").write_text(
            f"{imports}\n\ndef train_model(a, b, *, {arguments}): ...\n"
        )
        code._home.cache_clear()

    yield write
    code._home.cache_clear()


@pytest.mark.parametrize(
    ("arguments", "given", "message"),
    [
        ("rate: float", [], r"train\.rate in config/ is missing: in train\.py it has no def"),
        ("rate: float", ["train.rate=fast"], r"train\.rate: .* valid number, .*\(got 'fast'\)"),
        (
            "kind: Literal['a', 'b'] = KIND",
            ["train.kind=c"],
            r"train\.kind: .* 'a' or 'b' \(got 'c'\)",
        ),
        (
            "depth: int | None = None",
            ["train.depth=2.5"],
            r"train\.depth: .* integer, .*\(got 2\.5\)",
        ),
        ("depth=[1]", ["train.depth=[2]"], r"a number, a text, true or false \(got \[2\]\)"),
    ],
)
def test_arguments_that_train_model_cannot_take_are_named(
    load, train_model, arguments, given, message
):
    train_model(arguments)
    with pytest.raises(SettingsError, match=message):
        preflight.check(load(*given))


def test_arguments_that_it_can_take_are_given(load, train_model):
    train_model("rate: float = 1, depth: Optional[int] = None, model: Model = None")
    loaded = load("train.rate=0.5", "train.depth=3", "train.model=own")
    preflight.check(loaded)
    assert loaded.train == {"rate": 0.5, "depth": 3, "model": "own"}


def test_a_library_of_another_framework_is_named(load, train_model):
    optional = "try:\n    import nothing\nfinally: ...\n"
    train_model("seed=1", f"import numpy\n{optional}import caffe.proto")
    with pytest.raises(
        SettingsError, match=r"train\.py imports caffe, which is not installed: `uv add"
    ):
        preflight.check(load())


def test_a_train_model_that_is_no_python_is_named(load, train_model):
    train_model("seed=")
    with pytest.raises(SettingsError, match=r"train\.py, line 3: "):
        load()


def test_a_slice_of_no_feature_is_named_before_training(digits):
    for name, message in [("city", "'city' is no feature; there are image"), ("image", "arrays")]:
        with pytest.raises(UserError, match=message):
            check_columns(digits["train"], [name])
