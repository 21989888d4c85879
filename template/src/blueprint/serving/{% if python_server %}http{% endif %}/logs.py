"""The server's log: a line for people on a terminal, a JSON object a line anywhere else."""

import logging
import sys
from datetime import UTC, datetime
from typing import Any

import msgspec

from .requests import REQUEST_ID

LONGEST_TRACEBACK = 8000


class LineFormatter(logging.Formatter):
    """A line for people, and behind it what was raised, if that is not endless."""

    def formatException(self, ei: Any) -> str:
        text = super().formatException(ei)
        half = LONGEST_TRACEBACK // 2
        return text if len(text) <= 2 * half else f"{text[:half]}\n...\n{text[-half:]}"


class JsonFormatter(LineFormatter):
    """`{"time", "level", "message"}`, and `request_id` and more where a request is the reason."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "message": record.getMessage(),
            "request_id": REQUEST_ID.get(),
            **getattr(record, "fields", {}),
            "exception": record.exc_info and self.formatException(record.exc_info),
        }
        return msgspec.json.encode({key: value for key, value in line.items() if value}).decode()


def config() -> dict[str, Any]:
    """The configuration for `logging.config.dictConfig`."""
    people = {"()": LineFormatter, "fmt": "%(asctime)s %(levelname)s %(message)s"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": people if sys.stderr.isatty() else {"()": JsonFormatter}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": "INFO"},
        "loggers": {"uvicorn": {"level": "WARNING"}},
    }
