"""Asks the warehouse, as a role that sees no more than readers may see.

A query is a text of SQL with named parameters, `%(years)s`. What it gave is kept until something
was loaded or built, so a filter that somebody chose before costs nothing.
"""

import io
import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from textwrap import dedent
from typing import Any

import psycopg2
import streamlit as st
from psycopg2 import errors

from common.errors import ConfigurationError, LoadError
from common.warehouse import (
    NOT_BUILT,
    PATIENCE,
    REPLACED,
    Warehouse,
    find_warehouse,
    patiently,
)

Row = dict[str, Any]
# Nobody waits longer for a page.
TIMEOUT = "30s"
# Seconds for which nobody asks whether something was loaded.
FRESH_FOR = 5
# Seconds after which a result is asked for anew, whatever the ledger says: dbt alone is not in it.
KEPT_FOR = 600


class UnavailableError(Exception):
    """A figure cannot be shown; the message says why, in words, and what to do."""


class NotBuiltError(UnavailableError):
    """What is asked for is not in the warehouse yet."""


class NotAllowedError(UnavailableError):
    """The role that the dashboard acts as may not see it."""


@dataclass(frozen=True)
class Result:
    """The rows of a query, and the SQL that gives them in any other client."""

    columns: tuple[str, ...]
    rows: list[Row]
    sql: str

    @property
    def first(self) -> Row:
        """The first row, for queries that always have one."""
        return self.rows[0]


def role() -> str:
    """Returns the role that the dashboard acts as."""
    return os.environ.get("DASHBOARD_ROLE") or "reader"


def where(conditions: Sequence[str]) -> str:
    """Returns the clause of SQL that asks for all of the conditions; nothing for none."""
    return "where " + "\n    and ".join(conditions) if conditions else ""


def ask(sql: str, **parameters: object) -> Result:
    """Runs a query; raises UnavailableError if there is nothing to show."""
    return _kept(dedent(sql).strip(), parameters, last_change())


def as_csv(sql: str) -> bytes:
    """Returns all rows of a query as CSV, as PostgreSQL writes it, to the last digit."""
    text = io.BytesIO()
    with closing(_warehouse().connect()) as connection, connection.cursor() as cursor:
        cursor.copy_expert(f"copy ({sql}) to stdout (format csv, header)", text)
    return text.getvalue()


@st.cache_data(ttl=FRESH_FOR, show_spinner=False)
def ask_now(sql: str) -> Result:
    """Runs a query on views of how the warehouse is, which may change without a load or build."""
    # Such a view is replaced in place: if it is not there, it will not be in a moment.
    return _run(dedent(sql).strip(), {}, patience=())


def sources() -> dict[str, Row] | None:
    """Returns each source that was ever loaded, as agg_source_health has it, by name.

    None before the first build: nobody says then when something was loaded.
    """
    try:
        found = ask_now("select * from marts_operations.agg_source_health order by source")
    except NotBuiltError:
        return None
    return {row["source"]: row for row in found.rows}


def last_change() -> datetime | None:
    """Returns when something was last loaded or built, as far as is recorded."""
    times = [
        row[name]
        for row in (sources() or {}).values()
        for name in ("loaded_at", "built_at")
        if row[name]
    ]
    return max(times, default=None)


@st.cache_data(ttl=KEPT_FOR, max_entries=500, show_spinner=False)
def _kept(sql: str, parameters: Mapping[str, object], as_of: datetime | None) -> Result:  # noqa: ARG001
    # What was asked for as of another time is another result.
    return _run(sql, parameters)


def _run(
    sql: str, parameters: Mapping[str, object], patience: Sequence[float] = PATIENCE
) -> Result:
    warehouse = _warehouse()

    def fetch() -> Result:
        with closing(warehouse.connect()) as connection, connection.cursor() as cursor:
            text = cursor.mogrify(sql, parameters).decode()
            cursor.execute(text)
            columns = tuple(column.name for column in cursor.description or ())
            rows = [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
            return Result(columns, rows, text)

    try:
        return patiently(fetch, iter(patience))
    except NOT_BUILT as error:
        raise NotBuiltError("This is not loaded and built yet: `make run` does it.") from error
    except errors.InsufficientPrivilege as error:
        raise NotAllowedError(
            f"The role `{role()}` may not see this; DASHBOARD_ROLE names another for who may."
        ) from error
    except errors.QueryCanceled as error:
        raise UnavailableError(
            f"This took longer than {TIMEOUT}. Choose less, or try again when the warehouse has "
            "less to do."
        ) from error
    except REPLACED as error:
        raise UnavailableError("A build replaces it just now: try again in a moment.") from error
    except psycopg2.OperationalError as error:
        raise UnavailableError("The warehouse broke off: try again in a moment.") from error
    except LoadError as error:
        raise UnavailableError(_why_not(warehouse, str(error))) from error


def _warehouse() -> Warehouse:
    """Returns the warehouse, to be used as the role, to be read only."""
    try:
        return replace(_Reading(**vars(find_warehouse())), role=role())
    except ConfigurationError as error:
        raise UnavailableError(f"{error}. `make dashboard` names the one of this clone.") from error


class _Reading(Warehouse):
    """A warehouse that nothing is written to, and that answers in time or not at all."""

    @property
    def options(self) -> str:
        return (
            f"{super().options} -c default_transaction_read_only=on -c statement_timeout={TIMEOUT}"
        )


def _why_not(warehouse: Warehouse, error: str) -> str:
    where = f"PostgreSQL at {warehouse.host}:{warehouse.port}, database {warehouse.database}"
    if "permission denied to set role" in error:
        return (
            f"The user {warehouse.user} is no member of the role {warehouse.role} on {where}: "
            f"`grant {warehouse.role} to {warehouse.user}`, or set DASHBOARD_ROLE."
        )
    if f'role "{warehouse.role}" does not exist' in error:
        return f"There is no role {warehouse.role} on {where}: `make roles` makes the roles."
    if "invalid value for parameter" in error:
        return f"There is no role {warehouse.role} on {where}: `make roles` makes the roles."
    if "password authentication failed" in error:
        return f"The user or the password is not the one of {where}: see POSTGRES_USER."
    return f"{where} does not answer. `make up` starts the server of this clone."
