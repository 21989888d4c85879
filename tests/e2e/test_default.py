"""The default project from its set-up to a served prediction, and what goes wrong on the way.

In the order of a user's day. `trained` and `served` bring a test that runs alone to its start.
"""

import json
import os
import re
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.project import Project, Server, free_port, get, stop
from support.rendering import git
from support.runs import STEPS, Load, champion, kill_after, lines_of, post, refused

NAME = "digit-recognition"
PIXELS = [[0] * 8] * 8
BETTER = ("run", "ARGS=train.seed=7 gate.champion.margin=0.2")
WORSE = ("run", "ARGS=train.epochs=1 train.learning_rate=0.00001")


@pytest.fixture(scope="session")
def trained(project: Project) -> Project:
    """The project with a champion."""
    if champion(project) is None:
        project.make("run")
    return project


@pytest.fixture(scope="module")
def served(trained: Project) -> Iterator[Server]:
    with trained.serve() as server:
        yield server


# Before anything is trained


def test_setup_leaves_the_tree_clean(project: Project) -> None:
    """What the set-up and the runs write is ignored by git, but for the lock file."""
    left = [line[3:] for line in git(project.path, "status", "--porcelain").splitlines()]
    assert set(left) <= {"uv.lock"}


def test_help_lists_every_target(project: Project) -> None:
    shown = project.make("help").stdout
    for target in ("setup", "run", "serve", "predict", "report", "rollback", "upgrade", "clean"):
        # After its section or another name, before its explanation or another name.
        assert re.search(rf"^(.*[\s,])?{target}(,|\s{{2,}}\S)", shown, re.MULTILINE), target


def test_doctor_finds_nothing_wrong(project: Project) -> None:
    project.make("doctor")


def test_serve_before_any_champion_says_what_to_run(project: Project) -> None:
    if champion(project):
        pytest.skip("a champion exists: this test comes first")
    assert "make run" in refused(project, "serve", f"PORT={free_port()}")


def test_the_projects_own_checks_pass(project: Project) -> None:
    project.make("lint")
    project.make("test", timeout=600)  # a minute on a machine of its own; another worker is beside


def test_upgrade_changes_nothing_when_there_is_no_newer_release(project: Project) -> None:
    git(project.path, "add", "-A")  # the lock file: Copier updates only what git holds
    git(project.path, "commit", "-q", "--allow-empty", "-m", "Lock")
    project.make("upgrade")
    assert git(project.path, "status", "--porcelain") == ""


def test_formatting_changes_nothing(project: Project) -> None:
    project.make("format")
    assert git(project.path, "diff", "--name-only") == ""


# A run, another, a worse one


def test_run_trains_evaluates_and_deploys(project: Project) -> None:
    done = project.make("run")
    steps = lines_of(done.stdout)
    assert list(steps) == STEPS
    for line in steps.values():
        assert re.search(r"\d+\.\d+ s\b", line), f"no duration: {line}"
    assert "accepted" in done.stdout
    assert "accuracy" in done.stdout
    assert champion(project) == "1"
    for noise in ("Traceback", "executor", "KFP", "WARNING", "W0000"):
        assert noise not in done.stdout + done.stderr, noise
    assert list((project.path / ".mlops" / "runs").glob("*.log"))


def test_a_second_run_stops_where_nothing_has_changed(trained: Project) -> None:
    trained.make("run")
    before = champion(trained)
    shown = trained.make("run").stdout
    assert "nothing has changed since the run of" in shown
    assert f"version {before} is the champion" in shown
    assert not lines_of(shown)


def test_another_gate_takes_the_steps_before_it_from_the_cache(trained: Project) -> None:
    before = champion(trained)
    steps = lines_of(trained.make("run", "ARGS=gate.champion.margin=0.15").stdout)
    assert "cached" in steps["load_data"]
    assert "cached" in steps["train_model"]
    assert before is not None
    assert int(champion(trained) or 0) >= int(before)


def test_an_edit_of_a_helper_is_seen_and_a_killed_step_is_named(trained: Project) -> None:
    steps = next(trained.path.glob("src/*/train.py")).parent
    train, helper = steps / "train.py", steps / "others" / "helper.py"
    kept, run = train.read_text(), ("run", "ARGS=train.epochs=1")
    try:
        helper.parent.mkdir()
        helper.write_text("")
        train.write_text(kept + "\n\nfrom .others import helper  # noqa\n")
        steps_of = lines_of(trained.make(*run).stdout)
        assert "cached" in steps_of["load_data"]
        assert "cached" not in steps_of["train_model"]
        other_gate = f"{run[1]} gate.champion.margin=0.15"
        assert "cached" in lines_of(trained.make("run", other_gate).stdout)["train_model"]
        helper.write_text("import os\nos.kill(os.getpid(), 9)\n")
        line = refused(trained, *run)
        assert "train_model: its process was ended by the signal SIGKILL" in line
        assert "full log: .mlops/runs/" in line
    finally:
        train.write_text(kept)
        shutil.rmtree(helper.parent)


def test_a_terminal_shows_the_steps_and_not_the_log(trained: Project) -> None:
    shown = trained.make_in_a_terminal("run", "ARGS=--no-cache")
    for noise in ("INFO", "KFP Executor", "Streamed logs"):
        assert noise not in re.sub(r"\x1b\[2m.*?\x1b\[0m", "", shown), noise
    assert "✓ deploy_model" in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)


def test_a_worse_model_is_rejected_with_its_reason_and_the_old_one_answers(
    served: Server, trained: Project
) -> None:
    before = champion(trained)
    assert post(served, NAME, {"instances": [PIXELS]})[2] == before
    done = trained.make(*WORSE)
    assert "rejected" in done.stdout
    assert re.search(r"accuracy.*0\.\d+", done.stdout)
    assert champion(trained) == before
    assert post(served, NAME, {"instances": [PIXELS]})[2] == before
    verdicts = sorted((trained.path / ".mlops").rglob("verdict.json"), key=os.path.getmtime)
    verdict = json.loads(verdicts[-1].read_text())
    assert verdict["accepted"] is False
    assert verdict["reason"]
    assert [rule for rule in verdict["rules"] if not rule["passed"]]


def test_models_and_report_show_what_was_made(trained: Project) -> None:
    assert re.search(r"\b1\b", trained.make("models").stdout)
    page = Path(trained.make("report").stdout.strip().splitlines()[-1])
    text = (trained.path / page).read_text()
    assert "<html" in text
    assert not re.search(r"<script|https?://(?!www\.w3\.org)[^\s\"<]+\.(?:js|css)", text)


def test_the_pages_of_mlflow_know_the_run_and_the_model(trained: Project, tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "ui.log"
    process = trained.start("ui", f"PORT={port}", log=log)
    url = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + 90
        while get(f"{url}/health")[0] != 200 and time.monotonic() < end:
            time.sleep(0.2)
        assert "<html" in get(url)[1].lower(), log.read_text()
        api = f"{url}/api/2.0/mlflow"
        status, found = get(f"{api}/registered-models/alias?name={NAME}&alias=champion")
        assert status == 200, found
        run_id = json.loads(found)["model_version"]["run_id"]
        run = json.loads(get(f"{api}/runs/get?run_id={run_id}")[1])["run"]["data"]
        listed = json.loads(get(f"{api}/artifacts/list?run_id={run_id}")[1])["files"]
    finally:
        stop(process)
    assert {"accuracy", "log_loss", "curve/loss"} <= {metric["key"] for metric in run["metrics"]}
    assert {"epochs", "data.source"} <= {param["key"] for param in run["params"]}
    assert {"model", "verdict.json", "report.html"} <= {file["path"] for file in listed}
    assert url in log.read_text()


def test_debug_runs_the_steps_in_one_process(trained: Project) -> None:
    assert "accuracy" in trained.make("debug", "ARGS=train.epochs=1").stdout


# Serving


def test_predict_shows_a_picture_and_the_answer(served: Server, trained: Project) -> None:
    shown = trained.make("predict", f"PORT={served.port}").stdout
    assert len(shown.splitlines()) > 8
    assert re.search(r"\d+(\.\d+)? ?%", shown)
    assert re.search(r"\d+(\.\d+)? ms", shown)


def test_the_server_says_what_it_serves(served: Server) -> None:
    assert get(f"{served.url}/healthz")[0] == 200
    assert get(f"{served.url}/v1/models/{NAME}")[0] == 200
    assert get(f"{served.url}/v1/models/other")[0] == 404
    assert "# TYPE" in get(f"{served.url}/metrics")[1]


def test_the_server_is_conformant(served: Server, trained: Project) -> None:
    shown = trained.make("conformance", f"URL={served.url}").stdout
    assert ", 0 failed" in shown


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        (b"not json", 400, "JSON"),
        ({"rows": []}, 400, "instances"),
        ({"instances": [PIXELS, [[0] * 7] * 8]}, 400, "instances[1]"),
        ({"instances": [[[0] * 7 + ["x"]] * 8]}, 400, "instances[0]"),
        ({"instances": [[[0] * 7 + [999]] * 8]}, 400, "instances[0]"),
        (b'{"instances": [[[NaN]]]}', 400, ""),
        (b" " * (17 * 2**20), 413, ""),
    ],
    ids=["not-json", "no-instances", "shape", "type", "range", "nan", "huge"],
)
def test_a_bad_request_names_the_field_and_the_server_goes_on(
    served: Server, body: object, status: int, word: str
) -> None:
    code, text, _ = post(served, NAME, body)
    assert code == status, text
    assert word in json.loads(text)["error"]
    code, text, _ = post(served, NAME, {"instances": [PIXELS, PIXELS]})
    assert code == 200
    assert [len(row) for row in json.loads(text)["predictions"]] == [10, 10]


def test_a_better_model_is_picked_up_without_a_failed_request(
    served: Server, trained: Project
) -> None:
    before = champion(trained)
    with Load(served, NAME, {"instances": [PIXELS]}) as load:
        trained.make(*BETTER)
        after = champion(trained)
        end = time.monotonic() + 20
        while load.answers[-1][1] != after and time.monotonic() < end:
            time.sleep(0.05)
    assert after != before
    assert {status for status, _ in load.answers} == {200}
    assert list(dict.fromkeys(version for _, version in load.answers)) == [before, after]


def test_a_port_in_use_is_said(trained: Project) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        line = refused(trained, "serve", f"PORT={port}")
        assert port in line


def test_predict_without_a_server_says_what_to_run(trained: Project) -> None:
    assert "make serve" in refused(trained, "predict", "PORT=1")


# What a user gets wrong


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("train.epochs=many", ["train.epochs", "int", "many"]),
        ("train.epoch=3", ["train.epoch", "epochs"]),
        ("data.source=nowhere", ["data.source", "sample", "files"]),
        ("nonsense=1", ["nonsense"]),
        ("nonsense", ["key=value"]),
    ],
)
def test_a_wrong_override_is_one_clear_line(
    override: str, words: list[str], trained: Project
) -> None:
    line = refused(trained, "run", f"ARGS={override}")
    for word in words:
        assert word in line


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("port: 8080", "port: many", ["base.yaml", "serving.port", "many"]),
        ("port: 8080", "prot: 8080", ["base.yaml", "serving.prot"]),
        ("serving:", "serving: [", ["base.yaml", "YAML"]),
    ],
    ids=["type", "key", "syntax"],
)
def test_a_wrong_configuration_names_the_file_and_the_key(
    old: str, new: str, words: list[str], trained: Project
) -> None:
    file = trained.path / "config" / "base.yaml"
    text = file.read_text()
    assert old in text
    try:
        file.write_text(text.replace(old, new, 1))
        line = refused(trained, "run")
    finally:
        file.write_text(text)
    for word in words:
        assert word in line


def test_an_unknown_environment_names_the_ones_there_are(trained: Project) -> None:
    line = refused(trained, "run", "ENV=nowhere")
    assert "nowhere" in line
    assert "local" in line


def test_a_source_that_the_project_lacks_says_how_to_add_it(trained: Project) -> None:
    line = refused(trained, "run", "ARGS=data.source=sql")
    assert "make upgrade ARGS=data_source=sql" in line


def test_a_folder_that_cannot_be_written_is_said(trained: Project) -> None:
    """A file where the state folder should be: it stops root as well."""
    state, kept = trained.path / ".mlops", trained.path / ".mlops.kept"
    state.rename(kept)
    try:
        state.write_text("")
        assert ".mlops" in refused(trained, "run")
    finally:
        state.unlink()
        kept.rename(state)


@pytest.mark.parametrize(
    "step",
    [
        pytest.param("train_model", marks=pytest.mark.slow),
        pytest.param("register_model", marks=pytest.mark.slow),
        "deploy_model",
    ],
)
def test_a_killed_run_loses_nothing(step: str, trained: Project, tmp_path: Path) -> None:
    """Whenever it dies, the champion stays whole and the next run works."""
    before = champion(trained)
    log = tmp_path / "run.log"
    seed = 100 + STEPS.index(step)
    arguments = (
        f"ARGS=train.seed={seed} train.epochs=2 gate.champion.margin=0.9 gate.floors.accuracy=0.1"
    )
    process = trained.start("run", arguments, log=log)
    kill_after(trained, step, process, log)
    after = champion(trained)  # rejected models take numbers too
    assert after == before or int(after or 0) > int(before or 0)
    with trained.serve() as server:
        assert post(server, NAME, {"instances": [PIXELS]})[0] == 200
    done = trained.make("run", arguments)
    assert "accepted" in done.stdout
    version = champion(trained)
    assert int(version or 0) > int(before or 0)
    assert re.search(
        rf"\b{version}\b.*champion|champion.*\b{version}\b", trained.make("models").stdout
    )


def test_a_run_that_is_stopped_says_what_is_left(trained: Project, tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    process = trained.start("run", "ARGS=--no-cache", log=log)
    kill_after(trained, "load_data", process, log, signal.SIGINT)
    text = log.read_text()
    assert "stopped in load_data: nothing was registered or deployed" in text
    assert "Traceback" not in text


def test_clean_leaves_a_project_that_starts_again(trained: Project) -> None:
    """Last: it deletes the models."""
    before = champion(trained)
    assert "They stay." in trained.make_in_a_terminal("clean", typed=b"n\n")
    assert champion(trained) == before
    trained.make("clean", "YES=1")
    assert champion(trained) is None
    assert "make run" in refused(trained, "serve")
