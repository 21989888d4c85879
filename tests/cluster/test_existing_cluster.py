"""`docs/existing-cluster.md` of a project: a namespace with rules, each of them named and met.

The page's own YAML is what is put into the overlay.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from support.cluster import get_json
from support.rules import rules

pytestmark = pytest.mark.slow
PAGE = "docs/existing-cluster.md"


@pytest.fixture
def strict(served: Any) -> Iterator[Any]:
    """The project, for a namespace with rules, whose images come from a mirror."""
    registry = configured(served)["images"]["registry"]
    served.configure(timeout_seconds=60)
    with rules(served.namespace, f"{registry}/mirror"):
        yield served


def configured(served: Any) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(
        (served.project.path / "config/staging.yaml").read_text()
    )
    return content


def shown(served: Any, file: str) -> Any:
    """The YAML that the page has for a file."""
    text = (served.project.path / PAGE).read_text()
    [found] = re.findall(rf"```yaml\n# {re.escape(file)}\n(.*?)```", text, re.DOTALL)
    return yaml.safe_load(found)


def change(served: Any, name: str, edit: Callable[[Any], None]) -> None:
    file = served.project.path / "deploy" / "overlays" / "staging" / name
    content = yaml.safe_load(file.read_text())
    edit(content)
    file.write_text(yaml.safe_dump(content))


def as_shown(served: Any, name: str) -> None:
    """Write what the page has into a file of the overlay, beside what is there."""
    given = shown(served, f"deploy/overlays/staging/{name}")

    def merge(there: Any) -> None:
        if name == "kustomization.yaml":
            there["patches"] += given.pop("patches", [])
            there.update(given)
            return
        spec, more = (each["spec"]["template"]["spec"] for each in (there, given))
        for kind in ("initContainers", "containers"):
            for container in more[kind]:
                [own] = [each for each in spec[kind] if each["name"] == container["name"]]
                own.update(container)

    change(served, name, merge)


def memory(limit: str) -> Callable[[Any], None]:
    def edit(content: Any) -> None:
        [server] = content["spec"]["template"]["spec"]["containers"]
        server["resources"]["limits"]["memory"] = limit

    return edit


def test_each_rule_is_one_line_and_what_the_page_shows_meets_them(strict: Any) -> None:
    """From an overlay that knows none of the rules: rule by rule, as its owner meets them."""
    said = strict.fails("deploy")
    assert "say whose pod it is: label team: meet that in deploy/overlays/<ENV>" in said
    assert PAGE in said
    assert said.endswith("Nothing was served before, so the Deployment is removed again")
    as_shown(strict, "kustomization.yaml")

    said = strict.fails("deploy")
    assert "images come from the mirror: meet that" in said
    assert "images come from images.registry" in said
    content = configured(strict)
    content["images"]["registry"] += "/mirror"
    (strict.project.path / "config/staging.yaml").write_text(yaml.safe_dump(content))
    strict.make("push")

    said = strict.fails("deploy")
    assert re.search(r"must specify limits\.cpu for: \S*fetch-model", said)
    assert "set it for each of them in deploy/overlays/<ENV>/deployment.yaml" in said
    as_shown(strict, "deployment.yaml")

    change(strict, "deployment.yaml", memory("3Gi"))
    said = strict.fails("deploy")
    assert "maximum memory usage per Container is 2Gi" in said
    assert "change `resources` in deploy/overlays/<ENV>/deployment.yaml" in said

    change(strict, "deployment.yaml", memory("1Gi"))
    shown = strict.make("deploy")
    assert re.search(r"version 3 \(.*answers at", shown.splitlines()[-1])
    assert strict.answers() == "3"
    strict.make("deploy", "VERSION=1")
    strict.settles_on("1")
    [pod] = strict.pods()
    assert pod["metadata"]["labels"]["team"] == "vision"
    assert "/mirror/" in pod["spec"]["containers"][0]["image"]
    assert pod["spec"]["imagePullSecrets"] == [{"name": "mirror"}]
    at = f"--namespace={strict.namespace}"
    [ingress] = get_json("ingress", at)["items"]
    assert ingress["spec"]["ingressClassName"] == "nginx"
    assert "example.com" in json.dumps(ingress["spec"]["rules"])


def test_what_serves_goes_on_while_a_rule_rejects_the_next_version(strict: Any) -> None:
    as_shown(strict, "kustomization.yaml")
    as_shown(strict, "deployment.yaml")
    registry = configured(strict)["images"]["registry"]
    strict.make("push", f"REGISTRY={registry}/mirror")
    strict.make("deploy", "VERSION=1")
    change(strict, "deployment.yaml", memory("3500Mi"))
    said = strict.fails("deploy", "VERSION=2")
    assert "maximum memory usage per Container" in said
    assert re.search(r"version 1 \([0-9a-f]{12}\) serves on$", said)
    strict.settles_on("1")
    assert strict.answers() == "1"
