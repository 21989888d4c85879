"""The registry as a person uses it: the table, the card, a forced promotion, and the way back."""

import hashlib
import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.project import Project, Server, environment, free_port, get, stop
from support.rendering import git
from support.runs import champion, deployed, flat, post, refused

NAME = "digit-recognition"
Versions = tuple[str, str, str]
PIXELS = [[0] * 8] * 8
LAX = "gate.champion.margin=0.9 gate.floors.accuracy=0.1"
HOSTILE = 'it\'s "quoted"; touch broken & `touch broken`'


@pytest.fixture(scope="module")
def versions(project: Project) -> Versions:
    """The numbers of two champions, the later one in service, and of a rejected version."""
    project.make("run", f"ARGS=train.seed=31 {LAX}")
    first = champion(project)
    project.make("run", f"ARGS=train.seed=32 {LAX}")
    second = champion(project)
    assert first is not None
    assert second is not None
    shown = project.make("run", "ARGS=train.epochs=1 train.learning_rate=0.00001").stdout
    found = re.search(r"version (\d+) is registered, as rejected", flat(shown))
    assert found, shown
    assert champion(project) == second
    return first, second, found[1]


def line_of(project: Project, version: str) -> str:
    [line] = re.findall(rf"^ *{version} .*$", project.make("models").stdout, re.MULTILINE)
    return line


def test_models_shows_the_verdict_and_the_alias(project: Project, versions: Versions) -> None:
    _, second, rejected = versions
    assert re.search(
        r"accepted +[0-9a-f]{7} +[0-9a-f]{7}\+? +champion +20", line_of(project, second)
    )
    assert "rejected" in line_of(project, rejected)
    assert "champion" not in line_of(project, rejected)
    for width in (80, 120):
        shown = project.make_in_a_terminal("models", f"COLUMNS={width}")
        assert not re.search(r"\x1b\[[0-9;]*\b[39][0-7]\b", shown), "NO_COLOR is set"
        lines = re.sub(r"\x1b\[[0-9;]*m", "", shown).splitlines()
        assert max(map(len, lines)) <= width


def test_a_rejected_version_is_promoted_only_with_a_reason(
    project: Project, versions: Versions
) -> None:
    _, second, rejected = versions
    assert "was rejected" in refused(project, "promote", f"VERSION={rejected}")
    assert "REASON" in refused(project, "promote", f"VERSION={rejected}", "FORCE=1")
    assert champion(project) == second
    with project.serve() as server:
        done = project.make("promote", f"VERSION={rejected}", "FORCE=1", f"REASON={HOSTILE}")
        assert HOSTILE in done.stdout
        assert not (project.path / "broken").exists()
        assert "champion" in line_of(project, rejected)
        assert serves(server, rejected)
        assert f"version {second} is the champion again" in project.make("rollback").stdout
        assert serves(server, second)


def test_rollback_twice_goes_further_back(project: Project, versions: Versions) -> None:
    first, second, _ = versions
    project.make("promote", f"VERSION={second}")
    assert f"version {first} is the champion again" in project.make("rollback").stdout
    assert champion(project) == first
    project.make("promote", f"VERSION={second}")
    assert champion(project) == second


def test_the_card_says_how_to_call_the_version(project: Project, versions: Versions) -> None:
    _, second, rejected = versions
    page = project.path / project.make("report", f"VERSION={second}").stdout.strip()
    text, lock = page.read_text(), (project.path / "uv.lock").read_bytes()
    assert hashlib.sha256(lock).hexdigest() in text
    assert git(project.path, "rev-parse", "HEAD").strip() in text
    assert not re.search(r"<script|https?://(?!127\.0\.0\.1)", text)
    command, answer = re.findall(
        r"```\n(.*?)\n```", page.with_name("card.md").read_text(), re.DOTALL
    )
    with project.serve() as server:
        command = command.replace("http://127.0.0.1:8080", server.url)
        done = subprocess.run(
            command, shell=True, cwd=page.parent, capture_output=True, check=True, timeout=30
        )
    given, said = (json.loads(text)["predictions"][0] for text in (done.stdout, answer))
    assert given == pytest.approx(said, abs=1e-3)
    page = project.path / project.make("report", f"VERSION={rejected}").stdout.strip()
    assert "Rejected" in page.read_text()


def test_the_query_of_the_guide_finds_the_versions(project: Project, versions: Versions) -> None:
    guide = (project.path / "docs" / "registry.md").read_text()
    [query] = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    python = project.path / ".venv" / "bin" / "python"
    done = subprocess.run(
        [str(python), "-c", query],
        cwd=project.path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert set(versions) <= {line.split()[0] for line in done.stdout.splitlines()}


def test_a_wrong_version_is_one_clear_line(project: Project, versions: Versions) -> None:
    assert "make models" in refused(project, "promote")
    for target in ("promote", "report"):
        assert "no version 999" in refused(project, target, "VERSION=999")


def test_a_damaged_version_is_not_served_until_it_is_promoted_again(
    project: Project, versions: Versions
) -> None:
    served = champion(project, NAME)
    with (deployed(project, NAME) / "signature.json").open("a") as signature:
        signature.write(" ")
    assert f"`make promote VERSION={served}`" in refused(project, "serve", f"PORT={free_port()}")
    assert f"`make promote VERSION={served}`" in squeezed(project.make("doctor").stdout)
    project.make("promote", f"VERSION={served}")
    with project.serve() as server:
        assert serves(server, str(served))


@pytest.mark.slow
def test_another_model_and_another_registry_are_never_taken_for_the_first(
    project: Project, versions: Versions, tmp_path: Path
) -> None:
    """Versions count from 1 there; whose model is served is told by name and hash."""
    before, model = champion(project, NAME), deployed(project, NAME)
    project.make("run", f"ARGS=registry.name=other {LAX}")
    assert (champion(project, "other"), champion(project, NAME)) == ("1", before)

    with project.serve() as server:
        here = f"registry.tracking_uri=sqlite:///{tmp_path}/mlflow.db"
        elsewhere = f"{here} registry.artifact_location={tmp_path}/artifacts"
        log = tmp_path / "serve.log"
        port = free_port()
        process = project.start("serve", f"PORT={port}", f"ARGS={elsewhere}", log=log)
        try:
            wait_for(lambda: "the registry has no champion" in log.read_text())
        finally:
            stop(process)
        for seed in (33, 34):  # two first versions, of a registry that was lost between them
            project.make("run", f"ARGS=train.seed={seed} train.epochs=1 {LAX} {elsewhere}")
            assert champion(project, NAME) == "1"
            written = (deployed(project, NAME) / "signature.json").read_text()
            wait_for(lambda written=written: signature(server)["sha256"] in written)
            assert serves(server, "1")
            (tmp_path / "mlflow.db").unlink()
        # The first registry is back: what is served is not its champion, and it says what to run.
        assert f"`make promote VERSION={before}`" in flat(project.make("models").stdout)
        project.make("promote", f"VERSION={before}")
        assert deployed(project, NAME) == model
        assert serves(server, str(before))
    shutil.rmtree(project.path / ".mlops" / "store" / "other")


def signature(server: Server) -> dict[str, str]:
    metadata = json.loads(get(f"{server.url}/v1/models/{NAME}/metadata")[1])
    found: dict[str, str] = metadata["signature"]
    return found


def squeezed(table: str) -> str:
    """The text of a table's cells, without its lines."""
    return flat(re.sub(r"[│┃]", " ", table))


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def serves(server: Server, version: str) -> bool:
    """Whether the server answers with that version within some seconds."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if post(server, NAME, {"instances": [PIXELS]})[2] == version:
            return True
        time.sleep(0.1)
    return False
