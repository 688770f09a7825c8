"""Asks the Spark cluster, through the Thrift server that SPARK_HOST and SPARK_PORT name."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import date
from typing import Any

from common.errors import ConfigurationError, LoadError

DEFAULT_PORT = "10000"
# What it returns as text.
_READ: dict[str, Callable[[str], object]] = {"DATE_TYPE": date.fromisoformat}
_NOT_THERE = ("TABLE_OR_VIEW_NOT_FOUND", "SCHEMA_NOT_FOUND", "UNRESOLVED_COLUMN")


class NotThereError(LoadError):
    """A query names a relation or a column that is not there."""


@contextmanager
def cursor() -> Iterator[Any]:
    """Opens a PyHive cursor; raises LoadError if the server cannot be reached."""
    try:
        from pyhive import hive
        from thrift.Thrift import TException
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{error.name} is not installed: ENGINE=spark runs with .venv-spark/bin/python"
        ) from error
    host = os.environ.get("SPARK_HOST") or "127.0.0.1"
    port = int(os.environ.get("SPARK_PORT") or DEFAULT_PORT)
    try:
        connection = hive.connect(host=host, port=port, username="dbt")
    except (TException, hive.Error) as error:
        raise LoadError(
            f"Spark at {host}:{port} (SPARK_HOST, SPARK_PORT): {error}; see that it runs"
        ) from error
    with closing(connection), closing(connection.cursor()) as opened:
        yield opened


def query(sql: str) -> tuple[list[str], list[tuple[object, ...]]]:
    """Returns the columns and all rows of a query.

    Raises NotThereError if it is about something that is not there, LoadError if it fails.
    """
    from pyhive import hive

    with cursor() as asked:
        try:
            asked.execute(sql)
            described: Sequence[tuple[str, str]] = asked.description
            rows = asked.fetchall()
        except hive.Error as error:
            text = _message(error)
            kind = NotThereError if any(each in text for each in _NOT_THERE) else LoadError
            raise kind(f"Spark: {text}") from error
    columns = [name for name, *_ in described]
    readers = [_READ.get(kind) for _, kind, *_ in described]
    return columns, [
        tuple(
            value if value is None or read is None else read(value)
            for value, read in zip(row, readers, strict=True)
        )
        for row in rows
    ]


def _message(error: Exception) -> str:
    """Returns what Spark says, without the trace of its calls."""
    answer = error.args[0] if error.args else error
    status = getattr(answer, "status", None)
    text = str(getattr(status, "errorMessage", None) or answer)
    return text.split("\n\tat ", maxsplit=1)[0].strip()
