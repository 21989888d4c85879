"""What the image runs, docker/tf-serving/serve.sh, with a program in the place of the model server
that only notes how it is called; and `make serve`, with one in the place of the container engine.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tensorflow_serving  # noqa: F401  (where it is not, nothing here is to be tested)

from blueprint.errors import UserError
from blueprint.registry import store
from blueprint.serving import server
from blueprint.serving.settings import Serving

CONFIG = Path(__file__).parents[3] / "docker" / "tf-serving"
NOTE = """#!/bin/sh
printf '%s\n' "$@" > "$NOTES/new" && mv "$NOTES/new" "$NOTES/arguments"
trap 'echo ended > "$NOTES/ended"; exit 0' TERM
while :; do sleep 0.1 & wait $!; done
"""


def deploy(folder, version, content="a"):
    model = folder / "exported"
    (model / "saved_model" / "1" / "assets").mkdir(parents=True, exist_ok=True)
    (model / "saved_model" / "1" / "saved_model.pb").write_text(content)
    (model / "saved_model" / "1" / "ä b").write_text(content)
    return store.deploy(model, version, folder / "store", "digits").folder


def program(folder, name, text):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


def wait_for(condition):
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def served(tmp_path):
    """serve.sh on a store without a model."""
    program(tmp_path / "bin", "tensorflow_model_server", NOTE)
    variables = {
        **os.environ,
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "NOTES": str(tmp_path),
        "MODELS": str(tmp_path / "store"),
        "CONFIG": str(CONFIG),
        "MODEL_NAME": "digits",
        "TMPDIR": str(tmp_path),
    }
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(["sh", CONFIG / "serve.sh"], env=variables, stderr=log)
    yield process
    process.kill()


def test_it_waits_for_a_model_follows_deployments_and_ends_when_told(served, tmp_path):
    notes = tmp_path / "arguments"
    time.sleep(0.7)
    assert served.poll() is None
    assert not notes.exists()

    deploy(tmp_path, "3")
    wait_for(notes.exists)
    given = [each.removeprefix("--").split("=") for each in notes.read_text().splitlines()]
    flags = dict(each for each in given if len(each) == 2)
    assert flags["rest_api_port"] == "8080"
    # The program ends at once where neither is given, and a port would be open to others.
    assert flags["port"] == "0"
    assert Path(flags["grpc_socket_path"]).parent == Path(flags["model_config_file"]).parent
    written = Path(flags["model_config_file"])
    assert "versions: 3 " in written.read_text()
    base = written.parent / "versions"
    assert f'base_path: "{base}"' in written.read_text()
    assert (base / "3" / "saved_model.pb").exists()
    for name in ("batching_parameters_file", "monitoring_config_file"):
        assert Path(flags[name]).is_file()

    deploy(tmp_path, "2")  # a rollback
    wait_for(lambda: "versions: 2 " in written.read_text())
    assert (base / "2" / "saved_model.pb").exists()

    # Another model under the same number, as when the registry was lost: it cannot be told apart by
    # the server, which begins again.
    notes.unlink()
    deploy(tmp_path, "2", "b")
    wait_for(notes.exists)
    assert (tmp_path / "ended").exists()
    assert (base / "2" / "saved_model.pb").read_text() == "b"

    served.send_signal(signal.SIGTERM)
    assert served.wait(10) == 0
    assert not written.exists()


def test_what_is_damaged_is_rejected_and_served_once_it_is_repaired(served, tmp_path):
    home = tmp_path / "store" / "digits"
    home.mkdir(parents=True)
    os.mkfifo(home / "current.json")  # nobody writes to it: whoever opens it waits
    time.sleep(0.7)
    (home / "current.json").unlink()
    home.rmdir()
    folder = deploy(tmp_path / "elsewhere", "1")
    (folder / "saved_model" / "1" / "ä b").write_text("c")
    folder.parent.replace(home)
    time.sleep(1)
    assert not (tmp_path / "arguments").exists()

    deploy(tmp_path, "1")

    wait_for((tmp_path / "arguments").exists)
    served.send_signal(signal.SIGTERM)
    assert served.wait(10) == 0
    assert (tmp_path / "log").read_text().count("`make promote VERSION=1` writes it again") == 1


def test_it_ends_with_the_server(tmp_path, served):
    program(tmp_path / "bin", "tensorflow_model_server", "#!/bin/sh\nexit 7\n")
    deploy(tmp_path, "1")
    assert served.wait(10) == 7


def serving(tmp_path):
    return Serving(store=tmp_path / "store", port=18080)


def test_without_an_engine_it_says_what_to_do(tmp_path, monkeypatch):
    deploy(tmp_path, "1")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"runs in a container, .* install Docker .* or podman"):
        server.run(serving(tmp_path), "digits")


def test_without_a_model_it_says_what_to_do(tmp_path):
    with pytest.raises(UserError, match=r"no model of digits is in service in .*: run `make run`"):
        server.run(serving(tmp_path), "digits")
    (tmp_path / "exported").mkdir()
    store.deploy(tmp_path / "exported", "1", tmp_path / "store", "digits")
    with pytest.raises(UserError, match="version 1 has no SavedModel: `make run`"):
        server.run(serving(tmp_path), "digits")


def test_the_engine_builds_the_image_and_runs_it(tmp_path):
    deploy(tmp_path, "1")
    note = "import json, sys; print(json.dumps(sys.argv[1:]), file=open('calls', 'a'))"
    (tmp_path / "note.py").write_text(note)
    text = f'#!/bin/sh\nexec "{sys.executable}" "{tmp_path}/note.py" "$@"\n'
    program(tmp_path / "bin", "podman", text)
    code = (
        "import sys; from pathlib import Path; from blueprint.serving import server; "
        "from blueprint.serving.settings import Serving; "
        "server.run(Serving(store=Path('store'), port=18080), 'digits')"
    )
    variables = {**os.environ, "PATH": str(tmp_path / "bin"), "CONTAINER_ENGINE": "podman"}
    variables["TF_SERVING_IMAGE"] = "registry.example.com/serving:1"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, env=variables)
    _, build, run = map(json.loads, (tmp_path / "calls").read_text().splitlines())
    assert build[0] == "build"
    assert "--build-arg=TF_SERVING_IMAGE=registry.example.com/serving:1" in build
    assert build[build.index("--tag") + 1] == run[-1]
    assert f"--volume={tmp_path}/store:/models:ro" in run
    assert "--publish=127.0.0.1:18080:8080" in run
    assert {"--read-only", "--cap-drop=ALL", "--rm"} <= {*run}
