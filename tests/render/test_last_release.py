"""What `make last-release` tries; the nightly workflow runs it whole."""

import re
from pathlib import Path

import pytest

from support import questions
from support.rendering import commit, git
from tools import last_release


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A template of one question, with tags of every sort."""
    git(tmp_path, "init", "-q")
    (tmp_path / "questions").mkdir()
    (tmp_path / "questions" / "model.yml").write_text(
        "framework: {type: str, choices: [sklearn, older]}\n"
    )
    for tag in ("v0.9.0", "v0.10.0", "v0.11.0rc1", "nightly"):
        commit(tmp_path, tag)
        git(tmp_path, "tag", tag)
    return tmp_path


def test_the_newest_release_is_found_by_its_number(repository: Path) -> None:
    assert last_release.newest(str(repository)) == "v0.10.0"


def test_a_template_without_a_release_is_refused(repository: Path) -> None:
    for tag in git(repository, "tag").split():
        git(repository, "tag", "-d", tag)
    with pytest.raises(LookupError, match=re.escape("has no tag vX.Y.Z")):
        last_release.newest(str(repository))


def test_only_what_the_release_knows_is_answered(repository: Path) -> None:
    known = last_release.known
    assert known(repository, {"framework": "sklearn", "ci": "none"}) == {"framework": "sklearn"}
    assert known(repository, {"framework": "pytorch"}) == {}


def test_every_choice_is_tried_but_other_data() -> None:
    sets = last_release.answer_sets()
    for axis, values in questions.axes().items():
        if axis != "data_source":
            assert {answers.get(axis, values[0]) for answers in sets} == set(values)
    assert all(questions.allowed(answers) for answers in sets)
    assert not any("data_source" in answers for answers in sets)


def test_a_project_that_cannot_be_made_is_named(
    repository: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The exit code is 1, after every set was tried."""
    monkeypatch.setattr(last_release, "answer_sets", lambda: [{"framework": "sklearn"}, {}])
    monkeypatch.setattr(last_release.rendering, "isolate_git_and_copier", lambda home: None)
    (repository / "copier.yml").write_text("no: [yaml\n")
    commit(repository, "Broken")
    git(repository, "tag", "v1.0.0")
    assert last_release.main([str(repository)], tmp_path_factory.mktemp("home")) == 1
    said = capfd.readouterr()
    assert "v1.0.0: 0 of 2 projects work" in said.out
    assert said.err.count("error: v1.0.0 with ") == 2
