"""What MLflow and databases say of a registry that cannot be used, in one line with the remedy."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from ..errors import UserError

# In the order in which they are tried.
REMEDIES = {
    "must be in the 'active' state": "restore it in MLflow, or name another in registry.name",
    r"code 401\b|UNAUTHENTICATED|CUSTOMER_UNAUTHORIZED|password authentication failed": "it asks "
    "for a login: MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, "
    "in the environment; for a database, its user and password in MLOPS_REGISTRY__TRACKING_URI",
    r"code 403\b|PERMISSION_DENIED": "the login may not do this: ask who runs the server for it",
    r"not in a valid JSON format|code (30\d|404)\b": "no MLflow answers there: correct "
    "registry.tracking_uri, or a page to log in stands before it",
    "database schema": "another version of MLflow made its tables: if an older one, copy the "
    "database and run `uv run mlflow db upgrade URL`; if a newer one, use that",
    "database is locked": "wait, or stop what else writes to it, such as `make ui`",
    "not a database|malformed": "it is damaged: restore it from a copy, or move it away",
    "readonly|unable to open|denied|No such file": "check its path, owner and permissions",
    "maintenance mode": "MLflow reads no folder any more: use sqlite:///.mlops/mlflow.db",
    "unsupported URI|load plugin|parse SQLAlchemy URL|Invalid (IPv6 )?URL|No scheme": "expected "
    "http(s)://…, sqlite:///… or the URL of a database",
    "No module named": "its driver is missing: `uv add` it",
    "resolve|refused|unreachable|time[d ]*out|connection|too many 50": "it does not answer: is it "
    "up, is registry.tracking_uri right, is the VPN on?",
}
MOST = 300


class RegistryError(UserError):
    """A tracking server that cannot be used, or a version that it does not have."""


@contextmanager
def errors(action: str, uri: str) -> Iterator[None]:
    """Say in one line what could not be done with the registry at `uri`, and the remedy."""
    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError, ImportError, ValueError) as error:
        said = re.split(r"\[SQL:|\(Background on", str(error))[0]  # not the statement that failed
        text = " ".join(said.split())
        found = (advice for sign, advice in REMEDIES.items() if re.search(sign, text, re.I))
        advice = next(found, "")
        if len(text) > MOST:  # the reason comes last
            text = f"{text[: MOST // 2 - 10]} … {text[10 - MOST // 2 :]}"
        where = f"cannot {action} the registry at {uri} (registry.tracking_uri)"
        raise RegistryError(f"{where}: {text}{advice and f': {advice}'}") from None
