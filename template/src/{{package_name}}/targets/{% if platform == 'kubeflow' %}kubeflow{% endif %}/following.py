"""A run on the cluster as it goes on, shown as a run on this machine is.

The API says which steps have begun and ended. What they print is in the logs of their pods, which
not every installation hands out: then a step's state is all that is shown.
"""

import time
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlencode

import kfp_server_api as api
import urllib3

from ...progress import FAILED, FINISHED, STARTED, line
from ...settings import Kubeflow
from ..display import LINE, Display
from ..local import RUNS, STEPS, RunError
from .client import Client, ClusterError, errors

ENDS = ("SUCCEEDED", "FAILED", "SKIPPED", "CANCELED", "ERROR")
PATIENCE = 5  # answers in a row that may be missing, while a run goes on
TEMPLATES = ("system-container-impl", "retry-system-container-impl")


def follow(client: Client, kubeflow: Kubeflow, run_id: str) -> Display:
    """Show the run's progress until it ends. Raises `RunError` unless it succeeds."""
    RUNS.mkdir(parents=True, exist_ok=True)
    log = RUNS / f"{run_id}.log"
    display = Display(STEPS, log)
    seen = _Seen(client, run_id, display)
    try:
        run = _poll(client, kubeflow, run_id, seen)
        if run.state == "SUCCEEDED":
            display.finish()
            return display
    except KeyboardInterrupt:
        raise RunError(f"the run goes on: {client.link(f'runs/details/{run_id}')}") from None
    finally:
        display.close()
    reason = display.error or (run.error and run.error.message) or f"the run is {run.state}"
    raise RunError(
        f"{' '.join(reason.split())} (log: {log}, {client.link(f'runs/details/{run_id}')})"
    )


def _poll(client: Client, kubeflow: Kubeflow, run_id: str, seen: "_Seen") -> Any:
    missing = 0
    while True:
        try:
            with errors(kubeflow):
                run = client.get_run(run_id)
            missing = 0
        except ClusterError:
            missing += 1
            if missing == PATIENCE:
                raise
        else:
            seen.update(run)
            if str(run.state).upper() in ENDS:
                return run
        time.sleep(kubeflow.poll_seconds)


class _Seen:
    """What of a run has been shown; hands what is new to the display."""

    def __init__(self, client: Client, run_id: str, display: Display) -> None:
        self.client, self.run_id, self.display = client, run_id, display
        self.started: set[str] = set()
        self.ended: set[str] = set()
        self.printed: dict[str, str] = {}

    def update(self, run: Any) -> None:
        tasks = (run.run_details and run.run_details.task_details) or []
        for step in STEPS:
            node = next(
                (each for each in tasks if each.display_name == step.replace("_", "-")), None
            )
            if node is None or step in self.ended:
                continue
            pod = next((each for each in tasks if _executes(each, node)), None)
            if pod is None or pod.state == "SKIPPED":  # from the cache, or not yet begun
                continue
            if step not in self.started:
                self.started.add(step)
                self.display.write(line(step, STARTED) + "\n")
            self._print(step, run, node, pod)
            if node.state in ENDS:
                self._end(step, node, pod)

    def _print(self, step: str, run: Any, node: Any, pod: Any) -> None:
        """Show what the step has printed since the last time."""
        text = _log(self.client, run, [*(node.child_tasks or []), *(pod.child_tasks or [])])
        before = self.printed.get(step, "")
        *lines, _ = text[len(before) :].split("\n") if text.startswith(before) else [""]
        for each in lines:
            self.printed[step] = self.printed.get(step, "") + each + "\n"
            said = LINE.match(each)
            if said and said["step"] == step and said["event"] in (FINISHED, FAILED):
                self.ended.add(step)
            if not (said and said["event"] == STARTED):
                self.display.write(each + "\n")

    def _end(self, step: str, node: Any, pod: Any) -> None:
        if step not in self.ended:
            self.ended.add(step)
            failed = node.state != "SUCCEEDED"
            error = (pod.error or node.error) if failed else None
            text = (error and error.message) or "its pod failed: its log says why"
            event = line(step, FAILED, " ".join(text.split())) if failed else line(step, FINISHED)
            self.display.write(event + "\n")


def _executes(task: Any, node: Any) -> bool:
    """Whether the task is the pod of the step: the API does not link the two but by their times."""
    if not str(task.display_name).startswith("executor") or not (
        task.start_time and node.start_time
    ):
        return False
    begun = node.start_time <= task.start_time
    return begun and (node.state not in ENDS or task.start_time <= node.end_time)


def _log(client: Client, run: Any, children: list[Any]) -> str:
    """What the pod has printed so far, "" where nobody hands it out.

    Argo puts the template into a pod's name: `<workflow>-<template>-<number>` is that of the node
    `<workflow>-<number>`.
    """
    namespace = client.get_user_namespace()
    for child in children:
        workflow, _, number = str(child.pod_name or "").rpartition("-")
        for template in TEMPLATES if workflow else ():
            pod = f"{workflow}-{template}-{number}"
            query = {"podname": pod, "runid": run.run_id, "createdat": f"{run.created_at:%Y-%m-%d}"}
            if namespace:
                query["podnamespace"] = namespace
            for path in (
                f"/apis/v1alpha1/runs/{quote(run.run_id)}/nodes/{quote(pod)}/log",
                f"/k8s/pod/logs?{urlencode(query)}",
            ):
                with suppress(api.ApiException, urllib3.exceptions.HTTPError, ClusterError):
                    answer = client._run_api.api_client.call_api(
                        path,
                        "GET",
                        auth_settings=["Bearer"],
                        header_params={"Accept": "text/plain"},
                        _preload_content=False,
                        _return_http_data_only=True,
                    )
                    text = str(answer.data, errors="replace")
                    if "[" in text and "<html" not in text[:500].lower():
                        return text
    return ""
