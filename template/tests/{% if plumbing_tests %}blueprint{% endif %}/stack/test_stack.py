"""`make monitor`, where something is missing or in the way, and with the real programs."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from blueprint.errors import UserError
from blueprint.monitoring.stack import stack

PROJECT = Path(__file__).parents[3]

PROGRAMS = ("prometheus", "prometheus-alertmanager")


@pytest.fixture
def watched(folder):
    shutil.copytree(PROJECT / "monitoring", folder / "monitoring")
    return folder


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_without_any_program_it_says_what_to_install(watched, load, monkeypatch):
    monkeypatch.setenv("PATH", str(watched))
    with pytest.raises(UserError, match="no Prometheus: install it"):
        stack.run(load())


def test_a_port_in_use_is_named_with_the_way_out(watched, load, monkeypatch):
    monkeypatch.setattr(stack.programs.Service, "program", lambda service: "prometheus")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port} .*monitor.prometheus_port={port + 1}"):
            stack.run(load(f"monitor.prometheus_port={port}"))


# A container engine that answers, and cannot fetch an image.
CUT_OFF = """\
#!/bin/sh
case "$*" in *" up "*|*" up") echo 'no such host' >&2; exit 18;; esac
"""


@pytest.mark.skipif(not all(map(shutil.which, PROGRAMS)), reason="no Prometheus is installed")
def test_it_starts_says_where_and_what_is_missing_and_ends_all_of_it(watched, monkeypatch):
    engine = watched / "programs" / "docker"
    engine.parent.mkdir()
    engine.write_text(CUT_OFF)
    engine.chmod(0o755)
    monkeypatch.setenv("PATH", str(engine.parent), prepend=os.pathsep)
    monkeypatch.delenv("CONTAINER_ENGINE", raising=False)
    prometheus, alertmanager = free_port(), free_port()
    ports = f"monitor.prometheus_port={prometheus}", f"monitor.alertmanager_port={alertmanager}"
    grafana = f"monitor.grafana_port={free_port()}"
    command = [sys.executable, "-m", "blueprint.cli", "monitor", *ports, grafana]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    said = ""
    while "Ctrl-C" not in said:
        line = process.stdout.readline()
        assert line, said
        said += line
    assert f"http://127.0.0.1:{prometheus}/alerts" in said
    if not shutil.which("grafana"):
        assert "missing      Grafana: what docker printed says why" in said
    with urllib.request.urlopen(f"http://127.0.0.1:{prometheus}/api/v1/rules") as answer:
        assert b"DeadMansSwitch" in answer.read()
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    for port in (prometheus, alertmanager):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0
