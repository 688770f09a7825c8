"""Turns what was taken out of the warehouse into the files that the lake shows."""

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from common.errors import LoadError
from lake.declaration import Table
from lake.snapshot import Dump

# Rows of a row group, what readers skip or take as a whole, and bytes from which on it is fewer.
ROW_GROUP_ROWS = 1 << 17
ROW_GROUP_BYTES = 1 << 26
# Of the CSV that are parsed at once; no row may be longer.
BLOCK_BYTES = 1 << 22
# More folders than that are a mistake in partition_by, or in the data.
MAX_PARTITIONS = 2000
# What Hive, Spark, Athena and DuckDB take for NULL in the name of a folder.
NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
# The limit of file systems. (S3's, 1,024 for the whole key, is reached with four of these.)
MAX_NAME_BYTES = 255

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
    """One finished file: its key below the table's folder, where it is now, and what is in it."""

    key: str
    path: Path
    rows: int
    sha256: str


def make_files(dump: Dump, folder: Path) -> list[File]:
    """Writes a table's files to `folder`: one, or one for each partition.

    Raises LoadError, naming the table, for types and values that the lake cannot hold.
    """
    table = dump.table
    folder.mkdir()
    schema = _schema(dump)
    files: list[File] = []
    try:
        for values, runs in groupby(_runs(dump, schema), key=itemgetter(0)):
            if len(files) == MAX_PARTITIONS:
                raise LoadError(
                    f"{table}: more than {MAX_PARTITIONS} partitions: partition it by less"
                )
            path = folder / str(len(files))
            rows = _write(table, path, (batch for _, batch in runs), schema)
            files.append(_file(table, values, path, rows))
        if not files:
            # Without rows it still has columns.
            _write(table, folder / "0", iter(()), schema)
            files.append(_file(table, (), folder / "0", 0))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise LoadError(f"{table}: {error}; mend the value, or cast it in the model") from error
    return files


def _write(table: Table, path: Path, batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> int:
    """Writes one file and returns how many rows it has."""
    rows = 0
    if table.format == "jsonl":
        with path.open("w", encoding="utf-8", newline="\n") as file:
            for batch in batches:
                for text in batch.column(0).to_pylist():
                    # In JSON a line end stands between tokens, never within one.
                    file.write(re.sub(r"[\r\n]+", " ", text or "null") + "\n")
                    rows += 1
        return rows
    with pyarrow.parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for group in _row_groups(batches, schema):
            writer.write_table(group)
            rows += group.num_rows
    return rows


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


def _runs(dump: Dump, schema: pa.Schema) -> Iterator[tuple[tuple[str | None, ...], pa.RecordBatch]]:
    """Yields batches whose rows are all of one partition, with its values."""
    if not dump.path.stat().st_size:
        return
    width = len(dump.columns)
    names = [name for name, _ in dump.columns]
    # They may be called as columns are.
    extra = [f"partition {number}" for number, _ in enumerate(dump.table.partition_by)]
    reader = pyarrow.csv.open_csv(
        dump.path,
        pyarrow.csv.ReadOptions(
            column_names=[*names, *extra], block_size=BLOCK_BYTES, use_threads=False
        ),
        pyarrow.csv.ParseOptions(newlines_in_values=True),
        pyarrow.csv.ConvertOptions(
            column_types={
                **{name: schema.field(name).type for name in names},
                **dict.fromkeys(extra, pa.string()),
            },
            # As COPY writes them: NULL is nothing, an empty string is quoted.
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["t"],
            false_values=["f"],
        ),
    )
    with reader:
        for batch in reader:
            rows = batch.select(names)
            if not extra:
                yield (), rows
                continue
            values = zip(
                *(batch.column(width + n).to_pylist() for n in range(len(extra))), strict=True
            )
            start = 0
            for key, run in groupby(values):
                length = sum(1 for _ in run)
                yield key, rows.slice(start, length)
                start += length


def _schema(dump: Dump) -> pa.Schema:
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


def _file(table: Table, values: Sequence[str | None], path: Path, rows: int) -> File:
    with path.open("rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    if not table.partition_by:
        return File(f"{table.name}.{table.format}", path, rows, sha256)
    folders = [
        f"{name}={encode(value)}"
        for (name, _), value in zip(table.partition_by, values, strict=False)
    ]
    for folder in folders:
        if len(folder.encode()) > MAX_NAME_BYTES:
            raise LoadError(
                f"{table}: too long for the name of a folder: {folder}; partition it by less"
            )
    # Named by its content: a new version never takes the place of one that somebody reads.
    return File("/".join([*folders, f"{sha256[:16]}.{table.format}"]), path, rows, sha256)


def encode(value: str | None) -> str:
    """Returns a partition's value as the name of a folder.

    ASCII other than letters, digits, `-`, `_` and `.` is percent-encoded; the rest of Unicode stays
    as it is, because Hive and Spark decode byte by byte.
    """
    if value is None:
        return NULL_PARTITION
    return re.sub(r"[\x00-\x7f]", lambda found: _encode_character(found[0]), value)


def _encode_character(character: str) -> str:
    plain = character.isalnum() or character in "-_."
    return character if plain else f"%{ord(character):02X}"
