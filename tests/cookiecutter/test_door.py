"""Cookiecutter's door: the same questions and the same files, and a project that Copier updates."""

import json
import os
import pty
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cookiecutter.environment import StrictEnvironment
from jinja2.sandbox import SandboxedEnvironment

from support import questions, rendering
from support.rendering import TAG, commit, files, git
from tools import cookiecutter

PAIRS = questions.rows(2)
# The defaults, and rows that share few answers with them and with each other.
ROWS = [
    {},
    PAIRS[len(PAIRS) // 3],
    {**PAIRS[-1], "project_name": 'Zoë\'s 🎉 "100 %" {x} [b] \\ """'},
]
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Cookiecutter keeps what it cloned and what was answered in the user's home."""
    folder = tmp_path_factory.mktemp("cookiecutter")
    settings = folder / "config.yaml"
    settings.write_text(f"cookiecutters_dir: {folder}/clones\nreplay_dir: {folder}/replay\n")
    os.environ["COOKIECUTTER_CONFIG"] = str(settings)


def door(
    folder: Path,
    template: Path | str,
    *arguments: str,
    program: Path = BIN / "cookiecutter",
    check: bool = True,
    **answers: Any,
) -> subprocess.CompletedProcess[str]:
    """`cookiecutter --no-input TEMPLATE KEY=VALUE …` in `folder`, which is made."""
    folder.mkdir(exist_ok=True)
    given = [f"{key}={value}" for key, value in answers.items()]
    done = subprocess.run(
        [program, "--no-input", *arguments, str(template), *given],
        cwd=folder,
        env=os.environ | {"PWD": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0 or not check, done.stdout + done.stderr
    return done


def row_name(answers: dict[str, Any]) -> str:
    return "-".join(map(str, answers.values()))[:40] or "default"


def made(folder: Path) -> Path:
    """The one project in a folder."""
    [project] = folder.iterdir()
    return project


def contents(project: Path) -> dict[str, tuple[int, bytes]]:
    """The mode and the bytes of every file."""
    return {
        str(path): ((project / path).stat().st_mode, (project / path).read_bytes())
        for path in files(project)
        if path.parts[0] != ".git"
    }


def refusal(done: subprocess.CompletedProcess[str], folder: Path) -> str:
    """The one line of a refused project, of which nothing is left."""
    assert done.returncode == 1, done.stdout + done.stderr
    assert list(folder.iterdir()) == []
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr  # Cookiecutter's own traceback goes to standard output
    assert lines[0].startswith("error: "), lines
    return lines[0].removeprefix("error: ")


@pytest.mark.parametrize("answers", ROWS, ids=row_name)
def test_both_doors_write_the_same(answers: dict[str, Any], template: Path, tmp_path: Path) -> None:
    door(tmp_path / "second", template, **answers)
    # As a user calls it: the newest release, and this Copier's own words in the answers file.
    first = [BIN / "copier", "copy", "--defaults", "--quiet", str(template), tmp_path / "first"]
    data = [word for key, value in answers.items() for word in ("--data", f"{key}={value}")]
    subprocess.run([*first, *data], check=True)
    found = contents(made(tmp_path / "second"))
    assert found == contents(tmp_path / "first")
    assert len(found) > 100


def test_answers_are_typed_into_the_same_questions(template: Path, tmp_path: Path) -> None:
    """A person answers on a terminal; every question shows its help and its choices."""
    main, terminal = pty.openpty()
    process = subprocess.Popen(
        [BIN / "cookiecutter", str(template)],
        cwd=tmp_path,
        env=os.environ | {"TERM": "dumb", "COLUMNS": "1000"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    asked = {key: question for key, question in questions.load().items() if question.asked}
    typed: dict[str, str] = {"project_name": "Two  Doors"}
    for key, question in asked.items():
        if question.choices and "none" in question.choices.values():
            typed[key] = str(list(question.choices.values()).index("none") + 1)
    assert len(typed) > 1
    os.write(main, "".join(f"{typed.get(key, '')}\n" for key in asked).encode())
    shown = b""
    try:
        while part := os.read(main, 4096):
            shown += part
    except OSError:  # Linux says so when the other side is closed
        pass
    os.close(main)
    assert process.wait(60) == 0, shown.decode()
    text = re.sub(r"\s+", " ", shown.decode())
    for question in asked.values():
        assert re.sub(r"\s+", " ", question.body["help"].strip()) in text, question.key
        for label in question.choices if not question.yes_or_no else ("[y/n]",):
            assert label in text, question.key
        for reason in question.reasons().values():
            assert f"({reason})" in text
    project = made(tmp_path)
    assert project.name == "two-doors"
    expected = {key: "none" for key in typed if key != "project_name"}
    fresh = rendering.render(
        template, tmp_path / "first", ref=TAG, project_name="Two  Doors", **expected
    )
    assert contents(project) == contents(fresh)


@pytest.mark.parametrize(
    "answers",
    [
        {"project_slug": "Upper"},
        {"author_email": "nobody"},
        {"author_name": "two\nlines"},
        {"framework": "xgboost"},  # the default task is about pictures
    ],
    ids=lambda answers: next(iter(answers)),
)
def test_a_wrong_answer_is_refused_in_the_same_words(
    answers: dict[str, str], template: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=next(iter(answers))) as caught:
        rendering.render(template, tmp_path / "first", ref=TAG, **answers)
    said = refusal(door(tmp_path / "second", template, check=False, **answers), tmp_path / "second")
    assert said == str(caught.value)


def test_a_project_of_this_door_is_updated_by_copier(template: Path, tmp_path: Path) -> None:
    source = tmp_path / "template"
    git(template, "clone", "-q", str(template), str(source))
    door(tmp_path / "second", source)
    project = made(tmp_path / "second")
    git(project, "init", "-q")
    commit(project, "The project")
    makefile = source / "template" / "Makefile.jinja"
    makefile.write_text("# A line of the next release.\n" + makefile.read_text())
    commit(source, "The next release")
    later = f"{TAG.rpartition('.')[0]}.99"  # so near that no migration asks for --trust
    git(source, "tag", later)
    rendering.update(project)
    assert (project / "Makefile").read_text().startswith("# A line of the next release.\n")
    fresh = rendering.render(source, tmp_path / "fresh", ref=later)
    assert contents(project) == contents(fresh)


def test_the_version_is_the_newest_or_the_one_that_is_named(template: Path, tmp_path: Path) -> None:
    """By its URL, too: what is then asked is of the version that is checked out."""
    source = tmp_path / "template.git"
    git(template, "clone", "-q", "--bare", str(template), str(source))
    work = tmp_path / "work"
    git(template, "clone", "-q", str(source), str(work))
    (work / "questions" / "data.yml").open("a").write(
        "later:\n  type: str\n  default: x\n  help: Later.\n"
    )
    asked = json.loads((work / "cookiecutter.json").read_text())
    (work / "cookiecutter.json").write_text(json.dumps({"later": "x"} | asked))
    commit(work, "After the release")
    git(work, "push", "-q", "origin", "HEAD")
    url = source.as_uri()
    done = door(tmp_path / "newest", url, check=False)
    assert done.stderr.splitlines()[-1] == (
        "error: the version written does not ask for later: name another one with --checkout"
    )
    assert list((tmp_path / "newest").iterdir()) == []
    for ref in (TAG, "main"):
        door(tmp_path / ref, url, "--checkout", ref)
        recorded = (made(tmp_path / ref) / ".copier-answers.yml").read_text()
        assert f"_src_path: {url}\n" in recorded
        assert ("later: x\n" in recorded) == (ref == "main")
        assert (f"_commit: {TAG}\n" in recorded) == (ref == TAG)
    done = door(tmp_path / "none", source.parent / "work", "--checkout", "v7", check=False)
    assert "v7" in refusal(done, tmp_path / "none")


def test_an_answer_that_others_rule_out_is_rejected(template: Path, tmp_path: Path) -> None:
    done = door(tmp_path, template, check=False, serving_extras="v2")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "error: serving_extras is not asked with these answers: leave serving_extras=v2 out"
    )
    assert list(tmp_path.iterdir()) == []
    door(tmp_path, template, serving_extras="v2", platform="kubeflow")


def test_a_template_by_a_relative_path_is_found_again(template: Path, tmp_path: Path) -> None:
    (tmp_path / "template").symlink_to(template)
    door(tmp_path / "second", "../template")
    recorded = (made(tmp_path / "second") / ".copier-answers.yml").read_text()
    assert f"_src_path: {template}\n" in recorded


def test_what_cookiecutter_cloned_is_recorded_by_its_url(template: Path, tmp_path: Path) -> None:
    """By an abbreviation of the user's own; and the one after, by the name of the clone."""
    source = tmp_path / "ours.git"
    git(template, "clone", "-q", "--bare", str(template), str(source))
    settings = Path(os.environ["COOKIECUTTER_CONFIG"])
    text = settings.read_text()
    settings.write_text(f"{text}abbreviations:\n  our: {tmp_path.as_uri()}/{{0}}.git\n")
    try:
        for number, name in enumerate(["our:ours", "ours"]):
            door(tmp_path / str(number), name)
            recorded = (made(tmp_path / str(number)) / ".copier-answers.yml").read_text()
            assert f"_src_path: {source.as_uri()}\n" in recorded
    finally:
        settings.write_text(text)


def test_a_zip_file_is_refused(template: Path, tmp_path: Path) -> None:
    file = tmp_path / "template.zip"
    git(template, "archive", "--format=zip", "--prefix=template/", f"--output={file}", "HEAD")
    done = door(tmp_path / "second", file, check=False)
    assert "a zip file has no versions" in refusal(done, tmp_path / "second")


def test_files_that_are_there_stay(template: Path, tmp_path: Path) -> None:
    project = tmp_path / "digit-recognition"
    project.mkdir()
    (project / "README.md").write_text("mine\n")
    done = door(tmp_path, template, "--overwrite-if-exists", check=False)
    assert done.returncode == 1
    assert f"error: there are files in {project}: " in done.stderr
    assert contents(project).keys() == {"README.md"}
    assert (project / "README.md").read_text() == "mine\n"


def test_without_hooks_a_note_says_what_is_missing(template: Path, tmp_path: Path) -> None:
    door(tmp_path, template, "--accept-hooks", "no")
    [note] = made(tmp_path).iterdir()
    assert "copier copy TEMPLATE digit-recognition" in note.read_text()


@pytest.fixture(scope="module")
def without_copier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cookiecutter in an environment of its own."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    pinned = questions.pinned("cookiecutter")
    subprocess.run([BIN / "uv", "venv", "--quiet", "--python", sys.executable, folder], check=True)
    install = [BIN / "uv", "pip", "install", "--quiet", "--python", folder / "bin" / "python"]
    subprocess.run([*install, pinned], check=True)
    return folder / "bin" / "cookiecutter"


def test_uv_brings_copier_where_cookiecutter_has_none(
    without_copier: Path, template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{BIN}:{os.environ['PATH']}")
    door(tmp_path / "second", template, program=without_copier)
    fresh = rendering.render(template, tmp_path / "first", ref=TAG)
    assert contents(made(tmp_path / "second")) == contents(fresh)
    done = door(
        tmp_path / "refused", template, program=without_copier, check=False, project_slug="Upper"
    )
    assert "'project_slug': A slug is lower-case" in refusal(done, tmp_path / "refused")


def test_without_copier_and_uv_one_line_says_what_to_install(
    without_copier: Path, template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "git").symlink_to(shutil.which("git") or "git")
    monkeypatch.setenv("PATH", str(tools))
    done = door(tmp_path / "second", template, program=without_copier, check=False)
    said = refusal(done, tmp_path / "second")
    assert said.startswith("Copier writes the project, and it is not here: install it")


def test_the_hook_takes_the_copier_that_the_template_takes() -> None:
    needed = re.search(r'^_min_copier_version: "(\d+\.\d+)\.0"$', copier_yml(), re.MULTILINE)
    assert needed
    hook = (questions.ROOT / "hooks" / "pre_gen_project.py").read_text()
    assert f'COPIER = "copier~={needed[1]}"' in hook


def copier_yml() -> str:
    return (questions.ROOT / "copier.yml").read_text()


def test_defaults_that_follow_are_the_same() -> None:
    """The slug by Cookiecutter's Jinja and by Copier's, for names that people and chance give."""
    random.seed(1)
    letters = "aZ 09-_'!éİßﬁ数\t"
    names = ["", "Digit Recognition", "3D Shapes!", "数字", "A" * 50, "x" * 39 + " yz"]
    names += ["".join(random.choices(letters, k=random.randint(1, 60))) for _ in range(500)]
    extension = "jinja2_ansible_filters.AnsibleCoreFiltersExtension"
    copier, theirs = SandboxedEnvironment(extensions=[extension]), StrictEnvironment()
    for key, expression in cookiecutter.DERIVED.items():
        default = questions.load()[key].body["default"]
        for name in names:
            expected = copier.from_string(default).render(project_name=name)
            found = theirs.from_string(expression).render(cookiecutter={"project_name": name})
            assert found == expected, ascii(name)
