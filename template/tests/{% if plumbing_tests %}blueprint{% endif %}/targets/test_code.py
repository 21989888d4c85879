"""What a step's code is: an edit that it could see makes another key, any other edit does not."""

import pytest

from blueprint.errors import UserError
from blueprint.targets import code, local

COMPONENT = "def train_model(train: dict) -> None:\n    from shop.training import train\n"
# What the component reaches, each by another way to import.
REACHED = {
    "__init__.py": "",
    "training.py": "def train():\n    from .steps.train import train_model",
    "steps/__init__.py": "",
    "steps/train.py": "from . import helper\nfrom .. import model as m\nimport shop.steps.batch.x",
    "steps/helper.py": "if 1:\n    try:\n        from .serving import server\n    finally: pass",
    "steps/serving/__init__.py": "from .lazy import *",
    "steps/serving/server.py": "class A:\n    def f(self):\n        import beside.tool as t",
    "steps/serving/lazy.py": "",
    "steps/batch/__init__.py": "",
    "steps/batch/x.py": "from ...export import family",
    "steps/weights.bin": "",
    "steps/tables/cities.csv": "",
    "model.py": "with open('x') as f:\n    from .targets.used import *",
    "targets/__init__.py": "",
    "targets/used.py": "import numpy, json",
    "export/__init__.py": "",
    "export/family.py": "from importlib import import_module\nimport_module(f'.{1}', __package__)",
    "export/sklearn.py": "from ..store import deploy",
    "store.py": "",
    "words/stop.txt": "",
    "../beside/__init__.py": "",
    "../beside/tool.py": "from .more import x",
    "../beside/more.py": "",
    "../beside/table.csv": "",
}
OTHERS = ["cli.py", "targets/local.py", "serving/__init__.py", "serving/page.html", "steps/data.py"]


@pytest.fixture
def package(tmp_path, monkeypatch):
    for name, text in REACHED.items() | dict.fromkeys(OTHERS, "").items():
        path = tmp_path / "shop" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    code._home.cache_clear()
    return tmp_path / "shop"


def test_each_edit_that_a_step_could_see_makes_another_key(package):
    seen = {code.fingerprint(COMPONENT, package=package)}
    for number, name in enumerate(REACHED, start=2):
        path = package / name
        path.write_text(path.read_text() + "# edited\n")
        seen.add(code.fingerprint(COMPONENT, package=package))
        assert len(seen) == number, name
    (package.parent / "uv.lock").write_text("version = 1\n")
    assert code.fingerprint(COMPONENT, package=package) not in seen


def test_other_edits_do_not(package):
    first = code.fingerprint(COMPONENT, package=package)
    for name in OTHERS:
        (package / name).write_text("import nothing\n")
        assert code.fingerprint(COMPONENT, package=package) == first, name


def test_an_owners_import_by_a_name_that_is_computed_may_reach_everything(package):
    first = code.fingerprint(COMPONENT, package=package)
    (package / "steps" / "helper.py").write_text("import importlib as i\ni.import_module(x)\n")
    second = code.fingerprint(COMPONENT, package=package)
    (package / "cli.py").write_text("a = 1\n")
    assert len({first, second, code.fingerprint(COMPONENT, package=package)}) == 3


def test_a_module_that_is_no_python_is_named(package):
    (package / "steps" / "train.py").write_text("\ndef train_model(:\n")
    with pytest.raises(UserError, match=r"shop/steps/train\.py, line 2: invalid syntax"):
        code.fingerprint(COMPONENT, package=package)


def test_the_projects_own_steps_are_followed_and_libraries_are_not():
    data, train = (
        (code.PACKAGE / "pipelines" / "components" / name).read_text()
        for name in ("data.py", "train.py")
    )
    names = {str(path.relative_to(code.PACKAGE)) for path in code.files(data)}
    assert {"steps/data.py", "data/sources/files.py", "progress.py"} <= names
    assert not names & {"steps/train.py", "cli.py", "targets/local.py", "store.py"}
    names = {str(path.relative_to(code.PACKAGE)) for path in code.files(train)}
    assert {"steps/train.py", "training.py", "export/sklearn.py"} <= names
    assert not names & {"steps/data.py", "cli.py", "tracking.py"}
    assert local.fingerprint() == local.fingerprint()
