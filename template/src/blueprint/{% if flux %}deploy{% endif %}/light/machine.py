"""A cluster on this machine, by kind or else k3d, and a registry that both call by one name."""

import shutil
import subprocess
from pathlib import Path

from ...errors import UserError
from ...targets import images

TOOLS = {"kind": "https://kind.sigs.k8s.io", "k3d": "https://k3d.io"}
LONGEST = 32  # characters of a cluster's name that k3d takes
REGISTRY = "docker.io/library/registry:3.0.0"
MIRRORS = Path("build/light/registries.yaml")


def find(name: str) -> tuple[str, str, bool]:
    """The tool, the cluster's name with it, and whether it is there. Raises UserError."""
    names = {"kind": name, "k3d": name[:LONGEST].rstrip("-")}
    tools = [tool for tool in TOOLS if shutil.which(tool)]
    if not tools:
        where = " nor ".join(f"{tool} ({page})" for tool, page in TOOLS.items())
        have = "name a cluster that you have: `make cluster CONTEXT=…`"
        raise UserError(f"neither {where} is on the PATH: install one, or {have}")
    there = [tool for tool in tools if names[tool] in _clusters(tool)]
    tool = (there or tools)[0]
    return tool, names[tool], bool(there)


def create(tool: str, name: str, there: bool, registry: str, ports: dict[int, int]) -> str:
    """Make the cluster and its registry, as far as they are not there; return its context.

    `ports` of this machine lead to those of the node. Raises UserError.
    """
    host, _, port = registry.rpartition(":")
    if host != "localhost" or not port.isdecimal():
        given = f"config/light.yaml: images.registry is {registry or 'not set'}"
        raise UserError(f"{given}: expected localhost:PORT, where this cluster's is to answer")
    if tool == "kind":
        _kind(name, there, port, ports)
    elif there:
        _run("k3d", "cluster", "start", name)
    else:
        MIRRORS.parent.mkdir(parents=True, exist_ok=True)
        mirror = f'{{endpoint: ["http://{name}-registry:5000"]}}'
        MIRRORS.write_text(f'mirrors: {{"localhost:{port}": {mirror}}}\n')
        made = ["--registry-create", f"{name}-registry:127.0.0.1:{port}"]
        made += ["--registry-config", str(MIRRORS), "--k3s-arg", "--disable=traefik@server:0"]
        for here, node in ports.items():
            made += ["--port", f"127.0.0.1:{here}:{node}@server:0:direct"]
        _run("k3d", "cluster", "create", name, *made, "--no-lb", "--wait", "--timeout", "5m")
    return f"{tool}-{name}"


def delete(tool: str, name: str) -> None:
    """Delete the cluster and its registry."""
    if tool == "k3d":
        return _run("k3d", "cluster", "delete", name)
    _run("kind", "delete", "cluster", "--name", name)
    return _run(images.find_engine(), "rm", "--force", "--volumes", f"{name}-registry")


def _kind(name: str, there: bool, port: str, ports: dict[int, int]) -> None:
    """As kind's page on local registries has it (kind 0.27 or later)."""
    engine, registry = images.find_engine(), f"{name}-registry"
    asked = ("inspect", "--format", "{{json .NetworkSettings.Networks}}", registry)
    networks = images.ask(engine, *asked)
    if networks is None:
        published = ["--restart=always", "--publish", f"127.0.0.1:{port}:5000"]
        _run(engine, "run", "--detach", *published, "--name", registry, REGISTRY)
    if not there:
        mapped = "".join(
            f"\n      - {{containerPort: {node}, hostPort: {here}, listenAddress: 127.0.0.1}}"
            for here, node in ports.items()
        )
        text = (
            "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnodes:\n  - role: control-plane\n"
        )
        text += f"    extraPortMappings:{mapped}\n"
        _run("kind", "create", "cluster", "--name", name, "--wait=120s", "--config=-", text=text)
    if '"kind"' not in (networks or ""):
        _run(engine, "network", "connect", "kind", registry)
    # The name means the same here and in a node, where localhost would be the node itself.
    folder = f"/etc/containerd/certs.d/localhost:{port}"
    for node_name in _ask("kind", "get", "nodes", "--name", name).split():
        _run(engine, "exec", node_name, "mkdir", "-p", folder)
        copied = ["exec", "--interactive", node_name, "cp", "/dev/stdin", f"{folder}/hosts.toml"]
        _run(engine, *copied, text=f'[host."http://{registry}:5000"]\n')


def _clusters(tool: str) -> list[str]:
    wanted = ("get", "clusters") if tool == "kind" else ("cluster", "list", "--no-headers")
    return [line.split()[0] for line in _ask(tool, *wanted).splitlines() if line.strip()]


def _ask(*command: str) -> str:
    answer = images.ask(*command)
    if answer is None:
        raise UserError(f"`{' '.join(command)}` failed: does the container engine answer?")
    return answer


def _run(*command: str, text: str = "") -> None:
    """Run a program, its output for people to see."""
    if subprocess.run(command, input=text, text=True, check=False).returncode:
        raise UserError(f"`{' '.join(command[:4])} …` failed, as it says above")
