"""What a canary on plain Kubernetes is made of, from the manifests of the version in service."""

from blueprint.deploy.weights import as_canary, weighted

ROUTE = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "HTTPRoute",
    "metadata": {"name": "digits", "labels": {"team": "vision"}, "resourceVersion": "7"},
    "spec": {
        "rules": [
            {
                "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                "backendRefs": [{"name": "digits", "port": 80}],
            },
            {"backendRefs": [{"name": "page", "port": 80}]},
        ]
    },
    "status": {"parents": []},
}


def weights(route):
    refs = [each for rule in route["spec"]["rules"] for each in rule["backendRefs"]]
    return {each["name"]: each.get("weight") for each in refs}


def test_the_weights_of_a_share():
    route = weighted(ROUTE, "digits", "digits-canary", 10)
    assert weights(route) == {"digits": 90, "digits-canary": 10, "page": None}
    assert route["metadata"] == {"name": "digits", "labels": {"team": "vision"}}
    assert "status" not in route
    assert weights(ROUTE)["digits"] is None  # what was given stays


def test_from_a_share_to_another_and_to_none():
    once = weighted(ROUTE, "digits", "digits-canary", 10)
    twice = weighted(once, "digits", "digits-canary", 50)
    assert weights(twice) == {"digits": 50, "digits-canary": 50, "page": None}
    assert weights(weighted(twice, "digits", "digits-canary", 0)) == {"digits": 100, "page": None}


def test_a_canary_is_known_by_its_own_labels():
    labels = {"app.kubernetes.io/name": "digits", "app.kubernetes.io/component": "serving"}
    spread = {"labelSelector": {"matchLabels": labels}}
    pod = {"metadata": {"labels": labels}, "spec": {"topologySpreadConstraints": [spread]}}
    deployment = {
        "kind": "Deployment",
        "metadata": {"name": "digits", "labels": labels},
        "spec": {"selector": {"matchLabels": labels}, "template": pod},
    }
    canary = as_canary(deployment)
    assert canary["metadata"]["name"] == "digits-canary"
    assert str(canary).count("'app.kubernetes.io/component': 'canary'") == 4
    assert "'serving'" not in str(canary)
    assert str(deployment).count("'serving'") == 4
