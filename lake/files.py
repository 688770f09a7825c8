"""Turns what was taken out of the warehouse into the files that the lake shows."""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from common.errors import LoadError
from lake.snapshot import Dump

# Rows of a row group, what readers skip or take as a whole, and bytes from which on it is fewer.
ROW_GROUP_ROWS = 1 << 17
ROW_GROUP_BYTES = 1 << 26
# Of the CSV that are parsed at once; no row may be longer.
BLOCK_BYTES = 1 << 22
# More partitions than that are a mistake in partition_by, or in the data.
MAX_PARTITIONS = 2000

PLAIN_TYPES: dict[str, Callable[[], pa.DataType]] = {
    "smallint": pa.int16,
    "integer": pa.int32,
    "bigint": pa.int64,
    "real": pa.float32,
    "double precision": pa.float64,
    "boolean": pa.bool_,
    "date": pa.date32,
    "text": pa.string,
    "uuid": pa.string,
    "json": pa.string,
    "jsonb": pa.string,
}
DIGITS = re.compile(r"numeric\((\d+),(\d+)\)")
MAX_DIGITS = 38


@dataclass(frozen=True)
class File:
    """One finished file: where it is, its rows, and the values of its partition, one a column."""

    path: Path
    rows: int
    sha256: str
    partition: tuple[Any, ...]


def make_files(dump: Dump, schema: pa.Schema, folder: Path) -> list[File]:
    """Writes a table's files to `folder`: one for each partition, or one if it has no partitions.

    Raises LoadError, naming the table, for values that the lake cannot hold.
    """
    table = dump.table
    folder.mkdir()
    files: list[File] = []
    try:
        for partition, runs in groupby(_runs(dump, schema), key=itemgetter(0)):
            if len(files) == MAX_PARTITIONS:
                raise LoadError(
                    f"{table}: more than {MAX_PARTITIONS} partitions: partition it by less"
                )
            batches = (batch for _, batch in runs)
            files.append(_write(folder / str(len(files)), batches, schema, partition))
        if not files and not table.partition_by:
            # Without rows it still has columns.
            files.append(_write(folder / "0", iter(()), schema, ()))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise LoadError(f"{table}: {error}; mend the value, or cast it in the model") from error
    return files


def _write(
    path: Path, batches: Iterator[pa.RecordBatch], schema: pa.Schema, partition: tuple[Any, ...]
) -> File:
    rows = 0
    with pyarrow.parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for group in _row_groups(batches, schema):
            writer.write_table(group)
            rows += group.num_rows
    with path.open("rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    return File(path, rows, sha256, partition)


def _row_groups(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Yields tables of one size wherever batches end, so that the same rows make the same bytes."""
    waiting = schema.empty_table()
    for batch in batches:
        waiting = pa.concat_tables([waiting, pa.Table.from_batches([batch])])
        while waiting.num_rows >= ROW_GROUP_ROWS:
            yield waiting.slice(0, ROW_GROUP_ROWS).combine_chunks()
            waiting = waiting.slice(ROW_GROUP_ROWS)
        if waiting.nbytes >= ROW_GROUP_BYTES:
            yield waiting.combine_chunks()
            waiting = schema.empty_table()
    if waiting.num_rows:
        yield waiting.combine_chunks()


def _runs(dump: Dump, schema: pa.Schema) -> Iterator[tuple[tuple[Any, ...], pa.RecordBatch]]:
    """Yields batches whose rows are all of one partition, with its values."""
    if not dump.path.stat().st_size:
        return
    reader = pyarrow.csv.open_csv(
        dump.path,
        pyarrow.csv.ReadOptions(
            column_names=schema.names, block_size=BLOCK_BYTES, use_threads=False
        ),
        # Of a table with one column, an empty line is a row.
        pyarrow.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        pyarrow.csv.ConvertOptions(
            column_types=dict(zip(schema.names, schema.types, strict=True)),
            # As COPY writes them: NULL is nothing, an empty string is quoted.
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["t"],
            false_values=["f"],
        ),
    )
    names = [name for name, _ in dump.table.partition_by]
    with reader:
        for batch in reader:
            rows = pa.RecordBatch.from_arrays(batch.columns, schema=schema)
            if not names:
                yield (), rows
                continue
            values = zip(*(rows.column(name).to_pylist() for name in names), strict=True)
            start = 0
            for partition, run in groupby(values):
                length = sum(1 for _ in run)
                yield partition, rows.slice(start, length)
                start += length


def arrow_schema(dump: Dump) -> pa.Schema:
    """Returns a table's columns; raises LoadError for a type that the lake cannot hold exactly."""
    fields = []
    for name, kind in dump.columns:
        found = arrow_type(kind)
        if found is None:
            raise LoadError(
                f"{dump.table}: column {name} is {kind}, which the lake cannot hold exactly: cast "
                f"it in the model (numeric needs precision and scale, at most {MAX_DIGITS} digits)"
            )
        fields.append(pa.field(name, found))
    return pa.schema(fields)


def arrow_type(kind: str) -> pa.DataType | None:
    """Returns what parquet holds a PostgreSQL type as, None if it has no exact place for it."""
    digits = DIGITS.fullmatch(kind)
    if digits:
        precision, scale = int(digits[1]), int(digits[2])
        fits = scale <= precision <= MAX_DIGITS
        return pa.decimal128(precision, scale) if fits else None
    # Their lengths have no place in parquet.
    bare = re.sub(r"\(\d+\)", "", kind)
    if bare in ("character varying", "character"):
        return pa.string()
    if bare == "timestamp without time zone":
        return pa.timestamp("us")
    if bare == "timestamp with time zone":
        return pa.timestamp("us", tz="UTC")
    return PLAIN_TYPES[kind]() if kind in PLAIN_TYPES else None
