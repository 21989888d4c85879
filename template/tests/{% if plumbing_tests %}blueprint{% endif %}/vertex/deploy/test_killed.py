"""kill -9 in the middle of `make deploy`, and again: one version, one deployment."""

import json
import os
import signal
import subprocess
import sys

import pytest

from blueprint.deploy import deployment

DEPLOY = """
from blueprint import settings
from blueprint.deploy import deployment

deployment.deploy(settings.load())
"""


@pytest.mark.parametrize("rpc", ["UploadModel", "DeployModel"])
def test_killed_and_again(project, stored, folder, rpc):
    project.train()
    loaded = project.settings()
    variables = {"MLOPS_ENV": "test", "MLOPS_REGISTRY__NAME": "digits"}
    variables["MLOPS_REGISTRY__TRACKING_URI"] = loaded.registry.tracking_uri
    for name in ("deploy", "vertex"):
        section = getattr(loaded, name).model_dump(mode="json", exclude_unset=True)
        variables[f"MLOPS_{name.upper()}"] = json.dumps(section)
    stored.seconds = 1  # the work goes on when its client is gone
    process = subprocess.Popen(
        [sys.executable, "-c", DEPLOY], cwd=folder, env=os.environ | variables
    )
    stored.before(rpc, process.kill)
    assert process.wait(180) == -signal.SIGKILL

    deployment.deploy(loaded)
    [model] = stored.models.versions.values()
    assert len(model) == 1
    [endpoint] = stored.endpoints.made.values()
    [deployed] = endpoint.deployed_models
    assert dict(endpoint.traffic_split) == {deployed.id: 100}
    assert len([name for name, _ in stored.calls if name == rpc]) == 1
