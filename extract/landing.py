"""Lands prepared files: a table for each, in a schema that no one reads until the load is whole.

PostgreSQL's COPY fills them, several at once on connections of their own. Raw tables are text
throughout, so there is no type to infer; the number of each line is a default of its column.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

import psycopg2
from psycopg2 import extensions
from psycopg2.sql import SQL, Identifier, Literal

from common.storage import CHUNK_BYTES, Object
from common.warehouse import Warehouse
from extract.declaration import Feed, Source
from extract.prepare import LINE, ROW, SUPERSEDED_BY, Prepared
from extract.records import Broken, Record

# A COPY keeps one core of the server busy; more of them at once wait for each other.
CONNECTIONS = 2


@dataclass(frozen=True)
class Arrival:
    """A file that was found for a feed: `part` is the pattern of the feed that it matches."""

    feed: Feed
    part: str
    item: Object

    @property
    def is_changes(self) -> bool:
        """Whether it brings changed rows, and not the whole table."""
        return self.part == self.feed.changes


@dataclass(frozen=True)
class Landing:
    """A prepared file and the table that it lands in."""

    arrival: Arrival
    file_id: int
    where: str
    prepared: Prepared

    @property
    def feed(self) -> Feed:
        """The feed that it is a file of."""
        return self.arrival.feed

    @property
    def table(self) -> str:
        """No two files share it: it ends in the file's id."""
        return f"{self.feed.name}_{self.file_id}"


@dataclass(frozen=True)
class Step:
    """Some records of a file that is loaded in steps, the next ones from `first_row` on."""

    arrival: Arrival
    file_id: int
    columns: tuple[str, ...]
    first_row: int
    is_last: bool
    records: Sequence[Record]
    broken: Sequence[Broken]

    @property
    def feed(self) -> Feed:
        """The feed that the file belongs to."""
        return self.arrival.feed


def clear(connection: extensions.connection, source: Source) -> None:
    """Removes the landing schema, and with it whatever a load left there."""
    with connection, connection.cursor() as cursor:
        cursor.execute(
            SQL("drop schema if exists {} cascade").format(Identifier(source.landing_schema))
        )


def land(source: Source, warehouse: Warehouse, landings: Sequence[Landing]) -> list[Landing]:
    """Copies each file into its table in the landing schema.

    Returns those that COPY refused or read as another number of rows; their tables are not there.
    Raises LoadError or psycopg2.Error if the server fails.
    """
    with closing(warehouse.connect()) as connection, connection, connection.cursor() as cursor:
        cursor.execute(
            SQL("create schema if not exists {}").format(Identifier(source.landing_schema))
        )
    # The largest first, so that none is left to run on alone.
    queue = sorted(landings, key=lambda each: each.prepared.path.stat().st_size, reverse=True)
    with ThreadPoolExecutor(max_workers=CONNECTIONS) as pool:
        tasks = [(each, pool.submit(_copy, source, warehouse, each)) for each in queue]
        try:
            return [each for each, task in tasks if not task.result()]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _copy(source: Source, warehouse: Warehouse, landing: Landing) -> bool:
    """Makes a file's table and fills it; returns False, and leaves no table, if COPY objects."""
    prepared = landing.prepared
    columns = [*prepared.columns, *((LINE, ROW) if prepared.numbered else ())]
    copy = SQL(
        "copy {table} ({columns}) from stdin (format csv, freeze true, delimiter {delimiter}, "
        "force_null ({text}), encoding 'utf-8')"
    ).format(
        table=Identifier(source.landing_schema, landing.table),
        columns=SQL(", ").join(map(Identifier, columns)),
        delimiter=Literal(landing.feed.format.delimiter),
        text=SQL(", ").join(map(Identifier, prepared.columns)),
    )
    # In the transaction that makes the table, rows need no write-ahead log (wal_level=minimal), and
    # may be written as if long committed: whoever reads them first need not mark them so.
    with closing(warehouse.connect()) as connection, connection.cursor() as cursor:
        _create(cursor, source, landing)
        try:
            with prepared.path.open("rb") as file:
                # The order of the columns is known. And its end need not be that of other lines.
                file.readline()
                cursor.copy_expert(copy, file, size=CHUNK_BYTES)
        except psycopg2.DataError:
            return False
        if cursor.rowcount != prepared.rows:
            return False
        connection.commit()
        return True


def _create(cursor: extensions.cursor, source: Source, landing: Landing) -> None:
    prepared = landing.prepared
    names = {
        "table": Identifier(source.landing_schema, landing.table),
        "columns": SQL(", ").join(SQL("{} text").format(Identifier(n)) for n in prepared.columns),
        "line": Identifier(LINE),
        "row": Identifier(ROW),
        "superseded_by": Identifier(SUPERSEDED_BY),
    }
    cursor.execute(
        SQL(
            """
            create table {table} (
                {columns}, {line} bigint not null, {row} bigint not null, {superseded_by} bigint
            )
            """
        ).format(**names)
    )
    if prepared.numbered:
        return
    for column, start in ((LINE, prepared.first_line), (ROW, 1)):
        sequence = f"{landing.table}{column}"
        cursor.execute(
            SQL(
                """
                create unlogged sequence {sequence} minvalue {start} cache 1000;
                alter table {table} alter column {column} set default nextval({name})
                """
            ).format(
                table=names["table"],
                column=Identifier(column),
                sequence=Identifier(source.landing_schema, sequence),
                name=Literal(f'"{source.landing_schema}"."{sequence}"'),
                start=Literal(start),
            )
        )
