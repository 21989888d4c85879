"""The endpoint: what is deployed on it, and which share of the requests each of that gets."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import UserError
from ..targets.vertex.client import CloudError, address, errors, service
from ..targets.vertex.settings import Vertex
from .calls import Calls, Object
from .settings import Deploy

if TYPE_CHECKING:
    from google.cloud.aiplatform_v1 import types

Say = Callable[[str], None]
ANSWER_SECONDS, TRIES = 30.0, 3  # that one prediction may take; failures in a row that end it
FOLLOW_SECONDS = 120  # until the requests follow a new split
SHORT_SECONDS = 300  # that a change other than a deployment may take


@dataclass(frozen=True)
class Deployed:
    """A version on the endpoint: its id there, the Vertex version of the model, and its percent of
    the requests. `replicas` is how many answer, where Vertex AI says it."""

    id: str
    name: str
    version: str
    share: int
    created: str
    replicas: str
    machine: str


class Endpoint:
    """The endpoint that the configuration names. What goes wrong is a UserError of one line."""

    def __init__(self, deploy: Deploy, vertex: Vertex) -> None:
        assert deploy.endpoint, "Deploy.resolved gives it"
        self.deploy, self.vertex, self.calls = deploy, vertex, Calls(vertex)
        self.name = f"{vertex.parent}/endpoints/{deploy.endpoint}"

    def live(self) -> Object | None:
        """The endpoint as it is; None where there is none yet."""
        return self.calls.get(self.name)

    def deployed(self, live: Object | None = None) -> list[Deployed]:
        """What is deployed on it, the oldest first."""
        live = self.live() if live is None else live
        shares = (live or {}).get("trafficSplit", {})
        found = [_deployed(each, shares) for each in (live or {}).get("deployedModels", ())]
        return sorted(found, key=lambda each: (each.created, each.id))

    def stable(self) -> Deployed | None:
        """The version in service: of those that get requests the oldest, as a canary is younger."""
        return next((each for each in self.deployed() if each.share), None)

    def ensure(self, say: Say) -> None:
        """Make the endpoint where there is none; it may be there long before the first model."""
        live = self.live()
        if live is None and self.calls.settle(self.name, SHORT_SECONDS):
            live = self.live()
        if live is None:
            self._create()
            say(f"endpoint {self.deploy.endpoint} is made in {self.vertex.location}")
        elif problem := self.problem(live):
            raise UserError(problem)
        elif _logged(live) != self._log():
            self._update(["predict_request_response_logging_config"])
            say(f"endpoint {self.deploy.endpoint} logs requests as deploy.request_log says")

    def problem(self, live: Object) -> str:
        """How it is not the endpoint that the configuration asks for, and cannot become it."""
        wanted = self.deploy.dedicated and not self.deploy.private_service_connect
        private = bool(
            live.get("privateServiceConnectConfig", {}).get("enablePrivateServiceConnect")
        )
        for is_so, asked, text in (
            (live.get("dedicatedEndpointEnabled", False), wanted, "an address of its own"),
            (private, bool(self.deploy.private_service_connect), "Private Service Connect"),
        ):
            if is_so != asked:
                has = f"has {text}" if is_so else f"is without {text}"
                return (
                    f"endpoint {self.deploy.endpoint} {has}, which cannot be changed: name another "
                    "in deploy.endpoint, or make the configuration say so too"
                )
        return ""

    def _create(self) -> None:
        deploy, vertex = self.deploy, self.vertex
        made = self._message(display_name=deploy.endpoint, labels=vertex.labels)
        if vertex.encryption_key:
            made.encryption_spec.kms_key_name = vertex.encryption_key
        if deploy.private_service_connect:
            made.private_service_connect_config.enable_private_service_connect = True
            made.private_service_connect_config.project_allowlist = deploy.private_service_connect
        else:
            made.dedicated_endpoint_enabled = deploy.dedicated
        try:
            with errors(vertex):
                began = service(vertex, "EndpointServiceClient").create_endpoint(
                    parent=vertex.parent, endpoint=made, endpoint_id=deploy.endpoint
                )
        except CloudError as error:
            if error.code != 409:  # somebody else made it a moment ago
                raise
            self.calls.settle(self.name, SHORT_SECONDS)
        else:
            self._wait(began, SHORT_SECONDS)

    def _wait(self, began: Any, seconds: float) -> None:
        try:
            self.calls.wait(began.operation.name, seconds)
        except TimeoutError:
            raise UserError(
                f"it is not done after {seconds:g} s (deploy.timeout_seconds)"
            ) from None

    def _log(self) -> tuple[str, float]:
        """The table that requests are logged to, "" for none, and the share of them."""
        log = self.deploy.request_log
        return (f"bq://{log.table}", log.sampling) if log else ("", 0.0)

    def _message(self, **fields: Any) -> "types.Endpoint":
        from google.cloud.aiplatform_v1 import types

        made, (table, sampling) = types.Endpoint(**fields), self._log()
        if table:
            log = made.predict_request_response_logging_config
            log.enabled, log.sampling_rate = True, sampling
            log.bigquery_destination.output_uri = table
        return made

    def _update(self, mask: list[str], **fields: Any) -> None:
        endpoint = self._message(name=self.name, **fields)
        with errors(self.vertex):
            service(self.vertex, "EndpointServiceClient").update_endpoint(
                {"endpoint": endpoint, "update_mask": {"paths": mask}}
            )

    def add(self, model: str, label: str, say: Say) -> Deployed:
        """Deploy a version of the model (`projects/…/models/M@V`), without a request for it yet.

        One that is there already, as the configuration has it, is taken. The id is made of what is
        asked, so that whoever asks twice has it once. Raises UserError: then it is not there.
        """
        wanted, id = self._wanted(model, label)
        self.calls.settle(self.name, self.deploy.timeout_seconds)
        if found := self._find(id):
            return found
        say(f"{label} starts on {self.deploy.machine_type}: this takes minutes")
        with errors(self.vertex):
            client = service(self.vertex, "EndpointServiceClient")
            began = client.deploy_model(endpoint=self.name, deployed_model=wanted)
        self._wait(began, self.deploy.timeout_seconds)
        if found := self._find(id):
            return found
        raise UserError(f"Vertex AI deployed {label}, and endpoint {self.deploy.endpoint} lacks it")

    def _find(self, id: str) -> Deployed | None:
        return next((each for each in self.deployed() if each.id == id), None)

    def _wanted(self, model: str, label: str) -> "tuple[types.DeployedModel, str]":
        from google.cloud.aiplatform_v1 import types

        deploy = self.deploy
        resources = types.DedicatedResources(
            machine_spec=machine(deploy),
            min_replica_count=deploy.min_replicas,
            max_replica_count=deploy.max_replicas,
        )
        wanted = types.DeployedModel(
            model=model,
            display_name=label,
            dedicated_resources=resources,
            service_account=deploy.service_account or "",
        )
        # The model by its last part: answers name the project by its number.
        given = [model.rpartition("/")[2], types.DeployedModel.to_dict(wanted) | {"model": ""}]
        digest = hashlib.sha256(json.dumps(given, sort_keys=True).encode()).hexdigest()
        wanted.id = str(10**9 + int(digest, 16) % (9 * 10**9))  # ten digits: Vertex AI's limit
        return wanted, wanted.id

    def shift(self, shares: Mapping[str, int]) -> None:
        """Give each of these, by their ids, its percent of the requests, and all others none."""
        split = {id: share for id, share in shares.items() if share}
        self._update(["traffic_split"], traffic_split=split)

    def keep(self, id: str, say: Say) -> None:
        """Have that one answer all requests, and take the others off the endpoint."""
        others = [each for each in self.deployed() if each.id != id]
        if others and any(each.share for each in others):
            self.shift({id: 100})
        self._remove(others, say, quiet=self.deploy.quiet_seconds)

    def remove(self, id: str, say: Say) -> None:
        """Take that one off the endpoint, where it is the last one too."""
        self._remove([each for each in self.deployed() if each.id == id], say)

    def _remove(self, unwanted: list[Deployed], say: Say, quiet: float = 0) -> None:
        if unwanted:
            time.sleep(quiet)
        for each in unwanted:
            with errors(self.vertex):
                client = service(self.vertex, "EndpointServiceClient")
                began = client.undeploy_model(endpoint=self.name, deployed_model_id=each.id)
            self._wait(began, self.deploy.timeout_seconds)
            say(f"{each.name} is taken off the endpoint")

    def address(self, live: Object) -> str:
        """Where its clients send requests to; "" for one that only its own network reaches."""
        if self.deploy.private_service_connect:
            return ""
        dns = live.get("dedicatedEndpointDns", "")
        local = (self.vertex.api_endpoint or "").startswith("http://")
        host = f"{'http' if local else 'https'}://{dns.partition('://')[2] or dns}" if dns else ""
        return f"{host or address(self.vertex, 'aiplatform')}/v1/{live['name']}:predict"

    def follow(self, id: str, example: Mapping[str, Any] | None, say: Say) -> None:
        """Ask for a prediction until that version has answered.

        `example` is a request that was kept with the model. Raises UserError when it fails.
        """
        live = self.live() or {}
        url = self.address(live)
        if not url or not example:
            why = "no example is kept with it" if url else "the endpoint is private"
            say(f"no prediction is asked for: {why}")
            return
        body, failed = {"instances": example["instances"]}, 0
        end = time.monotonic() + FOLLOW_SECONDS
        while time.monotonic() < end:
            code, answer = self.calls.predict(url, body, ANSWER_SECONDS)
            if code == 200 and answer.get("deployedModelId") == id:
                if len(answer.get("predictions", ())) == len(body["instances"]):
                    return
                raise UserError("it answers the request kept with it without predictions")
            failed = 0 if code == 200 else failed + 1
            if failed == TRIES:
                error = answer.get("error", answer)
                text = error.get("message", error) if isinstance(error, dict) else error
                said = " ".join(str(text).split())[:300]
                raise UserError(
                    f"it answers the request kept with it by {code or 'nothing'}: {said}"
                )
            time.sleep(min(1, self.vertex.poll_seconds))
        raise UserError(
            f"requests do not come to it {FOLLOW_SECONDS} s after the split was changed"
        )


def machine(deploy: Deploy) -> "types.MachineSpec":
    """The machine of each replica. Raises UserError for GPUs that Vertex AI does not have."""
    from google.cloud.aiplatform_v1 import types

    made = types.MachineSpec(machine_type=deploy.machine_type)
    if deploy.accelerator:
        kind = getattr(types.AcceleratorType, deploy.accelerator.type, None)
        if kind is None:
            text = f"Vertex AI has no {deploy.accelerator.type}"
            raise UserError(f"deploy.accelerator.type: {text}")
        made.accelerator_type, made.accelerator_count = kind, deploy.accelerator.count
    return made


def _logged(live: Object) -> tuple[str, float]:
    """Where an endpoint logs its requests to, and which share of them."""
    log = live.get("predictRequestResponseLoggingConfig", {})
    if not log.get("enabled"):
        return "", 0.0
    return log.get("bigqueryDestination", {}).get("outputUri", ""), log.get("samplingRate", 0.0)


def _deployed(found: Object, shares: Mapping[str, Any]) -> Deployed:
    resources = found.get("dedicatedResources", {})
    bounds = {resources.get(f"{key}ReplicaCount", 1) for key in ("min", "max")}
    there = found.get("status", {}).get("availableReplicaCount")
    configured = " to ".join(map(str, sorted(bounds)))
    return Deployed(
        id=str(found["id"]),
        name=found.get("displayName", ""),
        version=str(found.get("modelVersionId", "")),
        share=int(shares.get(str(found["id"]), 0)),
        created=found.get("createTime", ""),
        replicas=configured if there is None else f"{there} of {configured}",
        machine=resources.get("machineSpec", {}).get("machineType", ""),
    )
