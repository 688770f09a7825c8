"""The destination: dlt's postgres, with COPY for files and one transaction that publishes a load.

A raw table is partitioned by file: dlt makes it once and adds columns to it; each file becomes a
table of its own, which is filled in the transaction that makes it (so COPY needs no write-ahead log
and freezes its rows) and attached when all files of the load are there. Readers see the rows of the
last complete load, whatever becomes of this one.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import psycopg2
from dlt.common.destination import DestinationCapabilitiesContext
from dlt.common.destination.client import LoadJob, RunnableLoadJob
from dlt.common.destination.typing import PreparedTableSchema
from dlt.common.normalizers.naming import NamingConvention
from dlt.common.schema import Schema
from dlt.common.schema.typing import TColumnSchema
from dlt.destinations import postgres
from dlt.destinations.impl.postgres.configuration import PostgresClientConfiguration
from dlt.destinations.impl.postgres.factory import PostgresTypeMapper
from dlt.destinations.impl.postgres.postgres import PostgresClient
from psycopg2 import extensions
from psycopg2.sql import SQL, Composable, Identifier, Literal

from common.errors import FileError, LoadError
from common.storage import CHUNK_BYTES
from extract.files import RawFile
from extract.publish import Load, execute, patiently, publish, reject
from extract.reader import (
    COPY_QUOTE,
    FILE_ID,
    IS_CHANGE,
    LINE,
    LOAD_ID,
    LOADED_AT,
    ROW,
    SOURCE_FILE,
    PlainLines,
    Record,
)


class _Types(PostgresTypeMapper):
    """dlt's types, with PostgreSQL's own word for text."""

    sct_to_unbound_dbt = PostgresTypeMapper.sct_to_unbound_dbt | {"text": "text"}
    dbt_to_sct = PostgresTypeMapper.dbt_to_sct | {"text": "text"}


class Warehouse(postgres):
    """dlt's postgres destination, for one load of a source.

    Its jobs are JSON files that name a file of the load: {"file_id": 17, "path": "…"}; or none, for
    a raw table that is to be made although nothing came for it yet.
    """

    def __init__(self, credentials: Any = None, load: Load | None = None, **more: Any) -> None:
        """Takes no `load` where data is only read, as by dlt's command line."""
        super().__init__(
            credentials=credentials,
            supported_loader_file_formats=["insert_values", "jsonl"],
            loader_file_format_selector=None,
            type_mapper=_Types,
            **more,
        )
        self.load = load

    def capabilities(
        self,
        config: PostgresClientConfiguration | None = None,
        naming: NamingConvention | None = None,
    ) -> DestinationCapabilitiesContext:
        """Returns them without resolving a configuration, which dlt would do 16 times a load."""
        return super().capabilities(self.spec() if config is None else config, naming)

    @property
    def client_class(self) -> type[PostgresClient]:
        """The client, which dlt makes anew for every job."""
        return WarehouseClient

    def client(
        self, schema: Schema, initial_config: PostgresClientConfiguration | None = None
    ) -> PostgresClient:
        """Returns a client that knows the load."""
        client = super().client(schema, initial_config)  # type: ignore[arg-type]
        client.load = self.load  # type: ignore[attr-defined]
        return client


class WarehouseClient(PostgresClient):
    """Makes raw tables, runs the jobs that fill them, and publishes what they filled."""

    engine = "PostgreSQL"
    load: Load

    def create_load_job(
        self, table: PreparedTableSchema, file_path: str, load_id: str, restore: bool = False
    ) -> LoadJob:
        """Returns the job for a file of the load; dlt's own tables have jobs of dlt's own."""
        if file_path.endswith(".jsonl"):
            return CopyJob(file_path)
        return super().create_load_job(table, file_path, load_id, restore)

    def _get_table_update_sql(
        self, table_name: str, new_columns: Sequence[TColumnSchema], generate_alter: bool
    ) -> list[str]:
        statements = super()._get_table_update_sql(table_name, new_columns, generate_alter)
        if not generate_alter and any(column["name"] == FILE_ID for column in new_columns):
            statements[0] += f' partition by list ("{FILE_ID}")'
        return statements

    def initialize_storage(self, truncate_tables: Iterable[str] | None = None) -> None:
        """Makes the schema of the raw tables, and that of their partitions."""
        super().initialize_storage(truncate_tables)  # type: ignore[arg-type]
        with self.sql_client.begin_transaction(), self._cursor() as cursor:
            schema = Identifier(self.load.source.files_schema)
            execute(cursor, "create schema if not exists {schema}", schema=schema)

    def update_stored_schema(self, *arguments: Any, **named: Any) -> Any:
        """Makes raw tables, or adds columns to them, as soon as nobody reads them."""
        update = super().update_stored_schema
        # dlt trusts the version that it stored, even if somebody dropped a table since.
        named["force"] = named.get("force", False) or bool(self.load.missing)
        return patiently(self.load.source, lambda: update(*arguments, **named))

    def complete_load(self, load_id: str) -> None:
        """Publishes all files of the load, and dlt's record of it, in one transaction.

        Raises FileError if one of them is broken, LoadError if the tables stay in use.
        """
        for file in self.load.new:
            self.load.check(file)

        def task() -> None:
            with self.sql_client.begin_transaction(), self._cursor() as cursor:
                publish(cursor, self.load)
                super(WarehouseClient, self).complete_load(load_id)

        patiently(self.load.source, task)

    def fill(self, file: RawFile) -> None:
        """Makes a file's table and copies its records into it, or notes what is wrong with it."""
        is_plain = file.opened.is_plain and not file.is_change and file.batch is None
        with self.load.progress.task(f"{file.opened.where}: into {self.engine}"):
            if not (is_plain and self._copy_plain(file)):
                self._copy_records(file)

    def _copy_plain(self, file: RawFile) -> bool:
        """Copies the file as it is; returns False, and leaves no table, if COPY objects."""
        with file.path.open("rb") as content:
            lines = PlainLines(file.opened, content)
            try:
                with self.sql_client.begin_transaction(), self._cursor() as cursor:
                    self._make_table(cursor, file)
                    sequence = self._number(cursor, file)
                    self._copy(cursor, file, lines, file.opened.columns, file.feed.format.delimiter)
                    file.rows = cursor.rowcount
                    if file.rows != lines.lines:
                        # Quoted line ends: the numbers of lines are not those of records.
                        raise _NotPlainError
                    execute(cursor, "drop sequence {sequence} cascade", sequence=sequence)
            except (_NotPlainError, psycopg2.DataError):
                return False
            except psycopg2.errors.QueryCanceled:
                if lines.is_misread:
                    return False
                raise
        return True

    def _copy_records(self, file: RawFile) -> None:
        """Copies the file's records one by one, and those that it rejects to the ledger."""
        # As CSV that COPY takes.
        with file.accepts.open("w", encoding="utf-8", newline="") as accepted:
            rows = ([each.line, each.row, *each.values] for each in self._accepted(file))
            csv.writer(accepted).writerows(rows)
        with (
            file.accepts.open("rb") as accepts,
            self.sql_client.begin_transaction(),
            self._cursor() as cursor,
        ):
            self._make_table(cursor, file)
            self._copy(cursor, file, accepts, (LINE, ROW, *file.opened.columns), ",")
            if cursor.rowcount != file.rows:
                raise LoadError(f"{file.opened.where}: PostgreSQL took only some of it: load again")
            # Those of a next micro-batch are published with it: their file is current already.
            if not file.is_next_batch:
                reject(cursor, file)

    def _accepted(self, file: RawFile) -> Iterator[Record]:
        """Yields the good records of a file, and writes those that it rejects apart."""
        file.rows = file.rejected = 0
        names = (file.file_id, self.load.source.name, file.feed.name, file.name)
        with file.rejects.open("w", encoding="utf-8", newline="") as rejects:
            bad = csv.writer(rejects)
            for record in file.records():
                if not record.reason:
                    file.rows += 1
                    yield record
                    continue
                file.rejected += 1
                bad.writerow([*names, record.line, record.content, record.reason])
                if file.rejected <= 3:
                    file.first_rejected.append(record)

    def _make_table(self, cursor: extensions.cursor, file: RawFile) -> None:
        """Makes a table like the raw one, whose lineage columns have defaults."""
        table = self._identifier(file.table)
        values: dict[str, Composable] = {
            FILE_ID: Literal(file.file_id),
            SOURCE_FILE: Literal(file.name),
            LOAD_ID: Literal(self.load.load_id),
            LOADED_AT: Literal(self.load.loaded_at),
            IS_CHANGE: Literal(file.is_change),
        }
        if not file.feed.changes:
            del values[IS_CHANGE]
        # By a check PostgreSQL knows without a scan what may be in the table. Autovacuum is to let
        # it alone until it is attached: attaching would wait for it.
        execute(
            cursor,
            "create table {table} (like {raw}, {checks}) with (autovacuum_enabled = false); "
            "alter table {table} {defaults}",
            table=table,
            raw=Identifier(self.load.source.raw_schema, file.feed.name),
            checks=SQL(", ").join(
                SQL("check ({} = {})").format(Identifier(column), values[column])
                for column in (FILE_ID, IS_CHANGE)
                if column in values
            ),
            defaults=SQL(", ").join(
                SQL("alter {} set default {}").format(Identifier(column), value)
                for column, value in values.items()
            ),
        )

    def _number(self, cursor: extensions.cursor, file: RawFile) -> Identifier:
        """Has a table number its lines; returns the sequence that does, to be dropped after it."""
        name = f"{file.table}{LINE}"
        sequence = self._identifier(name)
        execute(
            cursor,
            "create unlogged sequence {sequence} minvalue {first} cache 1000; alter table {table} "
            "alter {line} set default nextval({name}), "
            "alter {row} set default currval({name}) - {header}",
            sequence=sequence,
            first=Literal(file.opened.header_lines + 1),
            table=self._identifier(file.table),
            line=Identifier(LINE),
            row=Identifier(ROW),
            name=Literal(f'"{self.load.source.files_schema}"."{name}"'),
            header=Literal(file.opened.header_lines),
        )
        return sequence

    def _identifier(self, name: str) -> Identifier:
        return Identifier(self.load.source.files_schema, name)

    def _copy(
        self,
        cursor: extensions.cursor,
        file: RawFile,
        lines: PlainLines | BinaryIO,
        columns: Sequence[str],
        delimiter: str,
    ) -> None:
        copy = SQL(
            "copy {table} ({columns}) from stdin (format csv, freeze true, delimiter {delimiter}, "
            "quote {quote}, force_null ({text}), encoding 'utf-8')"
        ).format(
            table=self._identifier(file.table),
            columns=SQL(", ").join(map(Identifier, columns)),
            delimiter=Literal(delimiter),
            quote=Literal(COPY_QUOTE),
            text=SQL(", ").join(map(Identifier, file.opened.columns)),
        )
        cursor.copy_expert(copy, lines, size=CHUNK_BYTES)  # type: ignore[arg-type]

    def _cursor(self) -> extensions.cursor:
        cursor: extensions.cursor = self.sql_client.native_connection.cursor()
        return cursor


class CopyJob(RunnableLoadJob):
    """Fills the table of one file."""

    def run(self) -> None:
        """Runs in a thread of dlt's; what goes wrong is kept, and fails the load in the end."""
        client: WarehouseClient = self._job_client  # type: ignore[assignment]
        file_id = json.loads(Path(self._file_path).read_text()).get("file_id")
        file = next((file for file in client.load.new if file.file_id == file_id), None)
        if file is None:
            # Of a feed that nothing came for yet: dbt finds an empty table.
            return
        try:
            client.fill(file)
        except LoadError as error:
            file.error = FileError(str(error), file_id)
        except psycopg2.errors.ProgramLimitExceeded as error:
            # A row of so many columns does not fit into a page.
            message = " ".join(str(error).split())
            file.error = FileError(f"{file.opened.where}: {message}", file_id)
        except Exception as error:  # noqa: BLE001
            file.error = error


class _NotPlainError(Exception):
    """A file must be read record by record after all."""
