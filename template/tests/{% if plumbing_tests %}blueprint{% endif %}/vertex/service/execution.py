"""A job that really runs: its compiled pipeline by `kfp.local`, in a process of its own.

Run as a program, this file is that process: it says on standard output, one JSON object a line,
when a task begins and ends and what it prints.
"""

import io
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import traceback
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vertex.service.server import Service


INDENT = "    "  # what kfp.local puts before each line of a step


class Execution:
    """One job's process, and the events it has sent that nobody has looked at yet."""

    def __init__(
        self, service: "Service", name: str, spec: dict[str, Any], arguments: dict[str, Any]
    ) -> None:
        assert service.code
        self.spec, self.folder = spec, service.folder / "jobs" / name
        self.folder.mkdir(parents=True)
        given = self.folder / "job.json"
        given.write_text(json.dumps({"name": name, "spec": spec, "arguments": arguments}))
        code = service.code
        self.process = subprocess.Popen(
            [code.python, __file__, str(given), str(service.folder / "cache")],
            cwd=self.folder,
            env=os.environ | code.variables | {"PYTHONPATH": str(code.folder / "src")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=(self.folder / "log").open("wb"),
            start_new_session=True,
        )
        self.sent: queue.Queue[dict[str, Any]] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def events(self) -> list[dict[str, Any]]:
        """What has happened since the last call."""
        return [self.sent.get() for _ in range(self.sent.qsize())]

    def stop(self) -> None:
        with suppress(ProcessLookupError):
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)

    def _read(self) -> None:
        assert self.process.stdout
        done = False
        for line in self.process.stdout:
            event = json.loads(line)
            done |= event["event"] == "done"
            self.sent.put(event)
        code = self.process.wait()
        if not done:
            text = (
                f"The job's process ended with {code}: {(self.folder / 'log').read_text()[-500:]}"
            )
            error = {"code": 13, "message": text}
            self.sent.put({"event": "done", "state": "FAILED", "error": error})


def upload(service: "Service", execution: Execution, job: Any) -> None:
    """Put what the tasks wrote where the job's root is, as each of them would have."""
    from vertex.service.gcs import write

    root = f"{job.runtime_config.gcs_output_directory.rstrip('/')}/{service.number}"
    written = execution.folder / "root"
    for file in written.rglob("*") if service.gcs else ():
        if file.is_file():
            write(service.gcs, f"{root}/{file.relative_to(written)}", file.read_bytes())


class _Job:
    """This process: the pipeline, and what it says of its tasks."""

    def __init__(self, output: Any) -> None:
        self.output, self.lock = output, threading.Lock()
        self.here = threading.local()  # the tasks that this thread is in
        self.count = 0
        self.failed: list[str] = []

    def say(self, event: str, **facts: Any) -> None:
        with self.lock:
            self.output.write(json.dumps({"event": event} | facts) + "\n")  # kfp changes print()
            self.output.flush()

    def run(self, name: str, spec: dict[str, Any], arguments: Any, cache: str) -> None:
        """Run the pipeline to its end, each step as the project's own runner starts it."""
        from google.protobuf import json_format
        from kfp import local
        from kfp.local import executor_input_utils, pipeline_orchestrator
        from kfp.local.orchestrator import enhanced_dag_orchestrator as graphs
        from kfp.local.orchestrator import task_executor as tasks
        from kfp.pipeline_spec.pipeline_spec_pb2 import PipelineSpec

        from blueprint.targets import processes

        executor_input_utils.get_local_pipeline_resource_name = lambda _: name
        tasks.execute_single_task = self.told(tasks.execute_single_task, dag=False)
        graphs.execute_task = self.told(graphs.execute_task, dag=True)
        local.init(
            local.SubprocessRunner(use_venv=False),
            pipeline_root=str(Path.cwd() / "root"),
            raise_on_error=False,
            enable_caching=True,
            cache_root=cache,
        )
        parsed: Any = json_format.ParseDict(spec, PipelineSpec())
        with processes.started_by(self.start, announce=False), redirect_stdout(sys.stderr):
            pipeline_orchestrator.run_local_pipeline(parsed, arguments)
        if self.failed:
            names = ", ".join(self.failed)
            text = f"The DAG failed because some tasks failed. The failed tasks are: [{names}]."
            self.say("done", state="FAILED", error={"code": 9, "message": text})
        else:
            self.say("done", state="SUCCEEDED")

    def told(self, function: Any, *, dag: bool) -> Any:
        """The function that runs a task, saying that it begins and how it ended."""

        def run(*args: Any, **given: Any) -> Any:
            component = given["components"][given["task_spec"].component_ref.name]
            if dag != (component.WhichOneof("implementation") == "dag"):
                return function(*args, **given)  # the other of the two says it
            stack = self.here.__dict__.setdefault("stack", [])
            with self.lock:
                self.count += 1
                identity = str(self.count)
            task = given["task_name"]
            parent = stack[-1] if stack else ""
            self.say("start", id=identity, task=task, parent=parent, dag=dag)
            stack.append(identity)
            self.here.ran = dag
            try:
                outputs, status = function(*args, **given)
            finally:
                stack.pop()
            state = "SUCCEEDED" if self.here.ran or dag else "SKIPPED"
            if status.name != "SUCCESS":
                state = "FAILED"
                self.failed.append(task)
            self.say("end", id=identity, state=state)
            return outputs, status

        return run

    def start(self, command: list[str], variables: dict[str, str] | None) -> int:
        """Run a step as the project does, its output to the task's log."""
        from blueprint.targets import processes

        self.here.ran = True
        stack = self.here.__dict__.get("stack") or [""]
        with redirect_stdout(_Log(self, stack[-1])):
            return processes.run_process(command, variables)


class _Log(io.TextIOBase):
    def __init__(self, job: _Job, identity: str) -> None:
        self.job, self.identity, self.rest = job, identity, ""

    def write(self, text: str) -> int:
        *lines, self.rest = (self.rest + text).split("\n")
        for line in lines:
            self.job.say("log", id=self.identity, text=line.removeprefix(INDENT))
        return len(text)


if __name__ == "__main__":
    job = _Job(os.fdopen(os.dup(1), "w"))
    try:
        job.run(**json.loads(Path(sys.argv[1]).read_text()), cache=sys.argv[2])
    except Exception:
        traceback.print_exc()
        error = {"code": 13, "message": traceback.format_exc().splitlines()[-1]}
        job.say("done", state="FAILED", error=error)
