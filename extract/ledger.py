"""The ledger in schema `audit`: which loads ran, which files they brought, which rows are current.

Loaded rows lie in history tables, each marked with the file version that it came from. They show
in `raw_<source>` only while the ledger calls that file version current, so one commit here makes a
whole load visible, and a load that never gets there leaves nothing to be seen.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from psycopg2 import extensions
from psycopg2.sql import SQL, Composable, Identifier

from extract.bucket import Object
from extract.csv_file import FILE_ID, LINE
from extract.declaration import Feed, Source
from extract.errors import LoadError

# Versions of a file kept in history, the current one included.
KEPT_VERSIONS = 3

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
    file text not null,
    size_bytes bigint not null,
    version text not null,
    declaration text not null,
    row_count bigint,
    is_current boolean not null default false,
    loaded_at timestamptz
);

comment on table audit.loads is
'One row per attempt to load new or changed files of a source.';
comment on column audit.loads.status is 'running, complete (its rows are visible) or failed.';
comment on column audit.loads.row_count is 'Rows that the load brought, over all its files.';
comment on column audit.loads.error is 'Why it failed.';
comment on table audit.files is 'One row per version of a file that a load brought.';
comment on column audit.files.file is 'The object''s key below the source''s place in the bucket.';
comment on column audit.files.version is
'ETag of an object in S3, modification time and inode of a local file.';
comment on column audit.files.declaration is
'Digest of the feed''s entry in sources.yml: read in another way, a file is loaded anew.';
comment on column audit.files.row_count is 'Rows in the file; as many were loaded.';
comment on column audit.files.is_current is 'Whether raw_<source> shows this version''s rows.';
comment on column audit.files.loaded_at is 'When this version became visible.';
"""


@dataclass(frozen=True)
class LoadedFile:
    """A file version whose rows lie in history, ready to be published."""

    feed: Feed
    file_id: int
    columns: tuple[str, ...]
    rows: int


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
            cursor.execute(_SCHEMA)
        key = f"extract: {self._source.name}"
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute("select pg_try_advisory_lock(hashtext(%s))", (key,))
            if cursor.fetchone() != (True,):
                raise LoadError(
                    f"{self._source.name}: another load of it is running; try again when it is done"
                )
        try:
            self._fail_interrupted()
            yield
        finally:
            if not self._connection.closed:
                with self._connection, self._connection.cursor() as cursor:
                    cursor.execute("select pg_advisory_unlock(hashtext(%s))", (key,))

    def changed(self, found: Sequence[tuple[Feed, Object]]) -> list[tuple[Feed, Object]]:
        """Returns those of the files found that are not current in just this version."""
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute(
                """
                select feed, file, size_bytes, version, declaration
                from audit.files
                where
                    source = %s
                    and is_current
                    and to_regclass(format('%%I.%%I', %s, feed)) is not null
                """,
                (self._source.name, self._source.raw_schema),
            )
            current = set(cursor.fetchall())
        return [
            (feed, item)
            for feed, item in found
            if (feed.name, item.key, item.size, item.version, feed.digest) not in current
        ]

    def begin(self, files: Sequence[tuple[Feed, Object]]) -> tuple[int, list[int]]:
        """Opens a load of these files; returns its id and theirs."""
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute(
                "insert into audit.loads (source) values (%s) returning load_id",
                (self._source.name,),
            )
            load_id = _value(cursor)
            file_ids = []
            for feed, item in files:
                cursor.execute(
                    """
                    insert into audit.files
                        (load_id, source, feed, file, size_bytes, version, declaration)
                    values (%s, %s, %s, %s, %s, %s, %s)
                    returning file_id
                    """,
                    (
                        load_id,
                        self._source.name,
                        feed.name,
                        item.key,
                        item.size,
                        item.version,
                        feed.digest,
                    ),
                )
                file_ids.append(_value(cursor))
        return load_id, file_ids

    def publish(self, load_id: int, files: Sequence[LoadedFile]) -> None:
        """Makes the load visible, all of it in one commit, having counted its rows.

        Raises LoadError, and shows nothing, if history holds fewer or more rows than the file.
        """
        with self._connection, self._connection.cursor() as cursor:
            for file in files:
                table = Identifier(self._source.history_schema, file.feed.name)
                cursor.execute(
                    SQL("select count(*) from {} where {} = %s").format(table, Identifier(FILE_ID)),
                    (file.file_id,),
                )
                stored = _value(cursor)
                if stored != file.rows:
                    raise LoadError(
                        f"{file.feed.file}: holds {file.rows} rows, but {stored} were loaded"
                    )
                cursor.execute(
                    """
                    update audit.files set is_current = false
                    where source = %s and feed = %s and is_current
                    """,
                    (self._source.name, file.feed.name),
                )
                cursor.execute(
                    """
                    update audit.files
                    set is_current = true, row_count = %s, loaded_at = clock_timestamp()
                    where file_id = %s
                    """,
                    (file.rows, file.file_id),
                )
                self._show(file)
            cursor.execute(
                """
                update audit.loads
                set status = 'complete', ended_at = clock_timestamp(), row_count = %s
                where load_id = %s
                """,
                (sum(file.rows for file in files), load_id),
            )

    def fail(self, load_id: int, error: str) -> None:
        """Closes a load that did not succeed and removes the rows that it had brought."""
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute(
                """
                update audit.loads
                set status = 'failed', ended_at = clock_timestamp(), error = %s
                where load_id = %s
                """,
                (error, load_id),
            )
            cursor.execute("select feed, file_id from audit.files where load_id = %s", (load_id,))
            self._delete(cursor.fetchall())

    def prune(self) -> None:
        """Removes from history all but the newest versions of each file."""
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute(
                """
                select feed, file_id
                from (
                    select
                        feed,
                        file_id,
                        row_number() over (partition by feed, file order by file_id desc) as age
                    from audit.files
                    where source = %s and loaded_at is not null
                ) as versions
                where age > %s
                """,
                (self._source.name, KEPT_VERSIONS),
            )
            self._delete(cursor.fetchall())

    def _fail_interrupted(self) -> None:
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute(
                "select load_id from audit.loads where source = %s and status = 'running'",
                (self._source.name,),
            )
            interrupted = [row[0] for row in cursor.fetchall()]
        for load_id in interrupted:
            self.fail(load_id, "interrupted")

    def _delete(self, files: Sequence[tuple[str, int]]) -> None:
        with self._connection.cursor() as cursor:
            for feed, file_id in files:
                cursor.execute(
                    "select to_regclass(format('%%I.%%I', %s, %s))",
                    (self._source.history_schema, feed),
                )
                if cursor.fetchone() == (None,):
                    continue
                table = Identifier(self._source.history_schema, feed)
                cursor.execute(
                    SQL("delete from {} where {} = %s").format(table, Identifier(FILE_ID)),
                    (file_id,),
                )

    def _show(self, file: LoadedFile) -> None:
        """Makes the feed's view over its current rows, with the columns of this file too.

        A view's columns keep their places and new ones go last: what depends on it stays.
        """
        source, feed = self._source, file.feed
        with self._connection.cursor() as cursor:
            cursor.execute(
                """
                select attname
                from pg_attribute
                where
                    attrelid = to_regclass(format('%%I.%%I', %s, %s))
                    and attnum > 0
                    and not attisdropped
                order by attnum
                """,
                (source.raw_schema, feed.name),
            )
            shown = [row[0] for row in cursor.fetchall()]
            new = [name for name in file.columns if name not in shown]
            if shown and not new:
                return
            columns = shown + new if shown else [*new, *_LINEAGE]
            cursor.execute(
                SQL(
                    """
                    create schema if not exists {schema};
                    create index if not exists {index} on {history} using brin ({file_id});
                    create or replace view {view} as
                    select {columns}
                    from {history} as history
                    inner join audit.files as files on history.{file_id} = files.file_id
                    where files.is_current
                    """
                ).format(
                    schema=Identifier(source.raw_schema),
                    index=Identifier(f"{feed.name}_file"),
                    history=Identifier(source.history_schema, feed.name),
                    file_id=Identifier(FILE_ID),
                    view=Identifier(source.raw_schema, feed.name),
                    columns=SQL(", ").join(
                        _LINEAGE.get(name, Identifier("history", name)) for name in columns
                    ),
                )
            )


# How the lineage columns of the views in raw_<source> come about.
_LINEAGE: dict[str, Composable] = {
    "_source_file": SQL("files.file as _source_file"),
    "_source_line": SQL("history.{} as _source_line").format(Identifier(LINE)),
    "_load_id": SQL("files.load_id as _load_id"),
    "_loaded_at": SQL("files.loaded_at as _loaded_at"),
}


def _value(cursor: extensions.cursor) -> int:
    """Returns the one number of a result that is certain to have it."""
    number: int = cursor.fetchall()[0][0]
    return number
