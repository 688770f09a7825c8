"""Lands prepared files: a table for each, in a schema that no one reads until the load is whole.

dlt copies them, all at once on connections of their own. Raw tables are text throughout, so there
is no type to infer; what dlt cannot know, the number of each line, is a default of the column.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import extensions
from psycopg2.sql import SQL, Identifier, Literal

from extract.bucket import Object
from extract.declaration import Feed, Source
from extract.errors import LoadError
from extract.prepare import LINE, ROW, SUPERSEDED_BY, Prepared
from extract.warehouse import Warehouse


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


def clear(connection: extensions.connection, source: Source) -> None:
    """Removes the landing schema, and with it whatever a load left there."""
    with connection, connection.cursor() as cursor:
        cursor.execute(
            SQL("drop schema if exists {} cascade").format(Identifier(source.landing_schema))
        )


def land(
    source: Source, warehouse: Warehouse, landings: Sequence[Landing], work: Path
) -> list[Landing]:
    """Copies each file into its table in the landing schema.

    Returns those that COPY refused or read as another number of rows; their tables are gone.
    Raises LoadError if the server fails.
    """
    with closing(warehouse.connect()) as connection:
        for landing in landings:
            _create(connection, source, landing)
        for delimiter, group in groupby(sorted(landings, key=_delimiter_of), key=_delimiter_of):
            _run_dlt(source, warehouse, list(group), delimiter, work)
        return [landing for landing in landings if not _is_whole(connection, source, landing)]


def _delimiter_of(landing: Landing) -> str:
    return landing.feed.format.delimiter


def _create(connection: extensions.connection, source: Source, landing: Landing) -> None:
    prepared = landing.prepared
    names = {
        "schema": Identifier(source.landing_schema),
        "table": Identifier(source.landing_schema, landing.table),
        "columns": SQL(", ").join(SQL("{} text").format(Identifier(n)) for n in prepared.columns),
        "superseded_by": Identifier(SUPERSEDED_BY),
    }
    with connection, connection.cursor() as cursor:
        cursor.execute(SQL("create schema if not exists {schema}").format(**names))
        cursor.execute(
            SQL("create table {table} ({columns}, {superseded_by} bigint)").format(**names)
        )
        for column, start in ((LINE, prepared.first_line), (ROW, 1)):
            sequence = f"{landing.table}{column}"
            cursor.execute(
                SQL(
                    """
                    alter table {table} add column {column} bigint not null;
                    create unlogged sequence {sequence}
                    minvalue {start} cache 1000 owned by {table_column};
                    alter table {table} alter column {column} set default nextval({name})
                    """
                ).format(
                    **names,
                    column=Identifier(column),
                    table_column=Identifier(source.landing_schema, landing.table, column),
                    sequence=Identifier(source.landing_schema, sequence),
                    name=Literal(f'"{source.landing_schema}"."{sequence}"'),
                    start=Literal(start),
                )
            )


def _is_whole(connection: extensions.connection, source: Source, landing: Landing) -> bool:
    table = Identifier(source.landing_schema, landing.table)
    with connection, connection.cursor() as cursor:
        cursor.execute(SQL("select count(*) from {}").format(table))
        if cursor.fetchall()[0][0] == landing.prepared.rows:
            return True
        cursor.execute(SQL("drop table {}").format(table))
    return False


def _run_dlt(
    source: Source, warehouse: Warehouse, landings: Sequence[Landing], delimiter: str, work: Path
) -> None:
    """Appends the files to their tables, by COPY, in one dlt load package."""
    # Imported late: it takes over a second, which a run with nothing to load need not pay.
    import dlt
    from dlt.common.destination.configuration import CsvFormatConfiguration
    from dlt.destinations.impl.postgres.configuration import PostgresCredentials
    from dlt.pipeline.exceptions import PipelineStepFailed

    def resource(landing: Landing) -> Any:
        prepared = landing.prepared
        hints: dict[str, Any] = {name: {"data_type": "text"} for name in prepared.columns}
        if prepared.numbered:
            hints |= {name: {"data_type": "bigint", "nullable": False} for name in (LINE, ROW)}

        def rows() -> Iterator[Any]:
            yield dlt.mark.with_file_import(str(prepared.path), "csv", prepared.rows)

        return dlt.resource(
            rows, name=landing.table, columns=hints, write_disposition="append", file_format="csv"
        )

    pipeline = dlt.pipeline(
        pipeline_name=source.name,
        # A fresh folder: what a run before this one left undone must not be done now.
        pipelines_dir=tempfile.mkdtemp(prefix="dlt-", dir=work),
        dataset_name=source.landing_schema,
        destination=dlt.destinations.postgres(
            credentials=PostgresCredentials(
                {
                    "host": warehouse.host,
                    "port": warehouse.port,
                    "username": warehouse.user,
                    "password": warehouse.password,
                    "database": warehouse.database,
                }
            ),
            csv_format=CsvFormatConfiguration(delimiter=delimiter, include_header=True),
        ),
    )
    try:
        pipeline.extract([resource(landing) for landing in landings])
        pipeline.normalize()
        pipeline.load()
    except PipelineStepFailed as error:
        cause = _root_cause(error)
        # The file is not what COPY takes: it is read again, carefully.
        if not isinstance(cause, psycopg2.DataError):
            raise LoadError(f"{source.name}: {str(cause).strip()}") from error


def _root_cause(error: BaseException) -> BaseException:
    """Returns what went wrong at the bottom of dlt's chain of errors, e.g. PostgreSQL's words."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return error
