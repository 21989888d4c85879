"""A run on Vertex AI as it goes on, shown as a run on this machine is.

The API says which tasks have begun and ended. What they printed is in Cloud Logging, under the
number of a task's custom job; it arrives some seconds later.
"""

import time
from contextlib import suppress
from typing import Any

from ...errors import UserError
from ...progress import FAILED, FINISHED, LINE, SAYS, STARTED, line
from ...runs import RUNS
from ..display import Display
from .client import Api, CloudError, link
from .settings import Vertex

ENDS = ("SUCCEEDED", "FAILED", "CANCELLED", "PAUSED")
BROKEN = ("FAILED", "CANCELLED")
PATIENCE = 5  # answers in a row that may be missing, while a run goes on
LINES = 20  # of a task's log, the last
LOG_TRIES = 3  # for that of a failed one


def follow(vertex: Vertex, job: str, steps: list[str]) -> Display:
    """Show the progress of a run of these steps until it ends, or raise `UserError` if it fails."""
    RUNS.mkdir(parents=True, exist_ok=True)
    log = RUNS / f"{job}.log"
    display = Display(steps, log)
    seen = _Seen(Api(vertex), display)
    page = link(vertex, job)
    try:
        found = _poll(vertex, job, seen)
        if _state(found) == "SUCCEEDED":
            display.finish()
            return display
    except KeyboardInterrupt:
        raise UserError(f"the run goes on: {page}") from None
    finally:
        display.close()
    reason = seen.error or _words(found.get("error")) or f"the run is {_state(found).lower()}"
    for text in seen.last_lines:
        print(f"    {text}")
    raise UserError(f"{reason} (log: {log}, {page})")


def _poll(vertex: Vertex, job: str, seen: "_Seen") -> dict[str, Any]:
    missing = 0
    while True:
        try:
            found = seen.api.get("aiplatform", f"v1/{vertex.parent}/pipelineJobs/{job}")
            missing = 0
        except CloudError:
            missing += 1
            if missing == PATIENCE:
                raise
        else:
            seen.update(found)
            if _state(found) in ENDS:
                return found
        time.sleep(vertex.poll_seconds)


class _Seen:
    """What of a run has been shown; hands what is new to the display."""

    def __init__(self, api: Api, display: Display) -> None:
        self.api, self.display = api, display
        self.started: set[str] = set()
        self.ended: set[str] = set()
        self.error = ""
        self.last_lines: list[str] = []

    def update(self, found: dict[str, Any]) -> None:
        tasks = found.get("jobDetail", {}).get("taskDetails", [])
        nodes = {str(each.get("taskName", "")).replace("-", "_"): each for each in tasks}
        for step in self.display.steps:
            task = nodes.get(step)
            state = task.get("state", "") if task else ""
            if task is None or step in self.ended or state in ("", "PENDING", "NOT_TRIGGERED"):
                continue
            if state == "SKIPPED":  # Vertex AI's word for an answer from the cache
                self.ended.add(step)
                self.display.cached(step)
                continue
            if step not in self.started:
                self.started.add(step)
                self.display.write(line(step, STARTED) + "\n")
            if state in (*BROKEN, "SUCCEEDED"):
                self._end(step, task, state)

    def _end(self, step: str, task: dict[str, Any], state: str) -> None:
        self.ended.add(step)
        lines = _log(self.api, task, LOG_TRIES if state == "FAILED" else 1)
        said = [match for match in map(LINE.match, lines) if match and match["step"] == step]
        for match in said:
            if match["event"] == SAYS:
                self.display.write(line(step, SAYS, match["text"] or "") + "\n")
        if state == "SUCCEEDED":
            self.display.write(line(step, FINISHED) + "\n")
            return
        own = next((m["text"] for m in reversed(said) if m["event"] == FAILED and m["text"]), "")
        text = own or _words(task.get("error"))
        if text and not self.error:
            self.error, self.last_lines = f"{step}: {text}", lines[-LINES:]
        self.display.write("".join(f"{each}\n" for each in lines if not LINE.match(each)))
        self.display.write(line(step, FAILED, text or f"it is {state.lower()}") + "\n")


def _state(found: dict[str, Any]) -> str:
    return str(found.get("state", "")).removeprefix("PIPELINE_STATE_")


def _words(error: dict[str, Any] | None) -> str:
    """The API's own words for an error, in one line."""
    return " ".join(str((error or {}).get("message", "")).split())[:400]


def _log(api: Api, task: dict[str, Any], tries: int) -> list[str]:
    """The last lines that a task has printed, the oldest first; none where nobody may read them."""
    job = task.get("executorDetail", {}).get("containerDetail", {}).get("mainJob", "")
    if not job:
        return []
    query = {
        "resourceNames": [f"projects/{api.vertex.project}"],
        "filter": f'resource.type="ml_job" resource.labels.job_id="{job.rpartition("/")[2]}"',
        "orderBy": "timestamp desc",
        "pageSize": LINES,
    }
    for attempt in range(tries):
        with suppress(CloudError):
            entries = api.post("logging", "v2/entries:list", query).get("entries", [])
            texts = [
                e.get("textPayload") or e.get("jsonPayload", {}).get("message") for e in entries
            ]
            if found := [part for text in reversed(texts) if text for part in text.splitlines()]:
                return found
        if attempt + 1 < tries:
            time.sleep(min(api.vertex.poll_seconds, 5))
    return []
