"""clusters/ and infrastructure/ of a project that Flux delivers, for every combination."""

import copy
import itertools
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

from support import flux, manifests, questions
from support.flux import ENVIRONMENTS, loose_ends, secrets, unpinned, unsteady
from support.manifests import Object, custom_faults
from support.rendering import Renderings

BUILT_IN = {"", "apps", "batch", "networking.k8s.io", "policy", "storage.k8s.io"}
BUILT_IN |= {"rbac.authorization.k8s.io", "admissionregistration.k8s.io"}
STAGES = ("controllers", "configs", "services")
ROWS = flux.answers()


def title(row: dict[str, Any]) -> str:
    return f"{row['cloud']}-{row['serving_platform']}-{'watched' if row['observability'] else ''}"


def is_quick(row: dict[str, Any]) -> bool:
    """Half of them, such that each two of the three answers meet; the others are for the night."""
    follows = row["observability"] == (row["serving_platform"] == "kserve")
    return bool(follows == (row["cloud"] in ("gcp", "on-prem")))


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(row, id=title(row), marks=() if is_quick(row) else pytest.mark.slow)
        for row in ROWS
    ],
)
def answers(request: pytest.FixtureRequest) -> dict[str, Any]:
    given: dict[str, Any] = request.param
    return given


@pytest.fixture(scope="module")
def project(answers: dict[str, Any], renderings: Renderings) -> Path:
    return renderings(**answers)


built_once = cache(flux.built)


@pytest.fixture(scope="module")
def built(project: Path) -> dict[str, dict[str, list[Object]]]:
    """By environment, then by Flux's Kustomization."""
    return {environment: built_once(project, environment) for environment in ENVIRONMENTS}


@pytest.fixture(scope="module")
def optional(project: Path) -> list[Object]:
    """Of the parts that are off."""
    return flux.optional(project)


@pytest.fixture(scope="module")
def clusters(project: Path, built: dict[str, Any]) -> dict[str, list[Object]]:
    """All that is on a cluster in the end, Flux's own objects included."""
    return {
        environment: [
            *flux.kustomizations(project, environment),
            *chain(*built[environment].values()),
        ]
        for environment in ENVIRONMENTS
    }


def test_the_combinations_are_those_of_the_questions() -> None:
    axes = questions.axes()
    assert len(ROWS) == len(axes["cloud"]) * 2 * len(axes["observability"])


def test_each_two_answers_meet_in_every_session() -> None:
    def pairs(rows: list[dict[str, Any]]) -> set[Any]:
        return {pair for row in rows for pair in itertools.combinations(row.items(), 2)}

    quick = [row for row in ROWS if is_quick(row)]
    assert pairs(quick) == pairs(ROWS)
    assert len(quick) == len(ROWS) / 2


def test_every_folder_that_flux_applies_builds(
    project: Path, built: dict[str, dict[str, list[Object]]]
) -> None:
    for environment, parts in built.items():
        assert [*parts] == ["app", *STAGES, "rights", "rights-flux"]
        for name, objects in parts.items():
            assert bool(objects) == (name != "app"), "no version is promoted yet"
        for each in flux.kustomizations(project, environment):
            assert f"/{environment}" in each["spec"]["path"]
            assert each["spec"]["sourceRef"] == {"kind": "GitRepository", "name": "flux-system"}
    assert not [*(project / "clusters").rglob("flux-system")], "those files are bootstrap's"
    assert built["staging"] != built["production"]


def test_the_order_is_that_of_what_is_needed(project: Path) -> None:
    """CRDs first; a service that is sick holds up no rollback of the model."""
    for environment in ENVIRONMENTS:
        needs = {
            each["metadata"]["name"]: [on["name"] for on in each["spec"].get("dependsOn", ())]
            for each in flux.kustomizations(project, environment)
        }
        assert needs == {
            "controllers": [],
            "configs": ["controllers"],
            "services": ["configs"],
            "app": ["configs"],
            "rights": ["configs"],
            "rights-flux": ["configs"],
        }
        app = next(
            each
            for each in flux.kustomizations(project, environment)
            if each["metadata"]["name"] == "app"
        )
        assert app["spec"]["timeout"] == "2m", "a revert waits for it"


def test_what_a_crd_defines_comes_after_it(built: dict[str, dict[str, list[Object]]]) -> None:
    """Charts of the first stage bring the CRDs of what the others hold."""
    brought = {
        "cert-manager.io": "cert-manager",
        "external-secrets.io": "external-secrets",
        "gateway.networking.k8s.io": "envoy-gateway",
        "monitoring.coreos.com": "prometheus-crds",
    }
    for parts in built.values():
        releases = {
            e["metadata"]["name"] for e in parts["controllers"] if e["kind"] == "HelmRelease"
        }
        groups = {flux.group(each) for stage in STAGES for each in parts[stage]}
        for group in groups & brought.keys():
            assert brought[group] in releases
            assert group not in {flux.group(each) for each in parts["controllers"]}


@cache
def _schemas() -> Any:
    """The strict schemas of Kubernetes, as test_schemas.py has them."""
    import importlib.util

    file = Path(__file__).with_name("test_schemas.py")
    spec = importlib.util.spec_from_file_location("schemas_of_kubernetes", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def faults(thing: Object) -> list[str]:
    return _faults(json.dumps(thing))


@cache  # most are the same in every project
def _faults(text: str) -> list[str]:
    thing = json.loads(text)
    if flux.group(thing) not in BUILT_IN:
        return custom_faults(thing)
    known = _schemas()
    releases = (known.RELEASES[0], known.RELEASES[-1])
    return [fault for each in releases for fault in known.builtin_faults(thing, each)]


def test_every_object_is_of_its_schema(
    clusters: dict[str, list[Object]], optional: list[Object], answers: dict[str, Any]
) -> None:
    objects = [*chain(*clusters.values()), *optional]
    seen = [*{json.dumps(each, sort_keys=True): each for each in objects}.values()]
    assert not [fault for each in seen for fault in faults(each)]
    kinds = {each["kind"] for each in seen}
    assert {"HelmRelease", "ExternalSecret", "Gateway", "CronJob", "ImagePolicy"} <= kinds
    assert ("Certificate" in kinds) == (answers["cloud"] == "on-prem")
    for kind in ("HelmRelease", "StatefulSet"):
        one = copy.deepcopy(next(each for each in seen if each["kind"] == kind))
        one["spec"]["timeuot"] = "10m"
        assert faults(one)


def test_every_reference_leads_somewhere(
    clusters: dict[str, list[Object]], optional: list[Object]
) -> None:
    for objects in clusters.values():
        assert not loose_ends([*objects, *optional])
        names = [(each["kind"], flux.namespace(each), each["metadata"]["name"]) for each in objects]
        assert len(set(names)) == len(names), "two folders apply the same object"


REMOVED = [
    ("OCIRepository", "cert-manager"),
    ("HelmRelease", "kserve-crds"),
    ("ConfigMap", "mlflow-values"),
    ("GitRepository", "kubeflow-pipelines"),
    ("Kustomization", "pipelines-crds"),
    ("ClusterSecretStore", "secrets"),
    ("ExternalSecret", "mlflow-database"),
    ("ExternalSecret", "grafana-admin"),
    ("ClusterIssuer", "gateway"),
    ("GatewayClass", "envoy"),
    ("Gateway", "gateway"),
    ("ConfigMap", "backups"),
    ("Namespace", "kubeflow"),
]


@pytest.fixture(scope="module")
def everything(renderings: Renderings) -> list[Object]:
    """A cluster with every part."""
    row = next(
        row
        for row in ROWS
        if row["serving_platform"] == "kserve"
        and row["observability"]
        and row["cloud"] == "on-prem"
    )
    project = renderings(**row)
    objects = [*flux.kustomizations(project, "staging")]
    return [*objects, *chain(*built_once(project, "staging").values())]


@pytest.mark.parametrize("kind_and_name", REMOVED, ids="-".join)
def test_a_reference_that_leads_nowhere_is_found(
    everything: list[Object], kind_and_name: tuple[str, str]
) -> None:
    left = [e for e in everything if (e["kind"], e["metadata"]["name"]) != kind_and_name]
    assert len(left) < len(everything)
    assert loose_ends(left)


def test_nothing_is_left_to_chance(
    clusters: dict[str, list[Object]], optional: list[Object]
) -> None:
    for objects in clusters.values():
        assert not [each for thing in objects for each in [*unsteady(thing), *unpinned(thing)]]
    assert not [each for thing in optional for each in unsteady(thing)]


MISTAKES = [
    ("Kustomization", "controllers", ("spec", "timeout"), None),
    ("Kustomization", "pipelines", ("spec", "retryInterval"), None),
    ("Kustomization", "app", ("spec", "prune"), False),
    ("Kustomization", "services", ("spec", "postBuild"), {"substitute": {}}),
    ("HelmRelease", "mlflow", ("spec", "chart", "spec", "version"), "1.x"),
    ("HelmRelease", "kserve", ("spec", "driftDetection", "ignore"), []),
    ("HelmRelease", "cert-manager", ("spec", "upgrade", "remediation"), {}),
    ("HelmRelease", "cert-manager", ("spec", "install", "strategy", "name"), "RemediateOnFailure"),
    ("OCIRepository", "cert-manager", ("spec", "ref"), {"semver": "1.x"}),
    ("OCIRepository", "envoy-gateway", ("spec", "ref"), {"tag": "latest"}),
    ("GitRepository", "kubeflow-pipelines", ("spec", "ref"), {"branch": "master"}),
]


@pytest.mark.parametrize(("kind", "name", "path", "value"), MISTAKES)
def test_what_is_left_to_chance_is_found(
    everything: list[Object], kind: str, name: str, path: tuple[str, ...], value: Any
) -> None:
    found = [e for e in everything if (e["kind"], e["metadata"]["name"]) == (kind, name)]
    thing = copy.deepcopy(found[0])
    assert not unsteady(thing)
    inner = thing
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    assert unsteady(thing)


def test_no_secret_is_in_git(
    project: Path, clusters: dict[str, list[Object]], optional: list[Object]
) -> None:
    """In no tree that is applied, and in no file, `make promote`'s included."""
    for objects in clusters.values():
        assert not secrets([*objects, *optional])
    for folder in ("clusters", "infrastructure", "deploy/released"):
        for file in (project / folder).rglob("*"):
            if file.is_file():
                assert not re.search(
                    r"kind: Secret\n(?!.*name: (mysql|mlpipeline))", _plain(file)
                ), file
                assert "PRIVATE KEY" not in file.read_text()


def _plain(file: Path) -> str:
    """A file without what deletes the Secrets of Kubeflow Pipelines."""
    return re.sub(r"\$patch: delete\n(\s+.*\n)+?\s+name: \S+\n", "", file.read_text())


PLANTED: list[Object] = [
    {"kind": "Secret", "stringData": {"a": "b"}},
    {"kind": "ConfigMap", "data": {"password": "hunter2"}},
    {"kind": "ConfigMap", "data": {"values.yaml": "grafana:\n  adminPassword: hunter2\n"}},
    {"kind": "ConfigMap", "data": {"config.json": '{"ObjectStore": {"SecretAccessKey": "x"}}'}},
    {"kind": "HelmRelease", "spec": {"values": {"auth": {"adminPassword": "hunter2"}}}},
    {"kind": "Deployment", "spec": {"args": ["-----BEGIN EC PRIVATE KEY-----"]}},
]


@pytest.mark.parametrize("planted", PLANTED)
def test_a_secret_in_git_is_found(planted: Object) -> None:
    assert secrets([{**planted, "metadata": {"name": "planted"}}])


def test_the_passwords_that_everybody_knows_are_replaced(
    built: dict[str, dict[str, list[Object]]],
) -> None:
    """Kubeflow Pipelines' own Secrets go, and what replaces them has their names and keys."""
    for parts in built.values():
        services = {(e["kind"], e["metadata"]["name"]): e for e in parts["services"]}
        patches = services["Kustomization", "pipelines"]["spec"]["patches"]
        deleted = {
            each["target"]["name"]
            for each in patches
            if yaml.safe_load(each["patch"].replace("$patch", "patch"))
            and "$patch: delete" in each["patch"]
        }
        keys = {
            name: {
                *(each["secretKey"] for each in made["spec"]["data"]),
                *made["spec"].get("target", {}).get("template", {}).get("data", {}),
            }
            for (kind, name), made in services.items()
            if kind == "ExternalSecret" and name in deleted
        }
        assert keys == {
            "mysql-secret": {"username", "password"},
            "mlpipeline-minio-artifact": {"accesskey", "secretkey"},
        }
        config = services["ConfigMap", "api-server-config"]["data"]["config.json"]
        assert "plugins" not in config, "release 2.17.0 has an MLflow of somebody else's"
        assert "minio" not in config


def test_what_a_release_keeps_survives_its_part(clusters: dict[str, list[Object]]) -> None:
    """A part that is switched off takes no data along."""
    for objects in clusters.values():
        for each in objects:
            if each["kind"] in ("Namespace", "StorageClass"):
                kept = each["metadata"]["annotations"]["kustomize.toolkit.fluxcd.io/prune"]
                assert kept == "disabled"
        database = next(each for each in objects if each["kind"] == "StatefulSet")
        policy = database["spec"]["persistentVolumeClaimRetentionPolicy"]
        assert set(policy.values()) == {"Retain"}


def _copied(project: Path, folder: Path) -> Path:
    """What Flux reads of a project, to be changed."""
    for part in ("clusters", "infrastructure", "deploy"):
        shutil.copytree(project / part, folder / part)
    return folder


def test_settings_reach_what_they_are_for(project: Path, tmp_path: Path) -> None:
    """Each value of overlays/<ENV>/settings is somewhere in what is applied, and no other."""
    changed = _copied(project, tmp_path / "project")
    marks = []
    for file in sorted((changed / "infrastructure/overlays/staging/settings").glob("*.yaml")):
        content = yaml.safe_load(file.read_text())
        if content["kind"] != "ConfigMap":
            continue
        for key in content["data"]:
            content["data"][key] = f"mark-{key}"
            marks.append(f"mark-{key}")
        file.write_text(yaml.safe_dump(content))
    assert len(marks) >= 6
    stages = [changed / "infrastructure/overlays/staging" / stage for stage in STAGES]
    text = "".join(manifests.build(stage) for stage in stages)
    assert not [mark for mark in marks if mark not in text]
    hosts = re.findall(r"[\w.-]+\.mark-domain", text)
    assert {"mlflow.mark-domain", "digit-recognition.mark-domain"} <= set(hosts)
    placeholders = re.findall(
        r": (role|account|client|domain|endpoint|bucket|region|vault|secret)\n", text
    )
    assert not placeholders
    assert "name: settings" not in text, "it is no object of the cluster"


def test_a_patch_changes_something(project: Path, clusters: dict[str, list[Object]]) -> None:
    """kustomize says nothing of a patch whose target is not there."""
    content = yaml.safe_load((project / "infrastructure/cloud/kustomization.yaml").read_text())
    there = {(each["kind"], each["metadata"]["name"]) for each in clusters["staging"]}
    targets = [each["target"] for each in content["patches"]]
    wired = yaml.safe_load((project / "infrastructure/settings/kustomization.yaml").read_text())
    for each in [*content["replacements"], *wired["replacements"]]:
        targets += [target["select"] for target in each["targets"]]
    kinds = {kind for kind, _ in there}
    missing = [
        each
        for each in targets
        if (each["kind"], each.get("name")) not in there
        and not ("name" not in each and each["kind"] in kinds)
    ]
    assert not missing
    assert targets


def test_the_settings_are_those_of_the_configuration(project: Path) -> None:
    for environment in ENVIRONMENTS:
        folder = project / "infrastructure/overlays" / environment / "settings"
        given = yaml.safe_load((folder / "settings.yaml").read_text())["data"]
        config = yaml.safe_load((project / "config" / f"{environment}.yaml").read_text())
        assert given["namespace"] == config["deploy"]["namespace"]


def _parts(project: Path) -> Iterator[tuple[str, str]]:
    for stage in STAGES:
        file = project / "infrastructure" / stage / "kustomization.yaml"
        yield from ((stage, part) for part in yaml.safe_load(file.read_text())["resources"])


WHOLE = [
    row
    for row in ROWS
    if row["serving_platform"] == "kserve"
    and row["observability"]
    and row["cloud"] in ("gcp", "on-prem")  # one with identities, one with logins
]


@pytest.mark.parametrize("whole", WHOLE, ids=title)
def test_a_line_switches_a_part_on_or_off(
    whole: dict[str, Any], renderings: Renderings, tmp_path: Path
) -> None:
    """Without any part, and with each that is off, all that is left builds."""
    project = renderings(**whole)
    changed = _copied(project, tmp_path / "project")
    overlays = changed / "infrastructure/overlays/production"
    parts = [*_parts(project)]
    assert len(parts) >= 9
    whole_text = {stage: manifests.build(overlays / stage) for stage in STAGES}
    for stage, part in parts:
        file = changed / "infrastructure" / stage / "kustomization.yaml"
        before, text = whole_text[stage], file.read_text()
        assert text.count(f"  - {part}\n") == 1
        file.write_text(text.replace(f"  - {part}\n", f"  # - {part}\n"))
        left = manifests.build(overlays / stage)
        assert len(left) < len(before), part
        ends = loose_ends(manifests.objects(left))
        assert not [end for end in ends if re.search("no (HelmRelease|Kustomization) ", end)], part
        file.write_text(text)
    file = changed / "infrastructure/configs/kustomization.yaml"
    off = [f"  # - {part}\n" for part in flux.OPTIONAL if f"# - {part}\n" in file.read_text()]
    assert len(off) >= 2
    text = file.read_text()
    for line in off:
        text = text.replace(line, line.replace("# ", ""))
    file.write_text(text)
    assert len(manifests.build(overlays / "configs")) > len(whole_text["configs"])


def test_every_file_is_used(project: Path) -> None:
    """A file that no kustomization names is one that nobody applies."""
    root = project / "infrastructure"
    named, folders = set(), set()
    for file in root.rglob("kustomization.yaml"):
        content = yaml.safe_load(file.read_text())
        parts = [*content.get("resources", []), *content.get("components", [])]
        parts += [each["path"] for each in content.get("patches", []) if "path" in each]
        for made in content.get("configMapGenerator", []):
            parts += [each.split("=")[-1] for each in made["files"]]
        paths = {(file.parent / part).resolve() for part in parts}
        named |= {path for path in paths if path.is_file()}
        folders |= {path / "kustomization.yaml" for path in paths if path.is_dir()}
    applied = {
        (project / each["spec"]["path"] / "kustomization.yaml").resolve()
        for environment in ENVIRONMENTS
        for each in flux.kustomizations(project, environment)
    }
    applied.add((root / "light/kustomization.yaml").resolve())  # by `make cluster`
    off = {(root / "configs" / part / "kustomization.yaml").resolve() for part in flux.OPTIONAL}
    files = {path.resolve() for path in root.rglob("*") if path.is_file()}
    assert not files - named - folders - applied - off


def test_no_two_listeners_are_the_same(clusters: dict[str, list[Object]]) -> None:
    """Each has a host name and a certificate of its own; HTTP only redirects."""
    for objects in clusters.values():
        listeners = next(e for e in objects if e["kind"] == "Gateway")["spec"]["listeners"]
        secure = [each for each in listeners if each["protocol"] == "HTTPS"]
        assert len({each["hostname"] for each in secure}) == len(secure) == len(listeners) - 1
        assert all(
            each["tls"]["certificateRefs"] == [{"name": f"{each['name']}-tls"}] for each in secure
        )
        open_to = [each for each in listeners if each["protocol"] == "HTTP"]
        assert [each["allowedRoutes"] for each in open_to] == [{"namespaces": {"from": "Same"}}]


def test_the_page_names_every_part_and_what_is_left_to_its_reader(
    project: Path, clusters: dict[str, list[Object]], optional: list[Object]
) -> None:
    pages = sorted((project / "docs").glob("infrastructure*.md"))
    page = "".join(each.read_text() for each in pages)
    for stage, part in _parts(project):
        if part not in ("cloud", "gateway", "app", "object-store"):
            assert f"infrastructure/{stage}/{part}" in page, part
    for each in clusters["staging"]:
        spec = each.get("spec", {})
        if each["kind"] in ("OCIRepository", "GitRepository"):
            assert spec["ref"]["tag"].removeprefix("v") in page, each["metadata"]["name"]
        if each["kind"] == "HelmRelease" and "chart" in spec:
            assert spec["chart"]["spec"]["version"] in page
    wanted = {
        value["property"]
        for each in [*clusters["staging"], *optional]
        if each["kind"] == "ExternalSecret"
        for _, value in flux.nodes(each["spec"])
        if isinstance(value, dict) and "property" in value
    }
    table = set(re.findall(r"^\| `([\w-]+)` \|", page, re.M))
    assert wanted <= table
    files = sorted((project / "infrastructure/overlays/staging/settings").glob("*.yaml"))
    for file in files:
        for key in yaml.safe_load(file.read_text()).get("data", {}):
            assert f"`{key}`" in page, key


def test_a_project_without_flux_has_no_file_of_it(renderings: Renderings) -> None:
    project = renderings(platform="kubeflow", serving_platform="kubernetes")
    for part in ("clusters", "infrastructure", "docs/infrastructure.md", "deploy/released"):
        assert not (project / part).exists()


@pytest.fixture(scope="module")
def database() -> Iterator[dict[str, str]]:
    """A PostgreSQL server of our own: the environment of its clients."""
    programs = [*sorted(Path("/usr/lib/postgresql").glob("*/bin")), *map(Path, os.get_exec_path())]
    found = next((each for each in programs if (each / "initdb").is_file()), None)
    if found is None:
        pytest.skip("there is no PostgreSQL: apt install postgresql")
    folder = Path(tempfile.mkdtemp())
    who = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    if who:
        shutil.chown(folder, "postgres", "postgres")
    environment = {
        "PATH": f"{found}:{os.environ['PATH']}",
        "PGHOST": str(folder),
        "PGUSER": "mlflow",
        "LC_ALL": "C",
    }

    def run(*command: str) -> None:
        subprocess.run(
            command,
            check=True,
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            timeout=120,
            **who,
        )  # type: ignore[call-overload]

    data = str(folder / "data")
    run("initdb", "--pgdata", data, "--username=mlflow", "--auth=trust", "--no-sync")
    options = f"-k {folder} -c listen_addresses= -c fsync=off"
    run("pg_ctl", "--pgdata", data, "-w", "-o", options, "-l", str(folder / "log"), "start")
    yield environment
    run("pg_ctl", "--pgdata", data, "-m", "immediate", "stop")
    shutil.rmtree(folder)


def test_a_backup_comes_back(
    database: dict[str, str], renderings: Renderings, tmp_path: Path
) -> None:
    """The scripts of the CronJobs on a real server; a dump that is broken changes nothing."""
    row = next(row for row in ROWS if row["serving_platform"] == "kubernetes")
    scripts = renderings(**row) / "infrastructure/services/postgresql"

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, env=database, capture_output=True, text=True, timeout=120, check=False
        )

    def asked(name: str, command: str) -> str:
        done = run("psql", "--no-psqlrc", "-At", "--dbname", name, "--command", command)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    asked("postgres", "CREATE DATABASE mlflow")  # the image's doing: POSTGRES_DB
    asked("postgres", (scripts / "databases.sql").read_text())
    asked("mlflow", "CREATE TABLE versions AS SELECT generate_series(1, 100) AS number")
    asked("mlflow_auth", "CREATE TABLE users AS SELECT 'admin' AS name")
    assert run("sh", str(scripts / "dump.sh"), str(tmp_path)).returncode == 0
    asked("mlflow", "DELETE FROM versions WHERE number > 3; CREATE TABLE half_a_migration (x int)")
    asked("mlflow_auth", "DROP TABLE users")

    done = run("sh", str(scripts / "restore.sh"), str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert asked("mlflow", "SELECT count(*) FROM versions") == "100"
    assert asked("mlflow", "SELECT to_regclass('half_a_migration') IS NULL") == "t"
    assert asked("mlflow_auth", "SELECT name FROM users") == "admin"
    assert "_before_" in asked("postgres", "SELECT datname FROM pg_database ORDER BY datname DESC")

    (tmp_path / "mlflow_auth.dump").write_text("no dump")
    asked("mlflow", "DELETE FROM versions WHERE number > 50")
    assert run("sh", str(scripts / "restore.sh"), str(tmp_path)).returncode != 0
    assert asked("mlflow", "SELECT count(*) FROM versions") == "50"
