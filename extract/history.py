"""Makes a landed load visible: raw tables by file version, and the views that dbt reads.

A whole file is one table, moved here from the landing schema without copying a row; the feed's view
in `raw_<source>` selects from the current one. Change files are collected in one table a feed, in
which (and in the whole file's) rows are marked with the file that brought a newer version of them.
All of it happens in one transaction: readers see the load before it or the whole of this one.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import datetime

from psycopg2 import extensions
from psycopg2.sql import SQL, Composable, Composed, Identifier, Literal

from common.errors import LoadError
from extract.declaration import Feed, Source
from extract.landing import Landing, Step
from extract.prepare import LINE, ROW, SUPERSEDED_BY, raw_names

FILE_ID = "_file_id"


class History:
    """The raw tables and views of one source, within the caller's transaction."""

    def __init__(self, cursor: extensions.cursor, source: Source) -> None:
        self._cursor = cursor
        self._source = source

    def publish(self, landings: Sequence[Landing]) -> None:
        """Takes over what landed and shows it; raises LoadError if rows are missing."""
        self._execute("create schema if not exists {}", Identifier(self._source.history_schema))
        self._execute("create schema if not exists {}", Identifier(self._source.raw_schema))
        for feed in self._source.feeds:
            own = [landing for landing in landings if landing.feed.name == feed.name]
            for landing in own:
                self._count(landing)
            if feed.changes:
                self._make_changes_table(feed, own)
            whole = [landing for landing in own if not landing.arrival.is_changes]
            changes = [landing for landing in own if landing.arrival.is_changes]
            for landing in whole:
                self._take_over(landing)
            if changes:
                self._apply_changes(feed, changes)
            self._show(feed, renewed=bool(whole))
        self._execute("drop schema if exists {} cascade", Identifier(self._source.landing_schema))

    def add_steps(self, steps: Sequence[Step]) -> None:
        """Adds the records of steps to what their feeds show."""
        self._execute("create schema if not exists {}", Identifier(self._source.history_schema))
        self._execute("create schema if not exists {}", Identifier(self._source.raw_schema))
        # A view that shows steps shows the next ones too, whoever reads it meanwhile.
        renewed = [feed for feed in self._source.feeds if not self._is_shown_in_steps(feed)]
        for step in steps:
            naming = [*raw_names(step.feed.columns), *step.columns]
            self._make_table(f"{step.feed.name}_steps", dict.fromkeys(naming, "text"))
            self._copy(step)
            self._cursor.execute(
                """
                update audit.files
                set
                    status = 'complete',
                    is_current = true,
                    row_count = %s,
                    rejected_count = %s,
                    columns = %s,
                    first_row = %s,
                    is_last_step = %s,
                    ended_at = clock_timestamp()
                where file_id = %s
                """,
                (
                    len(step.records) + len(step.broken),
                    len(step.broken),
                    list(step.columns),
                    step.first_row,
                    step.is_last,
                    step.file_id,
                ),
            )
        for feed in self._source.feeds:
            self._show(feed, feed in renewed and any(step.feed == feed for step in steps))

    def _copy(self, step: Step) -> None:
        lines = io.StringIO()
        write = csv.writer(lines).writerow
        for record in step.records:
            write([*record.values, step.file_id, record.line, record.row])
        lines.seek(0)
        columns = [*step.columns, FILE_ID, LINE, ROW]
        copy = SQL("copy {} ({}) from stdin (format csv, force_null ({}))").format(
            self._steps(step.feed),
            SQL(", ").join(map(Identifier, columns)),
            SQL(", ").join(map(Identifier, step.columns)),
        )
        self._cursor.copy_expert(copy, lines)
        if self._cursor.rowcount != len(step.records):
            raise LoadError(
                f"{step.arrival.item.key}: {len(step.records)} records from {step.first_row} on, "
                f"but {self._cursor.rowcount} were loaded"
            )

    def prune(self) -> None:
        """Removes versions of files, and superseded rows, beyond what each feed keeps."""
        for feed in self._source.feeds:
            self._cursor.execute(
                """
                select file_id
                from (
                    select
                        file_id,
                        row_number() over (partition by part order by file_id desc) as age
                    from audit.files
                    where
                        (source, feed) = (%s, %s)
                        and status = 'complete'
                        and not is_changes
                        and first_row is null
                ) as versions
                where age > %s
                """,
                (self._source.name, feed.name, feed.keep),
            )
            for (file_id,) in self._cursor.fetchall():
                table = self._history(f"{feed.name}_{file_id}")
                self._execute("drop table if exists {}", table)
            self._cursor.execute(
                """
                select load_id
                from audit.files
                where (source, feed) = (%s, %s) and status = 'complete'
                group by load_id
                order by load_id desc
                offset %s
                limit 1
                """,
                (self._source.name, feed.name, feed.keep - 1),
            )
            oldest = self._cursor.fetchone()
            if oldest:
                self._prune_before(feed, oldest[0])

    def _prune_before(self, feed: Feed, load_id: int) -> None:
        """Removes what only loads before this one showed: superseded rows, rejected ones."""
        old = SQL(
            """
            select file_id from audit.files
            where (source, feed) = ({}, {}) and load_id <= {}
            """
        ).format(Literal(self._source.name), Literal(feed.name), Literal(load_id))
        if feed.changes:
            self._execute(
                "delete from {changes} where {mark} is not null and greatest({mark}, {id}) in ({})",
                old,
                changes=self._changes(feed),
                mark=Identifier(SUPERSEDED_BY),
                id=Identifier(FILE_ID),
            )
        if self._columns(self._source.history_schema, f"{feed.name}_steps"):
            self._execute(
                "delete from {} where {} in ({} and not is_current)",
                self._steps(feed),
                Identifier(FILE_ID),
                old,
            )
        self._execute(
            """
            delete from audit.rejected_rows
            where file_id in ({} and load_id < {} and not is_current)
            """,
            old,
            Literal(load_id),
        )

    def _count(self, landing: Landing) -> None:
        """Nothing is lost: what the file held is in its table or among the rejected rows."""
        self._execute("select count(*) from {}", self._landed(landing))
        stored = self._value()
        self._cursor.execute(
            "select count(*) from audit.rejected_rows where file_id = %s", (landing.file_id,)
        )
        rejected = self._value()
        rows = landing.prepared.rows + landing.prepared.rejected
        if stored + rejected != rows:
            raise LoadError(
                f"{landing.where}: holds {rows} rows, but {stored} were loaded and {rejected} "
                "rejected"
            )
        self._cursor.execute(
            """
            update audit.files set is_current = false
            where
                (source, feed, part) = (%s, %s, %s)
                and is_current
                and (not is_changes or file = (select file from audit.files where file_id = %s))
            """,
            (self._source.name, landing.feed.name, landing.arrival.part, landing.file_id),
        )
        self._cursor.execute(
            """
            update audit.files
            set
                status = 'complete',
                is_current = true,
                row_count = %s,
                rejected_count = %s,
                columns = %s,
                ended_at = clock_timestamp()
            where file_id = %s
            """,
            (rows, rejected, list(landing.prepared.columns), landing.file_id),
        )

    def _take_over(self, landing: Landing) -> None:
        """Moves a whole file's table from landing; what changed its predecessor is history."""
        for column in () if landing.prepared.numbered else (LINE, ROW):
            self._execute(
                "alter table {} alter column {} drop default",
                self._landed(landing),
                Identifier(column),
            )
            sequence = Identifier(self._source.landing_schema, f"{landing.table}{column}")
            self._execute("drop sequence {}", sequence)
        self._execute(
            "alter table {} set schema {}",
            self._landed(landing),
            Identifier(self._source.history_schema),
        )
        if landing.feed.changes:
            self._execute(
                "update {changes} set {mark} = {file_id} where {mark} is null",
                changes=self._changes(landing.feed),
                mark=Identifier(SUPERSEDED_BY),
                file_id=Literal(landing.file_id),
            )

    def _make_changes_table(self, feed: Feed, landings: Sequence[Landing]) -> None:
        """Makes the table for a feed's change rows, or adds columns that are new to it."""
        naming = [name for landing in landings for name in landing.prepared.columns]
        types = dict.fromkeys([*raw_names(feed.columns), *naming], "text")
        self._make_table(f"{feed.name}_changes", {**types, SUPERSEDED_BY: "bigint"})

    def _make_table(self, name: str, types: Mapping[str, str]) -> None:
        """Makes a table for rows of several files, or adds columns that are new to it."""
        table = self._history(name)
        self._execute(
            """
            create table if not exists {} (
                {} bigint not null, {} bigint not null, {} bigint not null
            )
            """,
            table,
            *map(Identifier, (FILE_ID, LINE, ROW)),
        )
        # Only what is missing: to alter a table, even to no effect, waits for all who read it.
        there = self._columns(self._source.history_schema, name)
        for column in types:
            if column not in there:
                self._execute(
                    "alter table {} add column {} {}",
                    table,
                    Identifier(column),
                    SQL(types[column]),
                )

    def _apply_changes(self, feed: Feed, landings: Sequence[Landing]) -> None:
        """Adds change rows; of all current rows with the same key, all but the newest go."""
        for landing in landings:
            columns = SQL(", ").join(map(Identifier, (*landing.prepared.columns, LINE, ROW)))
            self._execute(
                "insert into {} ({}, {}) select {}, {} from {}",
                self._changes(feed),
                columns,
                Identifier(FILE_ID),
                columns,
                Literal(landing.file_id),
                self._landed(landing),
            )
        key = [Identifier(name) for name in raw_names(feed.key)]
        (newest_by,) = raw_names((feed.newest_by,))
        whole = self._current(feed)
        tables: list[tuple[Composable, Composable]] = [
            (self._history(f"{feed.name}_{file_id}"), Literal(file_id)) for file_id, *_ in whole
        ]
        tables.append((self._changes(feed), Identifier(FILE_ID)))
        self._execute(
            """
            create temporary table touched on commit drop as
            select distinct {key} from {changes} where {file_id} in ({new})
            """,
            key=SQL(", ").join(key),
            changes=self._changes(feed),
            file_id=Identifier(FILE_ID),
            new=SQL(", ").join(Literal(landing.file_id) for landing in landings),
        )
        self._execute("analyze touched")
        candidates = SQL(" union all ").join(
            SQL(
                """
                select
                    each.tableoid as table_id,
                    each.ctid as place,
                    {file_id} as file_id,
                    {row},
                    case
                        when pg_input_is_valid({newest_by}, 'timestamptz')
                            then {newest_by}::timestamptz
                    end as newest,
                    {key}
                from {table} as each
                inner join touched using ({key})
                where {mark} is null
                """
            ).format(
                file_id=file_id,
                row=Identifier(ROW),
                newest_by=Identifier(newest_by),
                key=SQL(", ").join(key),
                table=table,
                mark=Identifier(SUPERSEDED_BY),
            )
            for table, file_id in tables
        )
        self._execute(
            """
            create temporary table superseded on commit drop as
            select table_id, place, winner
            from (
                select
                    table_id,
                    place,
                    first_value(file_id) over newest_first as winner,
                    row_number() over newest_first as rank
                from ({candidates}) as candidates
                window newest_first as (
                    partition by {key}
                    order by newest desc nulls last, file_id desc, {row} desc
                )
            ) as ranked
            where rank > 1
            """,
            candidates=candidates,
            key=SQL(", ").join(key),
            row=Identifier(ROW),
        )
        for table, _ in tables:
            self._execute(
                """
                update {table} as each set {mark} = superseded.winner
                from superseded
                where each.tableoid = superseded.table_id and each.ctid = superseded.place
                """,
                table=table,
                mark=Identifier(SUPERSEDED_BY),
            )
        self._execute("drop table touched, superseded")

    def _show(self, feed: Feed, renewed: bool) -> None:
        """Makes the feed's view over its current tables, if they are others or have new columns.

        A view's columns keep their places and new ones go last: what depends on it stays.
        """
        current = self._current(feed)
        shown = self._columns(self._source.raw_schema, feed.name)
        in_steps = self._is_shown_in_steps(feed)
        there = [name for _, columns, *_ in current for name in columns]
        if feed.changes:
            there += self._own_columns(f"{feed.name}_changes")
        if in_steps:
            there += self._own_columns(f"{feed.name}_steps")
        # Of a feed that nothing came for yet, dbt finds an empty table.
        there = there or raw_names(feed.columns)
        new = [name for name in dict.fromkeys(there) if name not in shown]
        if shown and not new and not renewed:
            return
        columns = [*shown, *new] if shown else [*new, *_LINEAGE]
        parts = [self._show_whole(feed, columns, *file) for file in current]
        if feed.changes:
            parts.append(self._show_changes(feed, columns))
        if in_steps:
            parts.append(self._show_steps(feed, columns))
        self._execute(
            "create or replace view {} as {}",
            Identifier(self._source.raw_schema, feed.name),
            SQL(" union all ").join(parts or [self._show_nothing(columns)]),
        )

    def _show_whole(
        self,
        feed: Feed,
        columns: Sequence[str],
        file_id: int,
        of_file: Sequence[str],
        file: str,
        load_id: int,
        loaded_at: datetime,
    ) -> Composed:
        # Constants, so that a question about the load or the file need not read the table.
        values: dict[str, Composable] = {
            **{name: Identifier(name) for name in of_file},
            "_source_file": SQL("{}::text").format(Literal(file)),
            "_source_line": Identifier(LINE),
            "_source_row": Identifier(ROW),
            "_load_id": SQL("{}::bigint").format(Literal(load_id)),
            "_loaded_at": SQL("{}::timestamptz").format(Literal(loaded_at)),
        }
        body = SQL("select {} from {}").format(
            _select(columns, values), self._history(f"{feed.name}_{file_id}")
        )
        if feed.changes:
            body += SQL(" where {} is null").format(Identifier(SUPERSEDED_BY))
        return body

    def _show_changes(self, feed: Feed, columns: Sequence[str]) -> Composed:
        return self._show_rows(f"{feed.name}_changes", columns) + SQL(" where {} is null").format(
            Identifier("rows", SUPERSEDED_BY)
        )

    def _show_steps(self, feed: Feed, columns: Sequence[str]) -> Composed:
        return self._show_rows(f"{feed.name}_steps", columns) + SQL(" where files.is_current")

    def _show_rows(self, table: str, columns: Sequence[str]) -> Composed:
        """Selects from a table with rows of several files."""
        values: dict[str, Composable] = {
            **{name: Identifier("rows", name) for name in self._own_columns(table)},
            "_source_file": Identifier("files", "file"),
            "_source_line": Identifier("rows", LINE),
            "_source_row": Identifier("rows", ROW),
            "_load_id": Identifier("files", "load_id"),
            "_loaded_at": Identifier("files", "ended_at"),
        }
        return SQL(
            "select {} from (select *, {} as file_id from {}) as rows "
            "inner join audit.files as files using (file_id)"
        ).format(_select(columns, values), Identifier(FILE_ID), self._history(table))

    def _show_nothing(self, columns: Sequence[str]) -> Composed:
        types = dict.fromkeys(columns, "text")
        types |= {"_source_line": "bigint", "_source_row": "bigint", "_load_id": "bigint"}
        types |= {"_loaded_at": "timestamptz"}
        nulls = [
            SQL("null::{} as {}").format(SQL(types[name]), Identifier(name)) for name in columns
        ]
        return SQL("select {} where false").format(SQL(", ").join(nulls))

    def _is_shown_in_steps(self, feed: Feed) -> bool:
        self._cursor.execute(
            """
            select count(*) > 0 from audit.files
            where (source, feed) = (%s, %s) and is_current and first_row is not null
            """,
            (self._source.name, feed.name),
        )
        return bool(self._value())

    def _current(self, feed: Feed) -> list[tuple[int, list[str], str, int, datetime]]:
        """Returns id, columns, name, load and time of the files that are the whole table now."""
        self._cursor.execute(
            """
            select file_id, columns, file, load_id, ended_at
            from audit.files
            where
                (source, feed) = (%s, %s)
                and part = any(%s)
                and is_current
                and not is_changes
                and first_row is null
            order by array_position(%s, part)
            """,
            (self._source.name, feed.name, list(feed.files), list(feed.files)),
        )
        return self._cursor.fetchall()

    def _own_columns(self, table: str) -> list[str]:
        """Returns the columns of a history table that are the files' own."""
        columns = self._columns(self._source.history_schema, table)
        return [name for name in columns if name not in (FILE_ID, LINE, ROW, SUPERSEDED_BY)]

    def _columns(self, schema: str, relation: str) -> list[str]:
        """Returns the columns of a table or view in their order; none if it is not there."""
        self._cursor.execute(
            """
            select attname
            from pg_attribute
            where
                attrelid = to_regclass(format('%%I.%%I', %s, %s))
                and attnum > 0
                and not attisdropped
            order by attnum
            """,
            (schema, relation),
        )
        return [row[0] for row in self._cursor.fetchall()]

    def _history(self, table: str) -> Identifier:
        return Identifier(self._source.history_schema, table)

    def _changes(self, feed: Feed) -> Identifier:
        return self._history(f"{feed.name}_changes")

    def _steps(self, feed: Feed) -> Identifier:
        return self._history(f"{feed.name}_steps")

    def _landed(self, landing: Landing) -> Identifier:
        return Identifier(self._source.landing_schema, landing.table)

    def _execute(self, sql: str, *values: Composable, **names: Composable) -> None:
        self._cursor.execute(SQL(sql).format(*values, **names))

    def _value(self) -> int:
        number: int = self._cursor.fetchall()[0][0]
        return number


# Columns that every raw view has: the file's name, the line in it, the record's place in it (both
# from 1), the load that brought it, and when.
_LINEAGE = ("_source_file", "_source_line", "_source_row", "_load_id", "_loaded_at")


def _select(columns: Sequence[str], values: dict[str, Composable]) -> Composed:
    """Lists the columns with what they are; NULL where this table has no such column."""
    return SQL(", ").join(
        SQL("{} as {}").format(values.get(name, SQL("null::text")), Identifier(name))
        for name in columns
    )
