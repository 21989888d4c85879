"""Terraform, called in the root module of the environment: infrastructure/terraform/<ENV>."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import typer
import yaml

from ..errors import UserError
from ..settings import ENVIRONMENT
from ..text import listing

ROOT = Path("infrastructure/terraform")
PLAN = ".terraform/plan"  # below the root module; Git ignores it, for it may hold secrets
UNFILLED = re.compile(r"#\s*fill in")


def version() -> str:
    """The version of the program on PATH; a `UserError` where there is none."""
    if not shutil.which("terraform"):
        raise UserError(
            "no terraform on PATH: https://developer.hashicorp.com/terraform/install has it"
        )
    return str(json.loads(_output(ROOT, "version", "-json"))["terraform_version"])


def plan() -> None:
    """Show the plan, keep it for `apply`, and say what of it costs money."""
    folder = _ready()
    _run(folder, "plan", "-input=false", f"-out={PLAN}")
    made = _say_costs(folder)
    print("\nMake it: make infra-apply" if made else "\nNothing to do.")


def apply(yes: bool) -> None:
    """Carry out the plan that `plan` kept, once."""
    folder = _ready()
    if not (folder / PLAN).exists():
        raise UserError(f"nothing is planned for {folder.name}: make infra-plan ENV={folder.name}")
    _say_costs(folder)
    if not (yes or typer.confirm(f"\nMake it in {folder.name}?")):
        raise UserError("nothing was made")
    _run(folder, "apply", "-input=false", PLAN)
    (folder / PLAN).unlink()
    print(f"\nWrite down what was made: make config ENV={folder.name}")


def destroy() -> None:
    """Delete everything that the environment's state has, but what is protected."""
    folder = _ready()
    made = _made(folder)
    if made.get("protected", {}).get("value"):
        raise UserError(
            f"{folder}/main.tf protects what holds data: set `protected = false` there, "
            f"make infra-plan and infra-apply, then make infra-destroy ENV={folder.name} again"
        )
    print(f"This deletes all of {folder.name}: models, what runs wrote, the database, the secret.")
    question = f"Type {folder.name} to delete it"
    if typer.prompt(question, default="", show_default=False) != folder.name:
        raise UserError("nothing was deleted")
    _run(folder, "destroy", "-input=false", "-auto-approve")


def check() -> None:
    """What needs no account: the format, both root modules' references and types, the tests."""
    version()
    _run(ROOT, "fmt", "-check", "-diff", "-recursive")
    for folder in _folders():
        _run(folder, "init", "-backend=false", "-input=false")
        _run(folder, "validate")
    _run(ROOT / "ground", "init", "-backend=false", "-input=false")
    _run(ROOT / "ground", "test")


def outputs() -> tuple[dict[str, Any], list[Any]]:
    """What is to be written, by file, and what is to be printed."""
    folder = _ready()
    made = _made(folder)
    if "files" not in made:
        raise UserError(f"nothing is made in {folder.name}: make infra-apply ENV={folder.name}")
    files: dict[str, Any] = {}
    for each in made["files"]["value"]:
        for name, values in each.items():
            files[name] = {**files.get(name, {}), **values}
    return files, [each for each in made["print"]["value"] if each]


def _folders() -> list[Path]:
    return sorted(path.parent for path in ROOT.glob("*/backend.hcl"))


def _ready() -> Path:
    """The environment's root module, filled in and initialized."""
    version()
    folder = ROOT / (os.environ.get(ENVIRONMENT) or "local")
    if folder not in _folders():
        names = listing(each.name for each in _folders())
        raise UserError(f"{ENVIRONMENT}={folder.name}: {ROOT} has {names}: add ENV=staging")
    for file in ("main.tf", "backend.hcl"):
        for number, line in enumerate((folder / file).read_text().splitlines(), 1):
            if UNFILLED.search(line):
                raise UserError(
                    f"{folder / file}, line {number}: fill it in, and delete its comment "
                    f"`# fill in`: {line.partition('#')[0].strip()}"
                )
    _run(folder, "init", "-input=false", "-backend-config=backend.hcl", quiet=True)
    return folder


def _made(folder: Path) -> dict[str, Any]:
    return json.loads(_output(folder, "output", "-json"))  # type: ignore[no-any-return]


def _say_costs(folder: Path) -> bool:
    """Print what the plan makes that is paid for, by costs.yaml; return whether it changes any."""
    shown = json.loads(_output(folder, "show", "-json", PLAN))
    resources = shown.get("resource_changes", [])
    made = [each["type"] for each in resources if "create" in each["change"]["actions"]]
    costs = yaml.safe_load((ROOT / "costs.yaml").read_text())
    for kind in sorted(costs["resources"].keys() & {*made}):
        print(f"It costs money: {made.count(kind)} × {costs['resources'][kind]}")
    if costs["resources"].keys() & {*made}:
        print(f"({costs['note']})")
    changes = [each["change"] for each in resources]
    changes += shown.get("output_changes", {}).values()
    return any(each["actions"] != ["no-op"] for each in changes)


def _run(folder: Path, *arguments: str, quiet: bool = False) -> None:
    command = ["terraform", f"-chdir={folder}", *arguments]
    sys.stdout.flush()  # it writes to the same terminal
    done = subprocess.run(command, check=False, capture_output=quiet, text=True)
    if done.returncode:
        said = f":\n{done.stderr.strip()}" if quiet else "; its message is above"
        raise UserError(f"terraform {arguments[0]} failed in {folder}{said}")


def _output(folder: Path, *arguments: str) -> str:
    command = ["terraform", f"-chdir={folder}", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"terraform {arguments[0]} failed in {folder}:\n{done.stderr.strip()}")
    return done.stdout
