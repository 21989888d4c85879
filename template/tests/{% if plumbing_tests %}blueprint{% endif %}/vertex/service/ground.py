"""What a project of Google Cloud is besides Vertex AI: the small surfaces that are read here."""

import itertools
import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

from vertex.service import errors, gcs

if TYPE_CHECKING:
    from vertex.service.server import Service

APIS = ("aiplatform", "storage", "artifactregistry", "compute", "logging", "monitoring", "iam")
QUOTAS = {  # what Cloud Quotas calls them: https://cloud.google.com/vertex-ai/quotas
    "aiplatform.googleapis.com/custom_model_training_cpus": 42,
    "aiplatform.googleapis.com/custom_model_serving_cpus": 30,
    "aiplatform.googleapis.com/custom_model_training_nvidia_t4_gpus": 1,
}
ONE = "([^/:]+)"
BOUNDS = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 60_000]  # milliseconds
METRIC = re.compile(r'metric\.type\s*=\s*"aiplatform\.googleapis\.com/prediction/online/(\w+)"')


class Ground:
    """What there is: take away what a test needs to be missing.

    `lacking` are permissions that the caller has not; `roles` what the members of the project have;
    `locations` and `owners` of buckets by name, where they are not the project's own.
    """

    def __init__(self, service: "Service") -> None:
        self.service = service
        account = f"pipelines@{service.project}.iam.gserviceaccount.com"
        self.accounts = [account]
        self.services = {f"{name}.googleapis.com" for name in APIS}
        self.lacking: set[str] = set()
        self.roles: dict[str, list[str]] = {}
        self.images: set[str] = (
            set()
        )  # as Artifact Registry names them: …/tags/1, …/versions/sha256:…
        self.quotas = dict(QUOTAS)
        self.locations: dict[str, str] = {}
        self.owners: dict[str, str] = {}
        self.bindings: dict[str, dict[str, list[str]]] = {}  # of buckets and of service accounts

    def make_bucket(self, name: str) -> None:
        """Make a bucket of this project."""
        body = json.dumps({"name": name}).encode()
        kind = {"Content-Type": "application/json"}
        path, store = "/storage/v1/b", self.service.gcs
        gcs.answer(store, "POST", path, "", body, kind, self.service.url)

    def lacks(self, api: str) -> bool:
        """Whether the API is not enabled."""
        return api not in self.services

    def answer(self, method: str, path: str, query: str, content: bytes, headers: Any) -> Any:
        """What a request to anything but Vertex AI is answered."""
        for verb, pattern, function in self._routes():
            if verb == method and (match := re.fullmatch(pattern, unquote(path))):
                body = json.loads(content) if content else {}
                return function(*match.groups(), query=parse_qs(query), body=body)
        if path.startswith(("/v1/", "/v2/", "/v3/", "/ui/")):
            raise errors.Rejected("NOT_FOUND", f"The requested URL {path} was not found.")
        if not self.service.gcs:
            raise errors.Rejected("UNIMPLEMENTED", "No store is served: start it with one.")
        own = self.service.url
        return gcs.answer(self.service.gcs, method, path, query, content, headers, own)

    def _routes(self) -> list[tuple[str, str, Any]]:
        project = f"/v1/projects/{ONE}"
        account = f"/v1/projects/{ONE}/serviceAccounts/{ONE}"
        registry = f"/v1/(projects/{ONE}/locations/{ONE}/repositories/.+)"
        return [
            ("GET", project, self._project),
            ("POST", f"{project}:getIamPolicy", self._policy),
            ("POST", f"{project}:testIamPermissions", self._permissions),
            ("GET", f"/v1/projects/{ONE}/services:batchGet", self._services),
            ("GET", account, self._account),
            ("POST", f"{account}:testIamPermissions", self._permissions),
            ("GET", f"/storage/v1/b/{ONE}", self._bucket),
            ("GET", f"/storage/v1/b/{ONE}/iam", self._bucket_policy),
            ("GET", registry, self._image),
            ("GET", f"/v1/projects/{ONE}/locations/global/services/{ONE}/quotaInfos", self._quotas),
            ("POST", "/v2/entries:list", self._entries),
            ("GET", f"/v3/projects/{ONE}/timeSeries", self._series),
        ]

    def _mine(self, project: str, permission: str = "resourcemanager.projects.get") -> None:
        ours = project in ("-", self.service.project, self.service.number)
        if not ours or permission in self.lacking:
            raise errors.denied(permission, f"projects/{project}")

    def _enabled(self, api: str) -> None:
        if self.lacks(f"{api}.googleapis.com"):
            raise errors.disabled(f"{api}.googleapis.com", self.service.number)

    def _project(self, project: str, **_: Any) -> Any:
        self._mine(project)
        named = {"projectId": self.service.project, "projectNumber": self.service.number}
        return {"lifecycleState": "ACTIVE"} | named

    def _policy(self, project: str, **_: Any) -> Any:
        self._mine(project, "resourcemanager.projects.getIamPolicy")
        return _bindings(self.roles)

    def _permissions(self, project: str, *_: str, body: Any, **__: Any) -> Any:
        self._mine(project)
        return {"permissions": [each for each in body["permissions"] if each not in self.lacking]}

    def _services(self, project: str, *, query: Any, **_: Any) -> Any:
        self._mine(project, "serviceusage.services.get")
        found = []
        for name in query["names"]:
            state = "DISABLED" if self.lacks(name.rpartition("/")[2]) else "ENABLED"
            found.append({"name": name.replace(self.service.project, self.service.number)})
            found[-1]["state"] = state
        return {"services": found}

    def _account(self, project: str, email: str, **_: Any) -> Any:
        self._mine(project, "iam.serviceAccounts.get")
        self._enabled("iam")
        if email not in self.accounts:
            raise errors.Rejected("NOT_FOUND", f"Unknown service account {email}.")
        owner = email.partition("@")[2].partition(".")[0]
        return {"name": f"projects/{owner}/serviceAccounts/{email}", "email": email}

    def _bucket(self, bucket: str, **_: Any) -> Any:
        if "storage.buckets.get" in self.lacking:
            text = f"You do not have storage.buckets.get access to the bucket {bucket}."
            raise errors.Rejected("PERMISSION_DENIED", text)
        store, path = self.service.gcs, f"/storage/v1/b/{bucket}"
        there = bucket in self.locations
        if store and not there:
            there = gcs.answer(store, "GET", path, "", b"", {}, self.service.url).code == 200
        if not there:
            raise errors.Rejected("NOT_FOUND", "The specified bucket does not exist.")
        return {
            "kind": "storage#bucket",
            "name": bucket,
            "projectNumber": self.owners.get(bucket, self.service.number),
            "location": self.locations.get(bucket, "EUROPE-WEST4"),
            "locationType": "region",
            "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}},
        }

    def _bucket_policy(self, bucket: str, **_: Any) -> Any:
        self._bucket(bucket)
        return _bindings(self.bindings.get(bucket, {}))

    def _image(self, name: str, project: str, *_: str, **__: Any) -> Any:
        self._mine(project, "artifactregistry.tags.get")
        self._enabled("artifactregistry")
        if name not in self.images and not any(each.startswith(f"{name}/") for each in self.images):
            raise errors.Rejected("NOT_FOUND", "Requested entity was not found.")
        version = f"{name.rpartition('/tags/')[0] or name}/versions/sha256:{'1' * 64}"
        return {"name": name} | ({"version": version} if "/tags/" in name else {})

    def _quotas(self, project: str, api: str, **_: Any) -> Any:
        self._mine(project, "cloudquotas.quotas.get")
        found = []
        for metric, limit in self.quotas.items():
            facts = {"details": {"value": str(limit)}, "applicableLocations": ["europe-west4"]}
            quota = metric.rpartition("/")[2]
            found.append({"quotaId": quota, "metric": metric, "service": api})
            found[-1]["dimensionsInfos"] = [facts]
        return {"quotaInfos": found}

    def _entries(self, *, body: Any, **_: Any) -> Any:
        project = body["resourceNames"][0].rpartition("/")[2]
        self._mine(project, "logging.logEntries.list")
        self._enabled("logging")
        job = re.search(r'labels\.job_id\s*=\s*"?(\w+)', body.get("filter", ""))
        lines = self.service.pipelines.logs.get(job[1] if job else "", [])
        entries = [
            {"textPayload": line, "timestamp": f"2026-01-01T00:00:{number / 1000:09.6f}Z"}
            for number, line in enumerate(lines)
        ]
        if "desc" in body.get("orderBy", ""):
            entries.reverse()
        return {"entries": entries[: body.get("pageSize", 50)]} if entries else {}

    def _series(self, project: str, *, query: Any, **_: Any) -> Any:
        """Cloud Monitoring's numbers of predictions: one point a deployed model, of all of them."""
        self._mine(project, "monitoring.timeSeries.list")
        text = query.get("filter", [""])[0]
        if not (metric := METRIC.search(text)):
            raise errors.invalid("filter", f"The filter names no metric that is served: {text}")
        groups: dict[tuple[str, str], list[Any]] = {}
        start, end = (
            datetime.fromisoformat(query.get(f"interval.{edge}", [default])[0])
            for edge, default in (
                ("startTime", "2000-01-01T00:00:00Z"),
                ("endTime", "2100-01-01T00:00:00Z"),
            )
        )
        interval = {"startTime": start.isoformat(), "endTime": end.isoformat()}
        for each in self.service.serving.predictions:
            asked = each.endpoint.rpartition("/")[2] in text or "endpoint_id" not in text
            if asked and start <= each.time <= end:
                code = str(each.code) if metric[1] == "response_count" else ""
                groups.setdefault((each.deployed, code), []).append(each)
        found = []
        for (deployed, code), those in groups.items():
            labels = {"deployed_model_id": deployed} | ({"response_code": code} if code else {})
            value = _value(metric[1], those)
            point = {"interval": interval, "value": value}
            full = f"aiplatform.googleapis.com/prediction/online/{metric[1]}"
            found.append({"metric": {"type": full, "labels": labels}, "points": [point]})
        return {"timeSeries": found} if found else {}


def _value(metric: str, those: list[Any]) -> dict[str, Any]:
    if metric == "prediction_latencies":  # milliseconds
        ordered = sorted(each.seconds * 1000 for each in those)
        edges = [0.0, *BOUNDS, float("inf")]
        counts = [
            sum(low <= each < high for each in ordered) for low, high in itertools.pairwise(edges)
        ]
        found: dict[str, Any] = {"count": str(len(ordered)), "mean": sum(ordered) / len(ordered)}
        found["bucketOptions"] = {"explicitBuckets": {"bounds": BOUNDS}}
        return {"distributionValue": found | {"bucketCounts": [str(each) for each in counts]}}
    wrong = sum(each.code >= 400 for each in those)
    return {"int64Value": str(wrong if metric == "error_count" else len(those))}


def _bindings(roles: dict[str, list[str]]) -> dict[str, Any]:
    """A policy from what each member has."""
    named = sorted({role for given in roles.values() for role in given})
    members = {role: [who for who, given in roles.items() if role in given] for role in named}
    return {"bindings": [{"role": role, "members": members[role]} for role in named]}
