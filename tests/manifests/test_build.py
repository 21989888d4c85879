"""What a project's deploy/ builds, for every combination of answers: complete and consistent."""

import itertools
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from support import manifests, questions
from support.manifests import Object, containers, pod_template
from support.rendering import Renderings

PINS = ["model.blueprint/version", "model.blueprint/sha256", "model.blueprint/uri"]
IDENTITY = {
    "gcp": "iam.gke.io/gcp-service-account",
    "aws": "eks.amazonaws.com/role-arn",
    "azure": "azure.workload.identity/client-id",
}
ALL = manifests.answers()
# The clouds differ in one object, so each runtime need not be seen on each.
ROWS = [row for row in ALL if row["cloud"] == "gcp" or row["serving_runtime"] == "onnx"]


def title(row: dict[str, Any]) -> str:
    return "-".join(str(value) for key, value in row.items() if key != "platform")


@pytest.fixture(scope="module", params=ROWS, ids=title)
def answers(request: pytest.FixtureRequest) -> dict[str, Any]:
    given: dict[str, Any] = request.param
    return given


@pytest.fixture(scope="module")
def project(answers: dict[str, Any], renderings: Renderings) -> Path:
    return renderings(**answers)


@pytest.fixture(scope="module")
def built(project: Path) -> dict[str, list[Object]]:
    """Every folder that is applied by itself, as kustomize builds it."""
    return {
        str(r): manifests.objects(manifests.build(project / r)) for r in manifests.roots(project)
    }


def overlays(built: dict[str, list[Object]]) -> dict[str, list[Object]]:
    found = {root: objects for root, objects in built.items() if "/overlays/" in root}
    assert sorted(found) == ["deploy/overlays/production", "deploy/overlays/staging"]
    return found


def of(objects: list[Object], kind: str) -> list[Object]:
    return [each for each in objects if each["kind"] == kind]


def test_the_combinations_are_those_of_the_questions() -> None:
    clouds, runtimes = (questions.axes()[key] for key in ("cloud", "serving_runtime"))
    assert len(ALL) == 2 * len(clouds) * len(runtimes) + 2


@pytest.mark.parametrize("others", [row for row in ALL if row not in ROWS], ids=title)
def test_every_other_combination_builds(others: dict[str, Any], renderings: Renderings) -> None:
    project = renderings(**others)
    assert manifests.objects(manifests.build(project / "deploy" / "overlays" / "production"))


def test_every_folder_builds_and_names_its_objects_after_the_project(
    built: dict[str, list[Object]],
) -> None:
    assert {"deploy/base", "deploy/rbac/base", "deploy/rbac/staging"} <= built.keys()
    for objects in built.values():
        assert objects
        names = [(each["kind"], each["metadata"]["name"]) for each in objects]
        assert len(set(names)) == len(names)
    for objects in overlays(built).values():
        assert {each["metadata"]["name"] for each in objects} == {"digit-recognition"}


def test_every_file_is_used(project: Path) -> None:
    """A file that no kustomization names is one that nobody applies."""
    named = set()
    for file in project.glob("deploy/**/kustomization.yaml"):
        content = yaml.safe_load(file.read_text())
        parts = [*content.get("resources", []), *content.get("configurations", [])]
        parts += [each["path"] for each in content.get("patches", []) if "path" in each]
        named |= {(file.parent / part).resolve() for part in parts}
    leaves = {p.resolve() for p in project.glob("deploy/**/*.yaml")}
    assert {p for p in leaves if p.name != "kustomization.yaml"} <= named


def test_each_component_fits_each_overlay(project: Path, tmp_path: Path) -> None:
    """Alone and all together; each changes what is applied, so that its patches have targets."""
    known = manifests.components(project)
    for environment in ("staging", "production"):
        folder = tmp_path / environment
        bare = manifests.released(project, folder, environment)
        for taken in [*([each] for each in known), known] if known else []:
            assert manifests.released(project, folder, environment, taken) != bare, taken


def test_the_environments_differ_as_they_should(built: dict[str, list[Object]]) -> None:
    floors = {}
    for root, objects in overlays(built).items():
        scaled = of(objects, "HorizontalPodAutoscaler") or [
            {"spec": each["spec"]["predictor"]} for each in of(objects, "InferenceService")
        ]
        floors[Path(root).name] = scaled[0]["spec"]["minReplicas"]
        assert scaled[0]["spec"]["maxReplicas"] > scaled[0]["spec"]["minReplicas"]
        text = yaml.safe_dump(objects)
        assert (f"value: {Path(root).name}" in text) or "ServingRuntime" in text
    assert floors["staging"] == 1
    assert floors["production"] >= 2


def test_which_model_is_in_three_annotations(built: dict[str, list[Object]]) -> None:
    """Empty until a deployment fills them in, and what containers are told is read there."""
    for objects in overlays(built).values():
        served = next(each for each in map(pod_template, objects) if each)
        assert sorted(served["metadata"]["annotations"]) == sorted(PINS)
        assert not any(served["metadata"]["annotations"].values())
        owner = [*containers(served), *runtime_containers(objects)]
        for container in owner:
            told = {each["name"]: each for each in container["env"]}
            for variable, pin in zip(("MODEL_VERSION", "MODEL_SHA256"), PINS, strict=False):
                path = told[variable]["valueFrom"]["fieldRef"]["fieldPath"]
                assert path == f"metadata.annotations['{pin}']"


def runtime_containers(objects: list[Object]) -> list[Object]:
    return [c for each in of(objects, "ServingRuntime") for c in each["spec"]["containers"]]


def test_pods_are_restricted(built: dict[str, list[Object]]) -> None:
    """Pod Security "restricted", a read-only root, no token, requests and a memory limit."""
    for objects in overlays(built).values():
        for pod in filter(None, map(pod_template, objects)):
            spec = pod["spec"]
            assert spec["automountServiceAccountToken"] is False
            assert spec["enableServiceLinks"] is False
            assert spec["securityContext"]["runAsNonRoot"] is True
            assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
            served = [*containers(pod), *runtime_containers(objects)]
            assert served
            for container in served:
                rules = container["securityContext"]
                assert rules["allowPrivilegeEscalation"] is False
                assert rules["readOnlyRootFilesystem"] is True
                assert rules["capabilities"] == {"drop": ["ALL"]}
            for user in [*containers(pod), spec.get("model", {"resources": None})]:
                resources = user["resources"]
                if resources is not None:
                    assert resources["requests"].keys() == {"cpu", "memory"}
                    assert "memory" in resources["limits"]
            for volume in spec.get("volumes", []):
                assert volume["emptyDir"]["sizeLimit"]


def test_a_server_ends_after_its_longest_request(built: dict[str, list[Object]]) -> None:
    for objects in overlays(built).values():
        pod = next(each for each in map(pod_template, objects) if each)
        served = [c for c in [*containers(pod), *runtime_containers(objects)] if "lifecycle" in c]
        assert len(served) == 1
        hook = served[0]["lifecycle"]["preStop"]
        wait = hook["sleep"]["seconds"] if "sleep" in hook else int(hook["exec"]["command"][-1][-1])
        longest = 30  # serving.timeout_seconds
        assert pod["spec"]["terminationGracePeriodSeconds"] >= wait + longest + 5
        probes = [served[0][f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "readiness")]
        assert probes[0] != probes[1], "alive and ready are different questions"
        liveness = served[0]["livenessProbe"]
        assert liveness["periodSeconds"] * liveness["failureThreshold"] >= 60


def test_the_autoscaler_owns_the_replicas(built: dict[str, list[Object]]) -> None:
    for objects in overlays(built).values():
        for deployment in of(objects, "Deployment"):
            assert "replicas" not in deployment["spec"]
            rolling = deployment["spec"]["strategy"]["rollingUpdate"]
            assert rolling == {"maxSurge": 1, "maxUnavailable": 0}
            scaled = of(objects, "HorizontalPodAutoscaler")
            targets = [each["spec"]["scaleTargetRef"]["name"] for each in scaled]
            assert targets == [deployment["metadata"]["name"]]


def selects(selector: Object, labels: Object) -> bool:
    return bool(selector) and selector.items() <= labels.items()


def test_selectors_ports_and_references_hold(
    project: Path, answers: dict[str, Any], tmp_path: Path
) -> None:
    """Service, budget and policy select the pods; what objects name is there."""
    folder = tmp_path / "references"
    taken = [each for each in manifests.components(project) if each.name != "model-image"]
    objects = manifests.released(project, folder, "production", taken)
    pod = next(each for each in map(pod_template, objects) if each)
    labels = pod["metadata"]["labels"]
    ports = {
        p["name"]: p["containerPort"]
        for c in [*containers(pod), *runtime_containers(objects)]
        for p in c.get("ports", [])
    }
    for service in of(objects, "Service"):
        assert selects(service["spec"]["selector"], labels)
        assert {p["targetPort"] for p in service["spec"]["ports"]} <= ports.keys()
    for budget in of(objects, "PodDisruptionBudget"):
        assert selects(budget["spec"]["selector"]["matchLabels"], labels)
    assert len(of(objects, "PodDisruptionBudget")) == 1
    for deployment in of(objects, "Deployment"):
        assert selects(deployment["spec"]["selector"]["matchLabels"], labels)
        for spread in pod["spec"]["topologySpreadConstraints"]:
            assert selects(spread["labelSelector"]["matchLabels"], labels)
    accounts = {each["metadata"]["name"]: each for each in of(objects, "ServiceAccount")}
    account = accounts[pod["spec"]["serviceAccountName"]]
    identity = IDENTITY.get(answers["cloud"])
    assert list(account["metadata"].get("annotations", {})) == ([identity] if identity else [])
    assert (labels.get("azure.workload.identity/use") == "true") == (answers["cloud"] == "azure")
    volumes = {each["name"] for each in pod["spec"].get("volumes", [])}
    for container in containers(pod):
        assert {each["name"] for each in container["volumeMounts"]} <= volumes
    services = {
        each["metadata"]["name"]: {p.get("name"): p["port"] for p in each["spec"]["ports"]}
        for each in of(objects, "Service")
    }
    for route, rule in [(r, x) for r in of(objects, "HTTPRoute") for x in r["spec"]["rules"]]:
        assert route["spec"]["parentRefs"]
        for backend in rule["backendRefs"]:
            assert backend["port"] in services[backend["name"]].values()
    for ingress in of(objects, "Ingress"):
        for rule, path in [(r, p) for r in ingress["spec"]["rules"] for p in r["http"]["paths"]]:
            assert rule["host"]
            backend = path["backend"]["service"]
            assert backend["port"]["name"] in services[backend["name"]]


def test_a_route_lets_predictions_in_and_metrics_not(
    project: Path, answers: dict[str, Any], tmp_path: Path
) -> None:
    """A path prefix of the Gateway API ends at a slash, so that of the model has no `:predict`."""
    known = {each.name: each for each in manifests.components(project)}
    if "kserve" in answers.values():
        assert not known, "KServe makes the route"
        return
    taken = [known["httproute"], known["ingress"]]
    objects = manifests.released(project, tmp_path / "route", "staging", taken)
    found = [
        [(m["path"]["type"], m["path"]["value"]) for x in r["spec"]["rules"] for m in x["matches"]]
        for r in of(objects, "HTTPRoute")
    ] + [
        [(p["pathType"], p["path"]) for x in r["spec"]["rules"] for p in x["http"]["paths"]]
        for r in of(objects, "Ingress")
    ]
    assert len(found) == 2
    for paths in found:
        predict = "/v1/models/digit-recognition:predict"
        assert reached(paths, predict)
        assert reached(paths, "/v1/models/digit-recognition/metadata")
        assert not reached(paths, "/metrics")
        assert not reached(paths, "/monitoring/prometheus/metrics")
    assert not reached([("PathPrefix", "/v1/models/digit-recognition")], predict)


def reached(paths: list[tuple[str, str]], path: str) -> bool:
    """Whether a path matches as the Gateway API and Ingress say: exactly, or by whole elements."""
    return any(
        path == value or (kind != "Exact" and path.startswith(value.rstrip("/") + "/"))
        for kind, value in paths
    )


def test_the_network_lets_through_what_is_needed(built: dict[str, list[Object]]) -> None:
    for objects in overlays(built).values():
        (policy,) = of(objects, "NetworkPolicy")
        pod = next(each for each in map(pod_template, objects) if each)
        labels = pod["metadata"]["labels"]
        assert selects(policy["spec"]["podSelector"]["matchLabels"], labels)
        ports = {
            p[key]
            for c in [*containers(pod), *runtime_containers(objects)]
            for p in c.get("ports", [])
            for key in ("name", "containerPort")
        }
        (way_in,) = policy["spec"]["ingress"]
        assert {p["port"] for p in way_in["ports"]} <= ports
        spaces = [each.get("namespaceSelector") for each in way_in["from"]]
        namespaces = next(each for each in spaces if each)["matchExpressions"][0]["values"]
        assert {"gateways", "monitoring", "kubeflow"} <= set(namespaces)
        out = policy["spec"]["egress"]
        anywhere = {
            (p["port"], p["protocol"]) for rule in out if "to" not in rule for p in rule["ports"]
        }
        assert {(53, "UDP"), (53, "TCP"), (443, "TCP")} <= anywhere
        inside = {p["port"] for rule in out for p in rule["ports"] if "to" in rule}
        assert {80, 5000, 9000} <= inside


def test_the_model_as_an_image_needs_no_login(
    project: Path, answers: dict[str, Any], tmp_path: Path
) -> None:
    known = {each.name: each for each in manifests.components(project)}
    if "kserve" in answers.values():
        assert not known, "KServe has oci+native:// for that"
        return
    folder = tmp_path / "model-image"
    objects = manifests.released(project, folder, "production", [known["model-image"]])
    (deployment,) = of(objects, "Deployment")
    spec = deployment["spec"]["template"]["spec"]
    assert not spec.get("initContainers")
    model = next(each for each in spec["volumes"] if each["name"] == "model")
    digest = "registry.example.com/team/model@sha256:" + "c" * 64
    assert model == {"name": "model", "image": {"reference": digest, "pullPolicy": "IfNotPresent"}}
    assert not of(objects, "NetworkPolicy")[0]["spec"]["egress"]
    assert not any("envFrom" in each for each in spec["containers"])


def test_every_image_has_a_digest(project: Path, tmp_path: Path) -> None:
    """Each is replaced by what was pushed, wherever it is named."""
    folder = tmp_path / "images"
    objects = manifests.released(project, folder, "staging", manifests.components(project))
    text = yaml.safe_dump(objects)
    if (storage := project / "deploy" / "storage-container").exists():
        text += manifests.build(storage)  # whose digest its owner fills in
    images = re.findall(r"\bimage: (\S+)", text)
    assert images
    assert all(re.search("@sha256:[0a-c]{64}$", each) for each in images), images


def test_a_patch_names_a_target_that_is_there(
    project: Path, built: dict[str, list[Object]]
) -> None:
    """kustomize says nothing of a patch with a selector that matches no object."""
    for file in project.glob("deploy/**/kustomization.yaml"):
        content = yaml.safe_load(file.read_text())
        targets = [each["target"] for each in content.get("patches", []) if "target" in each]
        targets += [
            t["select"] for each in content.get("replacements", []) for t in each["targets"]
        ]
        if not targets:
            continue
        there = [each for objects in built.values() for each in objects]
        for target in targets:
            assert any(each["kind"] == target["kind"] for each in there), (file, target)


def test_the_pipelines_account_is_where_it_belongs(
    built: dict[str, list[Object]], project: Path
) -> None:
    """deploy/rbac says what the configuration says, in each of the five places."""
    for environment in ("staging", "production"):
        config = yaml.safe_load((project / "config" / f"{environment}.yaml").read_text())["deploy"]
        objects = built[f"deploy/rbac/{environment}"]
        (role,), (binding,) = of(objects, "Role"), of(objects, "RoleBinding")
        (policy,) = of(objects, "ValidatingAdmissionPolicy")
        (bound,) = of(objects, "ValidatingAdmissionPolicyBinding")
        assert len(objects) == 4
        kind, name = "system:serviceaccount", binding["subjects"][0]
        account = f"{kind}:{name['namespace']}:{name['name']}"
        assert account == config["pipeline_account"]
        (condition,) = policy["spec"]["matchConditions"]
        assert condition["expression"] == f"request.userInfo.username == '{account}'"
        assert binding["roleRef"]["name"] == role["metadata"]["name"]
        spaces = {each["metadata"]["namespace"] for each in (role, binding)}
        selector = bound["spec"]["matchResources"]["namespaceSelector"]["matchLabels"]
        assert {*spaces, *selector.values()} == {config["namespace"]}
        assert bound["spec"]["policyName"] == policy["metadata"]["name"] != "policy"
        assert bound["spec"]["validationActions"] == ["Deny", "Audit"]
    names = [built[f"deploy/rbac/{e}"][-1]["metadata"]["name"] for e in ("staging", "production")]
    assert names[0] != names[1], "policies have no namespace"


def test_the_role_holds_what_a_deployment_needs_and_no_more(
    built: dict[str, list[Object]], answers: dict[str, Any]
) -> None:
    served = {
        "kubernetes": ("apps", "deployments"),
        "kserve": ("serving.kserve.io", "inferenceservices"),
    }
    (role,) = of(built["deploy/rbac/staging"], "Role")
    rights = {
        (group, resource, *rule.get("resourceNames", ["*"])): rule["verbs"]
        for rule in role["rules"]
        for group, resource in itertools.product(rule["apiGroups"], rule["resources"])
    }
    assert rights == {
        (*served[answers["serving_platform"]], "digit-recognition"): ["get", "patch"],
        ("", "pods", "*"): ["get", "list", "watch"],
        ("", "events", "*"): ["list"],
    }
