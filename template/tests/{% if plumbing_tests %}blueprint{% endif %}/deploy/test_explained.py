"""What a cluster says, in one line: pods that fail, requests that are rejected, diffs."""

import pytest

from blueprint.deploy import kubectl, pods
from blueprint.deploy.connection import explain
from blueprint.deploy.pods import Pod
from blueprint.deploy.settings import Deploy

DEPLOY = Deploy(context="staging", namespace="team")


class NoLogs:
    """A cluster whose logs may not be read."""

    def log(self, *_, **__):
        return ""


def status(first=None, server=None, **conditions):
    """A pod with the states of its two containers."""

    def of(name, given):
        return {"name": name, "image": f"registry/{name}@sha256:1", "restartCount": 0, **given}

    found = {
        "conditions": [{"type": name, **each} for name, each in conditions.items()],
        "initContainerStatuses": [of("fetch-model", first)] if first else [],
        "containerStatuses": [of("server", server)] if server else [],
    }
    return {"metadata": {"name": "digits-1"}, "status": found}


PLACED = {"PodScheduled": {"status": "True"}}
DONE = {"state": {"terminated": {"exitCode": 0}}, "ready": True}
WAITS = {"state": {"waiting": {"reason": "PodInitializing"}}}
FAILED = {"exitCode": 1, "message": "no bucket"}
CASES = {
    "placed": (status(**PLACED), Pod("digits-1", "waits for its image")),
    "not yet": (status(), Pod("digits-1", "waits for a node")),
    "fetches": (
        status({"state": {"running": {}}}, WAITS, **PLACED),
        Pod("digits-1", "runs fetch-model"),
    ),
    "starts": (
        status(DONE, {"state": {"running": {}}, "ready": False}, **PLACED),
        Pod("digits-1", "server starts", silent="server"),
    ),
    "is ready": (
        status(DONE, {"state": {"running": {}}, "ready": True}, Ready={"status": "True"}),
        Pod("digits-1", "is ready", ready=True),
    ),
    "failed once": (
        status({"state": {"terminated": FAILED}}, WAITS, **PLACED),
        Pod(
            "digits-1",
            "fetch-model failed",
            trouble="pod digits-1: fetch-model failed (exit code 1). its log ends: no bucket",
        ),
    ),
    "failed twice": (
        status(
            DONE,
            {
                "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": {"terminated": FAILED},
                "restartCount": 2,
            },
            **PLACED,
        ),
        Pod(
            "digits-1",
            "server failed",
            trouble="pod digits-1: server failed (exit code 1). its log ends: no bucket",
            hopeless=True,
        ),
    ),
    "no image": (
        status({"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such"}}}),
        Pod(
            "digits-1",
            "cannot pull its image",
            trouble="pod digits-1: the image registry/fetch-model@sha256:1 cannot be pulled: "
            "no such",
            hopeless=True,
        ),
    ),
    "no model image": (
        status(None, {"state": {"waiting": {"reason": "ErrImagePull", "message": "no r/m@1"}}})
        | {"spec": {"volumes": [{"name": "model", "image": {"reference": "r/m@1"}}]}},
        Pod(
            "digits-1",
            "cannot pull its image",
            trouble="pod digits-1: the image r/m@1 cannot be pulled: no r/m@1",
        ),
    ),
    "no room": (
        status(PodScheduled={"reason": "Unschedulable", "message": "0/1 nodes: no cpu"}),
        Pod(
            "digits-1",
            "cannot be scheduled: 0/1 nodes: no cpu",
            trouble="pod digits-1 cannot be scheduled: 0/1 nodes: no cpu",
        ),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_pod_in_words(case):
    given, expected = CASES[case]
    assert pods.read(NoLogs(), given) == expected


def test_the_pods_of_a_template_are_those_with_its_annotations_and_images():
    def pod(version, image):
        spec = {"containers": [{"name": "server", "image": image}]}
        return {"metadata": {"annotations": {"v": version, "added": "x"}}, "spec": spec}

    class Listed:
        def path(self, *parts):
            return "/".join(parts)

        def items(self, path, labelSelector):
            assert labelSelector == "app=digits"
            return [pod("2", "new"), pod("1", "new"), pod("2", "old")]

    template = {
        "metadata": {"annotations": {"v": "2"}},
        "spec": {"containers": [{"name": "server", "image": "new"}]},
    }
    selector = {"matchLabels": {"app": "digits"}}
    deployment = {"spec": {"selector": selector, "template": template}}
    assert pods.of_template(Listed(), deployment) == [pod("2", "new")]


@pytest.mark.parametrize(
    ("message", "expected"),
    {
        'deployments.apps "digits" is forbidden: User "ann" cannot patch resource "deployments" in '
        'API group "apps" in the namespace "team"': "ann may not patch deployments in namespace "
        "team: ask",
        'namespaces "is" is forbidden: User "ann" cannot get resource "namespaces" in API group "" '
        "at the cluster scope": "ann may not get namespaces: ask",
        'namespaces "team" not found': "there is no namespace team: `kubectl create",
        'resource mapping not found for name: "d" namespace: "team" from "STDIN": no matches for '
        'kind "HTTPRoute" in version "gateway.networking.k8s.io/v1"': "the cluster does not know "
        "HTTPRoute (gateway.networking.k8s.io/v1): its CRDs",
        "Unauthorized": "the login of context staging is not accepted",
        "spec.x: no\n such field": "the cluster rejects it: spec.x: no such field",
        'admission webhook "k" denied the request: no': "the cluster rejects it: admission webhook "
        '"k" denied the request: no: meet that in deploy/overlays/<ENV>',
    }.items(),
)
def test_a_rejection_in_one_line(message, expected):
    explained = explain(message, DEPLOY)
    assert explained.startswith(expected)
    assert "\n" not in explained


DIFF = """\
diff -u -N /var/LIVE-1/apps.v1.Deployment.team.digits /var/MERGED-2/apps.v1.Deployment.team.digits
--- /var/LIVE-1/apps.v1.Deployment.team.digits 2026
+++ /var/MERGED-2/apps.v1.Deployment.team.digits 2026
@@ -4,9 +4,9 @@
 metadata:
-  generation: 1
+  generation: 2
   name: digits
-        model.blueprint/version: "1"
+        model.blueprint/version: "2"
diff -u -N /var/LIVE-1/v1.Service.team.digits /var/MERGED-2/v1.Service.team.digits
--- /var/LIVE-1/v1.Service.team.digits 2026
+++ /var/MERGED-2/v1.Service.team.digits 2026
@@ -0,0 +1,3 @@
+apiVersion: v1
+kind: Service
"""


def test_a_diff_shows_what_changes_and_names_what_is_new():
    assert list(kubectl._changes(DIFF)) == [
        "Deployment digits changes:",
        '-        model.blueprint/version: "1"',
        '+        model.blueprint/version: "2"',
        "Service digits is new",
    ]
    assert list(kubectl._changes("")) == []
