"""Pipeline jobs: what is submitted is checked as the service does, and then runs or seems to."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from google.cloud import aiplatform_v1 as v1
from google.protobuf import empty_pb2, json_format
from google.rpc import status_pb2
from kfp.pipeline_spec.pipeline_spec_pb2 import PipelineSpec
from vertex.service import errors, wire
from vertex.service.execution import Execution, upload
from vertex.service.listing import listed
from vertex.service.models import check_labels
from vertex.service.schedules import Schedules

if TYPE_CHECKING:
    from vertex.service.server import Service

JOB_ID = re.compile(r"[a-z][-a-z0-9]{0,127}")
STATE, TASK = v1.PipelineState, v1.PipelineTaskDetail.State
ENDED = (
    STATE.PIPELINE_STATE_SUCCEEDED,
    STATE.PIPELINE_STATE_FAILED,
    STATE.PIPELINE_STATE_CANCELLED,
)
CANCELLED = {"code": 1, "message": "The pipeline job was cancelled by a user."}


class Pipelines(Schedules):
    """`made` are the jobs by name, `logs` the lines of tasks by the number of their custom job."""

    def __init__(self, service: "Service") -> None:
        super().__init__(service)
        self.service = service
        self.made: dict[str, Any] = {}
        self.plans: list[tuple[str, float]] = []
        self.played: dict[str, Iterator[dict[str, Any]]] = {}
        self.executions: dict[str, Execution] = {}
        self.logs: dict[str, list[str]] = {}

    def create_pipeline_job(self, request: Any) -> Any:
        parent = self.service.parent(request.parent)
        identity = request.pipeline_job_id or f"job-{self.service.identity()}"
        if not JOB_ID.fullmatch(identity):
            raise errors.invalid("pipeline_job_id", f"The id {identity!r} is not valid.")
        name = f"{parent}/pipelineJobs/{identity}"
        if name in self.made:
            raise errors.exists(name)
        job = v1.PipelineJob(request.pipeline_job)
        spec = self.check(job)
        job.name, job.create_time = name, self.service.now()
        job.update_time, job.state = job.create_time, STATE.PIPELINE_STATE_PENDING
        job.display_name = job.display_name or identity
        self.made[name] = job
        self._start(job, spec, self._next_plan())
        return job

    def check(self, job: Any) -> dict[str, Any]:
        """The job's pipeline as JSON; an error where the service would reject the job."""
        check_labels(job.labels)
        config = job.runtime_config
        if not config.gcs_output_directory.startswith("gs://"):
            text = "gcs_output_directory is required, and begins with gs://."
            raise errors.invalid("pipeline_job.runtime_config.gcs_output_directory", text)
        account = job.service_account
        if account and account not in self.service.ground.accounts:
            text = f"You do not have permission to act as service_account: {account}."
            raise errors.Rejected("PERMISSION_DENIED", f"{text} (or it may not exist).")
        spec: dict[str, Any] = json_format.MessageToDict(v1.PipelineJob.pb(job).pipeline_spec)
        parsed: Any = PipelineSpec()
        try:
            wire.parse(spec, parsed)
        except errors.Rejected as error:
            raise errors.invalid("pipeline_job.pipeline_spec", error.message) from None
        if not parsed.root.dag.tasks or not parsed.pipeline_info.name:
            raise errors.invalid("pipeline_job.pipeline_spec", "The pipeline_spec has no tasks.")
        wanted = parsed.root.input_definitions.parameters
        if config.parameters:
            text = "parameters is for schema 2.0.0: this one takes parameter_values."
            raise errors.invalid("pipeline_job.runtime_config", text)
        given = set(v1.PipelineJob.pb(job).runtime_config.parameter_values)
        if unknown := given - set(wanted):
            text = f"The pipeline has no parameter {', '.join(sorted(unknown))}."
            raise errors.invalid("pipeline_job.runtime_config.parameter_values", text)
        without = {key for key, each in wanted.items() if not each.HasField("default_value")}
        if needed := {key for key in without - given if not wanted[key].is_optional}:
            text = f"The pipeline needs the parameter {', '.join(sorted(needed))}."
            raise errors.invalid("pipeline_job.runtime_config.parameter_values", text)
        return spec

    def get_pipeline_job(self, request: Any) -> Any:
        job = self.find(request.name)
        self._advance(job)
        return job

    def list_pipeline_jobs(self, request: Any) -> Any:
        parent = self.service.parent(request.parent)
        mine = [job for name, job in self.made.items() if name.startswith(f"{parent}/")]
        return listed(mine, request, v1.ListPipelineJobsResponse, "pipeline_jobs")

    def cancel_pipeline_job(self, request: Any) -> Any:
        job = self.find(request.name)
        if job.state not in ENDED:
            job.state = STATE.PIPELINE_STATE_CANCELLING
            if execution := self.executions.get(job.name):
                execution.stop()
        return empty_pb2.Empty()

    def delete_pipeline_job(self, request: Any) -> Any:
        job = self.find(request.name)
        if job.state not in ENDED:
            raise errors.precondition(f"The PipelineJob {job.name} is not in a final state.")
        return self.service.begin(
            job.name, v1.DeleteOperationMetadata(), lambda: self.made.pop(job.name) and None
        )

    def find(self, name: str) -> Any:
        """The job of that name."""
        if (found := self.made.get(self.service.canonical(name))) is None:
            raise errors.not_found(name)
        return found

    def close(self) -> None:
        for execution in self.executions.values():
            execution.stop()

    def _next_plan(self) -> str:
        while self.plans:
            kind, times = self.plans[0]
            if times > 1:
                self.plans[0] = (kind, times - 1)
            else:
                self.plans.pop(0)
            return kind
        return "run" if self.service.code else "succeed"

    def _start(self, job: Any, spec: dict[str, Any], kind: str) -> None:
        self._detail(job, {"id": "", "task": job.name.rpartition("/")[2], "dag": True})
        if kind == "run":
            values = dict(job.runtime_config.parameter_values)
            arguments = {key: json_format.MessageToDict(value) for key, value in _raw(job, values)}
            self.executions[job.name] = Execution(
                self.service, job.name.rpartition("/")[2], spec, arguments
            )
        else:
            self.played[job.name] = _play(spec, kind)

    def _advance(self, job: Any) -> None:
        """Apply what has happened since the job was last looked at."""
        if job.state in ENDED:
            return
        if job.state == STATE.PIPELINE_STATE_CANCELLING:
            self._end(job, STATE.PIPELINE_STATE_CANCELLED, CANCELLED)
            return
        job.state = STATE.PIPELINE_STATE_RUNNING
        job.start_time = job.start_time or self.service.now()
        if execution := self.executions.get(job.name):
            events = execution.events()
        else:
            events = [event] if (event := next(self.played[job.name], None)) else []
        for event in events:
            self._apply(job, event)

    def _apply(self, job: Any, event: dict[str, Any]) -> None:
        if event["event"] == "start":
            self._detail(job, event)
            return
        if event["event"] == "done":
            state = getattr(STATE, f"PIPELINE_STATE_{event['state']}")
            self._end(job, state, event.get("error"))
            return
        detail = next(
            each for each in job.job_detail.task_details if each.task_unique_name == event["id"]
        )
        number = detail.executor_detail.container_detail.main_job.rpartition("/")[2]
        if event["event"] == "log":
            self.logs.setdefault(number, []).append(event["text"])
            return
        detail.state, detail.end_time = TASK[event["state"]], self.service.now()
        if event["state"] == "SKIPPED":  # from the cache: nothing ran
            detail.executor_detail.container_detail.main_job = ""
        if event["state"] == "FAILED":
            default = (
                "The replica workerpool0-0 exited with a non-zero status of 1. To find out more "
                "about why your job exited please check the logs: "
                f"https://console.cloud.google.com/logs/viewer?resource=ml_job%2Fjob_id%2F{number}"
            )
            detail.error = status_pb2.Status(code=9, message=event.get("error") or default)

    def _detail(self, job: Any, event: dict[str, Any]) -> None:
        parents = {each.task_unique_name: each.task_id for each in job.job_detail.task_details}
        now = self.service.now()
        detail = v1.PipelineTaskDetail(
            task_id=int(self.service.identity()),
            task_name=event["task"],
            task_unique_name=event["id"],
            parent_task_id=parents.get(event.get("parent", ""), 0),
            create_time=now,
            start_time=now,
            state=TASK.RUNNING,
        )
        if not event.get("dag"):
            parent = "/".join(job.name.split("/")[:4])
            main = f"{parent}/customJobs/{self.service.identity()}"
            detail.executor_detail.container_detail.main_job = main
        job.job_detail.task_details.append(detail)

    def _end(self, job: Any, state: Any, error: dict[str, Any] | None) -> None:
        job.state, job.end_time, job.update_time = state, self.service.now(), self.service.now()
        if error:
            job.error = status_pb2.Status(**error)
        final = {ENDED[0]: TASK.SUCCEEDED, ENDED[1]: TASK.FAILED, ENDED[2]: TASK.CANCELLED}[state]
        for detail in job.job_detail.task_details:
            if detail.state in (TASK.RUNNING, TASK.PENDING):
                detail.state, detail.end_time = final, self.service.now()
        if execution := self.executions.get(job.name):
            satisfied = execution.spec["root"]["dag"]["tasks"] if final == TASK.SUCCEEDED else {}
            begun = {detail.task_name for detail in job.job_detail.task_details}
            for name, task in satisfied.items():
                if name not in begun and "condition" in task.get("triggerPolicy", {}):
                    self._detail(job, {"id": f"/{name}", "task": name, "dag": True})
                    job.job_detail.task_details[-1].state = TASK.NOT_TRIGGERED
            upload(self.service, execution, job)


def _raw(job: Any, values: dict[str, Any]) -> list[tuple[str, Any]]:
    raw = v1.PipelineJob.pb(job).runtime_config.parameter_values
    return [(key, raw[key]) for key in values]


def _play(spec: dict[str, Any], kind: str) -> Iterator[dict[str, Any]]:
    """What seems to happen in a job, an event for each time that it is looked at."""
    kind, _, rest = kind.partition(":")
    wrong, _, message = rest.partition(":")
    failed = {"code": 9, "message": f"The failed tasks are: [{wrong}]."}
    for number, event in enumerate(_tasks(spec, spec["root"]["dag"], "")):
        if kind == "stuck" and number:
            return
        if kind == "quota" and number:
            yield {"event": "done", "state": "FAILED", "error": errors.quota().rpc()}
            return
        if kind == "cancel" and number > 1:
            yield {"event": "done", "state": "CANCELLED", "error": CANCELLED}
            return
        if kind == "fail" and event["event"] == "end" and event["task"] == wrong:
            if message:
                yield {"event": "log", "id": event["id"], "text": message}
            yield event | {"state": "FAILED"}
            failed["message"] = "The DAG failed because some tasks failed. " + failed["message"]
            yield {"event": "done", "state": "FAILED", "error": failed}
            return
        yield event
    yield {"event": "done", "state": "SUCCEEDED"}


def _tasks(spec: dict[str, Any], dag: dict[str, Any], parent: str) -> Iterator[dict[str, Any]]:
    """Start and end of each task of a graph whose conditions all hold, in their order."""
    waiting = dict(dag["tasks"])
    while waiting:
        name = next(
            each
            for each, task in waiting.items()
            if not set(task.get("dependentTasks", [])) & waiting.keys()
        )
        task = waiting.pop(name)
        inner = spec["components"][task["componentRef"]["name"]].get("dag")
        found = {"id": f"{parent}/{name}", "task": name, "parent": parent, "dag": bool(inner)}
        yield {"event": "start"} | found
        if inner:
            yield from _tasks(spec, inner, found["id"])
        yield {"event": "end", "state": "SUCCEEDED"} | found
