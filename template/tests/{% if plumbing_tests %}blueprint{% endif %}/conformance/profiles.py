"""How the protocol of other runtimes differs from this project's contract: check by check, and why.

A check is a file ("test_v2"), a test, or one case of it ("test_…[case]"). What a profile names is
shown as skipped, with the reason; all else must pass.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Profile:
    """A runtime. `tolerance` is how far an answer may be from the model's: 0 is to the last bit."""

    title: str
    differs: dict[str, str] = field(default_factory=dict)
    tolerance: float = 0
    metrics: str = "/metrics"
    counter: str = "predict_requests"  # Prometheus adds _total
    wraps_errors: bool = False  # {"error": {"message": "…"}}


CONTRACT = Profile("the contract")

_NO_ROUTES = "an endpoint has only :predict"
_TF_MESSAGES = "its messages say what is wrong, not in which field"

PROFILES = {
    "contract": CONTRACT,
    # https://www.tensorflow.org/tfx/serving/api_rest
    "tf-serving": Profile(
        "TensorFlow Serving",
        {
            "test_v2": "it has no V2 REST",
            "test_refusals_v2": "it has no V2 REST",
            "test_healthz": "it has no /healthz: a model's status says whether it is ready",
            "test_readyz": "it has no /readyz: a model's status says whether it is ready",
            "test_the_metadata_hold_the_signature": "its metadata are TensorFlow's SignatureDef",
            "test_an_answer_names_the_version": "only the status names the version",
            "test_bare_values_and_objects_may_be_in_one_request": "it takes either",
            "test_the_refusal_names_the_field": _TF_MESSAGES,
            "test_get_is_no_way_to_predict": "it calls the request malformed",
        },
        # Another program computes: TensorFlow instead of ONNX Runtime. The sample's model is 4e-7
        # off; a larger one adds up more of it.
        tolerance=1e-5,
        metrics="/monitoring/prometheus/metrics",
        counter=":tensorflow:serving:request_count",
    ),
    # https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.endpoints/predict
    "vertex": Profile(
        "Vertex AI",
        {
            "test_v2": "an endpoint has no V2 REST",
            "test_refusals_v2": "an endpoint has no V2 REST",
            "test_healthz": _NO_ROUTES,
            "test_readyz": _NO_ROUTES,
            "test_the_metrics_count_requests": "its metrics are in Cloud Monitoring",
            "test_the_status_names_the_version": _NO_ROUTES,
            "test_the_metadata_hold_the_signature": _NO_ROUTES,
            "test_an_answer_names_the_version": "deployedModelId names what answered",
            "test_another_model_is_not_here": "the path names an endpoint, not a model",
            "test_get_is_no_way_to_predict": "the endpoint answers, not the model's server",
            "test_the_content_type_does_not_matter": "the endpoint takes JSON alone",
            "test_the_refusal_names_the_field": "the endpoint reads a body before the server",
        },
        wraps_errors=True,
    ),
}
