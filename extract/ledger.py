"""The ledger in schema `audit`: which loads ran, which files they brought, what was rejected."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from psycopg2 import errors, extensions
from psycopg2.extras import execute_values

from common.errors import LoadError
from common.storage import Object
from common.warehouse import Warehouse
from extract.declaration import Source
from extract.landing import Arrival, clear

# How long a load waits for another one of the same source.
LOCK_SECONDS = 3

_SCHEMA = """
create schema if not exists audit;

create table if not exists audit.loads (
    load_id bigint generated always as identity primary key,
    source text not null,
    status text not null default 'running' check (status in ('running', 'complete', 'failed')),
    started_at timestamptz not null default now(),
    ended_at timestamptz,
    row_count bigint,
    error text
);

create table if not exists audit.files (
    file_id bigint generated always as identity primary key,
    load_id bigint not null references audit.loads,
    source text not null,
    feed text not null,
    part text not null,
    is_changes boolean not null,
    file text not null,
    size_bytes bigint not null,
    version text not null,
    modified_at timestamptz not null,
    sha256 text,
    declaration text not null,
    columns text[],
    row_count bigint,
    rejected_count bigint,
    status text not null default 'running'
    check (status in ('running', 'complete', 'same', 'failed')),
    is_current boolean not null default false,
    started_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    error text,
    check (not is_current or row_count >= rejected_count)
);
-- To alter a table, even to no effect, waits for all who read it: raw views do.
do $$
begin
    if not exists (
        select from pg_attribute
        where attrelid = 'audit.files'::regclass and attname = 'is_last_step'
    ) then
        alter table audit.files add column first_row bigint, add column is_last_step boolean;
    end if;
end
$$;

create table if not exists audit.rejected_rows (
    file_id bigint not null references audit.files,
    source text not null,
    feed text not null,
    file text not null,
    line_number bigint not null,
    content text not null,
    reason text not null
);

create index if not exists rejected_rows_file on audit.rejected_rows (file_id);

comment on table audit.loads is
'One row per attempt to load new or changed files of a source.';
comment on column audit.loads.status is 'running, complete (its rows are visible) or failed.';
comment on column audit.loads.row_count is 'Rows that the load brought, over all its files.';
comment on column audit.loads.error is 'Why it failed.';
comment on table audit.files is 'One row per version of a file that a load brought.';
comment on column audit.files.part is
'The pattern in sources.yml that the file matched; a whole table has one current file for each.';
comment on column audit.files.is_changes is 'Whether it is a change file, or a whole table.';
comment on column audit.files.file is 'The object''s key below the source''s place in the bucket.';
comment on column audit.files.version is
'ETag of an object in S3, modification time and inode of a local file.';
comment on column audit.files.sha256 is 'Digest of its bytes, in hexadecimal.';
comment on column audit.files.declaration is
'Digest of how sources.yml says to read it: read in another way, a file is loaded anew.';
comment on column audit.files.columns is 'Its columns in raw.';
comment on column audit.files.row_count is 'Records in the file: those loaded and those rejected.';
comment on column audit.files.rejected_count is 'Records that are in audit.rejected_rows instead.';
comment on column audit.files.status is
'running, complete, same (bytes that were loaded before under another name) or failed.';
comment on column audit.files.is_current is
'Whether raw_<source> shows this version (of a change file: those rows that are the newest).';
comment on column audit.files.first_row is
'Of a file that is loaded in steps, the record from which on this step took; otherwise NULL.';
comment on column audit.files.is_last_step is
'Whether this step took the file''s last record; NULL of a file that was loaded at once.';
comment on column audit.files.ended_at is 'When it became visible, or failed.';
comment on table audit.rejected_rows is
'One row per record of a file that could not be loaded, kept as long as the file''s version is.';
comment on column audit.rejected_rows.line_number is 'Its first line in the file, from 1.';
comment on column audit.rejected_rows.content is
'The line as it stands in the file (\\xff for a byte that is no text); of a change row, as JSON.';
"""


class Ledger:
    """Reads and writes the ledger of one source, over one connection that holds its lock."""

    def __init__(self, connection: extensions.connection, source: Source) -> None:
        self._connection = connection
        self._source = source

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lets one load of the source run at a time; the server frees the lock of a dead one.

        Raises LoadError at once if another load has it. Cleans up behind one that was killed.
        """
        with self._connection, self._connection.cursor() as cursor:
            # Two first loads at once would otherwise both make the schema.
            cursor.execute("select pg_advisory_xact_lock(hashtext('extract: schema'))")
            cursor.execute(
                """
                select
                    to_regclass('audit.files') is null
                    or to_regclass('audit.rejected_rows') is not null
                """
            )
            if cursor.fetchone() == (False,):
                raise LoadError(
                    "the raw data in this database was loaded by an older version of this project: "
                    "drop the schemas audit, raw_* and all that dbt made, whose load "
                    "ids begin anew (of the embedded server: make clean), and load again"
                )
            cursor.execute(_SCHEMA)
        key = f"extract: {self._source.name}"
        with self._connection, self._connection.cursor() as cursor:
            # The server needs a moment to notice that a killed load is gone.
            cursor.execute(f"set local lock_timeout = '{LOCK_SECONDS}s'")
            try:
                cursor.execute("select pg_advisory_lock(hashtext(%s))", (key,))
            except errors.LockNotAvailable as error:
                raise LoadError(
                    f"{self._source.name}: another load of it is running; try again when it is done"
                ) from error
        try:
            self._fail_interrupted()
            yield
        finally:
            if not self._connection.closed:
                self._connection.rollback()
                with self._connection, self._connection.cursor() as cursor:
                    cursor.execute("select pg_advisory_unlock(hashtext(%s))", (key,))

    def changed(self, found: Sequence[Arrival]) -> list[Arrival]:
        """Returns those of the files found that are not current in just this version."""
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute(
                """
                select feed, part, file, size_bytes, version, declaration
                from audit.files
                where
                    source = %s
                    and is_current
                    and coalesce(is_last_step, true)
                    and to_regclass(format('%%I.%%I', %s, feed)) is not null
                """,
                (self._source.name, self._source.raw_schema),
            )
            current = set(cursor.fetchall())
        return [
            arrival
            for arrival in found
            if (
                arrival.feed.name,
                arrival.part,
                arrival.item.key,
                arrival.item.size,
                arrival.item.version,
                arrival.feed.digest,
            )
            not in current
        ]

    def begin(self, arrivals: Sequence[Arrival]) -> tuple[int, list[int]]:
        """Opens a load of these files; returns its id and theirs, in their order."""
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute(
                "insert into audit.loads (source) values (%s) returning load_id",
                (self._source.name,),
            )
            load_id = _value(cursor)
            file_ids = []
            for arrival in arrivals:
                item = arrival.item
                cursor.execute(
                    """
                    insert into audit.files (
                        load_id, source, feed, part, is_changes, file, size_bytes, version,
                        modified_at, declaration
                    )
                    values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
                    returning file_id
                    """,
                    (
                        load_id,
                        self._source.name,
                        arrival.feed.name,
                        arrival.part,
                        arrival.is_changes,
                        item.key,
                        item.size,
                        item.version,
                        item.modified_at,
                        arrival.feed.digest,
                    ),
                )
                file_ids.append(_value(cursor))
        return load_id, file_ids

    def note(self, file_id: int, item: Object, sha256: str) -> None:
        """Notes which version of a file was read, and the digest of its bytes."""
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute(
                """
                update audit.files
                set size_bytes = %s, version = %s, modified_at = %s, sha256 = %s
                where file_id = %s
                """,
                (item.size, item.version, item.modified_at, sha256, file_id),
            )

    def is_same(self, arrival: Arrival, file_id: int, item: Object, sha256: str) -> bool:
        """Notes which version of a file was read, and says whether its bytes are loaded already.

        If so, the ledger knows the object from now on, and it needs no second look.
        """
        self.note(file_id, item, sha256)
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute(
                """
                select file_id, row_count, rejected_count, columns
                from audit.files
                where
                    (source, feed, part, sha256, declaration) = (%s, %s, %s, %s, %s)
                    and is_current
                    and coalesce(is_last_step, true)
                    and to_regclass(format('%%I.%%I', %s, feed)) is not null
                order by file_id
                limit 1
                """,
                (
                    self._source.name,
                    arrival.feed.name,
                    arrival.part,
                    sha256,
                    arrival.feed.digest,
                    self._source.raw_schema,
                ),
            )
            same = cursor.fetchone()
            if same is None:
                return False
            if arrival.is_changes:
                cursor.execute(
                    """
                    update audit.files
                    set
                        status = 'same',
                        is_current = true,
                        row_count = %s,
                        rejected_count = %s,
                        columns = %s,
                        ended_at = clock_timestamp()
                    where file_id = %s
                    """,
                    (*same[1:], file_id),
                )
            else:
                # The table of a whole file bears the id of its row, so that row stays.
                cursor.execute("delete from audit.files where file_id = %s", (file_id,))
                cursor.execute(
                    """
                    update audit.files
                    set file = %s, size_bytes = %s, version = %s, modified_at = %s
                    where file_id = %s
                    """,
                    (item.key, item.size, item.version, item.modified_at, same[0]),
                )
        return True

    def load_of(self, arrival: Arrival) -> int:
        """Returns the load that brought what this file holds.

        Raises LoadError if that is not current: the file has changed since it was listed.
        """
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute(
                """
                select load_id
                from audit.files
                where
                    (source, feed, part, file, version) = (%s, %s, %s, %s, %s)
                    and is_current
                """,
                (
                    self._source.name,
                    arrival.feed.name,
                    arrival.part,
                    arrival.item.key,
                    arrival.item.version,
                ),
            )
            row = cursor.fetchone()
        if row is None:
            raise LoadError(f"{arrival.item.key}: changed since it was listed")
        load_id: int = row[0]
        return load_id

    def previous_rows(self, arrival: Arrival) -> int | None:
        """Returns how many rows the current version of a whole file has; None if there is none."""
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute(
                """
                select cast(sum(row_count - rejected_count) as bigint)
                from audit.files
                where (source, feed, part) = (%s, %s, %s) and is_current
                """,
                (self._source.name, arrival.feed.name, arrival.part),
            )
            row = cursor.fetchone()
            return row[0] if row else None

    def taken(self, arrival: Arrival, item: Object, sha256: str) -> tuple[int, int] | None:
        """Returns how many records of a file were taken in steps, and how many of those rejected.

        None if all were taken. Raises LoadError if what is there of this part of the feed are
        records of other bytes than these.
        """
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute(
                """
                select
                    coalesce(sum(row_count), 0)::bigint,
                    coalesce(sum(rejected_count), 0)::bigint,
                    coalesce(bool_or(coalesce(is_last_step, true)), false),
                    coalesce(bool_or((sha256, declaration) != (%s, %s)), false)
                from audit.files
                where (source, feed, part) = (%s, %s, %s) and is_current
                """,
                (
                    sha256,
                    arrival.feed.digest,
                    self._source.name,
                    arrival.feed.name,
                    arrival.part,
                ),
            )
            count, rejected, is_whole, is_other = cursor.fetchall()[0]
            if is_other:
                raise LoadError(
                    f"{arrival.item.key}: is another file, or declared otherwise, than the one of "
                    f"which {count} records are loaded: load it whole (python -m extract load "
                    f"{self._source.name})"
                )
            if is_whole:
                cursor.execute(
                    """
                    update audit.files
                    set file = %s, size_bytes = %s, version = %s, modified_at = %s
                    where
                        (source, feed, part) = (%s, %s, %s)
                        and is_current
                        and coalesce(is_last_step, true)
                    """,
                    (
                        item.key,
                        item.size,
                        item.version,
                        item.modified_at,
                        self._source.name,
                        arrival.feed.name,
                        arrival.part,
                    ),
                )
                return None
            return count, rejected

    def reject(
        self, arrival: Arrival, file_id: int, rejected: Iterator[tuple[int, str, str]]
    ) -> None:
        """Stores rejected records of a file: line number, content and reason of each."""
        with self._connection, self._connection.cursor() as cursor:
            execute_values(
                cursor,
                """
                insert into audit.rejected_rows
                    (file_id, source, feed, file, line_number, content, reason)
                values %s
                """,
                (
                    (file_id, self._source.name, arrival.feed.name, arrival.item.key, *row)
                    for row in rejected
                ),
                page_size=1000,
            )

    def rejected(self, file_id: int) -> list[tuple[int, str, str]]:
        """Returns the first rejected records of a file: line number, content and reason."""
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute(
                """
                select line_number, content, reason
                from audit.rejected_rows
                where file_id = %s
                order by line_number
                limit 3
                """,
                (file_id,),
            )
            return cursor.fetchall()

    def complete(self, load_id: int) -> None:
        """Closes a load within the transaction that made it visible; commits nothing itself."""
        with self._connection.cursor() as cursor:
            cursor.execute(
                """
                update audit.loads
                set
                    status = 'complete',
                    ended_at = clock_timestamp(),
                    row_count = (
                        select coalesce(sum(row_count - rejected_count), 0)
                        from audit.files
                        where files.load_id = loads.load_id and files.status = 'complete'
                    )
                where load_id = %s
                """,
                (load_id,),
            )

    def fail(self, load_id: int, error: str, file_id: int | None = None) -> None:
        """Closes a load that did not succeed and removes the rows that it had landed.

        What it rejected stays to be looked at. `file_id` is the file that was the reason, if one.
        """
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute(
                """
                update audit.loads
                set status = 'failed', ended_at = clock_timestamp(), error = %s
                where load_id = %s and status = 'running'
                """,
                (error, load_id),
            )
            cursor.execute(
                """
                update audit.files
                set
                    status = 'failed',
                    ended_at = clock_timestamp(),
                    error = case when file_id = %s then %s end
                where load_id = %s and status = 'running'
                """,
                (file_id, error, load_id),
            )
        clear(self._connection, self._source)

    def _fail_interrupted(self) -> None:
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute(
                "select load_id from audit.loads where source = %s and status = 'running'",
                (self._source.name,),
            )
            interrupted = [row[0] for row in cursor.fetchall()]
        for load_id in interrupted:
            self.fail(load_id, "interrupted")


def is_loaded(source: Source, warehouse: Warehouse) -> bool:
    """Returns whether anything of the source is visible in the warehouse."""
    with closing(warehouse.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("select to_regclass('audit.files') is not null")
        if not _value(cursor):
            return False
        cursor.execute(
            "select count(*) from audit.files where source = %s and is_current", (source.name,)
        )
        return _value(cursor) > 0


def _value(cursor: extensions.cursor) -> int:
    """Returns the one number of a result that is certain to have it."""
    number: int = cursor.fetchall()[0][0]
    return number
