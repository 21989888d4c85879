"""What a step's code is: an edit that it could see makes another key, any other edit does not."""

import pytest

from blueprint import pipelines
from blueprint.errors import UserError
from blueprint.targets import code, facts

COMPONENT = "def train_model(train: dict) -> None:\n    from shop.training import train\n"
# What the component reaches, each by another way to import: an owner's package, a part of the
# plumbing, and a package beside them that is installed as its source is.
REACHED = {
    "shop/__init__.py": "",
    "shop/training.py": "def train():\n    from .steps.train import train_model",
    "shop/steps/__init__.py": "",
    "shop/steps/train.py": "from . import helper\nfrom .. import model as m\nimport shop.batch.x",
    "shop/steps/helper.py": "if 1:\n    try:\n        from pipes.used import *\n    finally: pass",
    "shop/batch/__init__.py": "",
    "shop/batch/x.py": "class A:\n    def f(self):\n        import beside.tool as t",
    "shop/weights.bin": "",
    "shop/tables/cities.csv": "",
    "shop/model.py": "with open('x') as f:\n    from pipes.export import family",
    "pipes/__init__.py": "from importlib import import_module",
    "pipes/used.py": "import numpy, json",
    "pipes/export/__init__.py": "",
    "pipes/export/family.py": "from importlib import import_module\nimport_module(f'.{1}', 'x')",
    "pipes/export/sklearn.py": "from ..store import deploy",
    "pipes/export/words/stop.txt": "",
    "pipes/store.py": "",
    "beside/__init__.py": "",
    "beside/tool.py": "from .more import x",
    "beside/more.py": "",
    "beside/table.csv": "",
}
OTHERS = ["pipes/cli.py", "pipes/serving/http.py", "pipes/serving/page.html", "shop/pipeline.py"]


@pytest.fixture
def source(tmp_path, monkeypatch):
    for name, text in REACHED.items() | dict.fromkeys(OTHERS, "").items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(code, "PLUMBING", tmp_path / "pipes")
    code._home.cache_clear()
    yield tmp_path
    code._home.cache_clear()


def test_each_edit_that_a_step_could_see_makes_another_key(source):
    seen = {code.fingerprint(COMPONENT)}
    for number, name in enumerate(REACHED, start=2):
        path = source / name
        path.write_text(path.read_text() + "# edited\n")
        seen.add(code.fingerprint(COMPONENT))
        assert len(seen) == number, name
    (source / "uv.lock").write_text("version = 1\n")
    assert code.fingerprint(COMPONENT) not in seen


def test_other_edits_do_not(source):
    first = code.fingerprint(COMPONENT)
    for name in OTHERS:
        (source / name).write_text("import nothing\n")
        assert code.fingerprint(COMPONENT) == first, name


def test_an_owners_import_by_a_name_that_is_computed_may_reach_everything(source):
    first = code.fingerprint(COMPONENT)
    (source / "shop/steps/helper.py").write_text("import importlib as i\ni.import_module(x)\n")
    second = code.fingerprint(COMPONENT)
    (source / "shop/pipeline.py").write_text("a = 1\n")
    assert len({first, second, code.fingerprint(COMPONENT)}) == 3


def test_a_module_that_is_no_python_is_named(source):
    (source / "shop/steps/train.py").write_text("\ndef train_model(:\n")
    with pytest.raises(UserError, match=r"shop/steps/train\.py, line 2: invalid syntax"):
        code.fingerprint(COMPONENT)


def test_the_projects_own_steps_are_followed_and_libraries_are_not():
    owned = pipelines.folder()
    load, train = (
        (owned / "components" / f"{name}.py").read_text() for name in ("load_data", "train_model")
    )

    def names(text):
        found = code.files(text)
        plumbing = {path for path in found if path.is_relative_to(code.PLUMBING)}
        own = {path.relative_to(owned) for path in found - plumbing}
        return {str(path.relative_to(code.PLUMBING)) for path in plumbing}, {*map(str, own)}

    plumbing, own = names(load)
    assert {"data/sources/files/tables.py", "progress.py"} <= plumbing
    assert not plumbing & {"cli.py", "targets/local.py", "registry/store.py", "gate.py"}
    assert "data.py" in own
    assert "train.py" not in own
    plumbing, own = names(train)
    assert "export/train.py" in plumbing
    assert not plumbing & {"cli.py", "registry/client.py", "gate.py"}
    assert "train.py" in own
    assert "data.py" not in own
    assert facts.fingerprint() == facts.fingerprint()
