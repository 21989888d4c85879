"""A client of what `registry.tracking_uri` names, and its errors in one line."""

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import sqlalchemy as sa
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from .. import rooms
from ..errors import UserError
from ..logins import without_login

# What an error's text shows, and what to do about it; the first that fits.
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
LONGEST = 300  # characters of an error's own text


class RegistryError(UserError):
    """A tracking server that cannot be used, or a version that it does not have."""


@contextmanager
def errors(action: str, uri: str) -> Iterator[None]:
    """Turn what MLflow, SQLAlchemy and drivers raise into one line with what to do about it."""
    try:
        yield
    except (MlflowException, sa.exc.SQLAlchemyError, OSError, ImportError, ValueError) as error:
        text = " ".join(re.split(r"\[SQL:|\(Background on", str(error))[0].split())
        advice = next((REMEDIES[sign] for sign in REMEDIES if re.search(sign, text, re.I)), "")
        if len(text) > LONGEST:  # the reason comes last
            text = f"{text[: LONGEST // 2 - 10]} … {text[10 - LONGEST // 2 :]}"
        where = f"cannot {action} the registry at {uri} (registry.tracking_uri)"
        raise RegistryError(f"{where}: {text}{advice and f': {advice}'}") from None


def open_client(uri: str, *, patient: bool) -> MlflowClient:
    """A client that has opened its database, or will ask its server; `uri` may hold a login."""
    # What a server makes MLflow print, into a command's own table.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    for direction in ("UPLOAD", "DOWNLOAD"):
        # Files go through the tracking server: the address of its store, which it would hand out
        # otherwise, is often one that only the server reaches.
        os.environ.setdefault(f"MLFLOW_ENABLE_PROXY_MULTIPART_{direction}", "false")
    if uri.startswith("http"):
        parts = urlsplit(uri)
        if parts.username:
            os.environ.setdefault("MLFLOW_TRACKING_USERNAME", unquote(parts.username))
            os.environ.setdefault("MLFLOW_TRACKING_PASSWORD", unquote(parts.password or ""))
        uri = without_login(uri)
        for room in rooms("identity"):
            room.log_in(uri)
    elif "://" in uri:
        _open_database(sa.make_url(uri), patient)
    return MlflowClient(uri, registry_uri=uri)


def _open_database(url: sa.URL, patient: bool) -> None:
    """Make a SQLite file's folder. Unless `patient`, connect once: MLflow tries for 100 seconds."""
    if "@" in str(url.host):
        raise ValueError("Invalid URL: a password's @ is written %40")
    if url.get_backend_name() == "sqlite" and url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        # It announces the tables of a new database, which is nobody's mistake.
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
        if Path(url.database).exists() and not os.access(url.database, os.W_OK):
            raise PermissionError(f"Permission denied: {url.database}")
    if not patient:
        sa.create_engine(url, poolclass=sa.pool.NullPool).connect().close()
