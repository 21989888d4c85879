"""A run on the cluster as it goes on, shown as a run on this machine is.

The API says which steps have begun and ended. What they print is in the logs of their pods, which
not every installation hands out: then a step's state is all that is shown.
"""

import time
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import kfp_server_api as api
import urllib3

from ...errors import UserError
from ...progress import FAILED, FINISHED, LINE, STARTED, line
from ...runs import RUNS
from ..display import Display
from .client import Client, ClusterError, errors
from .settings import Kubeflow

ENDS = ("SUCCEEDED", "FAILED", "SKIPPED", "CANCELED", "ERROR")
PATIENCE = 5  # answers in a row that may be missing, while a run goes on
UNREADABLE = (api.ApiException, urllib3.exceptions.HTTPError, ClusterError, ValueError)
TEMPLATES = ("system-container-impl", "retry-system-container-impl")


def follow(client: Client, kubeflow: Kubeflow, run_id: str, steps: list[str]) -> Display:
    """Show the progress of a run of these steps until it ends, or raise `UserError` if it fails."""
    RUNS.mkdir(parents=True, exist_ok=True)
    log = RUNS / f"{run_id}.log"
    display = Display(steps, log)
    seen = _Seen(client, display)
    try:
        run = _poll(client, kubeflow, run_id, seen)
        if run.state == "SUCCEEDED":
            display.finish()
            return display
    except KeyboardInterrupt:
        raise UserError(f"the run goes on: {client.link(f'runs/details/{run_id}')}") from None
    finally:
        display.close()
    reason = display.error or _failure(run) or f"the run is {run.state}"
    raise UserError(
        f"{' '.join(reason.split())} (log: {log}, {client.link(f'runs/details/{run_id}')})"
    )


def _failure(run: Any) -> str:
    """Why the run failed, as far as the API says: mostly in the error of a task, not its own."""
    tasks = (run.run_details and run.run_details.task_details) or []
    failed = [each for each in tasks if str(each.state) in ("FAILED", "ERROR")]
    messages = [f"{each.display_name}: {each.error.message}" for each in failed if each.error]
    names = [f"{each.display_name} is {each.state}" for each in failed]
    return str((run.error and run.error.message) or next(iter(messages + names), ""))


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

    def __init__(self, client: Client, display: Display) -> None:
        self.client, self.display = client, display
        self.started: set[str] = set()
        self.ended: set[str] = set()
        self.printed: dict[str, str] = {}
        self.addresses: dict[str, str] = {}  # of the logs that have been found
        self.silent = False  # this installation hands out none

    def update(self, run: Any) -> None:
        tasks = (run.run_details and run.run_details.task_details) or []
        nodes = {str(each.display_name).replace("-", "_"): each for each in tasks}
        for step in self.display.steps:
            node = nodes.get(step)
            if node is None or node.state is None or step in self.ended:  # or it never began
                continue
            pod = next((each for each in tasks if executes(each, node)), None)
            if pod is None or pod.state == "SKIPPED":  # from the cache, or not yet begun
                if node.state == "SUCCEEDED":
                    self.display.cached(step)
                continue
            if step not in self.started:
                self.started.add(step)
                self.display.write(line(step, STARTED) + "\n")
            self._print(step, run, node, pod)
            if node.state in ENDS and step not in self.ended:
                self._end(step, node, pod)

    def _print(self, step: str, run: Any, node: Any, pod: Any) -> None:
        """Show what the step has printed since the last time.

        An attempt that fails is no end while another may follow.
        """
        before = self.printed.get(step, "")
        text = self._log(step, run, [*(node.child_tasks or []), *(pod.child_tasks or [])])
        if not text.startswith(before):
            return
        for each in text[len(before) :].splitlines(keepends=True):
            if not each.endswith("\n"):
                break  # the rest of the line is to come
            match = LINE.match(each.rstrip())
            event = match["event"] if match and match["step"] == step else ""
            if event == FAILED and node.state not in ("FAILED", "ERROR"):
                break
            self.printed[step] = self.printed.get(step, "") + each
            if event in (FINISHED, FAILED):
                self.ended.add(step)
            if event != STARTED:
                self.display.write(each)

    def _end(self, step: str, node: Any, pod: Any) -> None:
        """Show how a step ended that did not report it."""
        self.ended.add(step)
        self.silent |= not self.printed.get(step)
        if node.state == "SUCCEEDED":
            self.display.write(line(step, FINISHED) + "\n")
            return
        error = pod.error or node.error
        text = (error and error.message) or "its pod failed: its log on the cluster says why"
        self.display.write(line(step, FAILED, " ".join(text.split())) + "\n")

    def _log(self, step: str, run: Any, children: list[Any]) -> str:
        """What the step has printed so far, "" where nobody hands it out."""
        found = self.addresses.get(step)
        addresses = [found] if found else _addresses(self.client, run, children)
        for address in () if self.silent else addresses:
            with suppress(*UNREADABLE):
                text = str(_read(self.client, address))
                if any(LINE.match(each) for each in text.splitlines()):
                    self.addresses[step] = address
                    return text
        return ""


def executes(task: Any, node: Any) -> bool:
    """Whether the task is the pod of a step: the API does not link the two but by their times."""
    if not str(task.display_name).startswith("executor"):
        return False
    if not (task.start_time and node.start_time) or task.start_time < node.start_time:
        return False
    return node.state not in ENDS or task.start_time <= node.end_time


def _addresses(client: Client, run: Any, children: list[Any]) -> list[str]:
    """Where a pod's log may be read: from the API, or from the pages' server before it."""
    found, namespace = [], client.get_user_namespace()
    for pod in pods(children):
        query = {"podname": pod, "runid": run.run_id, "createdat": f"{run.created_at:%Y-%m-%d}"}
        query |= {"podnamespace": namespace} if namespace else {}
        found.append(f"/apis/v1alpha1/runs/{run.run_id}/nodes/{pod}/log")
        found.append(f"/k8s/pod/logs?{urlencode(query)}")
    return found


def pods(children: list[Any]) -> list[str]:
    """The names that the pods of these nodes may have, one of them for each.

    Argo puts the template into a pod's name: `<workflow>-<template>-<number>` is that of the node
    `<workflow>-<number>`.
    """
    nodes = [str(child.pod_name or "").rpartition("-") for child in children]
    return [
        f"{workflow}-{template}-{number}"
        for workflow, _, number in nodes
        if workflow
        for template in TEMPLATES
    ]


def _read(client: Client, address: str) -> Any:
    return client._run_api.api_client.call_api(
        address,
        "GET",
        response_type="str",
        auth_settings=["Bearer"],
        header_params={"Accept": "text/plain"},
        _return_http_data_only=True,
    )
