"""A client of the tracking server or database that `registry.tracking_uri` names."""

import logging
import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

import sqlalchemy as sa
from mlflow import MlflowClient

from ..logins import without_login


def connect(uri: str, *, patient: bool) -> MlflowClient:
    """A client that has opened its database, or will ask its server; `uri` may hold a login.

    Raises what MLflow, SQLAlchemy and drivers raise: see registry_errors.py.
    """
    for direction in ("UPLOAD", "DOWNLOAD"):
        # Files go through the tracking server: the address of its store, which it would hand out
        # otherwise, is often one that only the server reaches.
        os.environ.setdefault(f"MLFLOW_ENABLE_PROXY_MULTIPART_{direction}", "false")
    if uri.startswith("http"):
        uri = _log_in(uri)
    elif "://" in uri:
        _open(uri, patient)
    return MlflowClient(uri, registry_uri=uri)


def _log_in(uri: str) -> str:
    """Hand the login of a server's address to MLflow by its variables; return the rest of it."""
    parts = urlsplit(uri)
    if parts.username:
        os.environ.setdefault("MLFLOW_TRACKING_USERNAME", unquote(parts.username))
        os.environ.setdefault("MLFLOW_TRACKING_PASSWORD", unquote(parts.password or ""))
    return without_login(uri)


def _open(uri: str, patient: bool) -> None:
    """Prepare a database. Unless `patient`, connect once, where MLflow tries for 100 seconds."""
    address = sa.make_url(uri)
    if "@" in str(address.host):
        raise ValueError("Invalid URL: a password's @ is written %40")
    if address.get_backend_name() == "sqlite" and address.database:
        Path(address.database).parent.mkdir(parents=True, exist_ok=True)
        # It announces the tables of a new database, which is nobody's mistake.
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
        if Path(address.database).exists() and not os.access(address.database, os.W_OK):
            raise PermissionError(f"Permission denied: {address.database}")
    if not patient:
        sa.create_engine(address, poolclass=sa.pool.NullPool).connect().close()
