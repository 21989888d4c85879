"""`make batch` on Vertex AI: JSON lines in a bucket, or a table of BigQuery.

Vertex AI starts the version's server on machines of the section `deploy`, sends it the rows, and
writes what it predicts. All other rows are scored by this machine.
"""

import hashlib
import json
import secrets
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UserError
from ..runs import STATE
from ..settings import Settings

if TYPE_CHECKING:
    from google.cloud.aiplatform_v1 import types

    from ..deploy.calls import Calls, Object
    from ..deploy.endpoint import Endpoint

GOOD_SECONDS = 3600  # after its end, a job is no longer that of a command that was killed
PATIENCE = 5  # answers in a row that may be missing, while it runs
QUIET_SECONDS = 30  # between lines of progress
DONE = ("SUCCEEDED", "PARTIALLY_SUCCEEDED")
ENDS = (*DONE, "FAILED", "CANCELLED", "EXPIRED")
LABEL = "start"
CONSOLE = "https://console.cloud.google.com/agent-platform/locations"


def takes(source: str) -> bool:
    """Whether such rows are scored by Vertex AI."""
    return source.startswith("bq://") or (source.startswith("gs://") and source.endswith(".jsonl"))


def run(
    settings: Settings, source: str, output: str, version: str | None = None, *, force: bool = False
) -> None:
    """Have Vertex AI score the rows, and follow it to the end. Raises UserError when that fails.

    A job that a killed command began is taken up, unless `force` asks for another one.
    """
    from ..deploy.deployment import open_endpoint, say
    from ..targets.vertex.client import errors, service

    if not output.startswith(("gs://", "bq://")):
        raise UserError(
            f"OUTPUT={output}: Vertex AI writes to gs://bucket/folder or bq://project.dataset"
        )
    endpoint = open_endpoint(settings)
    model, what = _model(settings, endpoint, version)
    wanted = _message(endpoint, model, what, source, output)
    path, wanted.labels[LABEL], job = _begin(endpoint.calls, wanted, force=force)
    vertex = endpoint.vertex
    if job:
        say(f"the job that was begun at {job['createTime'][:16]} UTC is taken up")
        name = job["name"]
    else:
        with errors(vertex):
            client = service(vertex, "JobServiceClient")
            name = client.create_batch_prediction_job(
                parent=vertex.parent, batch_prediction_job=wanted, timeout=vertex.timeout_seconds
            ).name
    place = f"{vertex.location}/batch-predictions/{name.rpartition('/')[2]}"
    page = f"{CONSOLE}/{place}?project={vertex.project}"
    say(f"{what} scores {source}: {page}")
    try:
        found = _follow(endpoint.calls, name)
    except KeyboardInterrupt:
        raise UserError(f"the job goes on: the same command follows it ({page})") from None
    path.unlink(missing_ok=True)  # how it ended is known: the next command is another job
    say(_result(found, what, quarantine=settings.batch.quarantine))


def _model(settings: Settings, endpoint: "Endpoint", number: str | None) -> tuple[str, str]:
    """The version in service, or the registry's of that number: on Vertex AI, and in words."""
    from ..deploy.deployment import label, say
    from ..deploy.versions import Versions, resolve
    from ..registry.client import connect

    if number is None:
        if (served := endpoint.stable()) is None:
            text = f"no version is in service on endpoint {endpoint.deploy.endpoint}"
            raise UserError(f"{text}: `make deploy` puts one there, VERSION=3 takes another")
        name = f"{endpoint.vertex.parent}/models/{settings.registry.name}@{served.version}"
        return name, served.name
    registry = connect(settings.registry)
    pin = resolve(registry, number)
    versions = Versions(endpoint.deploy, endpoint.calls, registry.name)
    return versions.register(registry, pin, say), label(registry.name, pin)


def _message(
    endpoint: "Endpoint", model: str, what: str, source: str, output: str
) -> "types.BatchPredictionJob":
    from google.cloud.aiplatform_v1 import types

    from ..deploy.endpoint import machine

    deploy, vertex = endpoint.deploy, endpoint.vertex
    made = types.BatchPredictionJob(
        display_name=what,
        model=model,
        labels=vertex.labels,
        dedicated_resources=types.BatchDedicatedResources(
            machine_spec=machine(deploy),
            starting_replica_count=deploy.min_replicas,
            max_replica_count=deploy.max_replicas,
        ),
        service_account=deploy.service_account or "",
    )
    # The server rejects a column that the model does not take; others are in the output all the
    # same. Without a type, Vertex AI makes an array of a table's row.
    made.instance_config.instance_type = "object"
    made.instance_config.included_fields = _columns(endpoint.calls, model)
    given, written = made.input_config, made.output_config
    given.instances_format, written.predictions_format = map(_format, (source, output))
    if _format(source) == "jsonl":
        given.gcs_source.uris = [source]
    else:
        given.bigquery_source.input_uri = source
    if _format(output) == "jsonl":
        written.gcs_destination.output_uri_prefix = output
    else:
        written.bigquery_destination.output_uri = output
    if vertex.encryption_key:
        made.encryption_spec.kms_key_name = vertex.encryption_key
    return made


def _format(uri: str) -> str:
    return "jsonl" if uri.startswith("gs://") else "bigquery"


def _columns(calls: "Calls", model: str) -> list[str]:
    """The columns that a version of the model takes, from its files."""
    from ..data.storage import Folder

    uri = (calls.get(model) or {}).get("artifactUri", "")
    content = Folder(uri).read("signature.json") if uri else None
    if content is None:
        raise UserError(f"{uri or model} has no signature.json: `make deploy` puts its files there")
    return [each["name"] for each in json.loads(content)["inputs"]]


def _begin(
    calls: "Calls", job: "types.BatchPredictionJob", *, force: bool
) -> "tuple[Path, str, Object | None]":
    """Where the start is remembered, its token, and the job that a killed command has begun.

    A job has no id of the client's. The token is its label, and on the disk before it is sent.
    """
    asked = type(job).to_json(job, sort_keys=True)
    path = STATE / "vertex" / f"batch-{hashlib.sha256(asked.encode()).hexdigest()[:16]}.json"
    if path.exists() and not force and (token := path.read_text()):
        jobs, mine = f"{calls.vertex.parent}/batchPredictionJobs", f'labels.{LABEL}="{token}"'
        found = next(calls.pages(jobs, "batchPredictionJobs", filter=mine), None)
        ended = (found or {}).get("endTime", "")
        since = (datetime.now(UTC) - timedelta(seconds=GOOD_SECONDS)).isoformat()
        if not ended or ended[:19] > since[:19]:
            return path, token, found
    token = secrets.token_hex(8)
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.with_suffix(".new")
    whole.write_text(token)
    whole.replace(path)
    return path, token, None


def _follow(calls: "Calls", name: str) -> "Object":
    """The job as it ended; meanwhile, lines say how far it is."""
    from ..deploy.deployment import say
    from ..targets.vertex.client import CloudError

    state, missing, said = "", 0, time.monotonic()
    while True:
        try:
            found, missing = calls.api.get("aiplatform", f"v1/{name}"), 0
        except CloudError:
            missing += 1
            if missing == PATIENCE:
                raise
        else:
            now = _state(found)
            if now in ENDS:
                return found
            if now != state or time.monotonic() - said > QUIET_SECONDS:
                good, bad = _counts(found)[:2]
                say(f"{now.lower()}: {good:,} rows scored" + (f", {bad:,} failed" if bad else ""))
                state, said = now, time.monotonic()
        time.sleep(calls.vertex.poll_seconds)


def _result(found: "Object", what: str, *, quarantine: bool) -> str:
    """What was done, in words. Raises UserError where rows have no prediction."""
    good, bad, left = _counts(found)
    info, state = found.get("outputInfo", {}), _state(found)
    table = (info.get("bigqueryOutputDataset", ""), info.get("bigqueryOutputTable", ""))
    where = info.get("gcsOutputDirectory") or ".".join(filter(None, table))
    errors = [found.get("error", {}), *found.get("partialFailures", ())]
    why = " ".join(" ".join(each.get("message", "") for each in errors).split())[:600]
    lost = f"{bad:,} rows failed" if bad else "" if state == "SUCCEEDED" else state.lower()
    more = "; ".join(filter(None, (lost, why)))
    if state not in DONE:
        raise UserError(f"the job {found['name'].rpartition('/')[2]} ends: {more}. {where}".strip())
    line = f"{good:,} rows scored with {what}: {where}"
    if (more or left > 0) and not quarantine:
        more = more or "some rows have no prediction"
        raise UserError(f"{line}; {more}: batch.quarantine=true takes that as it is")
    return f"{line}{more and f'; {more}'}"


def _counts(found: "Object") -> tuple[int, int, int]:
    """Rows that were scored, that failed, and that nobody got to; -1 is not known."""
    stats, keys = found.get("completionStats", {}), ("successful", "failed", "incomplete")
    good, bad, left = (int(stats.get(f"{key}Count", 0)) for key in keys)
    return good, bad, left


def _state(found: "Object") -> str:
    return str(found.get("state", "")).removeprefix("JOB_STATE_")
