"""Which builds ran and what they left red (audit.builds), and the lock: one build at a time.

A build records which load of each source it has built and tested. The next one builds what is newer
than that, so a build that was killed, or found something red, is made up for by the next.
"""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime

import psycopg2
from psycopg2 import extensions

from common.lakehouse import Lakehouse
from common.warehouse import Warehouse, as_owner, postgres_failed
from orchestrate.errors import DbtError
from orchestrate.project import Feed

# How long a build waits for another one of the same warehouse.
LOCK_SECONDS = 60.0

_TABLE = """
create table audit.builds (
    build_id bigint generated always as identity primary key,
    started_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    status text not null default 'running' check (status in ('running', 'good', 'failed')),
    is_full boolean not null,
    code text not null,
    tested_loads jsonb not null,
    red jsonb not null,
    warnings jsonb not null
);
comment on table audit.builds is
'One row per build of python -m orchestrate: what the next one need not build again.';
comment on column audit.builds.status is
'running (or killed, if a later one exists), good or failed.';
comment on column audit.builds.is_full is
'Whether all of the chosen sources was built and tested, new or not.';
comment on column audit.builds.code is
'Digest of the dbt project: its manifest and compiled answers are in target/builds/<code>/.';
comment on column audit.builds.tested_loads is
'Of each source, the newest load (audit.loads) of which all is built and tested.';
comment on column audit.builds.red is
'What failed, or was skipped because of that, and why; it is built again until it passes.';
comment on column audit.builds.warnings is
'Tests that found something and only warn; they look at whole tables until they find nothing.';
"""
_RELATIONS = """
select pg_namespace.nspname || '.' || pg_class.relname
from pg_class
inner join pg_namespace on pg_class.relnamespace = pg_namespace.oid
where pg_class.relkind in ('r', 'v', 'm', 'p')
"""
# Of a lakehouse, PostgreSQL has the catalog alone.
_RELATIONS_OF_LAKEHOUSE = "select table_namespace || '.' || table_name from iceberg_tables"


@dataclass(frozen=True)
class Build:
    """A row of audit.builds; without one, `build_id` is 0 and there is nothing that is built."""

    build_id: int = 0
    started_at: datetime | None = None
    code: str = ""
    tested_loads: dict[str, int] = field(default_factory=dict)
    red: dict[str, str] = field(default_factory=dict)
    warnings: dict[str, str] = field(default_factory=dict)


class Builds:
    """audit.builds, over the connection that holds the lock."""

    def __init__(self, connection: extensions.connection, relations: str = _RELATIONS) -> None:
        self._connection = connection
        self._relations = relations

    def last(self) -> Build:
        """Returns the newest build; makes the table if there is none yet."""
        with self._connection.cursor() as cursor:
            cursor.execute("select to_regclass('audit.builds') is null")
            if cursor.fetchone() == (True,):
                cursor.execute(_TABLE)
            cursor.execute(
                """
                select build_id, started_at, code, tested_loads, red, warnings
                from audit.builds
                order by build_id desc
                limit 1
                """
            )
            row = cursor.fetchone()
        return Build(*row) if row else Build()

    def loads(self) -> dict[Feed, int]:
        """Returns the newest load of each feed that brought a file's bytes."""
        with self._connection.cursor() as cursor:
            cursor.execute(
                """
                select source, feed, max(load_id)
                from audit.files
                where status = 'complete'
                group by source, feed
                """
            )
            return {(source, feed): load for source, feed, load in cursor.fetchall()}

    def ages(self) -> dict[Feed, float]:
        """Returns the seconds since each feed last brought something: for `Known.stale`."""
        with self._connection.cursor() as cursor:
            cursor.execute(
                """
                select
                    source,
                    feed,
                    extract(epoch from clock_timestamp() - max(ended_at))::float
                from audit.files
                where status = 'complete'
                group by source, feed
                """
            )
            return {(source, feed): age for source, feed, age in cursor.fetchall()}

    def relations(self) -> set[str]:
        """Returns the tables and views that are there, as schema.name."""
        with self._connection.cursor() as cursor:
            cursor.execute(self._relations)
            return {name for (name,) in cursor.fetchall()}

    def begin(self, code: str, is_full: bool, tested: dict[str, int], last: Build) -> int:
        """Records that a build begins, and what holds if it does not end; returns its id."""
        with self._connection.cursor() as cursor:
            cursor.execute(
                """
                insert into audit.builds (code, is_full, tested_loads, red, warnings)
                values (%s, %s, %s, %s, %s)
                returning build_id
                """,
                (code, is_full, *map(json.dumps, (tested, last.red, last.warnings))),
            )
            build_id: int = cursor.fetchall()[0][0]
        return build_id

    def end(
        self,
        build_id: int,
        is_good: bool,
        tested: dict[str, int],
        red: dict[str, str],
        warnings: dict[str, str],
    ) -> None:
        """Records what a build did."""
        with self._connection.cursor() as cursor:
            cursor.execute(
                """
                update audit.builds
                set
                    ended_at = clock_timestamp(),
                    status = %s,
                    tested_loads = %s,
                    red = %s,
                    warnings = %s
                where build_id = %s
                """,
                (
                    "good" if is_good else "failed",
                    *map(json.dumps, (tested, red, warnings)),
                    build_id,
                ),
            )


def no_news_of(feeds: Sequence[str]) -> str:
    """Says of feeds what `Known.stale` found."""
    return f"no news of {', '.join(feeds)} for longer than the freshness that models/ declares"


@contextmanager
def locked(warehouse: Warehouse, wait: float = LOCK_SECONDS) -> Iterator[Builds]:
    """Lets one build of the warehouse run at a time; the server frees the lock of a dead one.

    Says so if it waits for another one. Raises DbtError if that takes too long, or if PostgreSQL
    fails.
    """
    try:
        # The table belongs to whom the ledger belongs to, whoever builds first.
        with closing(as_owner(warehouse).connect()) as connection:
            connection.autocommit = True
            _lock(connection, wait)
            is_lakehouse = isinstance(warehouse, Lakehouse)
            yield Builds(connection, _RELATIONS_OF_LAKEHOUSE if is_lakehouse else _RELATIONS)
            # Else the server frees it a moment after the connection is gone.
            with connection.cursor() as cursor:
                cursor.execute("select pg_advisory_unlock_all()")
    except psycopg2.Error as error:
        raise DbtError(postgres_failed(error)) from error


def _lock(connection: extensions.connection, wait: float) -> None:
    begin = time.monotonic()
    is_told = False
    with connection.cursor() as cursor:
        while True:
            cursor.execute("select pg_try_advisory_lock(hashtext('orchestrate: build'))")
            if cursor.fetchone() == (True,):
                return
            if time.monotonic() - begin >= wait:
                raise DbtError(
                    "another build of this warehouse is running; try again when it is done"
                )
            if not is_told:
                print(
                    f"Another build is running; waiting up to {wait:g} s for it.", file=sys.stderr
                )
                is_told = True
            # Not in the server: Ctrl-C would wait, too.
            time.sleep(0.1)
