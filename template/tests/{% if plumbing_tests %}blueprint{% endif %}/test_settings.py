"""Configuration: what wins, and that each mistake is named with its file and key."""

from datetime import date
from pathlib import Path

import pytest
import yaml

from blueprint import pipelines
from blueprint.data.settings import Data, Split
from blueprint.settings import SettingsError, load

PROJECT, PACKAGE = Path(__file__).parents[2], pipelines.folder()


@pytest.fixture(autouse=True)
def here(folder, monkeypatch):
    """The configuration, with arguments of a `train_model` that is not yours."""
    steps = folder / "train.py"
    steps.write_text("def train_model(a, b, *, epochs=20, learning_rate=0.1, seed=1): ...\n")
    monkeypatch.setattr(pipelines, "folder", lambda: folder)
    for path in Path("config").glob("*.yaml"):
        change(path.name, train={})
    change("test.yaml", train={"epochs": 2}, gate={"baseline": False})
    return folder


def change(name, **sections):
    path = Path("config") / name
    content = yaml.safe_load(path.read_text()) | sections
    path.write_text(yaml.safe_dump(content))


def change_data(**values):
    data = yaml.safe_load(Path("config/base.yaml").read_text())["data"]
    change("base.yaml", data=data | values)


def test_the_project_s_own_configuration_loads(monkeypatch):
    monkeypatch.chdir(PROJECT)
    monkeypatch.setattr(pipelines, "folder", lambda: PACKAGE)

    settings = load()

    assert settings.registry.name
    assert settings.serving.store == Path(".mlops/store")


def test_a_server_needs_a_store_that_a_cluster_has_not():
    settings = load("test", ["serving.store=null"])

    assert settings.serving.store is None
    with pytest.raises(SettingsError, match=r"serving\.store is not set"):
        settings.serving.folder()


def test_later_layers_win(monkeypatch):
    assert load("test").train["epochs"] == 2
    monkeypatch.setenv("MLOPS_TRAIN__EPOCHS", "5")
    assert load("test").train["epochs"] == 5
    assert load("test", ["train.epochs=7"]).train["epochs"] == 7
    monkeypatch.setenv("MLOPS_ENV", "test")
    assert load().gate.baseline is False


def test_the_arguments_of_train_model_are_the_train_section(tmp_path, monkeypatch):
    steps = tmp_path / "train.py"
    steps.write_text(
        "import missing\n\n"
        "def train_model(a, b, *, depth: int = -2, rate: float, kind=KIND, seed=1): ...\n"
    )
    monkeypatch.setattr(pipelines, "folder", lambda: steps.parent)
    change("test.yaml", train={"seed": 7})
    assert load("test").train == {"depth": -2, "seed": 7}
    assert load("test", ["train.kind=x", "train.rate=2"]).train["kind"] == "x"
    with pytest.raises(SettingsError, match="there are depth, rate, kind, seed"):
        load("test", ["train.other=1"])


def test_the_configuration_names_arguments_only(folder):
    base = folder / "config" / "base.yaml"
    base.write_text(base.read_text().replace("train: {}", "train: {sed: 2}"))
    with pytest.raises(SettingsError, match=r"base\.yaml: train\.sed: .* did you mean seed\?"):
        load("local")


def test_values_take_the_declared_type():
    assert load(overrides=["train.learning_rate=1e-4"]).train["learning_rate"] == 0.0001
    assert load(overrides=["data.split.test=0.3"]).data.split.test == 0.3


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.epochs=many", "command line: train.epochs: .*valid integer.*got 'many'"),
        ("train.epochs=1.5", "command line: train.epochs: .*valid integer.*got 1.5"),
        ("train.epochs=null", "command line: train.epochs: expected a number, a text, true or"),
        ("train.epoch=3", "train.epoch: no such argument of train_model.*did you mean epochs"),
        ("data.sorce=sample", "command line: data.sorce: no such key; did you mean source"),
        ("data.source=mnist", "command line: data.source: this project reads .*files, .*'mnist'"),
        ("data.split.test=2", "command line: data.split.test: .*less than 1"),
        ("data.split.test=most", "command line: data.split.test: expected a share, or a day.*most"),
        ("data.split.test=2024-03-01", r"split.test: a day, but .*got 2024-03-01\)"),
        ("data.split.test=0.9", "data.split: validation . test must be below 1"),
        ("data.columns.Age.nulable=1", "data.columns.Age.nulable: .* did you mean nullable"),
        ("sorvong.port=1", "command line: sorvong: no such key; did you mean serving"),
        ("nothing=1", "command line: nothing: no such key; there are .*data, .*gate"),
        ("serving.port=0", "command line: serving.port: .*greater than or equal to 1"),
        ("epochs", "'epochs': expected key=value"),
    ],
)
def test_a_wrong_value_on_the_command_line_is_named(override, message):
    with pytest.raises(SettingsError, match=message):
        load(overrides=[override])


def test_a_wrong_value_in_a_file_names_the_file(monkeypatch):
    change("local.yaml", gate={"floors": {"accuracy": "high"}})
    with pytest.raises(SettingsError, match=r"config/local.yaml: gate.floors.accuracy: .*'high'"):
        load()
    monkeypatch.setenv("MLOPS_GATE__FLOORS", '{"accuracy": "low"}')
    with pytest.raises(SettingsError, match=r"environment variable: gate.floors.accuracy"):
        load()


def test_a_variable_names_keys_with_capitals_and_without(folder, monkeypatch):
    (folder / "train.py").write_text("def train_model(a, b, *, Max_depth=3, C=1.0, c=1.0): ...\n")
    change("test.yaml", train={})
    change_data(columns={"Age": {"min": 0}, "age": {"min": 1}, "CITY": {"nullable": True}})
    for name, value in {
        "MLOPS_TRAIN__Max_depth": "4",
        "MLOPS_TRAIN__C": "5",
        "MLOPS_DATA__COLUMNS__Age__NULLABLE": "true",
        "MLOPS_DATA__COLUMNS__City__DTYPE": "string",
        "MLOPS_DATA__COLUMNS__Rooms__MIN": "1",
        "MLOPS_SERVING__TIMEOUT_SECONDS": "2",
        "MLOPS_GATE__FLOORS__ACCURACY": "0.7",
        "MLOPS_PLATFORM": "another's",
        "MLOPS_ENV": "test",
        "ENV": "/etc/shrc",
    }.items():
        monkeypatch.setenv(name, value)

    settings = load()

    assert settings.train == {"Max_depth": 4, "C": 5.0, "c": 1.0}
    assert {*settings.data.columns} == {"Age", "age", "CITY", "Rooms"}
    assert settings.data.nullable() == ["Age", "CITY"]
    assert settings.data.columns["CITY"].dtype == "string"
    assert settings.serving.timeout_seconds == 2
    assert settings.gate.floors["accuracy"] == 0.7
    assert settings.gate.baseline is False
    monkeypatch.setenv("MLOPS_TRAIN__MAX_DEPTH", "6")  # the last one counts
    assert load().train["Max_depth"] == 6
    monkeypatch.setenv("MLOPS_SERVING__PROT", "1")
    with pytest.raises(SettingsError, match=r"environment variable: serving\.prot: no such key"):
        load()


def test_a_missing_key_is_named():
    content = yaml.safe_load(Path("config/local.yaml").read_text())
    del content["registry"]["tracking_uri"]
    Path("config/local.yaml").write_text(yaml.safe_dump(content))

    with pytest.raises(SettingsError, match=r"registry.tracking_uri is missing"):
        load()


def test_files_that_are_missing_or_no_yaml_are_named(folder, monkeypatch):
    with pytest.raises(SettingsError, match=r"ENV=prod: no config/prod.yaml; there are"):
        load("prod")
    Path("config/local.yaml").write_text("a: [")
    with pytest.raises(SettingsError, match=r"config/local.yaml is not YAML.*line 1"):
        load()
    Path("config/local.yaml").write_text("just words")
    with pytest.raises(SettingsError, match=r"config/local.yaml: expected keys and values"):
        load()
    monkeypatch.chdir(folder.parent)
    with pytest.raises(SettingsError, match="run this in the project's own folder"):
        load()


def test_the_sample_is_that_of_the_task():
    assert Data(task="tabular-regression", source="sample").options() == {
        "task": "tabular-regression"
    }


@pytest.mark.parametrize(
    ("split", "message"),
    [
        (
            {"time": "day"},
            "data.split.validation: a share; with data.split.time a set begins at a day",
        ),
        (
            {"time": "day", "validation": "2024-01-01"},
            "data.split.test: a share; with data.split.time a set begins at a day",
        ),
        ({"time": "day", "validation": "May 1st", "test": 3}, "validation: .*got 'May 1st'"),
        (
            {"time": "day", "validation": "2024-01-01T00:00+01:00", "test": "2024-03-01"},
            "data.split.validation: leave the time zone out",
        ),
        (
            {"time": "day", "validation": "2024-03-01", "test": "2024-01-01"},
            "data.split: test must begin later than validation",
        ),
        (
            {"time": "year", "validation": 2024, "test": 2024},
            "data.split: test must begin later than validation",
        ),
        (
            {"time": "day", "validation": 2024, "test": "2024-03-01"},
            "validation and test must both be days",
        ),
        (
            {"group": "customer", "test": "2024-03-01"},
            "config/base.yaml: data.split.test: a day, but no data.split.time",
        ),
        (
            {"group": "a", "time": "b", "validation": "2024-01-01", "test": "2024-03-01"},
            "data.split: give one of group and time",
        ),
        ({"group": "label"}, "data: split: label is the label"),
        ({"grup": "customer"}, "data.split.grup: no such key"),
    ],
)
def test_a_split_that_makes_no_sense_is_named(split, message):
    change_data(split=split)

    with pytest.raises(SettingsError, match=message):
        load()


def test_days_and_numbers_of_a_split_survive_the_way_to_a_step(monkeypatch):
    change_data(split={"time": "day", "validation": date(2024, 1, 1), "test": "2024-03-01 12:00"})
    assert load().data.split.validation == "2024-01-01"
    assert load(overrides=["data.split.test=2024-05-01"]).data.split.test == "2024-05-01"
    change_data(split={"time": "year", "validation": 2023, "test": 2024})
    assert Split.model_validate_json(load().data.split.model_dump_json()).test == 2024
    change_data(split={})
    monkeypatch.setenv("MLOPS_DATA__SPLIT__TEST", "0.3")
    assert load().data.split.test == 0.3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"source": "files", "files": {"path": "p", "format": "images"}},
            "source: files gives pictures; task: tabular-regression needs a table",
        ),
        ({"columns": {"label": {"nullable": True}}}, "columns.label: the label cannot be nullable"),
        ({"columns": {"label": {"values": [1, 2]}}}, "columns.label: a regression has no classes"),
        ({"task": "regression"}, ".*'tabular-regression'"),
    ],
)
def test_a_task_that_does_not_fit_is_named(change, message):
    change_data(**{"task": "tabular-regression", "source": "sample", **change})

    with pytest.raises(SettingsError, match=f"config/base.yaml: data.*{message}"):
        load()
