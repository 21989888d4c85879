"""The repositories on GitHub that a kustomization of a project names as its bases.

GITHUB_COPY is a folder of bare copies, OWNER/NAME.git with the same tags, for where GitHub is not
reached; kustomize's own Git then reads those.
"""

import os
import subprocess

import pytest

COPY = "GITHUB_COPY"
PIPELINES = "https://github.com/kubeflow/pipelines"


def variables() -> dict[str, str]:
    """What Git is told in the environment; the test is skipped where it reaches neither."""
    if not (copy := os.environ.get(COPY)):
        asked = ["git", "ls-remote", "--exit-code", PIPELINES, "HEAD"]
        quiet = os.environ | {"GIT_TERMINAL_PROMPT": "0"}
        try:
            done = subprocess.run(asked, capture_output=True, timeout=20, env=quiet, check=False)
        except subprocess.TimeoutExpired:
            pytest.skip(f"{PIPELINES} does not answer: set {COPY}")
        if done.returncode:
            pytest.skip(f"{PIPELINES} is not reached: set {COPY}")
        return {}
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{copy}/.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/",
    }
