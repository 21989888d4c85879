"""The connection to Kubeflow Pipelines: kfp's own client, and what its errors mean, in one line."""

import json
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from typing import Any

import kfp
import kfp_server_api as api
import urllib3
from kfp.client.token_credentials_base import TokenCredentialsBase

from ...errors import UserError
from ...settings import Settings
from .readiness import check_access
from .settings import KUBEFLOW_COOKIE, KUBEFLOW_TOKEN, Kubeflow

CONNECT_SECONDS = 10
LOGINS = {
    "none": "kubeflow.auth is none: say in config/ how one logs in",
    "token": f"its token is missing, wrong or too old: put a new one into ${KUBEFLOW_TOKEN}, "
    "or name its file in kubeflow.token_file",
    "in-cluster": "this pod's token is not accepted: mount one for the audience "
    "pipelines.kubeflow.org, or name its file in kubeflow.token_file",
    "cookie": f"the session is over: log in with a browser, put its cookie in ${KUBEFLOW_COOKIE}",
    "iap": "Google's proxy rejects this account: point $GOOGLE_APPLICATION_CREDENTIALS at the key "
    "of a service account that may pass, and check kubeflow.client_id",
}


class ClusterError(UserError):
    """What a cluster does not do for us, and what to do."""


class RefreshedToken(TokenCredentialsBase):
    """A token that is read again for each request: in a pod, its file changes every hour."""

    def __init__(self, kubeflow: Kubeflow) -> None:
        self.kubeflow = kubeflow

    def refresh_api_key_hook(self, config: Any) -> None:
        config.api_key["authorization"] = self.kubeflow.token()


class Client(kfp.Client):
    """kfp's client, which neither reads nor writes ~/.config/kfp, and does not ask five times.

    An answer that sends one to a login page is an error, and none is waited for without end.
    """

    def __init__(self, kubeflow: Kubeflow, **options: Any) -> None:
        self.kubeflow = kubeflow
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            super().__init__(
                host=kubeflow.endpoint,
                ui_host=kubeflow.ui,
                namespace=kubeflow.namespace or "",
                ssl_ca_cert=str(kubeflow.ca.expanduser()) if kubeflow.ca else None,
                **options,
            )

    def _load_config(self, *args: Any, **kwargs: Any) -> Any:
        config = super()._load_config(*args, **kwargs)
        config.retries = urllib3.Retry(0, redirect=0, raise_on_redirect=False)
        return config

    def _load_context_setting_or_default(self) -> None:
        self._context_setting = {"namespace": self.kubeflow.namespace or ""}

    def set_user_namespace(self, namespace: str) -> None:
        self._context_setting["namespace"] = namespace

    def get_kfp_healthz(self, sleep_duration: int = 0) -> Any:
        self.guard()  # the constructor of kfp's client asks, too
        return self._healthz_api.healthz_service_get_healthz()

    def check_namespace(self) -> None:
        """Raise a `ClusterError` where one must be named; one's own is known in a pod."""
        if not self.get_user_namespace() and self.get_kfp_healthz().multi_user:
            raise ClusterError(
                "this Kubeflow is one for many users: name your profile in kubeflow.namespace"
            )

    def guard(self) -> None:
        """Give every request an end, and accept nothing but JSON as an answer.

        kfp's client has no setting for the one, and reads a page to log in as a model of no values.
        """
        rest = self._run_api.api_client.rest_client
        if getattr(rest, "guarded", False):
            return
        request, limits = rest.request, (CONNECT_SECONDS, self.kubeflow.timeout_seconds)

        def guarded(method: str, url: str, *args: Any, **kwargs: Any) -> Any:
            kwargs["_request_timeout"] = kwargs.get("_request_timeout") or limits
            answer = request(method, url, *args, **kwargs)
            if "/apis/v2beta1/" in url and bytes(answer.data).lstrip()[:1] != b"{":
                raise ClusterError(
                    f"{self.kubeflow.endpoint}: a web page answers, not Kubeflow Pipelines: "
                    f"{LOGINS[self.kubeflow.auth]}; or the address lacks /pipeline at its end"
                )
            return answer

        rest.request, rest.guarded = guarded, True

    def link(self, page: str) -> str:
        """The address of a page, such as `runs/details/<id>`."""
        return f"{self._get_url_prefix().rstrip('/')}/#/{page}"


def connect(settings: Settings) -> Client:
    """A client that has been answered. Raises a UserError."""
    kubeflow = check_access(settings)
    with errors(kubeflow):
        client = Client(kubeflow, **_login(kubeflow))
        client.guard()
        client.check_namespace()
    return client


def _login(kubeflow: Kubeflow) -> dict[str, Any]:
    """What kfp's client is to be told."""
    if kubeflow.auth in ("token", "in-cluster"):
        return {"credentials": RefreshedToken(kubeflow)}
    if kubeflow.auth == "cookie":
        return {"cookies": kubeflow.cookie()}
    return {"client_id": kubeflow.client_id}


@contextmanager
def errors(kubeflow: Kubeflow) -> Iterator[None]:
    """Say in one line what a failed request means, and keep what kfp's client prints to itself."""
    where = kubeflow.endpoint
    try:
        with redirect_stdout(StringIO()):
            yield
    except api.ApiException as error:
        raise ClusterError(f"{where}: {_explain(error, kubeflow)}") from None
    except urllib3.exceptions.HTTPError as error:
        reason = getattr(error, "reason", None) or error
        if isinstance(reason, urllib3.exceptions.SSLError):
            raise ClusterError(f"{where}: {_tls(reason)}") from None
        text = re.sub(r"\[.*?\] ", "", str(reason).rpartition(": ")[2].partition(" (")[0])
        raise ClusterError(
            f"{where} does not answer ({text}): check kubeflow.endpoint, the VPN, or that "
            "`kubectl port-forward` is at work"
        ) from None
    except (api.OpenApiException, ValueError) as error:
        text = " ".join(str(error).split())[:200]
        raise ClusterError(
            f"{where}: it does not answer as Kubeflow Pipelines does ({text})"
        ) from None
    except Exception as error:
        if type(error).__module__.startswith("google.auth"):
            raise ClusterError(f"{where}: {LOGINS['iap']} ({error.args[0]})") from None
        raise


def _explain(error: api.ApiException, kubeflow: Kubeflow) -> str:
    message = _message(error)
    if error.status == 0:
        return _tls(error.reason)
    if error.status == 401 or error.status in range(300, 400):
        return f"you are not logged in: {LOGINS[kubeflow.auth]}"
    if error.status == 403:
        if kubeflow.namespace and kubeflow.namespace in message:
            return (
                f"no rights in namespace {kubeflow.namespace} ({message}): its owner adds you "
                "under Manage Contributors, or name another in kubeflow.namespace"
            )
        return f"not allowed ({message}): {LOGINS[kubeflow.auth]}"
    if error.status == 404 and "<html" in str(error.body).lower():
        return "there is no Kubeflow Pipelines here: its address often ends with /pipeline"
    return f"it rejects the request: {message}"


def _message(error: api.ApiException) -> str:
    """What the server said, in one line."""
    try:
        answer = json.loads(error.body)
        texts = (answer.get(key) for key in ("message", "error_message", "error"))
        text = next(filter(None, texts), error.body)
    except (ValueError, TypeError, AttributeError):
        text = error.body or error.reason
    return " ".join(str(text).split())[:300]


def _tls(reason: object) -> str:
    text = " ".join(str(reason).split())[:200]
    return f"no trusted connection ({text}): name the certificate of its authority in kubeflow.ca"


def named(name: str) -> str:
    """The filter that finds what has that name."""
    wanted = {"operation": "EQUALS", "key": "display_name", "stringValue": name}
    return json.dumps({"predicates": [wanted]})
