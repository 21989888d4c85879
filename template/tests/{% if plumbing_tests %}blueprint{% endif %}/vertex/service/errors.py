"""The errors of Google's APIs as they come over the wire: google.rpc.Status with its details."""

from dataclasses import dataclass, field
from typing import Any

CODES = {  # the name of a code: HTTP's number, and gRPC's
    "INVALID_ARGUMENT": (400, 3),
    "FAILED_PRECONDITION": (400, 9),
    "UNAUTHENTICATED": (401, 16),
    "PERMISSION_DENIED": (403, 7),
    "NOT_FOUND": (404, 5),
    "ALREADY_EXISTS": (409, 6),
    "RESOURCE_EXHAUSTED": (429, 8),
    "INTERNAL": (500, 13),
    "UNIMPLEMENTED": (501, 12),
    "UNAVAILABLE": (503, 14),
    "DEADLINE_EXCEEDED": (504, 4),
}
TYPE = "type.googleapis.com/google.rpc."


@dataclass
class Rejected(Exception):
    """A request that the service answers with an error."""

    status: str
    message: str
    details: list[dict[str, Any]] = field(default_factory=list)

    @property
    def code(self) -> int:
        """HTTP's number of it."""
        return CODES[self.status][0]

    def body(self) -> dict[str, Any]:
        """What the service answers."""
        error = {"code": self.code, "message": self.message, "status": self.status}
        return {"error": error | ({"details": self.details} if self.details else {})}

    def rpc(self) -> dict[str, Any]:
        """The same inside of an operation, a job or a task."""
        return {"code": CODES[self.status][1], "message": self.message}


def invalid(where: str, text: str) -> Rejected:
    violation = {"field": where, "description": text}
    detail = {"@type": f"{TYPE}BadRequest", "fieldViolations": [violation]}
    return Rejected("INVALID_ARGUMENT", text, [detail])


def precondition(text: str) -> Rejected:
    return Rejected("FAILED_PRECONDITION", text)


def unauthenticated() -> Rejected:
    text = (
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login "
        "cookie or other valid authentication credential."
    )
    return Rejected("UNAUTHENTICATED", text, [_info("ACCESS_TOKEN_TYPE_UNSUPPORTED", {})])


def denied(permission: str, resource: str = "projects/digits-staging") -> Rejected:
    full = f"//aiplatform.googleapis.com/{resource}"
    text = f"Permission '{permission}' denied on resource '{full}' (or it may not exist)."
    metadata = {"permission": permission, "resource": resource}
    return Rejected("PERMISSION_DENIED", text, [_info("IAM_PERMISSION_DENIED", metadata)])


def disabled(api: str, number: str) -> Rejected:
    text = (
        f"{api} has not been used in project {number} before or it is disabled. Enable it by "
        f"visiting https://console.developers.google.com/apis/api/{api}/overview?project={number} "
        "then retry."
    )
    metadata = {"service": api, "consumer": f"projects/{number}"}
    return Rejected("PERMISSION_DENIED", text, [_info("SERVICE_DISABLED", metadata)])


def not_found(name: str) -> Rejected:
    return Rejected("NOT_FOUND", f"The resource {name} was not found.")


def exists(name: str) -> Rejected:
    return Rejected("ALREADY_EXISTS", f"Resource {name} already exists.")


def too_many(seconds: float = 1) -> Rejected:
    """One request too many in a minute; the same may be asked again after so many seconds."""
    metric = "aiplatform.googleapis.com/default_requests"
    text = f"Quota exceeded for quota metric '{metric}' and limit 'Requests per minute'."
    retry = {"@type": f"{TYPE}RetryInfo", "retryDelay": f"{seconds:g}s"}
    return Rejected("RESOURCE_EXHAUSTED", text, [retry])


def quota(metric: str = "aiplatform.googleapis.com/custom_model_training_cpus") -> Rejected:
    """There are no machines left for this project: no wait helps."""
    violation = {"subject": "project:123456789012", "description": f"{metric} exceeds its limit"}
    detail = {"@type": f"{TYPE}QuotaFailure", "violations": [violation]}
    text = f"The following quota metrics exceed quota limits: {metric}"
    return Rejected("RESOURCE_EXHAUSTED", text, [detail])


def internal() -> Rejected:
    return Rejected("INTERNAL", "Internal error encountered.")


def _info(reason: str, metadata: dict[str, str]) -> dict[str, Any]:
    domain = "aiplatform.googleapis.com" if "permission" in metadata else "googleapis.com"
    detail = {"reason": reason, "domain": domain, "metadata": metadata}
    return {"@type": f"{TYPE}ErrorInfo"} | detail
