"""Raw and the ledger as loads leave them, so that the models can be tested without the loader.

One partition a file version, which holds current rows only; `audit.files` says which load brought a
file and which one took it away. tests/orchestrate runs the models behind the real loader.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg2.extensions
import yaml

from common import runs
from common.warehouse import Warehouse

ROOT = Path(__file__).resolve().parent.parent.parent
Row = Mapping[str, str]
Cursor = psycopg2.extensions.cursor

LEDGER = """
    create schema if not exists audit;
    create table if not exists audit.loads (
        load_id bigint generated always as identity primary key, source text, status text,
        started_at timestamptz default now(), ended_at timestamptz default now(),
        row_count bigint, error text
    );
    create table if not exists audit.files (
        file_id bigint generated always as identity primary key, load_id bigint, source text,
        feed text, part text, is_change boolean, file text, size_bytes bigint, version text,
        modified_at timestamptz, sha256 text, declaration text, partition_id bigint,
        columns text[], row_count bigint, rejected_count bigint, status text, is_current boolean,
        is_complete boolean,
        started_at timestamptz default now(), ended_at timestamptz default now(),
        replaced_by_load_id bigint, error text
    );
    create table if not exists audit.rejected_rows (
        file_id bigint, source text, feed text, file text, line_number bigint, content text,
        reason text
    );
"""
LEDGER += runs.SCHEMA_FILE.read_text(encoding="utf-8")


@dataclass(frozen=True)
class File:
    """A file that a load brings: a whole table, a part of one, or change rows.

    `rows` are of text by column of the raw table; columns that a row lacks are empty.
    """

    feed: str
    name: str
    rows: Sequence[Row]
    is_change: bool = False
    is_part: bool = False


class Raw:
    """The raw tables of one source, made anew, and the ledger (too, unless it is to be kept)."""

    def __init__(self, warehouse: Warehouse, source: str, keep_ledger: bool = False) -> None:
        self._warehouse = warehouse
        self._source = source
        declared = yaml.safe_load((ROOT / "extract" / "sources.yml").read_text(encoding="utf-8"))
        feeds = declared["sources"][source]["feeds"]
        self._columns = {
            feed: [snake_case(c) for c in body["columns"]] for feed, body in feeds.items()
        }
        self._with_changes = {feed for feed, body in feeds.items() if "changes" in body}
        with closing(warehouse.connect()) as connection, connection, connection.cursor() as cursor:
            gone = [self._schema, f"{self._schema}_files", *([] if keep_ledger else ["audit"])]
            cursor.execute(f"drop schema if exists {', '.join(gone)} cascade")
            cursor.execute(f"create schema {self._schema}; create schema {self._schema}_files")
            cursor.execute(LEDGER)
            for feed, columns in self._columns.items():
                cursor.execute(
                    f"create table {self._schema}.{feed} ("
                    + "".join(f"{column} text, " for column in columns)
                    + ("_is_change boolean not null, " if feed in self._with_changes else "")
                    + "_file_id bigint not null, _source_file text not null, "
                    "_source_line bigint not null, _source_row bigint not null, "
                    "_load_id bigint not null, _loaded_at timestamptz not null default now()"
                    ") partition by list (_file_id)"
                )

    @property
    def _schema(self) -> str:
        return f"raw_{self._source}"

    def load(self, *files: File) -> int:
        """Makes the files current in one load, and takes away what they replace; returns its id."""
        with closing(self._warehouse.connect()) as connection, connection:
            cursor = connection.cursor()
            load_id = self._begin(cursor)
            for file in files:
                self._replace(cursor, file, load_id)
                self._add(cursor, file, self._new_file(cursor, file, load_id), load_id)
            return load_id

    def append(self, *files: File) -> int:
        """Adds rows to the current versions of files, as a micro-batch does; returns the load."""
        with closing(self._warehouse.connect()) as connection, connection:
            cursor = connection.cursor()
            load_id = self._begin(cursor)
            for file in files:
                cursor.execute(
                    "select file_id from audit.files "
                    "where is_current and source = %s and feed = %s and file = %s",
                    (self._source, file.feed, file.name),
                )
                found = cursor.fetchone()
                file_id = found[0] if found else self._new_file(cursor, file, load_id)
                self._add(cursor, file, file_id, load_id)
            return load_id

    def _begin(self, cursor: Cursor) -> int:
        cursor.execute(
            "insert into audit.loads (source, status) values (%s, 'complete') returning load_id",
            (self._source,),
        )
        return _number(cursor)

    def _new_file(self, cursor: Cursor, file: File, load_id: int) -> int:
        cursor.execute(
            "insert into audit.files (load_id, source, feed, part, is_change, file, status, "
            "is_current, is_complete) values (%s, %s, %s, %s, %s, %s, 'complete', true, true) "
            "returning file_id",
            (load_id, self._source, file.feed, file.name, file.is_change, file.name),
        )
        file_id = _number(cursor)
        table = f"{self._schema}_files.{file.feed}_{file_id}"
        check = f"check (_is_change = {str(file.is_change).lower()})"
        cursor.execute(
            f"create table {table} (like {self._schema}.{file.feed} including defaults"
            + (f", {check}" if file.feed in self._with_changes else "")
            + ")"
        )
        cursor.execute(
            f"alter table {self._schema}.{file.feed} "
            f"attach partition {table} for values in ({file_id})"
        )
        return file_id

    def _replace(self, cursor: Cursor, file: File, load_id: int) -> None:
        """A new version of a part or of changes replaces the one before, a whole table all."""
        by_name = file.is_change or file.is_part
        cursor.execute(
            "update audit.files set is_current = false, replaced_by_load_id = %s "
            "where is_current and source = %s and feed = %s and (file = %s or not %s) "
            "returning file_id",
            (load_id, self._source, file.feed, file.name, by_name),
        )
        for (file_id,) in cursor.fetchall():
            cursor.execute(f"drop table {self._schema}_files.{file.feed}_{file_id}")

    def _add(self, cursor: Cursor, file: File, file_id: int, load_id: int) -> None:
        table = f"{self._schema}_files.{file.feed}_{file_id}"
        cursor.execute(f"select coalesce(max(_source_row), 0) from {table}")
        before = _number(cursor)
        columns = self._columns[file.feed]
        # The extractor lands files without a header from line 1, others from line 2.
        first_line = 1 if columns[0] == "age" and file.name != "Adult.test" else 2
        text = StringIO()
        for number, row in enumerate(file.rows, start=before + 1):
            assert set(row) <= set(columns), set(row) - set(columns)
            values = [row.get(column, "") for column in columns]
            lineage = [file_id, file.name, number + first_line - 1, number, load_id]
            text.write("\t".join(map(_escaped, [*values, *map(str, lineage)])))
            text.write(f"\t{file.is_change}\n" if file.feed in self._with_changes else "\n")
        text.seek(0)
        names = [*columns, "_file_id", "_source_file", "_source_line", "_source_row", "_load_id"]
        names += ["_is_change"] if file.feed in self._with_changes else []
        cursor.copy_expert(f"copy {table} ({', '.join(names)}) from stdin", text)


def snake_case(name: str) -> str:
    """Returns a column's name as the loader writes it: `SalesOrderID` is `sales_order_id`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _escaped(value: str) -> str:
    for character, escape in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")):
        value = value.replace(character, escape)
    return value


def _number(cursor: Cursor) -> int:
    found: Any = cursor.fetchone()
    return int(found[0])
