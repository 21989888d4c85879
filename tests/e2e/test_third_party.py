"""The project's page docs/your-own-model.md, performed: models that nobody here wrote.

Each block of the page that is marked is written to its file; only the model's own file comes from
here. Then the notebook, which its own test in the project runs.
"""

import json
import re
import subprocess
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.project import Project, environment, free_port, get, stop
from support.rendering import commit, git, render
from support.runs import flat, post, refused

NAME = "digit-recognition"
PACKAGE = "src/digit_recognition"
BLOCK = re.compile(r"<!-- test: (\w+), ([\w./]+) -->\n```\w+\n(.*?)```\n", re.DOTALL)

CENTROIDS = '''
"""Somebody's class: the class of a row is that of the nearest centre."""

import numpy as np


class Centroids:
    def __init__(self, shrink=0.0):
        self.shrink = shrink

    def fit(self, rows, labels):
        self.spread = rows.std(axis=0)
        means = [rows[labels == label].mean(axis=0) for label in np.unique(labels)]
        self.means = np.stack(means) * (1 - self.shrink) + rows.mean(axis=0) * self.shrink
        return self

    def predict(self, rows):
        away = (rows[:, None] - self.means) / self.spread
        return (away**2).sum(axis=2).argmin(axis=1)
'''
# What the class says of a row by itself.
ASK_CENTROIDS = """
    from digit_recognition.centroids import Centroids
    rows, labels = Dataset(runs.newest("load-data/train_data")).arrays()
    model = Centroids(0.1).fit(np.column_stack([*rows.values()]), labels)
    expected = np.eye(2)[model.predict(np.column_stack([*features.values()]))[0]]
"""

MAKE_FILE = """
    import joblib
    from sklearn.compose import make_column_transformer
    from sklearn.datasets import load_breast_cancer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    data = load_breast_cancer()
    names = [name.replace(" ", "_") for name in data.feature_names]
    rows = pl.DataFrame(data.data, schema=names)
    pipeline = make_pipeline(
        make_column_transformer((StandardScaler(), names[::2])), LogisticRegression(C=0.1)
    )
    pipeline.fit(rows[::2], data.target_names[data.target][::2])
    joblib.dump(pipeline, PACKAGE / "model.joblib")
"""
ASK_FILE = """
    import joblib
    table = as_table(features)
    expected = joblib.load(PACKAGE / "model.joblib").predict_proba(table)[0]
"""

FOLDER = ["pretrained/config.json", "pretrained/model.safetensors"]
# The classes of the file are in another order than the project's.
MAKE_FOLDER = """
    import torch
    from safetensors.torch import save_file
    from sklearn.datasets import load_digits
    torch.manual_seed(1)
    digits = load_digits()
    pixels, target = torch.tensor(digits.data / 16).float(), torch.tensor(9 - digits.target)
    hidden, classifier = torch.nn.Linear(64, 32), torch.nn.Linear(32, 10)
    network = torch.nn.Sequential(hidden, torch.nn.ReLU(), classifier)
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(200):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(pixels[::2]), target[::2]).backward()
        optimizer.step()
    weights = {f"hidden.{name}": value for name, value in hidden.state_dict().items()}
    weights |= {f"classifier.{name}": value for name, value in classifier.state_dict().items()}
    folder = PACKAGE / "pretrained"
    folder.mkdir(exist_ok=True)
    save_file(weights, folder / "model.safetensors")
    names = {str(index): str(9 - index) for index in range(10)}
    (folder / "config.json").write_text(json.dumps({"hidden_size": 32, "id2label": names}))
"""
ASK_FOLDER = """
    from safetensors.numpy import load_file
    weights = load_file(PACKAGE / "pretrained" / "model.safetensors")
    dense = lambda name, rows: rows @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]
    hidden = np.maximum(dense("hidden", features["image"].reshape(1, 64) / 255), 0)
    odds = np.exp(dense("classifier", hidden)[0])
    expected = odds[::-1] / odds.sum()
"""
START = f"""
import json
from pathlib import Path
import numpy as np
import polars as pl
from blueprint.data import Dataset, as_instance, as_table
from blueprint import runs
PACKAGE = Path("{PACKAGE}")
"""
# A row of the newest test set as arrays of one row, and as a request has it.
A_ROW = """
test = Dataset(runs.newest("load-data/test_data"))
features = {name: values[7:8] for name, values in test.arrays()[0].items()}
instance = as_instance({name: row[0] for name, row in features.items()}, test.schema.features)
"""
ANSWER = "print(json.dumps([instance, expected.tolist()]))"


def run(project: Project, *command: str) -> str:
    """What a command prints in the project's folder and environment; it must succeed."""
    done = subprocess.run(
        command, cwd=project.path, env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def python(project: Project, *parts: str) -> str:
    """What a script prints that the project's Python runs."""
    program = str(project.path / ".venv" / "bin" / "python")
    return run(project, program, "-c", "".join(map(textwrap.dedent, parts)))


def start_afresh(project: Project) -> None:
    """Take the files as they were generated, and no models."""
    git(project.path, "checkout", "-q", "--", ".")
    git(project.path, "clean", "-q", "-f", "-d", "src", "config")
    project.make("clean", "YES=1")


@pytest.fixture(scope="session")
def sample_project(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project of tables, whose framework brings the exporters of boosted trees."""
    folder = tmp_path_factory.mktemp("third-party") / "a project of tables"
    answers = {"framework": "xgboost", "task": "tabular-classification", "plumbing_tests": True}
    project = Project(render(template, folder, **answers))
    git(project.path, "init", "-q", "-b", "main")
    commit(project.path, "The project as it was generated")
    project.make("setup", timeout=900)
    return project


@pytest.fixture
def tables(sample_project: Project) -> Iterator[Project]:
    """The project of tables at its start."""
    start_afresh(sample_project)
    yield sample_project
    start_afresh(sample_project)


@pytest.fixture
def pictures(torch_project: Project) -> Iterator[Project]:
    """A project of pictures with PyTorch at its start."""
    start_afresh(torch_project)
    yield torch_project
    start_afresh(torch_project)


def follow(project: Project, name: str, *files: str) -> None:
    """Do what the page says in the blocks called `name`: all of them, or those of `files`."""
    page = (project.path / "docs" / "your-own-model.md").read_text()
    blocks = {file: text for part, file, text in BLOCK.findall(page) if part == name}
    assert "train.py" in blocks, f"{name}: no such blocks"
    for file in files or blocks:
        if file == "config/base.yaml":
            path = project.path / file
            section = re.compile(r"^train:.*?\n(?=^\S)", re.DOTALL | re.MULTILINE)
            text, found = section.subn(blocks[file] + "\n", path.read_text())
            assert found == 1, "the configuration has no train section"
            path.write_text(text)
        else:
            (project.path / PACKAGE / file).write_text(blocks[file])


def changed(project: Project) -> set[str]:
    """The files that differ from what was generated."""
    lines = git(project.path, "status", "--porcelain", "--untracked-files=all").splitlines()
    return {line[3:] for line in lines} - {"uv.lock"}


def ask(project: Project, script: str) -> tuple[list[float], list[float]]:
    """What the server answers for a row, and what `script` says that the model itself does."""
    instance, expected = json.loads(python(project, START, A_ROW, script, ANSWER))
    with project.serve() as server:
        status, body, _ = post(server, NAME, {"instances": [instance]})
    assert status == 200, body
    return json.loads(body)["predictions"][0], expected


def test_a_class_with_fit_and_predict(tables: Project) -> None:
    (tables.path / PACKAGE / "centroids.py").write_text(CENTROIDS.lstrip())
    follow(tables, "class")
    tables.make("lint-code", "lint-format")
    done = flat(tables.make("run").stdout)
    assert "accepted" in done
    assert "fallback: Adapter has no ONNX form" in done
    assert "docs/your-own-model.md" in done
    answer, expected = ask(tables, ASK_CENTROIDS)
    assert answer == expected
    own = {f"{PACKAGE}/{name}" for name in ("train.py", "centroids.py")}
    assert changed(tables) == own | {"config/base.yaml"}
    # Its classes are renamed: the champion carries its code, and is compared.
    (tables.path / PACKAGE / "centroids.py").rename(tables.path / PACKAGE / "nearest.py")
    train = tables.path / PACKAGE / "train.py"
    text = train.read_text().replace("Adapter", "Nearest")
    train.write_text(text.replace(".centroids", ".nearest"))
    done = flat(tables.make("run").stdout)
    assert "fallback: Nearest has no ONNX form" in done
    assert "✓ accuracy not worse than version 1's" in done


@pytest.mark.parametrize("library", ["lightgbm", pytest.param("catboost", marks=pytest.mark.slow)])
def test_boosted_trees_of_other_libraries_become_onnx(tables: Project, library: str) -> None:
    page = (tables.path / "docs" / "your-own-model.md").read_text()
    [command] = re.findall(rf"uv add --group training {library}[\w ]*", page)
    run(tables, *command.split())
    follow(tables, "lightgbm")
    if library == "catboost":
        train = tables.path / PACKAGE / "train.py"
        [catboost] = re.findall(r"`(CatBoostClassifier\(.*?\))`", page)
        text = re.sub(r"LGBMClassifier\(.*\)", catboost, train.read_text())
        text = text.replace("from lightgbm import LGBM", "from catboost import CatBoost")
        train.write_text(text)
    else:
        tables.make("lint-code", "lint-format")

    done = tables.make("run").stdout

    assert "accepted" in done
    assert "fallback" not in done


def test_a_file_and_its_order_of_classes(tables: Project) -> None:
    python(tables, START, MAKE_FILE)
    follow(tables, "file", "train.py")
    line = refused(tables, "run")
    assert "the classes benign, malignant in this order, the data has malignant, benign" in line
    follow(tables, "file")
    tables.make("lint-code", "lint-format")
    done = tables.make("run").stdout
    assert "accepted" in done
    assert "fallback" not in done
    answer, expected = ask(tables, ASK_FILE)
    assert answer == pytest.approx(expected, abs=1e-5)
    own = {f"{PACKAGE}/{name}" for name in ("train.py", "data.py", "model.joblib")}
    assert changed(tables) == own


def test_a_folder_from_a_model_hub(pictures: Project) -> None:
    python(pictures, START, MAKE_FOLDER)
    follow(pictures, "folder")
    pictures.make("lint-code", "lint-format")
    done = pictures.make("run").stdout
    assert "accepted" in done
    assert "fallback" not in done
    answer, expected = ask(pictures, ASK_FOLDER)
    assert answer == pytest.approx(expected, abs=1e-5)
    own = {f"{PACKAGE}/{name}" for name in ("train.py", *FOLDER)}
    assert changed(pictures) == own


def test_the_notebook_opens_and_runs(tables: Project, tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "notebook.log"
    arguments = "ARGS=--headless --no-token --skip-update-check"
    process = tables.start("notebook", f"PORT={port}", arguments, log=log)
    try:
        end = time.monotonic() + 120
        while get(f"http://127.0.0.1:{port}/health")[0] != 200:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.2)
    finally:
        stop(process)
    [test] = (tables.path / "tests").rglob("test_notebook.py")
    assert "3 passed" in tables.make("test", f"ARGS='{test.relative_to(tables.path)}'").stdout
    assert changed(tables) == set()
    marimo = tables.path / ".venv" / "bin" / "marimo"
    assert marimo.exists()  # no other target takes it away again
