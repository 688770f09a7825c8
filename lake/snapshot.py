"""Takes tables out of the warehouse as they are at one moment, as CSV on the local disk."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import errors
from psycopg2.extensions import ISOLATION_LEVEL_REPEATABLE_READ
from psycopg2.sql import SQL, Composable, Composed, Identifier

from common.errors import ConfigurationError, LoadError
from common.warehouse import Warehouse, postgres_failed
from lake.declaration import Table

# The server needs a moment to notice that a killed publish is gone; a build that replaces a table
# needs longer.
OTHER_PUBLISH_SECONDS = 3
BUILD_SECONDS = 120
# The role whose privileges say what may leave the warehouse.
READER = "reader"


@dataclass(frozen=True)
class Dump:
    """A table's rows in a CSV file without header, sorted by partition.

    `columns` are names and PostgreSQL types; those that tables.yml computes are the last.
    """

    table: Table
    columns: tuple[tuple[str, str], ...]
    path: Path


class Snapshot:
    """A connection on which nobody else publishes meanwhile."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def missing(self, tables: Sequence[Table]) -> list[Table]:
        """Returns the tables that the warehouse does not hold (yet)."""
        with self._connection, self._connection.cursor() as cursor:
            missing = []
            for table in tables:
                cursor.execute(
                    "select to_regclass(format('%%I.%%I', %s, %s)) is null",
                    (table.schema, table.relation),
                )
                if cursor.fetchone() == (True,):
                    missing.append(table)
        return missing

    def withheld(self, tables: Sequence[Table]) -> list[Table]:
        """Returns the tables that the role reader may not read and that are no exceptions.

        Raises LoadError if the server has no such role.
        """
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute("select from pg_roles where rolname = %s", (READER,))
            if cursor.rowcount == 0:
                raise LoadError(f"the server has no role {READER}: `make roles` makes it")
            withheld = []
            for table in tables:
                # Else a build that replaces it just now makes the question fail.
                _lock(cursor, table)
                cursor.execute(
                    """
                    select
                        has_schema_privilege(%s, %s, 'usage')
                        and has_table_privilege(%s, format('%%I.%%I', %s, %s), 'select')
                    """,
                    (READER, table.schema, READER, table.schema, table.relation),
                )
                if cursor.fetchone() != (True,) and not table.exception:
                    withheld.append(table)
        return withheld

    def dump(self, tables: Sequence[Table], folder: Path) -> list[Dump]:
        """Writes all rows of the tables, as of one moment, to files in `folder`.

        Raises LoadError if the warehouse does not give them, ConfigurationError if they are
        declared with columns that they do not have.
        """
        self._connection.set_session(ISOLATION_LEVEL_REPEATABLE_READ, readonly=True)
        with self._connection.cursor() as cursor:
            cursor.execute("set local timezone = 'UTC'")
            # Before the first query, which fixes the moment: a table that is replaced after that
            # moment would look empty.
            for table in tables:
                _lock(cursor, table)
            dumps = [self._dump(cursor, t, folder / f"{n}.csv") for n, t in enumerate(tables)]
        self._connection.commit()
        return dumps

    def _dump(self, cursor: Any, table: Table, path: Path) -> Dump:
        cursor.execute(
            """
            select attname, format_type(atttypid, atttypmod)
            from pg_attribute
            where attrelid = format('%%I.%%I', %s, %s)::regclass and attnum > 0 and not attisdropped
            order by attnum
            """,
            (table.schema, table.relation),
        )
        columns = tuple(cursor.fetchall())
        names = [name for name, _ in columns]
        for name in table.columns:
            if name not in names:
                raise ConfigurationError(f"{table}: columns: there is no {name}: name another")
        columns = tuple((name, kind) for name, kind in columns if name in (table.columns or names))
        for name, _ in _computed(table):
            if name in names:
                raise ConfigurationError(
                    f"{table}: partition_by: there already is a column {name}: name it otherwise"
                )
        try:
            with path.open("wb") as file:
                cursor.copy_expert(_query(table, columns), file, 1 << 20)
        except errors.UndefinedColumn as error:
            raise ConfigurationError(
                f"{table}: {str(error).strip()}; correct lake/tables.yml"
            ) from error
        except psycopg2.Error as error:
            raise LoadError(f"{table}: {postgres_failed(error)}") from error
        return Dump(table, (*columns, *((name, "text") for name, _ in _computed(table))), path)


def _lock(cursor: Any, table: Table) -> None:
    """Keeps builds from replacing a table; raises LoadError if one does so for too long."""
    cursor.execute(f"set local lock_timeout = '{BUILD_SECONDS}s'")
    try:
        cursor.execute(SQL("lock table {} in access share mode").format(_relation(table)))
    except errors.LockNotAvailable as error:
        raise LoadError(
            f"{table}: {table.schema}.{table.relation} is being built for more than "
            f"{BUILD_SECONDS} s; try again when that is done"
        ) from error


@contextmanager
def snapshot(warehouse: Warehouse) -> Iterator[Snapshot]:
    """Connects to the warehouse; raises LoadError if somebody else publishes from it."""
    with closing(warehouse.connect()) as connection:
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(f"set local lock_timeout = '{OTHER_PUBLISH_SECONDS}s'")
                try:
                    # Until the connection ends.
                    cursor.execute("select pg_advisory_lock(hashtext('lake: publish'))")
                except errors.LockNotAvailable as error:
                    raise LoadError(
                        "another publish is running; try again when it is done"
                    ) from error
            yield Snapshot(connection)
        except psycopg2.Error as error:
            raise LoadError(f"the warehouse could not be read: {postgres_failed(error)}") from error


def _query(table: Table, columns: Sequence[tuple[str, str]]) -> Composed:
    selected: list[Composable] = [Identifier(name) for name, _ in columns]
    selected += [
        SQL("cast(({}) as text) as {}").format(SQL(expression), Identifier(name))
        for name, expression in _computed(table)
    ]
    order: list[Composable] = [Identifier(name) for name, _ in table.partition_by]
    order += [Identifier(column) for column in table.order_by]
    # A total order: the same rows make the same file.
    order += [SQL(str(number)) for number, _ in enumerate(selected, start=1)]
    return SQL("copy (select {} from {} order by {}) to stdout (format csv)").format(
        SQL(", ").join(selected), _relation(table), SQL(", ").join(order)
    )


def _computed(table: Table) -> list[tuple[str, str]]:
    return [(name, expression) for name, expression in table.partition_by if name != expression]


def _relation(table: Table) -> Identifier:
    return Identifier(table.schema, table.relation)
