"""Batch prediction: a version's server, started for the length of the job, reads and writes GCS."""

import json
import threading
import time
from typing import TYPE_CHECKING, Any

from google.cloud import aiplatform_v1 as v1
from google.protobuf import empty_pb2
from google.rpc import status_pb2
from vertex.service import errors, gcs
from vertex.service.listing import listed
from vertex.service.models import check_labels

if TYPE_CHECKING:
    from vertex.service.server import Service

STATE = v1.JobState
ENDED = (STATE.JOB_STATE_SUCCEEDED, STATE.JOB_STATE_FAILED, STATE.JOB_STATE_CANCELLED)


class Batch:
    """`made` are the jobs, by name."""

    def __init__(self, service: "Service") -> None:
        self.service = service
        self.made: dict[str, Any] = {}

    def create_batch_prediction_job(self, request: Any) -> Any:
        parent = self.service.parent(request.parent)
        job = v1.BatchPredictionJob(request.batch_prediction_job)
        check_labels(job.labels)
        model = self.service.models.find(job.model)
        if not job.display_name or not job.dedicated_resources.machine_spec.machine_type:
            text = "display_name and dedicated_resources.machine_spec are required."
            raise errors.invalid("batch_prediction_job", text)
        formats = (job.input_config.instances_format, job.output_config.predictions_format)
        if formats != ("jsonl", "jsonl"):  # BigQuery, CSV and TFRecord are not executed here
            raise errors.Rejected("UNIMPLEMENTED", f"Formats {formats} are not served on loopback.")
        job.name = f"{parent}/batchPredictionJobs/{self.service.identity()}"
        job.create_time = job.update_time = self.service.now()
        job.state, job.model_version_id = STATE.JOB_STATE_PENDING, model.version_id
        self.made[job.name] = job
        threading.Thread(target=self._run, args=[job, model], daemon=True).start()
        return job

    def get_batch_prediction_job(self, request: Any) -> Any:
        return self.find(request.name)

    def list_batch_prediction_jobs(self, request: Any) -> Any:
        parent = self.service.parent(request.parent)
        mine = [job for name, job in self.made.items() if name.startswith(f"{parent}/")]
        return listed(mine, request, v1.ListBatchPredictionJobsResponse, "batch_prediction_jobs")

    def cancel_batch_prediction_job(self, request: Any) -> Any:
        job = self.find(request.name)
        if job.state not in ENDED:
            job.state, job.end_time = STATE.JOB_STATE_CANCELLED, self.service.now()
        return empty_pb2.Empty()

    def find(self, name: str) -> Any:
        """The job of that name."""
        if (found := self.made.get(self.service.canonical(name))) is None:
            raise errors.not_found(name)
        return found

    def _run(self, job: Any, model: Any) -> None:
        with self.service.lock:
            job.state, job.start_time = STATE.JOB_STATE_RUNNING, self.service.now()
        try:
            server = self.service.serving.start(model)
            try:
                while not server.ready():
                    time.sleep(0.1)
                wrong = self._predict(job, model, server)
            finally:
                server.stop()
            state, error = STATE.JOB_STATE_SUCCEEDED, None
            if wrong and not job.completion_stats.successful_count:
                text = f"No prediction succeeded; the first error: {wrong[0]}"
                state, error = STATE.JOB_STATE_FAILED, {"code": 3, "message": text}
        except errors.Rejected as rejected:
            state, error = STATE.JOB_STATE_FAILED, rejected.rpc()
        with self.service.lock:
            if job.state not in ENDED:
                job.state, job.end_time = state, self.service.now()
                job.error = status_pb2.Status(**(error or {}))

    def _predict(self, job: Any, model: Any, server: Any) -> list[str]:
        """Send the lines in batches, write what comes back, and return the errors."""
        store, size = self.service.gcs, job.manual_batch_tuning_parameters.batch_size or 64
        given = [
            json.loads(line)
            for uri in job.input_config.gcs_source.uris
            for content in gcs.read(store, uri).values()
            for line in content.splitlines()
        ]
        good: list[str] = []
        wrong: list[str] = []
        sent = job.instance_config.included_fields or None
        for start in range(0, len(given), size):
            instances = given[start : start + size]
            rows = [{key: one[key] for key in sent} if sent else one for one in instances]
            body = json.dumps({"instances": rows}).encode()
            answer = self.service.serving.send(server, body, "application/json")
            if answer.code == 200:
                found = json.loads(answer.content)["predictions"]
                pairs = zip(instances, found, strict=True)
                good += [json.dumps({"instance": one, "prediction": got}) for one, got in pairs]
            else:
                text = answer.content.decode()
                wrong += [json.dumps({"instance": one, "error": text}) for one in instances]
        prefix = job.output_config.gcs_destination.output_uri_prefix.rstrip("/")
        stamp = self.service.now().strftime("%Y_%m_%dT%H_%M_%S_%fZ")
        folder = f"{prefix}/prediction-{model.display_name}-{stamp}"
        for kind, lines in (("results", good), ("errors_stats", wrong)):
            text = "\n".join(lines)
            gcs.write(store, f"{folder}/prediction.{kind}-00000-of-00001", text.encode())
        job.output_info.gcs_output_directory = folder
        job.completion_stats.successful_count = len(good)
        job.completion_stats.failed_count = len(wrong)
        return wrong
