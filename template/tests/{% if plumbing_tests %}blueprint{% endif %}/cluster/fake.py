"""A Kubeflow Pipelines API on loopback: the routes of v2beta1 that this project calls.

What comes in is held to the models of kfp-server-api, made from the published OpenAPI: a field that
they do not have, or a pipeline that is no PipelineSpec, is answered with 400.
"""

import json
import re
import ssl
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import kfp_server_api as api
import yaml
from google.protobuf import json_format
from kfp.pipeline_spec.pipeline_spec_pb2 import PipelineSpec, PlatformSpec

ROOT = "/apis/v2beta1"
# What plugins take, and the ranges of a schedule's fields, seconds first: KFP 2.17.
PLUGINS = {"mlflow": {"experiment_name", "experiment_id", "disabled"}}
CRON = [(0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6)]
SERIALIZE = api.ApiClient().sanitize_for_serialization


class Rejected(Exception):
    """A request that the server answers with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


def parse(kind: str, body: Any) -> Any:
    """The body as a model; every field must be one of it, all the way down."""
    model = getattr(api, kind)
    for key, value in body.items():
        if key not in model.attribute_map.values():
            raise Rejected(400, f"{kind} has no field {key}")
        inner = model.openapi_types[key]
        if inner.startswith("V2beta1") and isinstance(value, dict):
            parse(inner, value)
    response = SimpleNamespace(data=json.dumps(body))
    return api.ApiClient().deserialize(response, kind)


class Fake:
    """The server's state, and what it was asked. `fail` is a status and a body for every answer."""

    def __init__(self) -> None:
        self.pipelines: dict[str, Any] = {}
        self.versions: dict[str, Any] = {}
        self.experiments: dict[str, Any] = {}
        self.runs: dict[str, Any] = {}
        self.recurring: dict[str, Any] = {}
        self.calls: list[tuple[str, str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.logs: dict[str, str] = {}
        self.script: list[Callable[[Any], None]] = []
        self.multi_user = False
        self.token: str | None = None
        self.cookie: str | None = None
        self.namespaces: tuple[str, ...] = ("team",)
        self.fail: tuple[int, str] | None = None
        self.failures = 0  # how many of the next answers are to be 503

    def __enter__(self) -> "Fake":
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                fake.answer(self)

            do_POST = do_DELETE = do_GET

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def encrypt(self, certificate: Path, key: Path) -> None:
        """Speak TLS from now on."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.endpoint = self.endpoint.replace("http:", "https:")

    def bodies(self, method: str, path: str) -> list[Any]:
        """What came with the requests of that kind."""
        return [body for verb, where, body in self.calls if (verb, where) == (method, path)]

    def answer(self, handler: Any) -> None:
        size = int(handler.headers.get("Content-Length") or 0)
        content = handler.rfile.read(size)
        self.headers.append(dict(handler.headers.items()))
        url = urlsplit(handler.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        kind, status = "application/json", 200
        try:
            if self.failures:
                self.failures -= 1
                raise Rejected(503, "starting up")
            if self.fail:
                status, text = self.fail
                kind = "text/html" if text.startswith("<") else kind
            else:
                self.check_login(handler.headers)
                answer = self.route(handler.command, url.path, query, content, handler.headers)
                text = answer if isinstance(answer, str) else json.dumps(SERIALIZE(answer))
        except Rejected as error:
            status, text = error.status, json.dumps({"code": 7, "message": error.message})
        handler.send_response(status)
        if status in (301, 302):
            handler.send_header("Location", f"{self.endpoint}/dex/auth")
        handler.send_header("Content-Type", kind)
        data = text.encode()
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def check_login(self, headers: Any) -> None:
        if self.token and headers.get("Authorization") != f"Bearer {self.token}":
            raise Rejected(401, "there is no user identity header")
        if self.cookie and headers.get("Cookie") != self.cookie:
            raise Rejected(401, "there is no user identity header")

    def check_namespace(self, namespace: str | None) -> None:
        if self.multi_user and namespace not in self.namespaces:
            raise Rejected(403, f"User 'me' is not authorized in namespace {namespace}")

    def route(self, method: str, path: str, query: Any, content: bytes, headers: Any) -> Any:
        if path == f"{ROOT}/pipelines/upload_version":
            return self.upload_version(query, content, headers)
        log = re.fullmatch(r"/apis/v1alpha1/runs/([^/]+)/nodes/([^/]+)/log", path)
        if log or path == "/k8s/pod/logs":
            return self.log(log[2] if log else query["podname"])
        body = json.loads(content) if content else None
        self.calls.append((method, path.removeprefix(ROOT), body))
        for verb, pattern, run in self.routes():
            match = re.fullmatch(ROOT + pattern, path)
            if match and verb == method:
                return run(body, query, *match.groups())
        raise Rejected(404, f"there is no route {method} {path}")

    def routes(self) -> list[tuple[str, str, Callable[..., Any]]]:
        one = "/([^/:]+)"
        return [
            ("GET", "/healthz", lambda *_: {"multi_user": self.multi_user}),
            ("GET", "/pipelines", self.list_pipelines),
            ("POST", "/pipelines", self.create_pipeline),
            ("GET", f"/pipelines{one}/versions", self.list_versions),
            ("GET", f"/pipelines{one}/versions{one}", lambda *a: self.get(self.versions, a[3])),
            ("GET", "/experiments", self.list_experiments),
            ("POST", "/experiments", self.create_experiment),
            ("POST", "/runs", self.create_run),
            ("GET", "/runs", self.list_runs),
            ("GET", f"/runs{one}", self.get_run),
            ("POST", f"/runs{one}:terminate", self.terminate),
            ("POST", "/recurringruns", self.create_recurring),
            ("GET", "/recurringruns", self.list_recurring),
            ("DELETE", f"/recurringruns{one}", self.delete_recurring),
        ]

    def get(self, among: dict[str, Any], identity: str) -> Any:
        if identity not in among:
            raise Rejected(404, f"{identity} not found")
        return among[identity]

    def found(self, among: dict[str, Any], query: Any, **fixed: Any) -> list[Any]:
        """What the filter names."""
        predicates = json.loads(query.get("filter") or "{}").get("predicates", [])
        for each in predicates:
            assert each["operation"] in ("EQUALS", 1)
            fixed[each["key"]] = each["stringValue"]
        return [m for m in among.values() if all(getattr(m, k) == v for k, v in fixed.items())]

    def list_pipelines(self, body: Any, query: Any) -> Any:
        self.check_namespace(query.get("namespace"))
        return {"pipelines": self.found(self.pipelines, query, namespace=query.get("namespace"))}

    def create_pipeline(self, body: Any, query: Any) -> Any:
        made = parse("V2beta1Pipeline", body)
        self.check_namespace(made.namespace)
        return self.keep(self.pipelines, made, "pipeline_id")

    def list_versions(self, body: Any, query: Any, pipeline: str) -> Any:
        self.get(self.pipelines, pipeline)
        return {"pipeline_versions": self.found(self.versions, query, pipeline_id=pipeline)}

    def upload_version(self, query: Any, content: bytes, headers: Any) -> Any:
        head = f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode()
        [part] = BytesParser().parsebytes(head + content).get_payload()
        spec, *platform = yaml.safe_load_all(part.get_payload(decode=True))
        try:
            json_format.ParseDict(spec, PipelineSpec())
            for each in platform:
                json_format.ParseDict(each, PlatformSpec())
        except json_format.ParseError as error:
            raise Rejected(400, f"no pipeline: {error}") from None
        self.get(self.pipelines, query["pipelineid"])
        self.calls.append(("POST", "/pipelines/upload_version", spec))
        whole = {"pipeline_spec": spec, "platform_spec": platform[0]} if platform else spec
        made = api.V2beta1PipelineVersion(
            pipeline_id=query["pipelineid"],
            display_name=query["name"],
            name=query["name"],
            pipeline_spec=whole,
        )
        return self.keep(self.versions, made, "pipeline_version_id")

    def list_experiments(self, body: Any, query: Any) -> Any:
        self.check_namespace(query.get("namespace"))
        return {"experiments": self.found(self.experiments, query)}

    def create_experiment(self, body: Any, query: Any) -> Any:
        made = parse("V2beta1Experiment", body)
        self.check_namespace(made.namespace)
        return self.keep(self.experiments, made, "experiment_id")

    def fill_in(self, made: Any) -> None:
        """What the API adds to what it is asked for; it leaves out fields that are empty."""
        made.service_account = made.service_account or "pipeline-runner"
        made.runtime_config.pipeline_root = made.runtime_config.pipeline_root or ""

    def create_run(self, body: Any, query: Any) -> Any:
        made = parse("V2beta1Run", body)
        self.check_reference(made)
        self.check_plugins(made)
        self.fill_in(made)
        made.state = "PENDING"
        return self.keep(self.runs, made, "run_id")

    def list_runs(self, body: Any, query: Any) -> Any:
        runs = self.found(self.runs, query, experiment_id=query["experiment_id"])
        return {"runs": runs[::-1] if query.get("sort_by") == "created_at desc" else runs}

    def get_run(self, body: Any, query: Any, identity: str) -> Any:
        run = self.get(self.runs, identity)
        if self.script:
            self.script.pop(0)(run)
        return run

    def terminate(self, body: Any, query: Any, identity: str) -> Any:
        self.get(self.runs, identity).state = "CANCELING"
        return {}

    def create_recurring(self, body: Any, query: Any) -> Any:
        made = parse("V2beta1RecurringRun", body)
        self.check_reference(made)
        self.check_plugins(made)
        cron = made.trigger.cron_schedule.cron
        fields = cron.split()
        for field, (low, high) in zip(fields, CRON, strict=False):
            numbers = [int(number) for number in re.findall(r"(?<!/)\b\d+", field)]
            beyond = [number for number in numbers if not low <= number <= high]
            if not re.fullmatch(r"[\w*/,?-]+", field) or beyond:
                raise Rejected(400, f"failed to parse {cron}: {field} is not in {low} to {high}")
        if len(fields) != len(CRON):
            raise Rejected(400, f"expected 6 fields, found {cron}")
        self.fill_in(made)
        made.status, made.namespace = "ENABLED", made.namespace or "kubeflow"
        return self.keep(self.recurring, made, "recurring_run_id")

    def list_recurring(self, body: Any, query: Any) -> Any:
        found = self.found(self.recurring, query, experiment_id=query["experiment_id"])
        return {"recurringRuns": found}

    def delete_recurring(self, body: Any, query: Any, identity: str) -> Any:
        self.get(self.recurring, identity)
        policy = query.get("propagation_policy", "DELETE_PROPAGATION_POLICY_UNSPECIFIED")
        if policy not in api.V2beta1DeletePropagationPolicy.allowable_values:
            raise Rejected(400, f"propagation_policy: {policy}")
        if policy != "ORPHAN":  # Kubernetes deletes the workflows that belong to it
            for run in self.runs.values():
                if run.recurring_run_id == identity and run.state == "RUNNING":
                    run.state = "FAILED"
        del self.recurring[identity]
        return {}

    def check_plugins(self, made: Any) -> None:
        """What 2.17 lets a run say to a plugin of the installation: MLflow's is the only one."""
        for name, given in (made.plugins_input or {}).items():
            if name not in PLUGINS:
                raise Rejected(400, f"there is no plugin {name}")
            if unknown := given.keys() - PLUGINS[name]:
                raise Rejected(400, f"plugin {name}: unknown keys {sorted(unknown)}")

    def check_reference(self, made: Any) -> None:
        self.get(self.experiments, made.experiment_id)
        version = self.get(self.versions, made.pipeline_version_reference.pipeline_version_id)
        spec = version.pipeline_spec
        defined = spec.get("pipeline_spec", spec)["root"]["inputDefinitions"]["parameters"]
        for name in made.runtime_config.parameters:
            if name not in defined:
                raise Rejected(400, f"the pipeline has no parameter {name}")
        missing = [name for name, each in defined.items() if "defaultValue" not in each]
        if set(missing) - set(made.runtime_config.parameters):
            raise Rejected(400, f"parameters without a value: {missing}")

    def keep(self, among: dict[str, Any], made: Any, key: str) -> Any:
        setattr(made, key, str(uuid.uuid4()))
        made.created_at = datetime.now(UTC)
        among[getattr(made, key)] = made
        return made

    def log(self, pod: str) -> str:
        if pod not in self.logs:
            raise Rejected(500, f"no pod {pod}")
        return self.logs[pod]


def step(name: str, state: str, pod: str = "RUNNING", at: int = 0, error: str = "") -> list[Any]:
    """A step as the API shows it: its node, and apart from it, by time alone, its pod."""
    begin = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=at)
    ended = state in ("SUCCEEDED", "FAILED")
    node = api.V2beta1PipelineTaskDetail(
        display_name=name,
        state=state,
        start_time=begin,
        end_time=begin + timedelta(seconds=50) if ended else datetime(1970, 1, 1, tzinfo=UTC),
        child_tasks=[api.PipelineTaskDetailChildTask(pod_name=f"digits-abc-{1000 + at}")],
    )
    driver = api.V2beta1PipelineTaskDetail(
        display_name=f"{name}-driver", state="SUCCEEDED", start_time=begin, end_time=begin
    )
    executor = api.V2beta1PipelineTaskDetail(
        display_name="executor", state=pod, start_time=begin + timedelta(seconds=1)
    )
    if error:
        executor.error = api.GoogleRpcStatus(message=error)
    return [driver, node, executor]


def never(name: str) -> list[Any]:
    """A step that was not reached: it has no state."""
    at = datetime(1970, 1, 1, tzinfo=UTC)
    return [api.V2beta1PipelineTaskDetail(display_name=name, start_time=at, end_time=at)]


def details(*steps: list[Any], state: str = "RUNNING") -> Callable[[Any], None]:
    """What the next look at a run shows."""

    def change(run: Any) -> None:
        run.state = state
        tasks = [task for each in steps for task in each]
        run.run_details = api.V2beta1RunDetails(task_details=tasks)

    return change
