"""What ran: audit.runs has a row per command, audit.run_nodes one per thing that it did."""

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import astuple, dataclass, field
from pathlib import Path

import psycopg2
from psycopg2 import extensions
from psycopg2.extras import execute_values

from common.errors import LoadError
from common.warehouse import NoMemberError, Warehouse, as_owner

SCHEMA_FILE = Path(__file__).with_name("runs.sql")
# The first of the two numbers of an advisory lock; the other one is the run's.
_LOCK = 7201
FAILED = ("error", "fail", "runtime error")


@dataclass(frozen=True)
class Node:
    """One thing that a run did, as audit.run_nodes has it.

    `key` is dbt's unique id, or load.<source>, or publish.<table>. `status` is success, pass, warn,
    fail, error or skipped; `row_count` are rows that were loaded, written or found, None where
    nobody counted; `sources` are those that it is about, separated by spaces.
    """

    key: str
    kind: str
    name: str
    status: str
    seconds: float | None = None
    row_count: int | None = None
    message: str = ""
    sources: str = ""

    @property
    def has_failed(self) -> bool:
        """Whether it went wrong itself; what was skipped because of another one did not."""
        return self.status in FAILED


@dataclass
class Run:
    """A run that is being recorded; `message` says why it failed, if it did."""

    connection: extensions.connection | None = None
    run_id: int = 0
    row_count: int | None = None
    message: str = ""
    is_good: bool = True
    # The last of each: a watch goes on for months.
    nodes: dict[str, Node] = field(default_factory=dict)
    # How many were added.
    count: int = 0
    # Why something of it is not recorded, if so.
    unrecorded: str = ""

    def add(self, nodes: Iterable[Node]) -> None:
        """Records what was done; what is rolled back or killed later does not take it away."""
        added = list(nodes)
        self.nodes.update((node.key, node) for node in added)
        self.count += len(added)
        rows = [(self.run_id, *astuple(node)) for node in added]
        if rows and self.connection is not None:
            with self.noticed(), self.connection.cursor() as cursor:
                execute_values(
                    cursor,
                    """
                    insert into audit.run_nodes (
                        run_id, node, kind, name, status, seconds, row_count, message,
                        sources
                    )
                    values %s
                    """,
                    rows,
                )

    @contextmanager
    def noticed(self) -> Iterator[None]:
        """Notices why something could not be recorded."""
        try:
            yield
        except (LoadError, psycopg2.Error) as error:
            self.unrecorded = " ".join(str(error).split())

    def fail(self, message: str = "") -> None:
        """Says that the run failed, and why; by default, because of the nodes that did."""
        failed = [f"{node.kind} {node.name}" for node in self.nodes.values() if node.has_failed]
        self.is_good = False
        self.message = message or f"failed: {', '.join(failed)}"


@contextmanager
def recorded(warehouse: Warehouse, kind: str, about: str, seconds: float = 0.0) -> Iterator[Run]:
    """Records a run: that it began `seconds` ago, what it does (`Run.add`), and how it ends.

    A run that is killed is found to be interrupted by the next one. That a good run cannot be
    recorded is said on stderr, and stops nothing.
    """
    run = Run()
    with run.noticed():
        connection = connect(warehouse)
        connection.autocommit = True
        run.run_id = _begin(connection, kind, about, seconds)
        run.connection = connection
    try:
        yield run
    except BaseException as error:
        run.fail(str(error) or type(error).__name__)
        raise
    finally:
        if run.connection is not None:
            with run.noticed(), closing(run.connection):
                _end(run.connection, run)
        # A run that failed says why itself: of a server that is gone, once is enough.
        if run.unrecorded and run.is_good:
            print(
                f"warning: this run is not recorded in audit.runs: {run.unrecorded}",
                file=sys.stderr,
            )


def connect(warehouse: Warehouse) -> extensions.connection:
    """Opens a connection as the owner of the ledger, or, for who is no member, as who one is.

    Members of transformer may record, too: they publish the lake.
    """
    try:
        return as_owner(warehouse).connect()
    except NoMemberError:
        return warehouse.connect()


def prepare(cursor: extensions.cursor) -> None:
    """Makes the tables if there are none."""
    cursor.execute("select to_regclass('audit.runs') is null")
    if cursor.fetchone() == (True,):
        cursor.execute(SCHEMA_FILE.read_text(encoding="utf-8"))


def find_interrupted(cursor: extensions.cursor) -> None:
    """Says of runs that are running no more, for nobody holds their lock, that they are over."""
    cursor.execute(
        """
        update audit.runs
        set status = 'interrupted', ended_at = clock_timestamp(), message = 'interrupted'
        where
            status = 'running'
            and run_id not in (
                select objid from pg_locks
                where
                    locktype = 'advisory'
                    and classid = %s
                    and database = (
                        select oid from pg_database where datname = current_database()
                    )
            )
        """,
        (_LOCK,),
    )


def _begin(connection: extensions.connection, kind: str, about: str, seconds: float = 0.0) -> int:
    """Returns the id of a new run, whose lock the connection holds for as long as it lives."""
    with connection.cursor() as cursor:
        cursor.execute("begin")
        prepare(cursor)
        find_interrupted(cursor)
        cursor.execute(
            """
            insert into audit.runs (kind, about, code, started_at)
            values (%s, %s, %s, clock_timestamp() - make_interval(secs => %s))
            returning run_id
            """,
            (kind, about, code_version(), seconds),
        )
        ((run_id,),) = cursor.fetchall()
        # Before anybody else can see the run.
        cursor.execute("select pg_advisory_lock(%s, %s)", (_LOCK, run_id))
        cursor.execute("commit")
    return int(run_id)


def _end(connection: extensions.connection, run: Run) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            update audit.runs
            set status = %s, ended_at = clock_timestamp(), row_count = %s, message = %s
            where run_id = %s
            """,
            ("good" if run.is_good else "failed", run.row_count, run.message or None, run.run_id),
        )


def code_version() -> str:
    """Returns CODE_VERSION, or the commit of this clone; nothing if there is neither."""
    if version := os.environ.get("CODE_VERSION"):
        return version
    with suppress(OSError):
        done = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"],  # noqa: S607
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip()
    return ""
