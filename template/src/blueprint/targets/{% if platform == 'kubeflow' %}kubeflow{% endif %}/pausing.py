"""`make debug STEP=…`: a run on the cluster in which one step's pod waits, to be looked into.

KFP's `set_debug_pause` sets a variable that Argo's executor reads: the step begins when a file is
there. `make debug RUN=… STEP=… GO=1` makes the file, END=1 ends the run.
"""

import os
import shlex
import shutil
import subprocess
import time
from typing import Any

from ...errors import UserError
from ...settings import ENVIRONMENT, Settings
from .. import graph
from . import submission
from .client import Client, connect, errors
from .following import ENDS, executes, pods

MARKER = "/var/run/argo/ctr/main/before"  # Argo's debug-pause
KUBECTL_SECONDS = 30


def pause(settings: Settings, step: str) -> None:
    """Start a run, wait until that step's pod waits, and print how one enters it and goes on.

    Raises a UserError where there is no such step, or when the run ends before it.
    """
    _check(settings, step)
    settings = settings.model_copy(update={"pipeline": settings.pipeline.paused(step)})
    run_id = submission.submit(settings)
    client = connect(settings)
    try:
        namespace, pod = _waiting(client, settings, run_id, step)
    except KeyboardInterrupt:
        raise UserError(
            f"the run goes on, and {step} will wait: `make debug RUN={run_id} STEP={step} END=1` "
            "ends it"
        ) from None
    again = f"make debug ENV={os.environ.get(ENVIRONMENT, 'local')} RUN={run_id} STEP={step}"
    print(f"{step} waits in pod {pod}")
    print(f"enter it:  {shlex.join(_exec(namespace, pod, '-it'))} sh")
    print(f"go on:     {again} GO=1")
    print(f"end it:    {again} END=1")


def release(settings: Settings, run_id: str, step: str) -> None:
    """Let a waiting step begin, by kubectl and its current context."""
    _check(settings, step)
    if not shutil.which("kubectl"):
        raise UserError("kubectl is not on the PATH: a step goes on by a file in its pod")
    namespace, pod = _waiting(connect(settings), settings, run_id, step)
    command = [*_exec(namespace, pod), "touch", MARKER]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=KUBECTL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise UserError(f"{shlex.join(command)}: no answer in {KUBECTL_SECONDS} s") from None
    if done.returncode:
        reason = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise UserError(f"{shlex.join(command)}: {reason}")
    print(f"{step} goes on")


def end(settings: Settings, run_id: str) -> None:
    """End a run, and with it the pods that wait."""
    client = connect(settings)
    with errors(client.kubeflow):
        client.terminate_run(run_id)
    print(f"run {run_id} ends")


def _check(settings: Settings, step: str) -> None:
    steps = graph.configure(settings, "").tasks
    if step not in steps:
        raise UserError(f"STEP={step}: expected {', '.join(steps)}")


def _waiting(client: Client, settings: Settings, run_id: str, step: str) -> tuple[str, str]:
    """The namespace and name of the step's pod, once it is there."""
    kubeflow = client.kubeflow
    namespace = client.get_user_namespace() or "kubeflow"  # where a standalone installation is
    retried = settings.pipeline.step(step).retries is not None
    while True:
        with errors(kubeflow):
            run = client.get_run(run_id)
        if pod := _pod(run, step, retried=retried):
            return namespace, pod
        if str(run.state).upper() in ENDS:
            raise UserError(f"run {run_id} is {run.state}: {step} does not wait in it")
        time.sleep(kubeflow.poll_seconds)


def _pod(run: Any, step: str, *, retried: bool) -> str | None:
    tasks = (run.run_details and run.run_details.task_details) or []
    for node in tasks:
        if str(node.display_name).replace("-", "_") == step and node.state == "RUNNING":
            for each in tasks:
                if executes(each, node) and each.state == "RUNNING":
                    found = pods([*(node.child_tasks or []), *(each.child_tasks or [])])
                    wanted = [pod for pod in found if ("-retry-" in pod) is retried]
                    return next(iter(wanted), None)
    return None


def _exec(namespace: str, pod: str, *options: str) -> list[str]:
    return ["kubectl", "exec", *options, "-n", namespace, pod, "-c", "main", "--"]
