"""What a cluster refuses, or where there is none: one clear line, and nothing waits for long."""

import re
import socket
import subprocess

import pytest

from blueprint.targets.kubeflow import submission
from blueprint.targets.kubeflow.client import ClusterError, connect

SOON = "kubeflow.timeout_seconds=2"


def refused(settings):
    with pytest.raises(ClusterError) as caught:
        submission.submit(settings)
    [line] = str(caught.value).splitlines()
    assert line.startswith(settings.kubeflow.endpoint) or "this Kubeflow" in line
    return line


def test_nobody_listens(load_cluster):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{free.getsockname()[1]}"
    line = refused(load_cluster(endpoint))
    assert "does not answer (Connection refused)" in line
    assert "kubeflow.endpoint" in line


def test_the_name_is_unknown(load_cluster):
    assert "does not answer" in refused(load_cluster("http://kubeflow.invalid"))


def test_somebody_listens_and_says_nothing(load_cluster):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert "does not answer" in refused(load_cluster(endpoint, SOON))


@pytest.mark.parametrize(
    ("status", "body", "auth", "message"),
    [
        (401, '{"message": "who?"}', "none", "you are not logged in: kubeflow.auth is none"),
        (302, "<html>", "none", "you are not logged in"),
        (403, "RBAC: access denied", "none", r"not allowed \(RBAC: access denied\)"),
        (404, "<html>nginx</html>", "none", "often ends with /pipeline"),
        (500, '{"message": "no database"}', "none", "it rejects the request: no database"),
        (200, "fine", "none", "a web page answers, not Kubeflow Pipelines"),
        (200, "<html>Welcome</html>", "none", "a web page answers"),
    ],
)
def test_an_answer_that_is_none(fake, load_cluster, status, body, auth, message):
    fake.fail = (status, body)
    line = refused(load_cluster(fake.endpoint, f"kubeflow.auth={auth}"))
    assert re.search(message, line), line


def test_a_token_that_is_missing_wrong_or_changed(fake, load_cluster, monkeypatch, tmp_path):
    fake.token = "right"
    settings = load_cluster(fake.endpoint, "kubeflow.auth=token")
    with pytest.raises(ClusterError, match=r"there is no token in \$KUBEFLOW_TOKEN"):
        submission.submit(settings)
    assert fake.headers == []

    monkeypatch.setenv("KUBEFLOW_TOKEN", "wrong")
    assert "you are not logged in: its token is missing, wrong or too old" in refused(settings)
    monkeypatch.setenv("KUBEFLOW_TOKEN", "right")
    assert submission.submit(settings)

    file = tmp_path / "token"
    file.write_text("right\n")
    inside = ["kubeflow.auth=in-cluster", f"kubeflow.token_file={file}"]
    client = connect(load_cluster(fake.endpoint, *inside))
    client.list_pipelines()
    fake.token = "newer"
    file.write_text("newer\n")
    client.list_pipelines()


def test_a_cookie_of_a_browsers_session(fake, load_cluster, monkeypatch):
    fake.cookie = "authservice_session=abc"
    settings = load_cluster(fake.endpoint, "kubeflow.auth=cookie")
    monkeypatch.setenv("KUBEFLOW_COOKIE", "authservice_session=old")
    assert "log in with a browser" in refused(settings)
    monkeypatch.setenv("KUBEFLOW_COOKIE", "authservice_session=abc")
    assert submission.submit(settings)


def test_an_account_that_google_does_not_know(fake, load_cluster, monkeypatch, tmp_path):
    key = tmp_path / "key.json"
    key.write_text('{"type": "service_account"}')
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    proxy = ["kubeflow.auth=iap", "kubeflow.client_id=a-client"]

    assert "Google's proxy rejects this account" in refused(load_cluster(fake.endpoint, *proxy))
    assert fake.headers == []


def test_namespaces(fake, load_cluster):
    fake.multi_user = True
    assert "name your profile in kubeflow.namespace" in refused(load_cluster(fake.endpoint))
    other = refused(load_cluster(fake.endpoint, "kubeflow.namespace=theirs"))
    assert "no rights in namespace theirs" in other
    assert "Manage Contributors" in other

    assert submission.submit(load_cluster(fake.endpoint, "kubeflow.namespace=team"))
    [pipeline] = fake.pipelines.values()
    [experiment] = fake.experiments.values()
    assert pipeline.namespace == experiment.namespace == "team"


def test_a_certificate_of_an_unknown_authority(fake, load_cluster, tmp_path):
    certificate, key = tmp_path / "server.pem", tmp_path / "key.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    subprocess.run([*command, *subject, *files], check=True, capture_output=True)
    fake.encrypt(certificate, key)

    line = refused(load_cluster(fake.endpoint))
    assert "no trusted connection" in line
    assert "kubeflow.ca" in line
    assert submission.submit(load_cluster(fake.endpoint, f"kubeflow.ca={certificate}"))
    with pytest.raises(ClusterError, match=r"no file nowhere\.pem"):
        submission.submit(load_cluster(fake.endpoint, "kubeflow.ca=nowhere.pem"))


def test_the_clients_own_file_is_left_alone(fake, load_cluster, monkeypatch, tmp_path):
    context = tmp_path / "context.json"
    monkeypatch.setattr("kfp.Client._LOCAL_KFP_CONTEXT", str(context))
    context.write_text('{"namespace": "elsewhere", "client_authentication_cookie": "elsewhere"}')
    submission.submit(load_cluster(fake.endpoint))

    assert "elsewhere" not in str(fake.calls) + str(fake.headers)
    assert context.read_text().count("elsewhere") == 2
