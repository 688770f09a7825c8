"""Where the warehouse is: what POSTGRES_* in the environment says."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TypeVar

import psycopg2
import psycopg2.extensions
from psycopg2 import errors

from common.errors import ConfigurationError, LoadError

# Of a server that is named by its host alone; the same as in profiles.yml.
DEFAULTS = {
    "POSTGRES_HOST": "127.0.0.1",
    "POSTGRES_PORT": "5432",
    "POSTGRES_USER": "warehouse",
    "POSTGRES_PASSWORD": "",
    "POSTGRES_DB": "warehouse",
}
# What can hold the rows and run the models.
ENGINES = ("postgres", "spark")
# The role that owns raw and the ledger, where the server has it: see local/roles.sql.
LOADER = "loader"


# What a query says of a relation that is not there, or not as it was.
NOT_BUILT = (errors.UndefinedTable, errors.UndefinedColumn, errors.InvalidSchemaName)
# What it says while a build replaces one: gone between its name and its rows, or about to be there.
REPLACED = (
    errors.UndefinedTable,
    errors.UndefinedColumn,
    errors.InternalError_,
    errors.DeadlockDetected,
    errors.LockNotAvailable,
)
# Seconds to wait for it, each time; 2 s in all.
PATIENCE = (0.1, 0.3, 0.6, 1.0)
T = TypeVar("T")


@dataclass(frozen=True)
class Warehouse:
    """A PostgreSQL database and how to log in. The password never shows in a repr."""

    host: str
    port: int
    user: str
    database: str
    password: str = field(repr=False)
    # The role to act as: whoever loads, what is made belongs to one owner.
    role: str = ""

    @property
    def options(self) -> str:
        """What libpq is told when it connects."""
        return f"-c role={self.role}" if self.role else ""

    def connect(self) -> psycopg2.extensions.connection:
        """Opens a connection; raises LoadError, without the password, if that fails."""
        try:
            return psycopg2.connect(
                host=self.host,
                port=self.port,
                user=self.user,
                password=self.password,
                dbname=self.database,
                connect_timeout=15,
                options=self.options,
                application_name="extract",
            )
        except psycopg2.OperationalError as error:
            raise LoadError(
                f"PostgreSQL at {self.host}:{self.port} (database {self.database}, user "
                f"{self.user}): {str(error).strip()}; see that it runs, and POSTGRES_*"
            ) from error

    def prepare(self, cursor: psycopg2.extensions.cursor) -> None:
        """Makes what loads need beside the ledger; here, nothing."""

    @property
    def has_table(self) -> str:
        """SQL that tells whether there is a table, to be given {schema} and {name}."""
        return "to_regclass(format('%%I.%%I', {schema}, {name})) is not null"

    def variables(self) -> dict[str, str]:
        """Returns the POSTGRES_* variables that name this warehouse."""
        return {
            "POSTGRES_HOST": self.host,
            "POSTGRES_PORT": str(self.port),
            "POSTGRES_USER": self.user,
            "POSTGRES_PASSWORD": self.password,
            "POSTGRES_DB": self.database,
        }


def find_warehouse() -> Warehouse:
    """Returns the warehouse that POSTGRES_* names, or the lakehouse if ENGINE is spark.

    Raises ConfigurationError if they name none.
    """
    engine = os.environ.get("ENGINE") or "postgres"
    if engine not in ENGINES:
        raise ConfigurationError(f"ENGINE: {engine!r} is none; there are: {', '.join(ENGINES)}")
    settings = {name: os.environ.get(name) or default for name, default in DEFAULTS.items()}
    if not os.environ.get("POSTGRES_HOST"):
        raise ConfigurationError("POSTGRES_HOST is not set: name the warehouse's server")
    try:
        port = int(settings["POSTGRES_PORT"])
    except ValueError as error:
        raise ConfigurationError(f"POSTGRES_PORT: {error}; set a number") from error
    warehouse = Warehouse(
        host=settings["POSTGRES_HOST"],
        port=port,
        user=settings["POSTGRES_USER"],
        database=settings["POSTGRES_DB"],
        password=settings["POSTGRES_PASSWORD"],
    )
    if engine == "postgres":
        return warehouse
    from common.lakehouse import find_lakehouse

    return find_lakehouse(warehouse)


def patiently(ask: Callable[[], T], pauses: Iterator[float]) -> T:
    """Asks, and again after each pause (in s) as long as a build replaces what is asked for.

    Raises the last error when there is no pause left.
    """
    while True:
        try:
            return ask()
        except REPLACED:
            pause = next(pauses, None)
            if pause is None:
                raise
            time.sleep(pause)


def postgres_failed(error: psycopg2.Error) -> str:
    """Says what PostgreSQL says, in one line, and what to do."""
    said = " ".join(str(error).split())
    return f"PostgreSQL: {said}; see that it runs and has room, and try again"


class NoMemberError(LoadError):
    """The user is no member of the role that owns raw and the ledger."""


def as_owner(warehouse: Warehouse) -> Warehouse:
    """Returns the warehouse, to be used as the role that owns the ledger, whoever logs in.

    Before there is one, that is `loader`, if there is such a role which may make schemas here.
    Raises NoMemberError for a user who is no member of the owner, LoadError if the server fails.
    """
    with closing(warehouse.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(
            """
            select owner.rolname, pg_has_role(owner.oid, 'member'), owner.rolname = current_user
            from pg_roles as owner
            where
                owner.oid = (select nspowner from pg_namespace where nspname = 'audit')
                or (
                    owner.rolname = %s
                    and to_regnamespace('audit') is null
                    and pg_has_role(owner.oid, 'member')
                    and has_database_privilege(owner.oid, current_database(), 'create')
                )
            """,
            (LOADER,),
        )
        row = cursor.fetchone()
    if row is None or row[2]:
        return warehouse
    owner, is_member, _ = row
    if not is_member:
        raise NoMemberError(
            f"user {warehouse.user} may not load: raw and audit belong to {owner}, of which it is "
            f"no member (grant {owner} to {warehouse.user})"
        )
    return replace(warehouse, role=owner)
