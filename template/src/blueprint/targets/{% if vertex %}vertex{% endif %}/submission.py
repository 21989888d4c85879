"""`make submit`: one run of the pipeline as it is now, and no other side effect.

The SDK's own `submit()` makes the bucket where there is none, and edits who may use it. Here the
SDK builds the message and its service client sends it; `make doctor` says what is missing.
"""

import hashlib
import json
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ...errors import UserError
from ...runs import STATE
from ...settings import Settings
from .. import facts, graph, preflight
from ..compiling import compile_pipeline, contents, path_of, pipeline_image
from . import following, readiness
from .client import CloudError, address, credentials, errors, link, section, service
from .settings import Vertex

STARTS = STATE / "vertex"  # of runs whose answer has not come yet
GOOD_SECONDS = 3600  # a start that is older is given up
TRIES, PAUSE = 3, 2  # of a request, which has the id of its job: it makes one job at most
AGAIN = (0, 429, 500, 502, 503, 504)


@dataclass(frozen=True)
class Start:
    """A run that is to be started: the id of its job, and the values that a repetition keeps."""

    job: str
    arguments: Mapping[str, Any]


def submit(settings: Settings, *, wait: bool = False, entry: str = "training") -> str:
    """Start a run, print its link, and return the id of its job; `wait` follows it to its end.

    Raises a UserError when something is missing, Google Cloud rejects it, or, with `wait`, fails.
    """
    spec = prepare(settings, entry)
    vertex = section(settings)
    cached = bool(settings.pipeline.step("load_data").cache)
    values = arguments(settings, facts.snapshot(settings.data, cached), entry)
    name = graph.name_of(settings, entry)
    path, start = _begin(settings, spec, values, name)
    made = message(settings, spec, entry, start.arguments, start.job)
    state = _create(vertex, made, start.job)
    print(f"run {start.job} ({state}): {link(vertex, start.job)}", flush=True)
    path.unlink(missing_ok=True)  # the answer is known: the next submit is another run
    if wait:
        following.follow(vertex, start.job, graph.configure(settings, "", entry).steps)
    return start.job


def prepare(settings: Settings, entry: str) -> Path:
    """Check what would make a run fail for sure, and compile the pipeline: nothing is sent."""
    preflight.check(settings, here=False)
    arguments(settings, "", entry)  # so that a parameter without a value is found here
    if problems := readiness.problems(settings):
        raise UserError("\n".join(problems))
    spec = path_of(entry)
    compile_pipeline(settings, spec, pipeline_image(settings), entry, pushed=True)
    return spec


def arguments(settings: Settings, snapshot: str, entry: str = "training") -> dict[str, Any]:
    """What the defaults in the compiled pipeline leave open."""
    given = {"revision": facts.revision(), "lock": facts.lock_hash(), "snapshot": snapshot}
    values = graph.arguments(settings, given, entry)
    return {name: value for name, value in values.items() if name in given}


def message(
    settings: Settings,
    spec: Path,
    entry: str,
    values: Mapping[str, Any],
    job: str,
) -> Any:
    """The job as Vertex AI is told of it. Caching stays as each task has it in the spec."""
    from google.cloud import aiplatform

    vertex, name = section(settings), graph.name_of(settings, entry)
    # Its constructor makes a client, too, which would speak gRPC.
    aiplatform.init(
        project=vertex.project,
        location=vertex.location,
        credentials=credentials(vertex),
        api_endpoint=address(vertex, "aiplatform"),
        api_transport="rest",
    )
    try:
        built = aiplatform.PipelineJob(
            display_name=f"{name} {datetime.now(UTC):%Y-%m-%d %H:%M:%S}",
            template_path=str(spec),
            job_id=job,
            pipeline_root=vertex.pipeline_root,
            parameter_values=dict(values),
            enable_caching=None,  # a value would overwrite what each task says
            encryption_spec_key_name=vertex.encryption_key,
            labels=labels(settings, name),
            failure_policy=vertex.failure_policy,
        )._gca_resource  # what its submit() sends
    except ValueError as error:
        raise UserError(f"Vertex AI's client rejects the pipeline: {error}") from None
    if vertex.service_account:
        built.service_account = vertex.service_account
    if vertex.network:
        built.network = vertex.network
    return built


def labels(settings: Settings, name: str) -> dict[str, str]:
    """What runs are found by: the project's own labels, model, pipeline and experiment."""
    vertex = section(settings)
    own = {"model": label(settings.registry.name), "pipeline": label(name)}
    return {
        **vertex.labels,
        **own,
        **({"experiment": vertex.experiment} if vertex.experiment else {}),
    }


def label(text: str) -> str:
    """A text as the value of a label."""
    return re.sub("[^a-z0-9_-]", "-", text.lower())[:63]


def fingerprint(vertex: Vertex, spec: Path, *more: Any) -> str:
    """What tells whether the same is asked for."""
    place = vertex.model_dump(exclude={"poll_seconds", "timeout_seconds"})
    what = json.dumps([place, contents(spec), *more], sort_keys=True)
    return hashlib.sha256(what.encode()).hexdigest()


def _begin(
    settings: Settings, spec: Path, values: Mapping[str, Any], name: str
) -> tuple[Path, Start]:
    """The start that was broken off before its answer came, if the same is asked for; else a new
    one. It is on the disk before anything is sent, so that a killed submit and the one after it
    make one job."""
    vertex = section(settings)
    kept = {key: value for key, value in values.items() if not _moment(value)}
    digest = fingerprint(vertex, spec, kept, name)
    path = STARTS / f"{digest[:16]}.json"
    try:
        if time.time() - path.stat().st_mtime < GOOD_SECONDS:
            return path, Start(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        pass  # there is none, or it was broken off while it was written
    token = hashlib.sha256(f"{digest}{secrets.token_hex()}".encode()).hexdigest()[:8]
    job = f"{label(name)}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{token}"
    start = Start(job, values)
    STARTS.mkdir(parents=True, exist_ok=True)
    whole = path.with_suffix(".new")
    whole.write_text(json.dumps(asdict(start)))
    whole.replace(path)
    return path, start


def _moment(value: Any) -> bool:
    """Whether a value is the time at which it was made, and so never the same again."""
    try:
        datetime.fromisoformat(str(value))
    except ValueError:
        return False
    return True


def _create(vertex: Vertex, made: Any, job: str) -> str:
    """Send it. A job of that id that is there already is the one that an earlier try made."""
    client = service(vertex, "PipelineServiceClient")
    for attempt in range(1, TRIES + 1):
        try:
            with errors(vertex):
                client.create_pipeline_job(
                    parent=vertex.parent,
                    pipeline_job=made,
                    pipeline_job_id=job,
                    timeout=vertex.timeout_seconds,
                )
            return "new"
        except CloudError as error:
            if error.code == 409:
                return "there already"
            if error.code not in AGAIN or attempt == TRIES:
                raise
            time.sleep(PAUSE * attempt)
    raise AssertionError("unreachable")
