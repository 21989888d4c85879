"""What the gate reads, from servers' own pages and from Prometheus' API."""

import json
import math
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs

import pytest

from blueprint.deploy import samples
from blueprint.errors import UserError

LEAN = """\
# HELP predict_requests_total Prediction requests, by status code
# TYPE predict_requests_total counter
predict_requests_total{code="200"} 90.0
predict_requests_total{code="400"} 4.0
predict_requests_total{code="503"} 6.0
# TYPE predict_request_seconds histogram
predict_request_seconds_bucket{le="0.01"} 95.0
predict_request_seconds_bucket{le="+Inf"} 100.0
predict_request_seconds_count 100.0
# TYPE model_info gauge
model_info{name="digits",version="7"} 1.0
"""
TF_SERVING = """\
# TYPE :tensorflow:serving:request_count counter
:tensorflow:serving:request_count{model_name="digits",status="OK"} 90
:tensorflow:serving:request_count{model_name="digits",status="INVALID_ARGUMENT"} 4
:tensorflow:serving:request_count{model_name="digits",status="INTERNAL"} 6
# TYPE :tensorflow:serving:request_latency histogram
:tensorflow:serving:request_latency_bucket{model_name="digits",API="Predict",le="10000"} 95
:tensorflow:serving:request_latency_bucket{model_name="digits",API="Predict",le="+Inf"} 100
"""


@pytest.mark.parametrize("page", [LEAN, TF_SERVING])
def test_a_page_of_metrics_is_read(page):
    asked = []
    read = samples.from_pods(lambda path: asked.append(path) or page, "team", 8080, "/metrics")
    found = read(["digits-1"])["digits-1"]
    assert asked == ["/api/v1/namespaces/team/pods/digits-1:8080/proxy/metrics"]
    assert (found.requests, found.errors, found.rejected) == (100, 6, 4)
    assert found.latency == {0.01: 95, math.inf: 100}


def test_a_pod_that_does_not_answer_is_left_out():
    assert samples.from_pods(lambda path: "", "team", 8080)(["digits-1"]) == {}


def test_a_window_counts_what_was_answered_since():
    pages = {"old": 100, "other": 7}

    def read(pods):
        return {pod: samples.Sample(pages[pod]) for pod in pods if pod in pages}

    window = samples.Window(read, ["old", "other"])
    pages["old"] = 150
    assert window.update(["old", "other"]).requests == 50
    pages["new"] = 30  # a pod that started meanwhile
    assert window.update(["old", "new"]).requests == 80
    pages["old"] = 5  # it restarted: what it counts began at zero
    del pages["new"]  # and one is gone: what it had stays
    assert window.update(["old", "new"]).requests == 85


class Prometheus(BaseHTTPRequestHandler):
    """Answers as Prometheus does: https://prometheus.io/docs/prometheus/latest/querying/api."""

    code, asked = 200, ""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        type(self).asked = parse_qs(body)["query"][0]
        series = [
            ("a-1", "predict_requests_total", {"code": "200"}, "12"),
            ("a-1", "predict_requests_total", {"code": "500"}, "3"),
            ("a-2", "predict_requests_total", {"code": "200"}, "5"),
        ]
        result = [
            {"metric": {"__name__": name, "pod": pod, **labels}, "value": [1.5, value]}
            for pod, name, labels, value in series
        ]
        answer = json.dumps({"status": "success", "data": {"result": result}}).encode()
        self.send_response(self.code)
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args):
        pass


@pytest.fixture
def prometheus():
    class Own(Prometheus):
        pass

    with HTTPServer(("127.0.0.1", 0), Own) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Own, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_prometheus_is_asked_for_the_pods(prometheus):
    handler, url = prometheus
    found = samples.from_prometheus(url, "team")(["a-1", "a-2"])
    assert (found["a-1"].requests, found["a-1"].errors, found["a-2"].requests) == (15, 3, 5)
    assert 'namespace="team"' in handler.asked
    assert "a\\\\-1|a\\\\-2" in handler.asked
    assert "|predict_request_seconds_bucket|" in handler.asked


def test_a_prometheus_that_cannot_be_asked_is_one_line(prometheus):
    handler, url = prometheus
    handler.code = 403
    with pytest.raises(UserError, match=r"deploy\.prometheus .* answers 403"):
        samples.from_prometheus(url, "team")(["a-1"])
    with pytest.raises(UserError, match="cannot be asked"):
        samples.from_prometheus("http://127.0.0.1:9", "team")(["a-1"])
