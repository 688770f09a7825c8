"""The ledger in schema `audit`: which loads ran, which files they brought, what was rejected."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import errors, extensions
from psycopg2.sql import SQL, Identifier

from common import runs
from common.errors import LoadError
from common.warehouse import Warehouse
from extract.declaration import Source
from extract.files import Former, RawFile

# How long a load waits for another one of the same source.
LOCK_SECONDS = 3
SCHEMA_FILE = Path(__file__).with_name("ledger.sql")


@contextmanager
def locked_ledger(source: Source, warehouse: Warehouse) -> Iterator["Ledger"]:
    """Gives the ledger of a source to one load at a time; raises LoadError if the server fails."""
    try:
        with closing(warehouse.connect()) as connection:
            ledger = Ledger(connection, source, warehouse)
            ledger.prepare()
            ledger.lock()
            ledger.clean_up()
            yield ledger
    except psycopg2.Error as error:
        message = " ".join(str(error).split())
        raise LoadError(
            f"{source.name}: PostgreSQL: {message}; see that it runs and has room, and load again"
        ) from error


class Ledger:
    """Reads and writes the ledger of one source, over one connection."""

    def __init__(
        self, connection: extensions.connection, source: Source, warehouse: Warehouse
    ) -> None:
        self._connection = connection
        self._source = source
        self._warehouse = warehouse

    def prepare(self) -> None:
        """Makes the ledger if there is none; raises LoadError for an older version's."""
        with self.transaction() as cursor:
            # Two first loads at once would otherwise both make the schema.
            cursor.execute("select pg_advisory_xact_lock(hashtext('extract: schema'))")
            cursor.execute(
                "select array_agg(attname::text) from pg_attribute "
                "where attrelid = to_regclass('audit.files')"
            )
            ((columns,),) = cursor.fetchall()
            self._warehouse.prepare(cursor)
            runs.prepare(cursor)
            if columns is None:
                cursor.execute(SCHEMA_FILE.read_text(encoding="utf-8"))
            elif "partition_id" not in columns:
                raise LoadError(
                    "the raw data in this database was loaded by an older version of this project: "
                    "drop the schemas audit, raw_* and all that dbt made, whose load "
                    "ids begin anew (of the embedded server: make clean), and load again"
                )

    def lock(self) -> None:
        """Waits LOCK_SECONDS for another load of the source to end, then raises LoadError.

        The lock is the connection's: the server frees that of a dead load.
        """
        with self.transaction() as cursor:
            # The server needs a moment to notice that a killed load is gone.
            cursor.execute(f"set local lock_timeout = '{LOCK_SECONDS}s'")
            try:
                key = f"extract: {self._source.name}"
                cursor.execute("select pg_advisory_lock(hashtext(%s))", (key,))
            except errors.LockNotAvailable as error:
                raise LoadError(
                    f"{self._source.name}: another load of it is running; try again when it is done"
                ) from error

    def changed(self, found: Sequence[RawFile]) -> list[RawFile]:
        """Returns those of the files that are not loaded in just this version.

        The others are told which load brought what they hold.
        """
        rows = self._fetch(
            """
            select feed, part, file, size_bytes, version, declaration, load_id
            from audit.files
            where
                source = %(source)s
                and partition_id is not null
                and is_complete
                and version <> ''
            """
        )
        known = {tuple(version): load_id for *version, load_id in rows}
        changed = []
        for file in found:
            name, item = (file.feed.name, file.part, file.name), file.item
            version = (*name, item.size, item.version, file.feed.digest)
            if version in known:
                file.load_id = known[version]
            else:
                changed.append(file)
        return changed

    def missing(self) -> list[str]:
        """Returns the feeds that have no raw table yet."""
        rows = self._fetch(
            f"select * from unnest(%(names)s::text[]) as name where not {self._has('name')}",  # noqa: S608
            schema=self._source.raw_schema,
            names=[feed.name for feed in self._source.feeds],
        )
        return [name for (name,) in rows]

    def begin(self, files: Sequence[RawFile]) -> tuple[int, datetime]:
        """Opens a load of these files and gives them ids; returns the load's id and its time."""
        ((load_id, started_at),) = self._fetch(
            "insert into audit.loads (source) values (%(source)s) returning load_id, started_at"
        )
        for file in files:
            if file.file_id:
                # The next micro-batch of a file.
                continue
            ((file.file_id,),) = self._fetch(
                """
                insert into audit.files (
                    load_id, source, feed, part, is_change, file, size_bytes, version, modified_at,
                    declaration
                )
                values (
                    %(load_id)s, %(source)s, %(feed)s, %(part)s, %(is_change)s, %(file)s, %(size)s,
                    %(version)s, %(modified_at)s, %(declaration)s
                )
                returning file_id
                """,
                **file.facts | {"load_id": load_id},
            )
        return load_id, started_at

    def note(self, file: RawFile) -> None:
        """Notes which version of a file was read, and the digest of its bytes."""
        self._fetch(
            """
            update audit.files
            set
                file = %(file)s,
                size_bytes = %(size)s,
                version = %(version)s,
                modified_at = %(modified_at)s,
                sha256 = %(sha256)s
            where file_id = %(file_id)s
            """,
            **file.facts,
        )

    def same(self, file: RawFile) -> int:
        """Returns the partition that holds a file's bytes, perhaps under another name; 0 if none.

        Of a change file that a newer whole table has taken over, it is gone, but still counts.
        """
        rows = self._fetch(
            """
            select known.partition_id
            from audit.files as known
            inner join audit.files as loaded on known.partition_id = loaded.file_id
            where
                (known.source, known.feed, known.part, known.sha256, known.declaration)
                = (%(source)s, %(feed)s, %(part)s, %(sha256)s, %(declaration)s)
                and known.is_complete
                and (loaded.is_current or known.file = %(file)s)
            order by loaded.is_current desc
            limit 1
            """,
            **file.facts,
        )
        return rows[0][0] if rows else 0

    def former(self, file: RawFile) -> Former | None:
        """Returns what is loaded in a file's place: its last version; of a whole table, any."""
        rows = self._fetch(
            """
            select
                known.file,
                loaded.file_id,
                loaded.row_count,
                loaded.rejected_count,
                (loaded.sha256, loaded.declaration) = (%(sha256)s, %(declaration)s)
            from audit.files as known
            inner join audit.files as loaded on known.partition_id = loaded.file_id
            where
                (known.source, known.feed, known.part) = (%(source)s, %(feed)s, %(part)s)
                and (known.file = %(file)s or not %(by_name)s)
            """,
            **file.facts,
        )
        return Former(*rows[0]) if rows else None

    def fail(self, error: str, file_id: int | None = None) -> None:
        """Closes a load that did not succeed and removes the rows that it had copied.

        What it rejected stays to be looked at. `file_id` is the file that was the reason, if one.
        """
        self._fetch(
            """
            update audit.loads
            set status = 'failed', ended_at = clock_timestamp(), error = %(error)s
            where source = %(source)s and status = 'running';
            update audit.files
            set
                status = 'failed',
                ended_at = clock_timestamp(),
                error = case when file_id = %(file_id)s then %(error)s end
            where source = %(source)s and status = 'running'
            """,
            error=error,
            file_id=file_id,
        )
        self._drop_unpublished()

    def clean_up(self) -> None:
        """Fails a load that was killed; of raw tables that somebody dropped, forgets the files."""
        self.fail("interrupted")
        self._fetch(
            """
            update audit.files
            set
                is_current = false,
                partition_id = null,
                status = 'failed',
                error = 'its raw table was dropped'
            where source = %(source)s and partition_id is not null and not """
            + self._has("feed"),
            schema=self._source.raw_schema,
        )

    def _drop_unpublished(self) -> None:
        """Drops the tables that a load filled and did not attach to their raw table."""
        tables = self._fetch(
            """
            select relname
            from pg_class
            where
                relnamespace = to_regnamespace(%(schema)s)
                and relkind = 'r'
                and not relispartition
            """,
            schema=self._source.files_schema,
        )
        with self.transaction() as cursor:
            for (table,) in tables:
                name = Identifier(self._source.files_schema, table)
                cursor.execute(SQL("drop table {}").format(name))

    def _has(self, feed: str) -> str:
        """Returns SQL that tells whether a feed has its raw table."""
        return self._warehouse.has_table.format(schema="%(schema)s", name=feed)

    @contextmanager
    def transaction(self) -> Iterator[extensions.cursor]:
        """Gives a cursor; commits at the end."""
        with self._connection, self._connection.cursor() as cursor:
            yield cursor

    def _fetch(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        """Runs SQL in a transaction of its own; returns its rows, if it gives any."""
        with self.transaction() as cursor:
            cursor.execute(sql, {"source": self._source.name, **values})
            return cursor.fetchall() if cursor.description else []


def is_loaded(source: Source, warehouse: Warehouse) -> bool:
    """Returns whether anything of the source is visible in the warehouse."""
    with closing(warehouse.connect()) as connection, connection.cursor() as cursor:
        try:
            cursor.execute(
                "select exists (select from audit.files where source = %s and is_current)",
                (source.name,),
            )
        except errors.UndefinedTable:
            return False
        return cursor.fetchone() == (True,)
