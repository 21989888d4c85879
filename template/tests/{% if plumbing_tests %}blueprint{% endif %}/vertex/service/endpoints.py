"""Endpoints: what is deployed on them, who gets which share of the requests, and the requests."""

import json
from typing import TYPE_CHECKING, Any

from google.cloud import aiplatform_v1 as v1
from vertex.service import errors, wire
from vertex.service.listing import listed, update
from vertex.service.models import check_labels

if TYPE_CHECKING:
    from vertex.service.server import Service

CHANGEABLE = (
    "display_name",
    "description",
    "labels",
    "traffic_split",
    "predict_request_response_logging_config",
)
LIMITS = {False: 1_572_864, True: 10_485_760}  # bytes of a request: shared, and dedicated


class Endpoints:
    """`made` is what there is, by name."""

    def __init__(self, service: "Service") -> None:
        self.service = service
        self.made: dict[str, Any] = {}
        self.turns: dict[str, float] = {}  # by deployed model: how much of a request it is owed

    def create_endpoint(self, request: Any) -> Any:
        endpoint = v1.Endpoint(request.endpoint)
        if not endpoint.display_name:
            raise errors.invalid("endpoint.display_name", "The display_name is required.")
        check_labels(endpoint.labels)
        identity = request.endpoint_id or self.service.identity()
        name = f"{self.service.parent(request.parent)}/endpoints/{identity}"
        if name in self.made:
            raise errors.exists(name)
        endpoint.name, endpoint.create_time = name, self.service.now()
        endpoint.update_time = endpoint.create_time
        if endpoint.dedicated_endpoint_enabled:
            endpoint.dedicated_endpoint_dns = self.service.dedicated.removeprefix("http://")

        def finish() -> Any:
            self.made[name] = endpoint
            return endpoint

        return self.service.begin(name, v1.CreateEndpointOperationMetadata(), finish)

    def get_endpoint(self, request: Any) -> Any:
        return self.find(request.name)

    def list_endpoints(self, request: Any) -> Any:
        parent = self.service.parent(request.parent)
        mine = [each for name, each in self.made.items() if name.startswith(f"{parent}/")]
        return listed(mine, request, v1.ListEndpointsResponse, "endpoints")

    def update_endpoint(self, request: Any) -> Any:
        endpoint = self.find(request.endpoint.name)
        check_labels(request.endpoint.labels)
        if "traffic_split" in request.update_mask.paths:
            self._check_split(endpoint, dict(request.endpoint.traffic_split))
        update(endpoint, request.endpoint, request.update_mask, CHANGEABLE)
        endpoint.update_time = self.service.now()
        return endpoint

    def delete_endpoint(self, request: Any) -> Any:
        endpoint = self.find(request.name)
        self._check_idle(endpoint.name)
        if endpoint.deployed_models:
            names = ", ".join(each.id for each in endpoint.deployed_models)
            raise errors.precondition(f"The Endpoint {endpoint.name} has DeployedModels: {names}.")
        return self.service.begin(
            endpoint.name,
            v1.DeleteOperationMetadata(),
            lambda: self.made.pop(endpoint.name) and None,
        )

    def deploy_model(self, request: Any) -> Any:
        endpoint = self.find(request.endpoint)
        self._check_idle(endpoint.name)
        given = v1.DeployedModel(request.deployed_model)
        model = self.service.models.find(given.model)
        machines = given.dedicated_resources
        if not machines.machine_spec.machine_type or machines.min_replica_count < 1:
            text = "machine_type and min_replica_count are required."
            raise errors.invalid("deployed_model.dedicated_resources", text)
        if 0 < machines.max_replica_count < machines.min_replica_count:
            text = "max_replica_count is less than min_replica_count."
            raise errors.invalid("deployed_model.dedicated_resources.max_replica_count", text)
        given.id = given.id or self.service.identity()
        given.model, given.model_version_id = model.name, model.version_id
        given.create_time = self.service.now()
        split = {given.id if k == "0" else k: v for k, v in request.traffic_split.items()}
        if split:
            self._check_split(endpoint, split, given.id)
        server = self.service.serving.start(model, endpoint.name, given.id)

        def finish() -> Any:
            endpoint.deployed_models.append(given)
            if split:
                endpoint.traffic_split = split
            self.service.serving.serves[given.id] = server
            return v1.DeployModelResponse(deployed_model=given)

        metadata = v1.DeployModelOperationMetadata()
        return self.service.begin(endpoint.name, metadata, finish, server.ready)

    def undeploy_model(self, request: Any) -> Any:
        endpoint, identity = self.find(request.endpoint), request.deployed_model_id
        self._check_idle(endpoint.name)
        rest = [each for each in endpoint.deployed_models if each.id != identity]
        if len(rest) == len(endpoint.deployed_models):
            raise errors.not_found(f"{endpoint.name}/deployedModels/{identity}")
        split = dict(request.traffic_split) or dict(endpoint.traffic_split)
        if rest and split.get(identity):
            text = f"DeployedModel {identity} has traffic: give it to others first."
            raise errors.precondition(text)
        split.pop(identity, None)
        if rest and split:
            self._check_split(endpoint, split)

        def finish() -> Any:
            endpoint.deployed_models = rest
            endpoint.traffic_split = split if rest else {}
            self.service.serving.stop(identity)
            return v1.UndeployModelResponse()

        return self.service.begin(endpoint.name, v1.UndeployModelOperationMetadata(), finish)

    def predict(
        self, route: wire.Route, names: list[str], content: bytes, headers: Any, dedicated: bool
    ) -> Any:
        """Ask the version whose turn it is, and answer as the service words it."""
        request = wire.read(route, names, "", content)
        self.service.calls.append((route.rpc, request))
        deployed, _ = self._turn(names[0], content, dedicated)
        answer = self.service.serving.ask(deployed, content, headers)
        if answer.code >= 400:
            status = "INVALID_ARGUMENT" if answer.code < 500 else "INTERNAL"
            raise errors.Rejected(status, answer.content.decode(errors="replace"))
        try:
            body = json.loads(answer.content)
            predictions = body["predictions"]
        except (ValueError, KeyError, TypeError):
            text = "The prediction server's answer has no list of predictions."
            raise errors.Rejected("INTERNAL", text) from None
        named = {"deployedModelId": deployed.id, "model": deployed.model}
        named["modelVersionId"] = deployed.model_version_id
        named["modelDisplayName"] = self.service.models.find(
            f"{deployed.model}@{deployed.model_version_id}"
        ).display_name
        return {"predictions": predictions} | named

    def raw_predict(
        self, route: wire.Route, names: list[str], content: bytes, headers: Any, dedicated: bool
    ) -> Any:
        """The body as it is to the version whose turn it is, and its answer as it is."""
        deployed, endpoint = self._turn(names[0], content, dedicated)
        answer = self.service.serving.ask(deployed, content, headers)
        named = {
            "X-Vertex-AI-Endpoint-Id": endpoint.name.rpartition("/")[2],
            "X-Vertex-AI-Deployed-Model-Id": deployed.id,
            "X-Vertex-AI-Model": deployed.model,
            "X-Vertex-AI-Model-Version-Id": deployed.model_version_id,
        }
        return wire.Answer(answer.content, answer.kind, named, answer.code)

    def _turn(self, name: str, content: bytes, dedicated: bool) -> tuple[Any, Any]:
        with self.service.lock:
            self.service.advance()
            endpoint = self.find(name)
            if endpoint.dedicated_endpoint_enabled and not dedicated:
                raise errors.precondition(
                    "This endpoint is a dedicated endpoint and cannot be accessed through the "
                    "Vertex AI API. Please access the endpoint using its dedicated dns name "
                    f"'{endpoint.dedicated_endpoint_dns}'."
                )
            if len(content) > LIMITS[dedicated]:
                limit = f"{LIMITS[dedicated] / 2**20:.3f}MB limit"
                raise errors.precondition(
                    f"The request size ({len(content)} bytes) exceeds {limit}."
                )
            shares = {key: share for key, share in endpoint.traffic_split.items() if share}
            if not shares:
                raise errors.precondition(f"Endpoint `{endpoint.name}` doesn't have traffic_split.")
            for key, share in shares.items():
                self.turns[key] = self.turns.get(key, 0) + share
            chosen = max(shares, key=lambda key: self.turns[key])
            self.turns[chosen] -= 100
            return next(each for each in endpoint.deployed_models if each.id == chosen), endpoint

    def find(self, name: str) -> Any:
        """The endpoint of that name."""
        if (found := self.made.get(self.service.canonical(name))) is None:
            raise errors.not_found(name)
        return found

    def _check_split(self, endpoint: Any, split: dict[str, int], new: str = "") -> None:
        known = {new, *(each.id for each in endpoint.deployed_models)}
        if unknown := split.keys() - known:
            text = f"There is no DeployedModel {', '.join(unknown)} on the Endpoint."
            raise errors.invalid("traffic_split", text)
        if split and sum(split.values()) != 100:
            raise errors.invalid("traffic_split", "Traffic split percentages must add up to 100.")

    def _check_idle(self, name: str) -> None:
        under_way = [
            each.name
            for each in self.service.operations.values()
            if not each.done and each.name.startswith(f"{name}/operations/")
        ]
        if under_way:
            text = f'There are other operations running on the Endpoint "{name}".'
            raise errors.precondition(f"{text} Operation(s) are: {', '.join(under_way)}.")
