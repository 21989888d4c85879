"""The programs that `make monitor` starts: as they are installed, or else in containers."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ...settings import Settings

COMPOSE = Path("monitoring/compose.yaml")
DATA = Path(".mlops/monitoring")  # what Prometheus has scraped; `make clean` asks before
ENGINES = ("docker", "podman")
GRAFANA_HOMES = ("/usr/share/grafana", "/opt/homebrew/share/grafana", "/usr/local/share/grafana")


@dataclass(frozen=True)
class Service:
    """One of them. `ready` is where it says that it is; `page` is what a person opens."""

    name: str
    port: int
    ready: str
    page: str
    names: tuple[str, ...]  # of the program, by who packages it
    arguments: list[str]
    variables: dict[str, str] = field(default_factory=dict)

    def url(self, path: str = "") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def program(self) -> str | None:
        """The installed program, if there is one."""
        return next((name for name in self.names if shutil.which(name)), None)


def services(settings: Settings, folder: Path) -> list[Service]:
    """All of them, with the files of that folder."""
    monitor, folder, data = settings.monitor, folder.resolve(), DATA.resolve()
    prometheus = Service(
        "Prometheus",
        monitor.prometheus_port,
        "/-/ready",
        "/alerts",
        ("prometheus",),
        [
            f"--config.file={folder / 'prometheus' / 'prometheus.yml'}",
            f"--storage.tsdb.path={data / 'prometheus'}",
            f"--web.listen-address=127.0.0.1:{monitor.prometheus_port}",
            "--log.level=error",
        ],
    )
    alertmanager = Service(
        "Alertmanager",
        monitor.alertmanager_port,
        "/-/ready",
        "/",
        ("alertmanager", "prometheus-alertmanager"),
        [
            f"--config.file={folder / 'alertmanager' / 'alertmanager.yml'}",
            f"--storage.path={data / 'alertmanager'}",
            f"--web.listen-address=127.0.0.1:{monitor.alertmanager_port}",
            "--cluster.listen-address=",
            "--log.level=error",
        ],
    )
    home = next((path for path in GRAFANA_HOMES if Path(path).is_dir()), GRAFANA_HOMES[0])
    grafana = Service(
        "Grafana",
        monitor.grafana_port,
        "/api/health",
        "/d/service",
        ("grafana",),
        ["server", "--homepath", home],
        {
            "PROMETHEUS_URL": prometheus.url(),
            "DASHBOARDS_FOLDER": str(folder / "dashboards"),
            "GF_PATHS_PROVISIONING": str(folder / "grafana"),
            "GF_PATHS_DATA": str(data / "grafana"),
            "GF_PATHS_LOGS": str(data / "grafana"),
            "GF_LOG_LEVEL": "error",
            "GF_SERVER_HTTP_ADDR": "127.0.0.1",
            "GF_SERVER_HTTP_PORT": str(monitor.grafana_port),
            "GF_AUTH_ANONYMOUS_ENABLED": "true",
            "GF_ANALYTICS_REPORTING_ENABLED": "false",
        },
    )
    return [prometheus, alertmanager, grafana]


def engine() -> str | None:
    """The container engine that has compose and answers, if there is one."""
    for name in (os.environ.get("CONTAINER_ENGINE"), *ENGINES):
        if name and shutil.which(name) and _says_yes(name, "info") and _says_yes(name, "compose"):
            return name
    return None


def start(service: Service) -> subprocess.Popen[bytes]:
    """The installed program, in a session of its own: Ctrl-C comes to this process alone."""
    (DATA / service.name.lower()).mkdir(parents=True, exist_ok=True)
    command = [service.program() or service.names[0], *service.arguments]
    return _start(command, service.variables)


def start_metrics() -> subprocess.Popen[bytes]:
    """`make metrics`, which has the pipelines' numbers."""
    return _start([sys.executable, "-m", "blueprint.cli", "metrics"], {}, quiet=True)


def compose(engine: str, settings: Settings, folder: Path, *arguments: str) -> list[str]:
    """The command of compose, with the variables that its file asks for in the environment."""
    monitor = settings.monitor
    os.environ |= {
        "MONITORING_NAME": f"{settings.images.prefix}-monitoring",
        "MONITORING_FILES": str(folder.resolve()),
        "MONITORING_USER": f"{os.getuid()}:{os.getgid()}",
        "PROMETHEUS_PORT": str(monitor.prometheus_port),
        "ALERTMANAGER_PORT": str(monitor.alertmanager_port),
        "GRAFANA_PORT": str(monitor.grafana_port),
    }
    return [engine, "compose", "--file", str(COMPOSE), *arguments]


def start_containers(
    engine: str, settings: Settings, folder: Path, missing: Iterable[Service]
) -> subprocess.Popen[bytes]:
    """Those services in containers; the process ends when they do."""
    names = [service.name.lower() for service in missing]
    return _start(compose(engine, settings, folder, "up", "--no-log-prefix", *names), {})


def _start(
    command: list[str], variables: dict[str, str], *, quiet: bool = False
) -> subprocess.Popen[bytes]:
    output = subprocess.DEVNULL if quiet else None
    environment = os.environ | variables
    return subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=output, start_new_session=True
    )


def _says_yes(engine: str, *arguments: str) -> bool:
    command = [engine, *arguments, *(["version"] if arguments == ("compose",) else [])]
    try:
        done = subprocess.run(command, capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
