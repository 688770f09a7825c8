"""The ledger in schema `audit`: which loads ran, which files they brought, what was rejected."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from psycopg2 import errors, extensions
from psycopg2.sql import SQL, Identifier

from common.errors import LoadError
from common.warehouse import Warehouse
from extract.declaration import Source
from extract.files import RawFile

# How long a load waits for another one of the same source.
LOCK_SECONDS = 3
# The role that owns raw and the ledger, where the server has it: see local/roles.sql.
LOADER = "loader"
SCHEMA_FILE = Path(__file__).with_name("ledger.sql")


def as_owner(warehouse: Warehouse) -> Warehouse:
    """Returns the warehouse, to be used as the role that owns the ledger, whoever logs in.

    Before there is one, that is `loader`, if there is such a role which may make schemas here.
    Raises LoadError for a user who is no member of the owner.
    """
    with closing(warehouse.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(
            """
            select owner.rolname, pg_has_role(owner.oid, 'member'), owner.rolname = current_user
            from pg_roles as owner
            where
                owner.oid = (select nspowner from pg_namespace where nspname = 'audit')
                or (
                    owner.rolname = %s
                    and to_regnamespace('audit') is null
                    and pg_has_role(owner.oid, 'member')
                    and has_database_privilege(owner.oid, current_database(), 'create')
                )
            """,
            (LOADER,),
        )
        row = cursor.fetchone()
    if row is None or row[2]:
        return warehouse
    owner, is_member, _ = row
    if not is_member:
        raise LoadError(
            f"user {warehouse.user} may not load: raw and audit belong to {owner}, of which it is "
            f"no member (grant {owner} to {warehouse.user})"
        )
    return replace(warehouse, role=owner)


class Ledger:
    """Reads and writes the ledger of one source, over one connection that holds its lock."""

    def __init__(self, connection: extensions.connection, source: Source) -> None:
        self._connection = connection
        self._source = source

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lets one load of the source run at a time; the server frees the lock of a dead one.

        Waits LOCK_SECONDS for another load, then raises LoadError. Cleans up behind a killed one.
        """
        with self._connection, self._connection.cursor() as cursor:
            # Two first loads at once would otherwise both make the schema.
            cursor.execute("select pg_advisory_xact_lock(hashtext('extract: schema'))")
            cursor.execute(
                """
                select
                    to_regclass('audit.files') is not null,
                    exists (
                        select from pg_attribute
                        where
                            attrelid = to_regclass('audit.files')
                            and attname = 'replaced_by_load_id'
                    )
                """
            )
            is_there, is_ours = cursor.fetchall()[0]
            if is_there and not is_ours:
                raise LoadError(
                    "the raw data in this database was loaded by an older version of this project: "
                    "drop the schemas audit, raw_* and all that dbt made, whose load "
                    "ids begin anew (of the embedded server: make clean), and load again"
                )
            if not is_there:
                cursor.execute(SCHEMA_FILE.read_text(encoding="utf-8"))
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

    def changed(self, found: Sequence[RawFile]) -> list[RawFile]:
        """Returns those of the files that are not loaded in just this version."""
        rows = self._fetch(
            """
            select distinct on (feed, part, file)
                feed, part, file, size_bytes, version, declaration
            from audit.files as known
            where
                source = %(source)s
                and version <> ''
                and is_complete
                and (
                    is_current
                    -- A newer whole table has taken its rows over.
                    or (is_change and status = 'complete')
                    or (
                        status = 'same'
                        and exists (
                            select from audit.files as loaded
                            where
                                (loaded.source, loaded.feed, loaded.sha256)
                                = (known.source, known.feed, known.sha256)
                                and loaded.is_current
                        )
                    )
                )
            order by feed, part, file, file_id desc
            """
        )
        known = set(rows)
        return [
            file
            for file in found
            if (
                file.feed.name,
                file.part,
                file.name,
                file.item.size,
                file.item.version,
                file.feed.digest,
            )
            not in known
        ]

    def missing(self) -> list[str]:
        """Returns the feeds that have no raw table yet."""
        rows = self._fetch(
            """
            select name from unnest(%(names)s::text[]) as name
            where to_regclass(format('%%I.%%I', %(schema)s, name)) is null
            """,
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
                load_id=load_id,
                **_facts(file),
            )
        return load_id, started_at

    def note(self, file: RawFile) -> None:
        """Notes which version of a file was read, and the digest of its bytes."""
        self._fetch(
            """
            update audit.files
            set
                size_bytes = %(size)s,
                version = %(version)s,
                modified_at = %(modified_at)s,
                sha256 = %(sha256)s
            where file_id = %(file_id)s
            """,
            **_facts(file),
        )

    def is_same(self, file: RawFile) -> bool:
        """Says whether a file's bytes are loaded already, perhaps under another name.

        If so, the ledger knows the object from now on, and it needs no second look.
        """
        same = self._fetch(
            """
            select file_id
            from audit.files
            where
                (source, feed, part, sha256, declaration)
                = (%(source)s, %(feed)s, %(part)s, %(sha256)s, %(declaration)s)
                and is_complete
                and (is_current or (is_change and status = 'complete' and file = %(file)s))
                and file_id <> %(file_id)s
            order by is_current desc, file = %(file)s desc, file_id
            limit 1
            """,
            **_facts(file),
        )
        if not same:
            return False
        ((file_id,),) = same
        if file.is_known_by_name:
            self.note_same(file)
        else:
            # Its partition bears the id of the row that was there, so that row stays.
            self._fetch(
                """
                delete from audit.files where file_id = %(file_id)s;
                update audit.files
                set
                    file = %(file)s,
                    size_bytes = %(size)s,
                    version = %(version)s,
                    modified_at = %(modified_at)s
                where file_id = %(same)s
                """,
                same=file_id,
                **_facts(file),
            )
        return True

    def note_same(self, file: RawFile) -> None:
        """Notes that a file holds the bytes of another one, once its former version is gone."""
        file.is_twin = self.previous(file) is not None
        if file.is_twin:
            return
        self._fetch(
            """
            update audit.files
            set status = 'same', is_complete = true, ended_at = clock_timestamp()
            where file_id = %(file_id)s
            """,
            **_facts(file),
        )

    def load_of(self, file: RawFile) -> int:
        """Returns the load that brought what this file holds.

        Raises LoadError if that is not known: the file has changed since it was listed.
        """
        rows = self._fetch(
            """
            select load_id
            from audit.files
            where
                (source, feed, part, file, version)
                = (%(source)s, %(feed)s, %(part)s, %(file)s, %(version)s)
                and status in ('complete', 'same')
            order by file_id desc
            limit 1
            """,
            **_facts(file),
        )
        if not rows:
            raise LoadError(f"{file.name}: changed since it was listed")
        load_id: int = rows[0][0]
        return load_id

    def previous(self, file: RawFile) -> tuple[str, int] | None:
        """Returns name and rows of the file that this one replaces; None if there is none."""
        rows = self._fetch(
            """
            select file, row_count - rejected_count
            from audit.files
            where
                (source, feed, part) = (%(source)s, %(feed)s, %(part)s)
                and is_current
                and file_id <> %(file_id)s
                and (file = %(file)s or not %(by_name)s)
            order by file_id desc
            """,
            by_name=file.is_known_by_name,
            **_facts(file),
        )
        return rows[0] if rows else None

    def resume(self, file: RawFile) -> tuple[int, int]:
        """Returns how many records of a file micro-batches took, and how many were rejected.

        The file takes over its id. Raises LoadError if what is loaded of this part of the feed are
        records of other bytes than these.
        """
        rows = self._fetch(
            """
            select
                file_id,
                row_count,
                rejected_count,
                (sha256, declaration) = (%(sha256)s, %(declaration)s)
            from audit.files
            where
                (source, feed, part) = (%(source)s, %(feed)s, %(part)s)
                and is_current
                and (file = %(file)s or not %(by_name)s)
            """,
            by_name=file.is_known_by_name,
            **_facts(file),
        )
        if not rows:
            return 0, 0
        ((file_id, count, rejected, is_same),) = rows
        if not is_same:
            raise LoadError(
                f"{file.name}: is another file, or declared otherwise, than the one of which "
                f"{count} records are loaded: load it whole (python -m extract load "
                f"{self._source.name})"
            )
        file.file_id, file.is_next_batch = file_id, True
        return count, rejected

    def complete_without_news(self, load_id: int) -> None:
        """Closes a load that found nothing but bytes that are loaded already."""
        with self._connection, self._connection.cursor() as cursor:
            complete(cursor, self._source, load_id, [])

    def fail(self, load_id: int, error: str, file_id: int | None = None) -> None:
        """Closes a load that did not succeed and removes the rows that it had copied.

        What it rejected stays to be looked at. `file_id` is the file that was the reason, if one.
        """
        self._fetch(
            """
            update audit.loads
            set status = 'failed', ended_at = clock_timestamp(), error = %(error)s
            where load_id = %(load_id)s and status = 'running';
            update audit.files
            set
                status = 'failed',
                ended_at = clock_timestamp(),
                error = case when file_id = %(file_id)s then %(error)s end
            where load_id = %(load_id)s and status = 'running'
            """,
            load_id=load_id,
            error=error,
            file_id=file_id,
        )
        self._drop_unpublished()

    def _fail_interrupted(self) -> None:
        interrupted = self._fetch(
            "select load_id from audit.loads where source = %(source)s and status = 'running'"
        )
        for (load_id,) in interrupted:
            self.fail(load_id, "interrupted")
        # Of a raw table that somebody dropped, the files are to be loaded anew.
        self._fetch(
            """
            update audit.files
            set is_current = false, status = 'failed', error = 'its raw table was dropped'
            where
                source = %(source)s
                and is_current
                and to_regclass(format('%%I.%%I', %(schema)s, feed)) is null
            """,
            schema=self._source.raw_schema,
        )
        # What the server committed for a killed load after the cleaning up behind it.
        self._drop_unpublished()

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
        with self._connection, self._connection.cursor() as cursor:
            for (table,) in tables:
                name = Identifier(self._source.files_schema, table)
                cursor.execute(SQL("drop table {}").format(name))

    def _fetch(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        """Runs SQL in a transaction of its own; returns its rows, if it gives any."""
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute(sql, {"source": self._source.name, **values})
            return cursor.fetchall() if cursor.description else []


def publish(cursor: extensions.cursor, load_id: int, file: RawFile) -> None:
    """Makes a file's row current within the caller's transaction."""
    values = {"load_id": load_id, "columns": list(file.csv.columns if file.csv else ())}
    values |= {"rows": file.rows or 0, "rejected": file.rejected, "is_twin": file.is_twin}
    values |= {"is_complete": file.is_complete, "is_next": file.is_next_batch, **_facts(file)}
    cursor.execute(
        """
        update audit.files
        set
            load_id = %(load_id)s,
            status = case when %(is_twin)s then 'same' else 'complete' end,
            is_current = not %(is_twin)s,
            is_complete = %(is_complete)s,
            row_count = %(rows)s + %(rejected)s + case when %(is_next)s then row_count else 0 end,
            rejected_count = %(rejected)s + case when %(is_next)s then rejected_count else 0 end,
            columns = %(columns)s,
            file = %(file)s,
            size_bytes = %(size)s,
            version = %(version)s,
            modified_at = %(modified_at)s,
            ended_at = clock_timestamp()
        where file_id = %(file_id)s
        """,
        values,
    )


def replace_by(cursor: extensions.cursor, source: Source, load_id: int, file: RawFile) -> list[str]:
    """Returns the partitions whose rows a file replaces, which are current no more.

    These are its former version, unless another file has the same bytes; of a whole table, its
    change files too, unless this load brought them.
    """
    cursor.execute(
        """
        update audit.files as old
        set is_current = false, replaced_by_load_id = %(load_id)s
        where
            (source, feed) = (%(source)s, %(feed)s)
            and is_current
            and file_id <> %(file_id)s
            and (
                (
                    part = %(part)s
                    and not (
                        %(by_name)s
                        and (sha256, declaration) in (
                            select distinct on (file)
                                first_value(sha256) over newest,
                                first_value(declaration) over newest
                            from audit.files
                            where
                                (source, feed, part) = (%(source)s, %(feed)s, %(part)s)
                                and status in ('complete', 'same')
                            window newest as (partition by file order by file_id desc)
                        )
                    )
                )
                or (%(is_whole)s and is_change and load_id <> %(load_id)s)
            )
        returning file_id
        """,
        {
            "source": source.name,
            "load_id": load_id,
            "by_name": file.is_known_by_name,
            "is_whole": file.part in file.feed.files,
            **_facts(file),
        },
    )
    return [f"{file.feed.name}_{file_id}" for (file_id,) in cursor.fetchall()]


def complete(
    cursor: extensions.cursor, source: Source, load_id: int, files: Sequence[RawFile]
) -> None:
    """Closes a load within the transaction that makes it visible.

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
            "source": source.name,
            "load_id": load_id,
            "rows": sum(file.rows or 0 for file in files),
            "feeds": [file.feed.name for file in files],
            "parts": [file.part for file in files],
        },
    )


def is_loaded(source: Source, warehouse: Warehouse) -> bool:
    """Returns whether anything of the source is visible in the warehouse."""
    with closing(warehouse.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("select to_regclass('audit.files') is not null")
        if cursor.fetchone() != (True,):
            return False
        cursor.execute(
            "select exists (select from audit.files where source = %s and is_current)",
            (source.name,),
        )
        return cursor.fetchone() == (True,)


def _facts(file: RawFile) -> dict[str, Any]:
    return {
        "file_id": file.file_id,
        "feed": file.feed.name,
        "part": file.part,
        "is_change": file.is_change,
        "file": file.name,
        "size": file.item.size,
        "version": file.item.version,
        "modified_at": file.item.modified_at,
        "sha256": file.sha256,
        "declaration": file.feed.digest,
    }
