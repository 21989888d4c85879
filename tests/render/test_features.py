"""A feature is a folder: without its answer no file has a word of it, and no path two conditions.

What still has words of a feature that was not asked for is counted in `LEFT`: files, by feature.
A count may only shrink.
"""

import re
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment, nodes

from support import questions
from support.rendering import Renderings, files, tracked_files

# The answers that bring a feature, those that do not, and words that only it has.
TABLE = {"task": "tabular-classification", "framework": "sklearn"}
SERVED = {"platform": "kubeflow", "serving_platform": "kubernetes"}
VERTEX = r"(?i)vertex|aiplatform"
TERRAFORM = r"(?i)terraform|make infra-|ground\.md|\.tf\b"
FEATURES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "bulk scoring": ({"batch_scoring": True}, {}, r"make batch|score_rows|batch_prediction"),
    "observability": (
        {"observability": True},
        {},
        r"make monitor|(?i:alertmanager|grafana|burn.rate)|runbooks/",
    ),
    "drift monitoring": (
        {"drift_monitoring": True},
        {},
        r"make drift|(?i:evidently)|monitoring\.drift",
    ),
    "the loop": (
        {"drift_monitoring": True},
        {},
        r"make demo-drift|monitor_model|record_retraining|(?i:retraining\.)",
    ),
    "kubeflow": (
        {"platform": "kubeflow"},
        {},
        r"make (submit|schedule|compile)|KUBEFLOW_TOKEN|kfp[-_]kubernetes|targets\.kubeflow",
    ),
    "the stack": ({"platform": "kubeflow"}, {}, r"make stack|compose\.yaml|stack\.yaml|boto3"),
    "delivery by Git": ({"gitops": "flux", **SERVED}, SERVED, r"(?i)\bflux\b|gitops|fluxcd"),
    "a light cluster": (
        {"gitops": "flux", **SERVED},
        SERVED,
        r"make cluster\b|light-cluster|light\.yaml|deploy\.light",
    ),
    "Vertex AI": ({"platform": "vertex"}, {}, VERTEX),
    "Vertex AI, on Kubeflow": ({"platform": "vertex"}, {"platform": "kubeflow"}, VERTEX),
    "Kubeflow, on Vertex AI": (
        {"platform": "kubeflow"},
        {"platform": "vertex"},
        r"KUBEFLOW_TOKEN|kfp[-_]kubernetes|targets\.kubeflow|kubeconfig|make stack",
    ),
    "the endpoint": (
        {"platform": "vertex", "serving_platform": "vertex"},
        {"platform": "vertex"},
        r"AIP_|endpoint\.md|undeploy|serving[./]vertex|make deploy|machine_type",
    ),
    "Terraform": ({"platform": "vertex", "infrastructure": "terraform"}, {}, TERRAFORM),
    "Terraform, on Vertex AI": (
        {"platform": "vertex", "infrastructure": "terraform"},
        {"platform": "vertex", "serving_platform": "vertex"},
        TERRAFORM,
    ),
    "Terraform, on Kubeflow": (
        {"platform": "kubeflow", "infrastructure": "terraform"},
        SERVED,
        TERRAFORM,
    ),
    "SQL": ({"data_source": "sql", **TABLE}, TABLE, r"(?i)adbc|pymysql|data\.sql|DATA__SQL"),
    "Fashion-MNIST": ({"data_source": "fashion-mnist"}, {}, r"(?i)fashion.?mnist"),
    "BentoML": ({"serving_runtime": "bentoml"}, {}, r"(?i)bentoml"),
    "TensorFlow Serving": ({"serving_runtime": "tf-serving"}, {}, r"(?i)tf.serving|model_server"),
    "the Python server": ({}, {"serving_runtime": "tf-serving"}, r"uvicorn|httptools|starlette"),
    "V2": (
        {"serving_extras": "v2", "platform": "kubeflow"},
        {"platform": "kubeflow"},
        r"(?i)open inference|/v2/",
    ),
    "request batching": (
        {"serving_extras": "batching", "platform": "kubeflow"},
        {"platform": "kubeflow"},
        r"wait_ms|serving\.batching",
    ),
    "TensorFlow": ({}, {"framework": "sklearn"}, r"(?i)keras|tf2onnx"),
    "PyTorch": ({"framework": "pytorch"}, {}, r"onnxscript|import torch|pytorch\.org"),
    "XGBoost": ({"framework": "xgboost", "task": TABLE["task"]}, TABLE, r"(?i)xgboost|lightgbm"),
    "GitHub": ({}, {"ci": "none"}, r"GitHub Actions|\.github/"),
    "GitLab": ({"ci": "gitlab"}, {}, r"(?i)gitlab"),
    "the plumbing's tests": ({"plumbing_tests": True}, {}, r"tests/blueprint|hypothesis"),
}
LEFT = {
    "kubeflow": 5,
    "the stack": 1,
    "Vertex AI": 1,
    "Vertex AI, on Kubeflow": 1,
    "SQL": 1,
    "Fashion-MNIST": 1,
    "BentoML": 2,
    "TensorFlow Serving": 4,
    "V2": 2,
    "request batching": 1,
    "TensorFlow": 7,
    "PyTorch": 1,
    "XGBoost": 6,
    "GitLab": 1,
    "the plumbing's tests": 2,
}
TELLS_ALL = {".copier-answers.yml", "docs/changes-of-the-template.md", "LICENSE"}


def having(project: Path, words: str) -> list[str]:
    """The files that have one of the words, in their path or text."""
    found = []
    for path in map(str, files(project)):
        text = (project / path).read_bytes().decode(errors="replace")
        if path not in TELLS_ALL and re.search(words, f"{path}\n{text}"):
            found.append(path)
    return found


def answers(given: dict[str, Any]) -> dict[str, Any]:
    if unknown := given.keys() - questions.load().keys():
        pytest.skip(f"no question {', '.join(unknown)}")
    return given


@pytest.mark.parametrize("feature", FEATURES)
def test_without_its_answer_there_is_no_word_of_a_feature(
    feature: str, renderings: Renderings
) -> None:
    bringing, other, words = FEATURES[feature]
    assert having(renderings(**answers(bringing)), words), "the words are not its own"
    found = having(renderings(**other), words)
    assert len(found) <= LEFT.get(feature, 0), found


@pytest.mark.parametrize("path", tracked_files(), ids=str)
def test_a_path_has_one_condition(path: Path) -> None:
    if path.parts[0] == "template":
        conditions = [*Environment().parse(str(path)).find_all(nodes.If)]
        assert len(conditions) <= 1
