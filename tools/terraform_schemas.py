"""Write tests/manifests/providers: what Terraform's providers say of the resources used here.

    python -m tools.terraform_schemas aws      # every provider, without a name

A test's stand-in serves these files (tests/support/terraform_provider.py). It is needed when the
HCL takes a type of resource that is not in them, or a newer provider. The real provider comes from
the registry, or from the folder that TERRAFORM_PLUGINS names.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from support.questions import ROOT

FOLDER = ROOT / "tests" / "manifests" / "providers"
WORDS = {"description", "description_kind", "deprecated", "deprecation_message", "version"}


def used(provider: str) -> dict[str, set[str]]:
    """The types of resources and of data that the template's HCL has of a provider."""
    found: dict[str, set[str]] = {"resource": set(), "data": set()}
    for file in (ROOT / "template").rglob("terraform/ground/*.tf"):
        for kind, name in re.findall(r'(?m)^(resource|data) "(\w+)"', file.read_text()):
            if name.startswith(f"{provider}_"):
                found[kind].add(name)
    return found


def rc(folder: Path) -> dict[str, str]:
    """The variables with which `terraform init` finds the real providers."""
    plugins = os.environ.get("TERRAFORM_PLUGINS")
    source = f'filesystem_mirror {{ path = "{plugins}" }}' if plugins else "direct {}"
    (folder / "terraformrc").write_text(f"provider_installation {{\n  {source}\n}}\n")
    return {"CHECKPOINT_DISABLE": "1", "TF_CLI_CONFIG_FILE": str(folder / "terraformrc")}


def text(provider: str) -> str:
    """The file of a provider, a resource a line."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wanted = f'{provider} = {{ source = "hashicorp/{provider}" }}'
        main = f"terraform {{\n  required_providers {{\n    {wanted}\n  }}\n}}\n"
        (folder / "main.tf").write_text(main)
        env = os.environ | rc(folder)
        terraform(folder, env, "init", "-input=false")
        address = f"registry.terraform.io/hashicorp/{provider}"
        version = json.loads(terraform(folder, env, "version", "-json"))["provider_selections"]
        every = json.loads(terraform(folder, env, "providers", "schema", "-json"))
    schemas, types = every["provider_schemas"][address], used(provider)
    parts = {
        "resources": {
            name: schemas["resource_schemas"][name] for name in sorted(types["resource"])
        },
        "data": {name: schemas["data_source_schemas"][name] for name in sorted(types["data"])},
    }
    head = [
        f'"version": {dump(version[address])}',
        f'"provider": {dump(slim(schemas["provider"]))}',
    ]
    for kind, found in parts.items():
        lines = ",\n".join(f"{dump(name)}: {dump(slim(each))}" for name, each in found.items())
        head.append(f"{dump(kind)}: {{\n{lines}\n}}")
    return "{\n" + ",\n".join(head) + "\n}\n"


def terraform(folder: Path, env: dict[str, str], *arguments: str) -> str:
    command = ["terraform", *arguments]
    done = subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True, text=True)
    return done.stdout


def slim(spec: Any) -> Any:
    """A schema without its texts. Attributes may have the same names: those are mappings."""
    if not isinstance(spec, dict):
        return spec
    kept = [key for key, each in spec.items() if key not in WORDS or isinstance(each, dict)]
    return {key: slim(spec[key]) for key in kept}


def dump(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def main() -> None:
    for provider in sys.argv[1:] or [file.stem for file in sorted(FOLDER.glob("*.json"))]:
        (FOLDER / f"{provider}.json").write_text(text(provider))


if __name__ == "__main__":
    main()
