"""`deploy_model` of a project whose cluster follows Git, in pods of its pipeline's image, with the
rights, the Secret and the arguments that the stack and a compiled pipeline give it."""

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support import flux_cluster, pods
from support.cluster import kubectl
from support.flux_cluster import Repository, wait_until
from support.project import Project

ARGUMENTS = """
import json, os
os.environ["MLOPS_ENV"] = "staging"
from blueprint import settings
from blueprint.targets.graph import parameters
print(json.dumps(parameters(settings.load("staging"))))
"""
STEP = """
import json, shutil, sys
assert not shutil.which("git"), "GitHub and GitLab need no git: without it this proves more"
from importlib import import_module
from kfp.dsl import Model
given = json.loads(sys.argv[2])
step = import_module(sys.argv[1] + ".components").deploy_model.python_func
step(model=Model(uri=given.pop("folder")), **given)
"""
SECURITY = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
    "runAsNonRoot": True,
}
RUN = "training-20260101"


@dataclass
class Steps:
    """Pods of the step in a namespace; each asks for that version of the model in `root`."""

    project: Project
    namespace: str
    root: Path
    version: str = "3"
    started: int = 0

    def start(self, token: str) -> str:
        """Begin the step with a token in its Secret; the pod's name."""
        self.started += 1
        name, secret = f"deploy-model-{self.started}", "digit-recognition-git"
        pods.apply(flux_cluster.secret(secret, self.namespace, token=token))
        given = json.loads(self.project.run_python("-c", ARGUMENTS))
        given = {key: given[key] for key in ("registry", "store", "gitops", "deploy")}
        given |= {"version": self.version, "run": RUN, "folder": f"{self.root}/model"}
        images = json.loads((self.project.path / "build" / "images.json").read_text())
        [package] = {each.parent.name for each in self.project.path.glob("src/*/pipeline.py")}
        container = {
            "name": "main",
            "image": images["pipeline"]["pushed"],
            "command": ["python", "-c", STEP, package, json.dumps(given)],
            "env": [
                {
                    "name": "GIT_TOKEN",
                    "valueFrom": {"secretKeyRef": {"name": secret, "key": "token"}},
                }
            ],
            "securityContext": SECURITY,
            "volumeMounts": [{"name": "root", "mountPath": str(self.root)}],
        }
        spec = {
            "restartPolicy": "Never",
            "serviceAccountName": pods.ACCOUNT,
            "containers": [container],
            "volumes": [{"name": "root", "persistentVolumeClaim": {"claimName": pods.CLAIM}}],
        }
        about = {"name": name, "namespace": self.namespace}
        pods.apply({"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": spec})
        return name

    def log(self, pod: str) -> str:
        return kubectl("logs", pod, "-n", self.namespace, check=False)

    def phase(self, pod: str) -> str:
        return kubectl("get", "pod", pod, "-n", self.namespace, "-o", "jsonpath={.status.phase}")

    def kill(self, pod: str) -> None:
        """As a node that is gone: without a word to the process."""
        kubectl("delete", "pod", pod, "-n", self.namespace, "--grace-period=0", "--force")

    def run(self, token: str, phase: str = "Succeeded") -> list[str]:
        """The step to its end, which must be that phase; what it said."""
        start, pod = time.monotonic(), self.start(token)
        wait_until(lambda: self.phase(pod) in ("Succeeded", "Failed"), "the step ends", 240)
        shown = self.log(pod)
        print(f"  {time.monotonic() - start:.1f} s: {shown.splitlines()[-1:]}")
        assert self.phase(pod) == phase, shown
        return [line for line in shown.splitlines() if line.startswith("[deploy_model]")]


@contextmanager
def ready(
    project: Project, namespace: str, repository: Repository, folder: Path, model: str
) -> Iterator[Steps]:
    """A namespace where the step may do what deploy/rbac allows, and no more."""
    with pods.volume(namespace, folder) as root:
        shutil.copytree(model, root / "model")
        kubectl("create", "serviceaccount", pods.ACCOUNT, "-n", namespace)
        rbac = project.path / "deploy" / "rbac"
        change(rbac / "flux/base/role.yaml", {"[app]": f"[{repository.name}]"})
        change(rbac / "flux/base/role.yaml", {"[flux-system]": f"[{repository.name}]"})
        account = {"kubeflow:pipeline-runner": f"{namespace}:{pods.ACCOUNT}"}
        own = {"team-vision": namespace, "digit-recognition-staging": namespace}
        change(rbac / "staging/account.yaml", account | own)
        change(rbac / "flux/staging/account.yaml", account)
        for part in ("staging", "flux/staging"):
            kubectl("apply", "-k", str(rbac / part))
        try:
            yield Steps(project, namespace, root)
        finally:
            kubectl("delete", "-k", str(rbac / "flux/staging"), check=False)
            kinds = "validatingadmissionpolicy,validatingadmissionpolicybinding"
            kubectl("delete", kinds, namespace, check=False)


def change(file: Path, words: dict[str, Any]) -> None:
    """Put other words into a file, as its owner does; each must be there."""
    text = file.read_text()
    for old, new in words.items():
        assert old in text, (file, old)
        text = text.replace(old, new)
    file.write_text(text)
