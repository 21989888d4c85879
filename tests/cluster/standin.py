"""Serves versions of a stand-in on a cluster, with the code of the project whose Python runs this.

    standin.py deploy SETTINGS VERSION [ERRORS=0.2 …]
    standin.py canary SETTINGS VERSION FIRST_SHARE [ERRORS=0.2 …]
    standin.py clear SETTINGS

SETTINGS is the section `deploy` as JSON. Prints what a person would see.
"""

import json
import sys
from pathlib import Path

from blueprint.deploy import rollout, steps, traffic
from blueprint.deploy.connection import from_here
from blueprint.deploy.pin import Pin
from blueprint.deploy.platform import platform
from blueprint.deploy.settings import Deploy
from blueprint.errors import UserError

IMAGE = ""  # a Python; the key `image` of SETTINGS
PATHS = {
    "ConfigMap": ("v1", "configmaps"),
    "Service": ("v1", "services"),
    "Deployment": ("apps/v1", "deployments"),
    "HTTPRoute": ("gateway.networking.k8s.io/v1", "httproutes"),
    "InferenceService": ("serving.kserve.io/v1beta1", "inferenceservices"),
}


def container(name, variables):
    """The stand-in as a pod has it."""
    version = {"fieldRef": {"fieldPath": "metadata.annotations['model.blueprint/version']"}}
    return {
        "name": name,
        "image": IMAGE,
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "/program/standin_server.py"],
        "env": [
            {"name": "MODEL_VERSION", "valueFrom": version},
            *({"name": key, "value": value} for key, value in variables.items()),
        ],
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": 8080}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
        "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
        "volumeMounts": [{"name": "program", "mountPath": "/program"}],
    }


def pod(deploy, name, variables):
    return {
        "containers": [container(name, variables)],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 20,
        "volumes": [{"name": "program", "configMap": {"name": deploy.name}}],
    }


def plain(deploy, pin, variables):
    """What serves on plain Kubernetes."""
    name = deploy.name
    labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/component": "serving"}
    about = {"labels": labels, "annotations": pin.annotations}
    deployment = {
        "selector": {"matchLabels": labels},
        "minReadySeconds": 1,
        "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "template": {"metadata": about, "spec": pod(deploy, "server", variables)},
    }
    route = {
        "parentRefs": [{"name": deploy.gateway.name, "namespace": deploy.gateway.namespace}],
        "hostnames": deploy.gateway.hostnames,
        "rules": [{"backendRefs": [{"name": name, "port": 80}]}],
    }
    ports = [{"name": "http", "port": 80, "targetPort": "http"}]
    return {
        "Service": {"selector": labels, "ports": ports},
        "Deployment": deployment,
        "HTTPRoute": route,
    }


def inference_service(deploy, pin, variables):
    """What serves on KServe."""
    predictor = {
        "name": "stable",
        "annotations": pin.annotations,
        "minReplicas": 1,
        "maxReplicas": 2,
        "deploymentStrategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
        },
        **pod(deploy, "kserve-container", {"STORAGE_URI": pin.uri, **variables}),
    }
    return {"InferenceService": {"predictor": predictor}}


def manifests(served, deploy, pin, variables):
    """What an overlay would build: the least that has the same shape."""
    program = Path(__file__).with_name("standin_server.py")
    build = inference_service if served.kind == "InferenceService" else plain
    contents = {"ConfigMap": {"data": {program.name: program.read_text()}}}
    contents |= {kind: {"spec": spec} for kind, spec in build(deploy, pin, variables).items()}
    about = {"name": deploy.name, "namespace": deploy.namespace}
    mode = {"serving.kserve.io/deploymentMode": "Standard"}
    mode["serving.kserve.io/autoscalerClass"] = "hpa"
    return [
        {"apiVersion": PATHS[kind][0], "kind": kind, **content}
        | {"metadata": about | ({"annotations": mode} if kind == served.kind else {})}
        for kind, content in contents.items()
    ]


def main(what, section, *arguments):
    deploy = Deploy.model_validate(section)
    cluster = from_here(deploy)
    served = platform(cluster)
    served.check()
    beside = traffic.canary(served)

    def say(text):
        print(text, flush=True)

    def apply(objects):
        for each in objects:
            path = cluster.path(*PATHS[each["kind"]], deploy.name)
            cluster.apply(path, each)

    def promote(objects):
        apply(objects)
        rollout.follow(served, pin, deploy.name, say)

    if what == "clear":
        steps.clear(beside, say)
        return
    version, *rest = arguments
    first = int(rest.pop(0)) if what == "canary" else 0
    variables = dict(each.split("=") for each in rest)
    pin = Pin(version, version * 64, variables.pop("URI", f"standin://models/{version}"))
    objects = manifests(served, deploy, pin, variables)
    if what == "deploy":
        promote(objects)
        steps.clear(beside, say)
    else:
        shares = steps.plan(first, deploy.canary.steps)
        steps.release(beside, pin, deploy.name, objects, shares, promote, say)
    say(f"version {version} serves")


if __name__ == "__main__":
    settings = json.loads(sys.argv[2])
    IMAGE = settings.pop("image")
    try:
        main(sys.argv[1], settings, *sys.argv[3:])
    except UserError as error:
        sys.exit(f"error: {error}")
