"""`make monitor`: all of it beside the server, until Ctrl-C."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import webbrowser
from contextlib import suppress

from ...errors import UserError
from ...settings import Settings
from . import files, programs
from .programs import Service

READY_SECONDS = 20  # an installed program takes one or two
PULL_SECONDS = 300  # a container may have to be fetched first
END_SECONDS = 10


def run(settings: Settings, port: int | None = None) -> None:
    """Start what there is, say where it is and what is missing, and wait. Raises UserError."""
    folder = files.write(settings, port)
    every = programs.services(settings, folder)
    installed = [service for service in every if service.program()]
    others = [service for service in every if service not in installed]
    engine = programs.engine() if others else None
    if not installed and not engine:
        raise UserError(
            "no Prometheus: install it (Debian: apt install prometheus prometheus-alertmanager), "
            "or start a container engine with compose"
        )
    shown = every if engine else installed
    for service in shown:
        _check_free(service)
    # SIGINT, too: a library may have changed what it does.
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.default_int_handler)
    started: list[subprocess.Popen[bytes]] = []
    try:
        started += [programs.start(service) for service in installed]
        if files.pipelines(settings)[1]:
            started.append(programs.start_metrics())
        for service in installed:
            _wait(service, started, READY_SECONDS)
        if engine and others:
            print(f"{_names(others)} in containers: the first time they are fetched …", flush=True)
            containers = programs.start_containers(engine, settings, folder, others)
            started.append(containers)
        hint = "install it, or start Docker or podman"
        try:
            for service in others if engine else []:
                _wait(service, started, PULL_SECONDS)
        except UserError:
            if not installed or containers.poll() is None:
                raise
            started.remove(containers)  # an image that cannot be fetched, such as
            shown, hint, engine = installed, f"what {engine} printed says why", None
        _say(settings, shown, f"{_names(others)}: {hint}" if others and not engine else "", port)
        _wait_for_end(started)
    except KeyboardInterrupt:
        print("Stopping …", flush=True)
    finally:
        _end(started)
        if engine and others:
            subprocess.run(programs.compose(engine, settings, folder, "down"), check=False)


def _say(settings: Settings, shown: list[Service], missing: str, port: int | None) -> None:
    """Where everything is; in one line each, what is not there."""
    for service in reversed(shown):
        print(f"{service.name:<13}{service.url(service.page)}")
    if missing:
        print(f"missing      {missing}")
    server = f"{settings.serving.host}:{port or settings.serving.port}"
    if not _answers(f"http://{server}/healthz"):
        print(f"missing      the server on {server}: `make serve` in another terminal")
    print("Ctrl-C stops all of it", flush=True)
    if sys.stdout.isatty():
        webbrowser.open(shown[-1].url(shown[-1].page))


def _names(services: list[Service]) -> str:
    return " and ".join(service.name for service in services)


def _check_free(service: Service) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", service.port))
        except OSError:
            key = f"monitor.{service.name.lower()}_port"
            hint = f'`make monitor ARGS="{key}={service.port + 1}"`'
            raise UserError(f"port {service.port} ({service.name}) is in use: {hint}") from None


def _wait(service: Service, started: list[subprocess.Popen[bytes]], seconds: float) -> None:
    """Until the service answers. Raises UserError when a program ends, or takes too long."""
    end = time.monotonic() + seconds
    while not _answers(service.url(service.ready)):
        _raise_if_ended(started)
        if time.monotonic() > end:
            raise UserError(f"{service.name} is not ready after {seconds:.0f} s")
        time.sleep(0.2)


def _wait_for_end(started: list[subprocess.Popen[bytes]]) -> None:
    while True:
        _raise_if_ended(started)
        time.sleep(1)


def _raise_if_ended(started: list[subprocess.Popen[bytes]]) -> None:
    for process in started:
        if (code := process.poll()) is not None:
            program = str(process.args[0])  # type: ignore[index]
            raise UserError(f"{program} ended with exit code {code}; what it printed says why")


def _answers(url: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(url, timeout=2) as answer:
        return bool(answer.status == 200)
    return False


def _end(started: list[subprocess.Popen[bytes]]) -> None:
    """End every program and what it started, patiently."""
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
    for process in started:
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
