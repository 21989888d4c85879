"""A namespace with rules, as the team that runs a cluster has them."""

from collections.abc import Iterator
from contextlib import contextmanager

from support import pods
from support.cluster import kubectl

ALL = "object.spec.containers + object.spec.?initContainers.orValue([])"


@contextmanager
def rules(namespace: str, mirror: str) -> Iterator[None]:
    """What a platform team puts on a namespace, and a policy that holds for it alone."""
    quota = {"requests.cpu": "2", "limits.cpu": "4", "limits.memory": "4Gi", "pods": "20"}
    most = {"type": "Container", "max": {"memory": "2Gi"}}
    pods_of = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}
    checks = {
        "has(object.metadata.labels) && 'team' in object.metadata.labels": (
            "say whose pod it is: label team"
        ),
        f"variables.all.all(c, c.image.startsWith('{mirror}/'))": "images come from the mirror",
    }
    policy = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [{**pods_of, "operations": ["CREATE"]}]},
        "variables": [{"name": "all", "expression": ALL}],
        "validations": [{"expression": text, "message": says} for text, says in checks.items()],
    }
    here = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    binding = {
        "policyName": namespace,
        "validationActions": ["Deny"],
        "matchResources": {"namespaceSelector": here},
    }
    admission = "admissionregistration.k8s.io/v1"
    named = {"metadata": {"name": namespace, "namespace": namespace}}
    wide = {"metadata": {"name": namespace}}
    objects = [
        {"apiVersion": "v1", "kind": "ResourceQuota", **named, "spec": {"hard": quota}},
        {"apiVersion": "v1", "kind": "LimitRange", **named, "spec": {"limits": [most]}},
        {"apiVersion": admission, "kind": "ValidatingAdmissionPolicy", **wide, "spec": policy},
        {
            "apiVersion": admission,
            "kind": "ValidatingAdmissionPolicyBinding",
            **wide,
            "spec": binding,
        },
    ]
    pods.apply(*objects)
    try:
        yield
    finally:
        kubectl("delete", "validatingadmissionpolicy,validatingadmissionpolicybinding", namespace)
