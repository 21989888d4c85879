"""A change of mind on a living project: every choice of every question is taken and left again by
an update, the owners' edits stay, the files of the old choice go, and the owners' files beside
them do not. The ways are derived from the questions: a new choice is covered without a word here.
"""

import re
from pathlib import Path

import pytest

from support import changes, owners, rendering
from support.changes import Way
from support.rendering import TAG, Renderings, commit, files, git

# For the session alone: they change a few files, each as the others do.
PLAIN = ("license", "python_version", "data_source", "task", "cloud", "serving_extras")
OWN = "own.txt"

WAYS = [
    pytest.param(way, id=str(way), marks=pytest.mark.slow if way.axis in PLAIN else ())
    for way in changes.ways()
]


def test_every_choice_is_on_a_way() -> None:
    from support import questions

    taken = {(way.axis, value) for way in changes.ways() for value in way.values}
    assert taken == {(axis, value) for axis, values in questions.axes().items() for value in values}
    for way in changes.ways():
        assert way.base[way.axis] == way.values[-1]
        assert len(set(way.values)) > 1


@pytest.mark.parametrize("way", WAYS)
def test_a_choice_is_taken_and_left(
    way: Way, template: Path, renderings: Renderings, tmp_path: Path
) -> None:
    project = rendering.render(template, tmp_path / "a project", ref=TAG, **way.base)
    git(project, "init", "-q", "-b", "main")
    commit(project, "The project")
    expected = owners.everything(project)
    expected.pop(Path("config/base.yaml"))  # beside lines that depend on an answer
    git(project, "checkout", "-q", "config/base.yaml")
    commit(project, "What its owners did")

    present = renderings(**way.base)
    for value in way.values:
        fresh = renderings(**{**way.base, way.axis: value})
        gone = set(files(present)) - set(files(fresh))
        for folder in {path.parent for path in gone if "steps" not in path.parts}:
            (project / folder / OWN).write_text("Mine.\n")
            expected[folder / OWN] = None
        commit(project, "Files beside those of the choice")
        there = {
            p: (project / p).read_text() for p in owners.ENVIRONMENTS if (project / p).exists()
        }
        rendering.update(project, **{way.axis: value})
        if way.axis == "license":
            settle(project / "LICENSE", (fresh / "LICENSE").read_text())
        owners.assert_fresh_but(project, fresh, expected | dict.fromkeys(there))
        assert all((project / p).read_text() == there[p] for p in there if (fresh / p).exists())
        assert all((project / path).exists() for path in expected if path.name == OWN)
        commit(project, f"{way.axis}: {value}")
        present = fresh


def settle(path: Path, new: str) -> None:
    """Another license replaces what stands beside the owner's notice: a conflict with both."""
    text = path.read_text()
    assert re.search(r"^<{7} .*^={7}$.*^>{7} ", text, re.DOTALL | re.MULTILINE)
    assert owners.MY_NOTICE.strip() in text
    assert {*new.splitlines()} <= {*text.splitlines()}
    path.write_text(new + owners.MY_NOTICE)
