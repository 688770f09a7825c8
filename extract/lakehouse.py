"""The second destination: raw as Iceberg tables; ledger and dlt's own tables are in PostgreSQL.

Iceberg's catalog is in the ledger's database. A load writes its data files first, which nobody
sees; then one transaction of PostgreSQL points the catalog to the new versions of all its tables
and notes the load in the ledger. Readers see the rows of the last complete load, whatever becomes
of this one.
"""

import codecs
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import chain
from typing import Any, TypeVar, cast

import pyarrow as pa
from dlt.destinations.impl.postgres.postgres import PostgresClient
from psycopg2 import extensions
from pyarrow import csv
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.expressions import In
from pyiceberg.io.fileformat import FileFormatFactory
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import CommitTableResponse, Table
from pyiceberg.transforms import IdentityTransform
from pyiceberg.typedef import Record as PartitionRecord
from pyiceberg.types import BooleanType, LongType, NestedField, StringType, TimestamptzType
from sqlalchemy.exc import SQLAlchemyError

from common.errors import LoadError
from common.lakehouse import CATALOG, Lakehouse
from extract import destination
from extract.files import RawFile
from extract.publish import Load, Replaced, Tables, reject
from extract.reader import (
    COPY_QUOTE,
    FILE_ID,
    IS_CHANGE,
    LINE,
    LINEAGE,
    LOAD_ID,
    LOADED_AT,
    ROW,
    SOURCE_FILE,
    PlainLines,
)

T = TypeVar("T")
# How much of a file is read at a time, and how much of it becomes a row group: memory is a small
# multiple of it, whatever the file's size.
READ_BYTES = 4 << 20
GROUP_BYTES = 32 << 20
_TYPES = {
    "text": StringType(),
    "bigint": LongType(),
    "bool": BooleanType(),
    "timestamp": TimestamptzType(),
}
_PROPERTIES = {
    "commit.manifest-merge.enabled": "true",
    "write.metadata.delete-after-commit.enabled": "true",
}


class _Catalog(SqlCatalog):
    """pyiceberg's catalog, whose commits are part of a transaction of the caller's."""

    cursor: extensions.cursor | None = None

    def commit_table(self, table: Table, requirements: Any, updates: Any) -> CommitTableResponse:
        """Writes the table's new metadata, and points the catalog to it on the caller's cursor."""
        if self.cursor is None:
            return super().commit_table(table, requirements, updates)
        current = self.load_table(table.name())
        staged = self._update_and_stage_table(current, table.name(), requirements, updates)
        self._write_metadata(staged.metadata, staged.io, staged.metadata_location)
        self.cursor.execute(
            """
            update iceberg_tables
            set metadata_location = %s, previous_metadata_location = metadata_location
            where
                (catalog_name, table_namespace, table_name) = (%s, %s, %s)
                and metadata_location = %s
            """,
            (staged.metadata_location, CATALOG, *table.name(), current.metadata_location),
        )
        if self.cursor.rowcount != 1:
            raise LoadError(f"{'.'.join(table.name())}: somebody else changed it: load again")
        return CommitTableResponse(
            metadata=staged.metadata, metadata_location=staged.metadata_location
        )


class IcebergTables(Tables):
    """The raw tables of Iceberg, and the data files that one load writes."""

    def __init__(self, lakehouse: Lakehouse) -> None:
        self._catalog = _Catalog(CATALOG, **lakehouse.properties())
        self._tables: dict[str, Table] = {}
        self._written: dict[str, list[DataFile]] = defaultdict(list)

    def prepare(self, load: Load, columns: Mapping[str, Mapping[str, Any]]) -> None:
        """Makes raw tables, without rows, and adds columns to them: {feed: {column: type}}."""
        schema = load.source.raw_schema
        self._catalog.create_namespace_if_not_exists(schema)
        for feed, types in columns.items():
            fields = Schema(
                *(
                    NestedField(number, name, _TYPES[kind], required=name in LINEAGE)
                    for number, (name, kind) in enumerate(types.items(), start=1)
                )
            )
            file_id = fields.find_field(FILE_ID).field_id
            self._tables[feed] = self._catalog.create_table_if_not_exists(
                (schema, feed),
                fields,
                partition_spec=PartitionSpec(
                    PartitionField(file_id, 1000, IdentityTransform(), FILE_ID)
                ),
                properties=_PROPERTIES,
            )
            known = self._tables[feed].schema().column_names
            with self._tables[feed].update_schema() as update:
                for field in fields.fields:
                    if field.name not in known:
                        update.add_column(field.name, field.field_type)

    def schema(self, file: RawFile) -> pa.Schema:
        """Returns how the rows of a file's table look in Arrow."""
        return self._tables[file.feed.name].schema().as_arrow()

    def write(self, load: Load, file: RawFile, rows: Iterable[pa.Table]) -> None:
        """Writes a file's rows, if there are any, as one data file, which nobody sees yet."""
        table = self._tables[file.feed.name]
        name = f"{FILE_ID}={file.file_id}/{load.load_id}.parquet"
        output = table.io.new_output(table.location_provider().new_data_location(name))
        kind = FileFormat.PARQUET
        writer = FileFormatFactory.get(kind).create_writer(output, table.schema(), table.properties)
        groups = _together(rows, lambda each: each.nbytes, GROUP_BYTES)
        first = next(groups, None)
        if not first:
            return
        with writer:
            for group in chain([first], groups):
                writer.write(pa.concat_tables(group))
        self._written[file.feed.name].append(
            DataFile.from_args(
                content=DataFileContent.DATA,
                file_path=output.location,
                file_format=kind,
                partition=PartitionRecord(file.file_id),
                file_size_in_bytes=len(output),
                spec_id=table.metadata.default_spec_id,
                **writer.result().to_serialized_dict(),
            )
        )

    def swap(self, cursor: extensions.cursor, load: Load, replaced: Replaced) -> None:
        """Drops the partitions that are current no more, and adds the data files of the load."""
        gone: dict[str, list[int]] = defaultdict(list)
        for feed, file_id in replaced:
            gone[feed].append(file_id)
        schema = load.source.raw_schema
        self._catalog.cursor = cursor
        try:
            with _errors(load):
                for feed in sorted({*gone, *self._written}):
                    # Whoever else commits to the table waits, and finds that it changed.
                    cursor.execute(
                        "select from iceberg_tables where (catalog_name, table_namespace, "
                        "table_name) = (%s, %s, %s) for update",
                        (CATALOG, schema, feed),
                    )
                    self._commit(load, self._catalog.load_table((schema, feed)), gone[feed])
        finally:
            self._catalog.cursor = None

    def _commit(self, load: Load, table: Table, gone: list[int]) -> None:
        written = self._written[table.name()[-1]]
        with table.transaction() as transaction:
            update = transaction.update_snapshot({"load_id": str(load.load_id)})
            with update.overwrite() if gone else update.merge_append() as snapshot:
                if gone:
                    for task in table.scan(In(FILE_ID, gone)).plan_files():
                        snapshot.delete_data_file(task.file)
                for data_file in written:
                    snapshot.append_data_file(data_file)

    def discard(self, load: Load) -> None:
        """Removes the data files of a load that will not be published."""
        with _errors(load):
            for feed, files in self._written.items():
                for file in files:
                    self._tables[feed].io.delete(file.file_path)

    def close(self) -> None:
        """Closes the catalog's connections."""
        self._catalog.close()


class Destination(destination.Warehouse):
    """dlt's destination for one load of a source into a lakehouse."""

    @property
    def client_class(self) -> type[PostgresClient]:
        """The client, which dlt makes anew for every job."""
        return LakehouseClient


class LakehouseClient(destination.WarehouseClient):
    """Does with Iceberg what its base class does with tables of PostgreSQL."""

    engine = "Iceberg"

    @property
    def _tables(self) -> IcebergTables:
        return cast(IcebergTables, self.load.tables)

    def initialize_storage(self, truncate_tables: Iterable[str] | None = None) -> None:
        """Makes the schema of dlt's own tables."""
        PostgresClient.initialize_storage(self, truncate_tables)  # type: ignore[arg-type]

    def update_stored_schema(self, *_: Any, **named: Any) -> Any:
        """Makes raw tables, or adds columns to them; dlt's own tables stay in PostgreSQL."""
        columns = {
            table: {name: column["data_type"] for name, column in body["columns"].items()}
            for table, body in self.schema.tables.items()
            if table in self.load.source.feeds_by_name
        }
        self._tables.prepare(self.load, columns)
        names = self.schema.dlt_table_names()
        return PostgresClient.update_stored_schema(self, names, force=named.get("force", False))

    def complete_load(self, load_id: str) -> None:
        """Publishes all files of the load; removes what was written if one of them is broken."""
        try:
            for file in self.load.new:
                self.load.check(file)
        except BaseException:
            with suppress(LoadError):
                self._tables.discard(self.load)
            raise
        super().complete_load(load_id)

    def _copy_plain(self, file: RawFile) -> bool:
        """Writes a plain file's rows as Arrow reads them; returns False if it objects."""
        try:
            self._tables.write(self.load, file, self._plain_rows(file))
        except (pa.ArrowInvalid, ValueError):
            return False
        return True

    def _plain_rows(self, file: RawFile) -> Iterator[pa.Table]:
        schema = self._tables.schema(file)
        convert = csv.ConvertOptions(
            column_types={name: schema.field(name).type for name in file.opened.columns},
            null_values=[""],
            strings_can_be_null=True,
        )
        parse = csv.ParseOptions(delimiter=file.feed.format.delimiter, quote_char=COPY_QUOTE)
        file.rows = 0
        with file.path.open("rb") as content:
            lines = PlainLines(file.opened, content)
            while chunk := lines.read(READ_BYTES):
                # Arrow takes carriage returns alone for line ends, and removes byte order marks.
                if chunk.count(b"\r") != chunk.count(b"\r\n") or chunk.startswith(codecs.BOM_UTF8):
                    raise ValueError("not plain")
                read = csv.ReadOptions(
                    column_names=file.opened.columns, block_size=len(chunk) + 1, use_threads=False
                )
                rows = csv.read_csv(pa.py_buffer(chunk), read, parse, convert)
                if file.rows + rows.num_rows != lines.lines:
                    # Quoted line ends, or blank lines, which Arrow skips: the numbers of lines
                    # are not those of records.
                    raise ValueError("not plain")
                numbers = pa.arange(file.rows + 1, lines.lines + 1)
                first = pa.scalar(file.opened.header_lines)
                columns = dict(zip(rows.column_names, rows.columns, strict=True))
                columns |= {ROW: numbers, LINE: pa.compute.add(numbers, first)}
                file.rows = lines.lines
                yield self._with_lineage(file, columns, schema)

    def _copy_records(self, file: RawFile) -> None:
        """Writes the file's records one by one, and those that it rejects to the ledger."""
        self._tables.write(self.load, file, self._record_rows(file))
        if not file.is_next_batch:
            with self.sql_client.begin_transaction(), self._cursor() as cursor:
                reject(cursor, file)

    def _record_rows(self, file: RawFile) -> Iterator[pa.Table]:
        schema, names = self._tables.schema(file), file.opened.columns
        records = self._accepted(file)
        for some in _together(records, lambda each: sum(map(len, each.values)), READ_BYTES):
            values = zip(*(each.values for each in some), strict=True)
            columns: dict[str, Any] = {
                name: [value or None for value in column]
                for name, column in zip(names, values, strict=True)
            }
            columns |= {LINE: [each.line for each in some], ROW: [each.row for each in some]}
            yield self._with_lineage(file, columns, schema)

    def _with_lineage(self, file: RawFile, columns: dict[str, Any], schema: pa.Schema) -> pa.Table:
        """Returns rows of a file's table; columns that the file lacks are null."""
        values = {
            FILE_ID: file.file_id,
            SOURCE_FILE: file.name,
            LOAD_ID: self.load.load_id,
            LOADED_AT: self.load.loaded_at,
            IS_CHANGE: file.is_change,
        }
        count = len(columns[ROW])
        arrays = [
            columns[field.name]
            if field.name in columns
            else pa.repeat(pa.scalar(values.get(field.name), field.type), count)
            for field in schema
        ]
        return pa.table(arrays, schema=schema)


def _together(items: Iterable[T], size: Callable[[T], int], limit: int) -> Iterator[list[T]]:
    """Yields lists of items, each as soon as their sizes reach a limit."""
    some: list[T] = []
    total = 0
    for item in items:
        some.append(item)
        total += size(item)
        if total >= limit:
            yield some
            some, total = [], 0
    if some:
        yield some


@contextmanager
def _errors(load: Load) -> Iterator[None]:
    """Says of what goes wrong with files or catalog which source it was about."""
    try:
        yield
    except (OSError, SQLAlchemyError) as error:
        message = " ".join(str(error).split())
        raise LoadError(f"{load.source.name}: lakehouse: {message}") from error
