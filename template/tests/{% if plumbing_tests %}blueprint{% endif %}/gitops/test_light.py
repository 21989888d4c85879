"""`make cluster`: what kind, k3d, the engine and kubectl are asked for. They are stand-ins on the
PATH that write down their calls: what the programs do, only a machine that has them shows."""

import json
import shutil
import stat
from pathlib import Path

import pytest
import yaml

from blueprint.deploy.connection import Cluster, offline
from blueprint.deploy.light import light, machine
from blueprint.deploy.settings import Deploy
from blueprint.errors import UserError

# Prints FOLDER/<program>.says, keeps what it is told last, and fails where a line of
# FOLDER/<program>.fails is among its arguments.
STANDIN = """#!/bin/sh
name=$(basename "$0")
echo "$name $*" >>"{folder}/calls"
case "$*" in *--config=-*|*--filename=-*|*--interactive*) cat >"{folder}/$name.told" ;; esac
if [ -f "{folder}/$name.fails" ] && echo "$*" | grep -q -f "{folder}/$name.fails"; then exit 1; fi
if [ -f "{folder}/$name.says" ]; then cat "{folder}/$name.says"; fi
"""
PORTS = {5002: 30502, 8082: 30082}


class Programs:
    """Programs on the PATH, and what they were asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, name, says="", fails=""):
        for ending, text in (("says", says), ("fails", fails)):
            (self.folder / f"{name}.{ending}").unlink(missing_ok=True)
            if text:
                (self.folder / f"{name}.{ending}").write_text(f"{text}\n")
        path = self.folder / "bin" / name
        path.write_text(STANDIN.format(folder=self.folder))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def calls(self):
        """What was called since the last time."""
        path = self.folder / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines

    def told(self, name):
        return (self.folder / f"{name}.told").read_text()


@pytest.fixture
def programs(tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in ("sh", "basename", "cat", "grep"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("CONTAINER_ENGINE", raising=False)
    return Programs(tmp_path)


def changing(calls):
    """The calls that change something: not those that look."""
    looks = (" info", " buildx ", " inspect ", " get ", " list ")
    return [call for call in calls if not any(look in f"{call} " for look in looks)]


def test_without_kind_and_k3d_both_are_named(programs):
    wanted = r"neither kind \(.*\) nor k3d \(.*\) .*make cluster CONTEXT"
    with pytest.raises(UserError, match=wanted):
        machine.find("digits")


def test_kind_makes_a_cluster_that_pulls_from_the_registry_beside_it(programs):
    programs.add("kind")
    programs.add("docker", fails="inspect")
    assert machine.find("digits") == ("kind", "digits", False)
    programs.calls()
    programs.add("kind", says="digits-control-plane")  # what `kind get nodes` prints
    context = machine.create("kind", "digits", False, "localhost:5001", PORTS)
    assert context == "kind-digits"
    assert changing(programs.calls()) == [
        "docker run --detach --restart=always --publish 127.0.0.1:5001:5000 --name digits-registry "
        f"{machine.REGISTRY}",
        "kind create cluster --name digits --wait=120s --config=-",
        "docker network connect kind digits-registry",
        "docker exec digits-control-plane mkdir -p /etc/containerd/certs.d/localhost:5001",
        "docker exec --interactive digits-control-plane cp /dev/stdin "
        "/etc/containerd/certs.d/localhost:5001/hosts.toml",
    ]
    node = yaml.safe_load(programs.told("kind"))["nodes"][0]
    assert node["extraPortMappings"] == [
        {"containerPort": there, "hostPort": here, "listenAddress": "127.0.0.1"}
        for here, there in PORTS.items()
    ]
    assert programs.told("docker") == '[host."http://digits-registry:5000"]\n'


def test_again_nothing_is_made(programs):
    programs.add("kind", says="digits")
    programs.add("docker", says='{"bridge": {}, "kind": {}}')
    assert machine.find("digits") == ("kind", "digits", True)
    machine.create("kind", "digits", True, "localhost:5001", PORTS)
    made = [call for call in changing(programs.calls()) if " exec " not in call]
    assert made == []


def test_k3d_makes_both_at_once_and_shortens_the_name(programs):
    programs.add("k3d")
    long = "a-name-that-is-longer-than-k3d-takes-it"
    tool, name, there = machine.find(long)
    assert (tool, name, there) == ("k3d", long[:32].rstrip("-"), False)
    programs.calls()
    assert machine.create(tool, name, there, "localhost:5001", PORTS) == f"k3d-{name}"
    [call] = programs.calls()
    assert call.startswith(f"k3d cluster create {name} ")
    assert f" --registry-create {name}-registry:127.0.0.1:5001 " in call
    assert " --port 127.0.0.1:5002:30502@server:0:direct " in call
    [mirrors] = yaml.safe_load(machine.MIRRORS.read_text()).values()
    assert mirrors == {"localhost:5001": {"endpoint": [f"http://{name}-registry:5000"]}}
    machine.create(tool, name, True, "localhost:5001", PORTS)
    assert programs.calls() == [f"k3d cluster start {name}"]


def test_the_tool_that_has_the_cluster_is_taken_before_the_first_one(programs):
    programs.add("kind", says="another")
    programs.add("k3d", says="digits   1/1   0/0   true")
    assert machine.find("digits") == ("k3d", "digits", True)


def test_down_deletes_the_cluster_and_the_registry_and_no_other(programs):
    programs.add("kind")
    programs.add("docker")
    machine.delete("kind", "digits")
    assert changing(programs.calls()) == [
        "kind delete cluster --name digits",
        "docker rm --force --volumes digits-registry",
    ]


def test_a_registry_of_elsewhere_is_not_one_that_is_made_here(programs):
    with pytest.raises(UserError, match=r"images.registry is registry.example.com/team: expected"):
        machine.create("kind", "digits", False, "registry.example.com/team", PORTS)
    assert programs.calls() == []


def test_a_tool_that_fails_is_named(programs):
    programs.add("k3d", fails="create")
    with pytest.raises(UserError, match="`k3d cluster create digits …` failed"):
        machine.create("k3d", "digits", False, "localhost:5001", PORTS)


@pytest.fixture
def cluster(programs) -> Cluster:
    light.INDEX.parent.mkdir(parents=True)
    light.INDEX.write_text(f"labels: [{{pairs: {{{light.OWNER}: digits}}}}]\n")
    return offline(Deploy(context="there", namespace="digits-light"))


def secret(**annotations):
    meta = {"name": "mysql", "labels": {light.OWNER: "digits"}, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"user": "root"}}


def applied(programs):
    """The objects that kubectl was given last."""
    return json.loads(programs.told("kubectl"))["items"]


def test_a_password_is_made_once_and_only_the_cluster_has_it(programs, cluster):
    programs.add("kubectl")  # it has none of them
    wanted = secret(**{light.GENERATED: "password,other"})
    light._apply(cluster, [wanted])
    [made] = applied(programs)
    values = made["stringData"]
    assert values["user"] == "root"
    assert len({values["password"], values["other"]}) == 2
    assert min(map(len, (values["password"], values["other"]))) >= 32
    assert not any(values["password"] in call for call in programs.calls())

    programs.add("kubectl", says=json.dumps(made))
    light._apply(cluster, [secret(**{light.GENERATED: "password,other"})])
    assert applied(programs) == []


def test_what_is_there_and_has_another_owner_is_left_alone(programs, cluster):
    foreign = {"kind": "Namespace", "metadata": {"name": "kubeflow"}}
    programs.add("kubectl", says=json.dumps(foreign))
    with pytest.raises(UserError, match=r"Namespace kubeflow is on this cluster, and not of this"):
        light._apply(cluster, [foreign])
    assert not [call for call in programs.calls() if " apply " in call]


def test_down_leaves_what_has_no_label_and_names_what_goes(programs, cluster, capsys):
    meta = {"labels": {light.OWNER: "digits"}}
    found = [
        {"kind": "Namespace", "metadata": meta | {"name": "digits-light"}},
        {"kind": "Secret", "metadata": meta | {"name": "inside", "namespace": "digits-light"}},
        {"kind": "Role", "metadata": meta | {"name": "beside", "namespace": "default"}},
        {"kind": "Pod", "metadata": meta | {"name": "made", "ownerReferences": [{"kind": "Job"}]}},
    ]
    programs.add("kubectl", says=json.dumps({"items": found}))
    light._remove(cluster, ask=False)
    shown = capsys.readouterr().out
    assert shown.splitlines() == ["Namespace digits-light and everything in it", "Role beside"]
    gone = {each["metadata"]["name"] for each in applied(programs)}
    assert gone == {"digits-light", "beside"}
    asked = next(call for call in programs.calls() if " get " in call)
    assert f"--selector={light.OWNER}=digits" in asked
