"""Publishes a load: in one transaction, all its files become visible, and the ledger says so.

Readers see the rows of the last complete load, whatever becomes of this one.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg2
from psycopg2 import extensions
from psycopg2.sql import SQL, Composable, Identifier, Literal

from common.errors import FileError, LoadError
from common.progress import Progress
from extract.declaration import Source
from extract.files import RawFile

# Replacing rows takes a lock that readers wait for. It is given up before PostgreSQL would look for
# a deadlock (deadlock_timeout, 1 s), so that no reader is ever its victim, and tried again.
LOCK_MILLISECONDS = 500
LOCK_ATTEMPTS = 60

# Feed and file_id of the partitions that are current no more.
Replaced = list[tuple[str, int]]

# By lock_timeout, and by statement_timeout.
_IN_USE = (psycopg2.errors.LockNotAvailable, psycopg2.errors.QueryCanceled)


@dataclass
class Load:
    """One load of a source: what is to be published."""

    source: Source
    load_id: int
    loaded_at: datetime
    files: Sequence[RawFile]
    progress: Progress
    accept_smaller: bool
    # Feeds without a raw table.
    missing: Sequence[str]
    tables: "Tables"

    @property
    def new(self) -> list[RawFile]:
        """The files whose bytes are not in a partition yet."""
        return [file for file in self.files if not file.partition_id]

    def check(self, file: RawFile) -> None:
        """Raises what went wrong with it, FileError if too much was rejected or too little came."""
        if file.error:
            raise file.error
        feed, former, where, rows = file.feed, file.former, file.opened.where, file.rows or 0
        count, rejected = rows + file.rejected, file.rejected
        if former and file.is_next_batch:
            # Of all records of the file up to here.
            count, rejected = count + former.row_count, rejected + former.rejected_count
        if file.rejected and rejected > feed.max_rejected * count:
            raise FileError(
                f"{where}: {rejected} of {count} records are broken, more than "
                f"{100 * feed.max_rejected:g}% of them (max_rejected of feed {feed.name} in "
                "extract/sources.yml): "
                + "; ".join(
                    f"line {each.line}: {each.reason} ({_shorten(each.content)})"
                    for each in file.first_rejected
                )
                + (
                    ""
                    if file.is_next_batch
                    else f"; see audit.rejected_rows, file_id {file.file_id}"
                )
                + "; correct the file, or raise max_rejected",
                file.file_id,
            )
        if file.is_next_batch or not former:
            return
        file.replaces = former.name if former.name != file.name else ""
        before = former.row_count - former.rejected_count
        if file.is_change or self.accept_smaller or rows >= feed.min_share * before:
            return
        how = f"python -m extract load --accept-smaller {self.source.name}"
        if self.source.drops:
            how = (
                f"move it back and run: python -m orchestrate watch {self.source.name} "
                "--accept-smaller"
            )
        raise FileError(
            f"{where}: {rows} rows, where {before} were before: less than {feed.min_share:.0%} of "
            f"them (min_share of feed {feed.name} in extract/sources.yml). If that is right: {how}",
            file.file_id,
        )


def patiently(source: Source, task: Callable[[], Any]) -> Any:
    """Does a task again and again while readers hold the tables (see LOCK_MILLISECONDS)."""
    for _ in range(LOCK_ATTEMPTS):
        try:
            return task()
        except Exception as error:
            # dlt wraps what its client raises.
            if not isinstance(getattr(error, "dbapi_exception", error), _IN_USE):
                raise
        time.sleep(LOCK_MILLISECONDS / 1000)
    raise LoadError(
        f"{source.name}: the tables in {source.raw_schema} were in use for "
        f"{LOCK_ATTEMPTS * LOCK_MILLISECONDS * 2 / 1000:.0f} s: load again later"
    )


class Tables:
    """The raw tables of PostgreSQL: what the engine that holds the rows does for a load."""

    def swap(self, cursor: extensions.cursor, load: "Load", replaced: Replaced) -> None:
        """Drops the partitions that are current no more, and attaches those of the load."""
        _lock(cursor, load.source, [feed for feed, _ in replaced])
        for feed, file_id in replaced:
            table = Identifier(load.source.files_schema, f"{feed}_{file_id}")
            execute(cursor, "drop table {table}", table=table)
        for file in load.new:
            _attach(cursor, load.source, file)

    def close(self) -> None:
        """Gives up what a load had open."""


def publish(cursor: extensions.cursor, load: Load) -> None:
    """Makes all files of a load visible within the caller's transaction.

    Raises psycopg2.errors.LockNotAvailable, or QueryCanceled, if readers hold the tables.
    """
    for file in load.files:
        _note(cursor, load, file)
    for file in load.new:
        # Of others they were copied before: they stay to be looked at if the load fails.
        if file.is_next_batch:
            reject(cursor, file)
    load.tables.swap(cursor, load, _replace(cursor, load))
    _complete(cursor, load)


def _note(cursor: extensions.cursor, load: Load, file: RawFile) -> None:
    """Notes that a file is loaded: in a partition of its own, or in that with the same bytes."""
    if file.partition_id:
        statement = """
            update audit.files as file
            set
                load_id = same.load_id,
                partition_id = same.file_id,
                status = 'same',
                is_complete = true,
                ended_at = clock_timestamp()
            from audit.files as same
            where same.file_id = %(partition_id)s and file.file_id = %(file_id)s
            returning file.load_id
        """
    else:
        statement = """
            update audit.files
            set
                load_id = %(load_id)s,
                partition_id = file_id,
                status = 'complete',
                is_current = true,
                is_complete = %(is_complete)s,
                row_count = %(records)s + case when %(is_next)s then row_count else 0 end,
                rejected_count
                    = %(rejected)s + case when %(is_next)s then rejected_count else 0 end,
                columns = %(columns)s,
                ended_at = clock_timestamp()
            where file_id = %(file_id)s
            returning load_id
        """
    values = {
        "load_id": load.load_id,
        "is_complete": file.is_complete,
        "is_next": file.is_next_batch,
        "records": (file.rows or 0) + file.rejected,
        "rejected": file.rejected,
        "columns": list(file.csv.columns if file.csv else ()),
    }
    cursor.execute(statement, file.facts | values)
    ((file.load_id,),) = cursor.fetchall()


def _replace(cursor: extensions.cursor, load: Load) -> Replaced:
    """Returns feed and id of the partitions that are current no more.

    Each file takes the place of its former version; a partition stays while another file has its
    bytes. A new whole table takes its change files over, unless this load brought them.
    """
    for file in load.files:
        cursor.execute(
            """
            update audit.files
            set partition_id = null
            where
                (source, feed, part) = (%(source)s, %(feed)s, %(part)s)
                and partition_id is not null
                and file_id <> %(file_id)s
                and (file = %(file)s or not %(by_name)s)
            """,
            file.facts | {"source": load.source.name},
        )
    cursor.execute(
        """
        -- Of files that point to another's partition, only those that are there are kept.
        delete from audit.files
        where source = %(source)s and status = 'same' and partition_id is null;
        update audit.files as old
        set is_current = false, replaced_by_load_id = %(load_id)s
        where
            source = %(source)s
            and is_current
            and (
                not exists (select from audit.files where partition_id = old.file_id)
                or (is_change and load_id <> %(load_id)s and feed = any(%(whole)s))
            )
        returning feed, file_id
        """,
        {
            "source": load.source.name,
            "load_id": load.load_id,
            "whole": [file.feed.name for file in load.new if file.part in file.feed.files],
        },
    )
    return cursor.fetchall()


def _lock(cursor: extensions.cursor, source: Source, feeds: Sequence[str]) -> None:
    """Locks the raw tables that lose rows, all of them within LOCK_MILLISECONDS."""
    # lock_timeout is for each of them, statement_timeout for all.
    cursor.execute(f"set local lock_timeout = {LOCK_MILLISECONDS}")
    if feeds:
        cursor.execute(f"set local statement_timeout = {LOCK_MILLISECONDS}")
        tables = SQL(", only ").join(Identifier(source.raw_schema, name) for name in feeds)
        execute(cursor, "lock table only {tables} in access exclusive mode", tables=tables)
        cursor.execute("set local statement_timeout = default")


def _attach(cursor: extensions.cursor, source: Source, file: RawFile) -> None:
    """Attaches a file's table to the raw table, or adds its rows to those of earlier batches."""
    statement = """
        alter table {raw} attach partition {table} for values in ({file_id});
        alter table {table} reset (autovacuum_enabled)
    """
    if file.is_next_batch:
        statement = "insert into {raw} select * from {table}; drop table {table}"
    execute(
        cursor,
        statement,
        raw=Identifier(source.raw_schema, file.feed.name),
        table=Identifier(source.files_schema, file.table),
        file_id=Literal(file.file_id),
    )


def reject(cursor: extensions.cursor, file: RawFile) -> None:
    """Copies a file's rejected records to the ledger."""
    with file.rejects.open("rb") as rejects:
        cursor.copy_expert(
            "copy audit.rejected_rows from stdin (format csv, encoding 'utf-8')", rejects
        )


def _complete(cursor: extensions.cursor, load: Load) -> None:
    """Closes a load.

    What former versions of its files rejected, in failed loads too, is of no use any more.
    """
    cursor.execute(
        """
        update audit.loads
        set status = 'complete', ended_at = clock_timestamp(), row_count = %(rows)s
        where load_id = %(load_id)s;
        delete from audit.rejected_rows
        where file_id in (
            select file_id
            from audit.files
            where
                source = %(source)s
                and (feed, part) in (select * from unnest(%(feeds)s::text[], %(parts)s::text[]))
                and not is_current
                and load_id < %(load_id)s
        )
        """,
        {
            "source": load.source.name,
            "load_id": load.load_id,
            "rows": sum(file.rows or 0 for file in load.files),
            "feeds": [file.feed.name for file in load.files],
            "parts": [file.part for file in load.files],
        },
    )


def execute(cursor: extensions.cursor, sql: str, **names: Composable) -> None:
    """Runs SQL with names and literals in place of {these}."""
    cursor.execute(SQL(sql).format(**names))


def _shorten(text: str) -> str:
    line = text.strip()
    return repr(line if len(line) <= 80 else f"{line[:80]}…")
