"""How fast we load and build, against COPY, sling and SQL by hand: `make bench SCALE=N`.

One generated set, everybody in turn, several rounds, medians. A round before them warms the caches
and is watched for memory instead of timed. All of it happens in databases of the benchmark's own,
on the server that POSTGRES_* names or the embedded one; they are removed.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

import psutil
import yaml
from psycopg2.errors import InsufficientPrivilege
from rich.console import Console
from rich.table import Table

from common.warehouse import Warehouse, find_warehouse
from extract.declaration import read_sources
from local import STATE
from local.defaults import local_defaults
from local.sample import generate
from tests.benchmark import star
from tests.benchmark.worker import DELIMITER, LOAD, SCHEMA, SOURCE, files, table_of

ROOT = Path(__file__).resolve().parents[2]
MB = 1_000_000
WARM_UP_SCALE = 0.01
WATCHED_EVERY_SECONDS = 0.01
RAW = f"raw_{SOURCE}"
BUILD = (
    *("-c", "from dbt.cli.main import cli; cli()", "--quiet", "build"),
    *("--select", "+path:models/marts/sales", "--exclude-resource-types", "test", "unit_test"),
)


@dataclass
class Contender:
    """One way to do the work in a database, and what it took: `work` returns its seconds."""

    name: str
    work: Callable[[Warehouse], float]
    # Where the rows are afterwards, to be counted: who lost some is out of the race.
    schema: str
    seconds: list[float] = field(default_factory=list)
    peak_bytes: int = 0


class Bench:
    """The contenders, the set they load, and the folder and the server they work on."""

    def __init__(self, server: Warehouse, scale: float, work: Path) -> None:
        """Generates the set."""
        self._server = server
        self._work = work
        self._is_watched = False
        self._peak_bytes = 0
        self._said = ""
        self.folder, self._warm_up = work / "whole", work / "warm_up"
        written = generate(scale, self.folder)
        self.rows = sum(rows for path, rows in written.items() if path.startswith(f"{SOURCE}/"))
        generate(WARM_UP_SCALE, self._warm_up)
        self.loaders = [
            Contender("COPY over one connection (the limit)", self._copy, SCHEMA),
            Contender("this project, in process", self._load, RAW),
            Contender("this project, whole process", lambda to: self._run(*LOAD, to=to), RAW),
        ]
        if _sling():
            self.loaders.append(Contender("sling, whole process", self._load_by_sling, SCHEMA))
        self.stars = [
            Contender("SQL by hand, in process", self._star("star_by_hand"), star.SCHEMA),
            Contender("dbt run, in process, started before", self._star("star_by_dbt"), RAW),
        ]

    def measure(self, rounds: int, console: Console) -> None:
        """Runs everybody in turn, once to warm up and watch, then as often as is asked."""
        with self._database() as built:
            self._run(*LOAD, to=built)
            # Seeds, and the views that the tables read.
            self._run(*BUILD, to=built)
            for number in range(rounds + 1):
                self._is_watched = number == 0
                for contender in self.loaders:
                    with self._database() as database:
                        self._turn(contender, database, number, console)
                        self._count(contender, database)
                for contender in self.stars:
                    self._turn(contender, built, number, console)
            self._compare_stars(built)

    def _turn(
        self, contender: Contender, database: Warehouse, number: int, console: Console
    ) -> None:
        console.print(f"round {number}: {contender.name}", highlight=False)
        seconds = contender.work(database)
        if self._is_watched:
            contender.peak_bytes = self._peak_bytes
        else:
            contender.seconds.append(seconds)

    def _copy(self, database: Warehouse) -> float:
        return self._worker("copy", database)

    def _load(self, database: Warehouse) -> float:
        with self._database() as other:
            small = {"WARM_UP_DB": other.database, "WARM_UP_BUCKET_URL": str(self._warm_up)}
            return self._worker("load", database, **small)

    def _star(self, work: str) -> Callable[[Warehouse], float]:
        return lambda database: self._worker(work, database)

    def _worker(self, work: str, database: Warehouse, **variables: str) -> float:
        self._run("-m", "tests.benchmark.worker", work, str(self.folder), to=database, **variables)
        return float(self._said.split()[-1])

    def _load_by_sling(self, database: Warehouse) -> float:
        """With what made it fastest on two processors: text, no temporary table, in parallel."""
        replication = self._work / "sling.yml"
        document = {
            "source": "LOCAL",
            "target": "TARGET",
            "defaults": {
                "mode": "full-refresh",
                "columns": {"*": "text"},
                "source_options": {"format": "csv", "delimiter": DELIMITER, "header": True},
            },
            "streams": {
                path.as_uri(): {"object": f"{SCHEMA}.{table_of(path)}"}
                for path in files(self.folder)
            },
        }
        replication.write_text(yaml.safe_dump(document), encoding="utf-8")
        server = f"{database.user}@{database.host}:{database.port}"
        return self._run(
            *("run", "--replication", str(replication)),
            program=_sling(),
            to=database,
            TARGET=f"postgresql://{server}/{database.database}?sslmode=disable",
            PGPASSWORD=database.password,
            SLING_DIRECT_INSERT="true",
            SLING_THREADS=str(os.cpu_count()),
            SLING_DISABLE_TELEMETRY="true",
            SLING_HOME_DIR=str(self._work / "sling"),
        )

    def _run(
        self, *arguments: str, to: Warehouse, program: str = sys.executable, **more: str
    ) -> float:
        """Runs a program to its end and returns the seconds from start to end.

        What it said is kept, and so is its largest memory, its children's included, when watched.
        """
        # A source's own bucket would go before the benchmark's.
        kept = {name: os.environ[name] for name in os.environ if "BUCKET_URL" not in name}
        environment = {
            **kept,
            **to.variables(),
            "BUCKET_URL": str(self.folder),
            "DBT_TARGET_PATH": str(self._work / "target"),
            "DBT_LOG_PATH": str(self._work / "logs"),
            "DBT_THREADS": str(2 * (os.cpu_count() or 1)),
            **more,
        }
        self._peak_bytes = 0
        with tempfile.TemporaryFile("w+") as said:
            started = time.perf_counter()
            process = subprocess.Popen(
                [program, *arguments], cwd=ROOT, env=environment, stdout=said, stderr=said
            )
            while self._is_watched and process.poll() is None:
                self._peak_bytes = max(self._peak_bytes, _memory(process.pid))
                time.sleep(WATCHED_EVERY_SECONDS)
            process.wait()
            seconds = time.perf_counter() - started
            said.seek(0)
            self._said = said.read()
        if process.returncode != 0:
            raise SystemExit(f"{program} {' '.join(arguments)} failed:\n{self._said[-3000:]}")
        return seconds

    @contextmanager
    def _database(self) -> Iterator[Warehouse]:
        """An empty database, removed afterwards."""
        name = f"benchmark_{uuid4().hex[:12]}"
        _execute(self._server, f"create database {name}")
        try:
            database = replace(self._server, database=name)
            _execute(database, f"create schema {SCHEMA}")
            # The writes of whoever was before are not to be this one's.
            with suppress(InsufficientPrivilege):
                _execute(database, "checkpoint")
            yield database
        finally:
            _execute(self._server, f"drop database {name} with (force)")

    def _count(self, contender: Contender, database: Warehouse) -> None:
        is_ours = contender.schema == RAW
        feeds = [feed.name for feed in read_sources()[SOURCE].feeds]
        tables = feeds if is_ours else [table_of(path) for path in files(self.folder)]
        counts = " + ".join(f"(select count(*) from {contender.schema}.{t})" for t in tables)
        ((rows,),) = _execute(database, f"select {counts}")
        if rows != self.rows:
            raise SystemExit(f"{contender.name}: {rows:,} rows of {self.rows:,}")

    @staticmethod
    def _compare_stars(database: Warehouse) -> None:
        """Stops if the tables made by hand do not hold just what dbt's hold, lineage apart."""
        for table in star.TABLES:
            ((columns,),) = _execute(
                database,
                "select string_agg(column_name, ', ' order by ordinal_position) "
                "from information_schema.columns "
                f"where (table_schema, table_name) = ('marts_sales', '{table}') "
                "and column_name not in ('line_file_id', 'header_file_id', 'load_id')",
            )
            one = f"select {columns} from marts_sales.{table}"
            other = f"select {columns} from {star.SCHEMA}.{table}"
            for left, right in ((one, other), (other, one)):
                rows = _execute(database, f"({left} except all {right}) limit 2")
                if rows:
                    raise SystemExit(f"{table} by hand and by dbt differ:\n{left}: {rows}")


def _execute(database: Warehouse, sql: str) -> list[tuple[Any, ...]]:
    with closing(database.connect()) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []


def _memory(pid: int) -> int:
    """Returns the resident bytes of a process and all its children."""
    total = 0
    with suppress(psutil.NoSuchProcess):  # it ended meanwhile
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            total += each.memory_info().rss
    return total


def _sling() -> str:
    """Returns the path of sling's program; empty if it is not installed."""
    wheel = find_spec("sling_linux_amd64")
    if wheel and wheel.origin:
        return str(Path(wheel.origin).parent / "bin" / "sling-linux-amd64")
    return shutil.which("sling") or ""


def _table(what: str, contenders: list[Contender], rows: int) -> Table:
    """Returns medians of times and of each round's ratio to the first contender, and memory."""
    table = Table()
    headings = (what, "seconds", "lowest-highest", "x first", "rows/s", "peak MB")
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="right" if place else "left")
    limits = contenders[0].seconds
    for contender in contenders:
        seconds = median(contender.seconds)
        # Within a round, because a machine is slower in one minute than in another.
        ratio = median(own / limit for own, limit in zip(contender.seconds, limits, strict=True))
        table.add_row(
            contender.name,
            f"{seconds:,.2f}",
            f"{min(contender.seconds):,.2f}-{max(contender.seconds):,.2f}",
            f"{ratio:,.2f}",
            f"{rows / seconds:,.0f}",
            f"{contender.peak_bytes / MB:,.0f}",
        )
    return table


def main(arguments: list[str] | None = None) -> int:
    """Runs the benchmark and prints its tables; returns 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="1 = AdventureWorks' row counts")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 140)
    with local_defaults():
        server = find_warehouse()
    STATE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=STATE) as work:
        bench = Bench(server, options.scale, Path(work))
        bench.measure(options.rounds, console)
        size = sum(path.stat().st_size for path in files(bench.folder))
    with closing(server.connect()) as connection:
        version = connection.info.server_version // 10_000
    console.print(
        f"{bench.rows:,} rows, {size / MB:,.0f} MB (scale {options.scale:g}); median of "
        f"{options.rounds} rounds; {os.cpu_count()} processors, {platform.system()}, "
        f"PostgreSQL {version}, Python {platform.python_version()}",
        highlight=False,
        soft_wrap=True,
    )
    console.print(_table("load", bench.loaders, bench.rows))
    console.print(_table("star", bench.stars, bench.rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
