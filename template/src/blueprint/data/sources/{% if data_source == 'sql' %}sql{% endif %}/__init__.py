"""SQL: the rows of a query or a table. Its settings and logins; `reader` asks the database."""

import re
from typing import TYPE_CHECKING, Any

from pydantic import field_validator, model_validator

from ....logins import without_login
from ....settings import ENV_PREFIX, Section, SettingsError, variables

if TYPE_CHECKING:
    import polars as pl

VARIABLE = f"{ENV_PREFIX}DATA__SQL__"
NEEDS = "data.sql.url and data.sql.query or data.sql.table"
FROM_ENVIRONMENT = ("data.sql.url", "data.sql.user", "data.sql.password")
LOGINS = {"data.sql.url": f"set it in the environment as {VARIABLE}PASSWORD"}
CACHED = False  # nothing tells whether rows of a database have changed


class Settings(Section):
    """A database, and the rows of it. User and password come from the environment alone."""

    url: str | None = None
    query: str | None = None
    table: str | None = None

    @field_validator("url")
    @classmethod
    def hold_no_password(cls, url: str | None) -> str | None:
        if url and without_login(url) != url:
            raise ValueError(f"a login is in it; leave it out: {LOGINS['data.sql.url']}")
        return url

    @model_validator(mode="after")
    def name_rows(self) -> "Settings":
        if (self.query is None) == (self.table is None):
            raise ValueError("give one of query and table")
        return self


def options(data: Any) -> dict[str, Any]:
    dtypes = {name: column.dtype for name, column in data.columns.items() if column.dtype}
    return {**data.sql.model_dump(), **_login(data.sql), "dtypes": dtypes}


def origin(data: Any) -> str:
    url = data.sql.url or without_login(_login(data.sql)["url"])
    return f"sql {re.sub('//.*@', '//', url).partition('?')[0]}"


def only_here(data: Any) -> str:
    """What a pod of a cluster would not find."""
    url = data.sql.url or ""
    local = f"data.sql.url is {url}, on this machine: name a database's server"
    return local if url.startswith("sqlite") else ""


def scan(**given: Any) -> "pl.LazyFrame":
    """See `reader.scan`."""
    from .reader import scan

    return scan(**given)


def _login(sql: Settings) -> dict[str, Any]:
    """URL, user and password; one in $MLOPS_DATA__SQL__URL goes to no other database."""
    given = variables().get("data", {}).get("sql", {})
    url = given.get("url", "")
    if sql.url and without_login(url) != sql.url:
        url = sql.url
    if not url:
        raise SettingsError(f"data.sql.url is missing: set it in config/ or as {VARIABLE}URL")
    return {"url": url, "user": given.get("user"), "password": given.get("password")}
