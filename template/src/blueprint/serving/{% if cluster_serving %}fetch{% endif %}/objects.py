"""A folder of an object store, by its URL. Credentials come from the cloud's own variables.

`s3://`, `gs://`, `az://`, `abfss://`, MLflow's `wasbs://`, `file://`, and http(s) for WebDAV.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import from_url

from ...errors import UserError
from ...text import shorten
from .source import WAITS, File

CHUNK = 4 * 2**20  # bytes that are in memory at a time
CONNECT_SECONDS = 5
# What an error's text shows, and what to do about it; the first that fits.
REMEDIES = {
    "NoSuchBucket|bucket does not exist|ContainerNotFound": "correct the registry's artifact store",
    "Account must be specified": "set AZURE_STORAGE_ACCOUNT_NAME",
    "configured region|PermanentRedirect|AuthorizationHeaderMalformed": "set AWS_REGION to the "
    "bucket's",
    r"169\.254\.|/latest/api/token|token request|credential|InvalidAccessKeyId|NoAuth|status 401|"
    "SignatureDoesNotMatch|Unauthenticated": "give the pod credentials: a service account with a "
    "cloud identity, or a Secret as environment variables",
    r"AccessDenied|status 403|PermissionDenied|not authorized|Forbidden": "its credentials may not "
    "read there",
    "sending request|dns|unreachable|timed? ?out|connect": "it does not answer: is the "
    "address right, and does a NetworkPolicy let the pod out?",
}
# Queries, which may be signed, and how often it was tried.
NOISE = re.compile(r"(?<=\S)\?\S+| in [\d.]+\S?s(?=[ ,])|, after \d+ retries.*?retry_timeout: \w+")
# The other names that libraries have for the address of a store.
ADDRESSES = {"MLFLOW_S3_ENDPOINT_URL": "AWS_ENDPOINT_URL"}
EMULATOR = "STORAGE_EMULATOR_HOST"  # as Google's libraries know it


class Objects:
    """What lies below a URL of an object store."""

    def __init__(self, uri: str, seconds: float) -> None:
        options: dict[str, Any] = {
            "client_options": {
                "allow_http": True,
                "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
                "timeout": timedelta(seconds=seconds),
            },
            "retry_config": {
                "max_retries": len(WAITS),
                "retry_timeout": timedelta(seconds=seconds),
                "backoff": {"init_backoff": timedelta(seconds=WAITS[0]), "base": 2},
            },
        }
        for other, name in ADDRESSES.items():
            if (address := os.environ.get(other)) and name not in os.environ:
                os.environ[name] = address
        if uri.startswith("gs:") and (emulator := os.environ.get(EMULATOR)):
            address = emulator if "://" in emulator else f"http://{emulator}"
            options |= {"base_url": address.rstrip("/"), "skip_signature": True}
        with errors():
            self._store: Any = from_url(address_of(uri), **options)

    def files(self) -> list[File]:
        with errors():
            pages = obstore.list(self._store)
            found = [File(each["path"], each["size"]) for page in pages for each in page]
        # Some clients mark a folder by an empty object of its name.
        folders = {str(parent) for file in found for parent in PurePosixPath(file.name).parents}
        return [file for file in found if file.size or file.name not in {"", *folders}]

    def save(self, file: File, path: Path) -> None:
        with errors(), path.open("wb") as target:
            for chunk in obstore.get(self._store, file.name).stream(min_chunk_size=CHUNK):
                target.write(chunk)


def address_of(uri: str) -> str:
    """The URL as obstore knows it; wasbs://container@account.blob.core.windows.net/path is not."""
    parts = urlsplit(uri)
    if parts.scheme in ("wasb", "wasbs"):
        return f"https://{parts.hostname}/{parts.username}{parts.path}"
    return uri


@contextmanager
def errors() -> Iterator[None]:
    """Say in one line what a store rejects, and no more of its answer than what it means."""
    try:
        yield
    except (BaseError, ValueError, FileNotFoundError) as error:
        if getattr(error, "errno", None):
            raise  # the disk's, which the caller knows
        raise UserError(explain(error)) from None


def explain(error: BaseException) -> str:
    """The reason, which stands between addresses, numbers of retries and what is for debugging."""
    text = NOISE.sub("", " ".join(str(error).split("Debug source")[0].split()))
    answer = re.search(r"<Code>(.*?)</Code>(?:.*?<Message>(.*?)</Message>)?", text)
    reason = ": ".join(filter(None, answer.groups())) if answer else shorten(text, 300)
    advice = next((REMEDIES[sign] for sign in REMEDIES if re.search(sign, text, re.I)), "")
    if "InvalidCertificate" in str(error):
        advice = "its certificate is not trusted: SSL_CERT_FILE names a file of those that are"
    return f"{reason}{advice and f': {advice}'}"
