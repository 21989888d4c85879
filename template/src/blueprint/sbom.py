"""A software bill of materials: the packages that are installed here, as CycloneDX 1.5.

It goes with every registered model (https://cyclonedx.org/docs/1.5/json). That of an image is made
from the lock, by `make images`.
"""

import json
import platform
import re
from importlib.metadata import distributions
from typing import Any

FILE = "sbom.cdx.json"


def installed(name: str, version: str) -> str:
    """The document, as JSON text, for version `version` of the model `name`."""
    found = {_normal(each.name): each.version for each in distributions()}
    packages = [_component(*each) for each in sorted(found.items())]
    python = {"type": "platform", "name": "python", "version": platform.python_version()}
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {"type": "machine-learning-model", "name": name, "version": version}
        },
        "components": [python, *packages],
    }
    return json.dumps(document, indent=1) + "\n"


def _component(name: str, version: str) -> dict[str, Any]:
    purl = f"pkg:pypi/{name}@{version}"
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def _normal(name: str) -> str:
    """A package's name as PyPI writes it in addresses."""
    return re.sub(r"[-_.]+", "-", name).lower()
