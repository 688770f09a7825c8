"""How fast we load and build, against the limit and against others: `make bench SCALE=N`.

One generated set, one run, everybody in turn, several rounds, medians. A round before them warms
the caches and is watched for memory instead of timed. All of it happens in databases of the
benchmark's own, on the server that POSTGRES_* names or the embedded one; they are removed.
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
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import yaml
from psycopg2.errors import InsufficientPrivilege
from rich.console import Console

from common.warehouse import Warehouse, find_warehouse
from local import STATE
from local.defaults import local_defaults
from local.sample import generate
from tests.benchmark import star
from tests.benchmark.report import Contender, Report, print_tables, write
from tests.benchmark.worker import DELIMITER, SCHEMA, files, table_of

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WARM_UP_SCALE = 0.01
# Half a minute of the pandas way; more of it tells nothing more.
BEARABLE_SCALE = 1.0
WATCHED_EVERY_SECONDS = 0.01
LOAD = ("-m", "extract", "load", "adventure_works")
BUILD = (
    *("-c", "from dbt.cli.main import cli; cli()", "--quiet", "build"),
    *("--select", "+path:models/marts/sales", "--exclude-resource-types", "test", "unit_test"),
)


@dataclass(frozen=True)
class Sample:
    """A generated bucket."""

    folder: Path
    rows: int


@dataclass(frozen=True)
class Step:
    """One contender's turn: it does its work in a database and says how many seconds it took."""

    contender: Contender
    work: Callable[[Warehouse], float]
    sample: Sample
    # Where the rows are afterwards, to be counted: who lost some is out of the race.
    schema: str
    # What goes on in the same database, after that.
    then: "Step | None" = None


class Bench:
    """The contenders, the sets they load, and the folder and the server they work on."""

    def __init__(self, server: Warehouse, scale: float, work: Path) -> None:
        """Generates the sets."""
        self._server = server
        self._work = work
        self._is_watched = False
        self._peak_bytes = 0
        self.sample = self._generate(scale, "whole")
        self._warm_up = self._generate(WARM_UP_SCALE, "warm_up")
        bearable = self._generate(BEARABLE_SCALE, "bearable") if scale > BEARABLE_SCALE else None
        bearable = bearable or self.sample
        self.by_hand = Contender("SQL by hand, in process")
        self.by_dbt = Contender("dbt run, in process, started before")
        again = Step(
            Contender("this project again, nothing changed, whole process"),
            lambda database: self._run(*LOAD, database=database),
            self.sample,
            "raw_adventure_works",
        )
        self.steps = [
            Step(
                Contender("COPY, one file at a time (the limit)"),
                lambda database: self._worker("copy", self.sample, database),
                self.sample,
                SCHEMA,
            ),
            Step(
                Contender("COPY, several files at once"),
                lambda database: self._worker("copy_at_once", self.sample, database),
                self.sample,
                SCHEMA,
            ),
            Step(
                Contender("this project, in process"),
                self._load,
                self.sample,
                "raw_adventure_works",
            ),
            Step(
                Contender("this project, whole process"),
                lambda database: self._run(*LOAD, database=database),
                self.sample,
                "raw_adventure_works",
                again,
            ),
            Step(
                Contender("sling, whole process", missing="" if _sling() else "not installed"),
                self._load_by_sling,
                self.sample,
                SCHEMA,
            ),
            Step(
                Contender(
                    "pandas to_sql, in process",
                    share=bearable.rows / self.sample.rows,
                    missing="" if find_spec("pandas") else "not installed",
                ),
                lambda database: self._worker("pandas", bearable, database),
                bearable,
                SCHEMA,
            ),
        ]
        self.again = again.contender

    def measure(self, rounds: int, console: Console) -> None:
        """Runs everybody in turn, once to warm up and watch, then as often as is asked."""
        with self._database() as built:
            self._run(*LOAD, database=built)
            # Seeds, and the views that the tables read.
            self._run(*BUILD, database=built)
            for number in range(rounds + 1):
                self._is_watched = number == 0
                for step in self.steps:
                    if not step.contender.missing:
                        self._say(console, number, rounds, step.contender)
                        with self._database() as database:
                            self._turn(step, database)
                for contender, work in (
                    (self.by_hand, "star_by_hand"),
                    (self.by_dbt, "star_by_dbt"),
                ):
                    self._say(console, number, rounds, contender)
                    self._note(contender, self._worker(work, self.sample, built))
            self._compare_stars(built)

    def _turn(self, step: Step, database: Warehouse) -> None:
        self._note(step.contender, step.work(database))
        rows = sum(self._count(database, step.schema))
        if rows != step.sample.rows:
            raise SystemExit(f"{step.contender.name}: {rows:,} rows of {step.sample.rows:,}")
        if step.then:
            self._turn(step.then, database)

    def _note(self, contender: Contender, seconds: float) -> None:
        if self._is_watched:
            contender.peak_bytes = self._peak_bytes
        else:
            contender.seconds.append(seconds)

    def _worker(self, work: str, sample: Sample, database: Warehouse, **variables: str) -> float:
        worker = ("-m", "tests.benchmark.worker", work, str(sample.folder))
        self._run(*worker, database=database, **variables)
        return float(self._said.split()[-1])

    def _load(self, database: Warehouse) -> float:
        with self._database() as warm_up:
            return self._worker(
                "load",
                self.sample,
                database,
                WARM_UP_DB=warm_up.database,
                WARM_UP_BUCKET_URL=str(self._warm_up.folder),
            )

    def _load_by_sling(self, database: Warehouse) -> float:
        """With what made it fastest on two processors: text, no temporary table, in parallel."""
        streams = {
            path.as_uri(): {"object": f"{SCHEMA}.{table_of(path)}"}
            for path in files(self.sample.folder)
        }
        replication = self._work / "sling.yml"
        document = {
            "source": "LOCAL",
            "target": "TARGET",
            "defaults": {
                "mode": "full-refresh",
                "columns": {"*": "text"},
                "source_options": {"format": "csv", "delimiter": DELIMITER, "header": True},
            },
            "streams": streams,
        }
        replication.write_text(yaml.safe_dump(document), encoding="utf-8")
        address = (
            f"postgresql://{database.user}@{database.host}:{database.port}/{database.database}"
        )
        return self._run(
            *("run", "--replication", str(replication)),
            program=_sling(),
            database=database,
            TARGET=f"{address}?sslmode=disable",
            PGPASSWORD=database.password,
            SLING_DIRECT_INSERT="true",
            SLING_THREADS=str(os.cpu_count()),
            SLING_DISABLE_TELEMETRY="true",
            SLING_HOME_DIR=str(self._work / "sling"),
        )

    def _run(
        self, *arguments: str, database: Warehouse, program: str = sys.executable, **more: str
    ) -> float:
        """Runs a program to its end and returns the seconds from start to end.

        What it said is kept, and so is its largest memory, its children's included, when watched.
        """
        # A source's own bucket would go before the benchmark's.
        kept = {name: os.environ[name] for name in os.environ if "BUCKET_URL" not in name}
        environment = {
            **kept,
            **database.variables(),
            "BUCKET_URL": str(self.sample.folder),
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
        self._execute(self._server, f"create database {name}")
        try:
            database = replace(self._server, database=name)
            self._execute(database, f"create schema {SCHEMA}")
            # The writes of whoever was before are not to be this one's.
            with suppress(InsufficientPrivilege):
                self._execute(database, "checkpoint")
            yield database
        finally:
            self._execute(self._server, f"drop database {name} with (force)")

    def _count(self, database: Warehouse, schema: str) -> Iterator[int]:
        relations = self._execute(
            database,
            "select oid::regclass::text from pg_class where relkind in ('r', 'v') "
            f"and relnamespace = '{schema}'::regnamespace",
        )
        for (relation,) in relations:
            ((count,),) = self._execute(database, f"select count(*) from {relation}")
            yield count

    def _compare_stars(self, database: Warehouse) -> None:
        """Stops if the tables made by hand do not hold just what dbt's hold."""
        for table in star.TABLES:
            ((columns,),) = self._execute(
                database,
                "select string_agg(column_name, ', ' order by ordinal_position) "
                "from information_schema.columns "
                f"where (table_schema, table_name) = ('marts_sales', '{table}')",
            )
            one = f"select {columns} from marts_sales.{table}"
            other = f"select {columns} from {star.SCHEMA}.{table}"
            for left, right in ((one, other), (other, one)):
                rows = self._execute(database, f"({left} except all {right}) limit 2")
                if rows:
                    raise SystemExit(f"{table} by hand and by dbt differ:\n{left}: {rows}")

    @staticmethod
    def _execute(database: Warehouse, sql: str) -> list[tuple[Any, ...]]:
        with closing(database.connect()) as connection:
            connection.autocommit = True
            cursor = connection.cursor()
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def _generate(self, scale: float, name: str) -> Sample:
        folder = self._work / name
        written = generate(scale, folder)
        rows = sum(rows for path, rows in written.items() if path.startswith("adventure_works/"))
        return Sample(folder, rows)

    @staticmethod
    def _say(console: Console, number: int, rounds: int, contender: Contender) -> None:
        what = f"round {number} of {rounds}" if number else "warm-up"
        console.print(f"{what}: {contender.name}", highlight=False)


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


def main(arguments: list[str] | None = None) -> int:
    """Runs the benchmark, prints its tables and writes its files; returns 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="1 = AdventureWorks' row counts")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=HERE, help="folder for the JSON and the SVG")
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 140)
    with local_defaults():
        server = find_warehouse()
    STATE.mkdir(exist_ok=True)
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=STATE) as work:
        bench = Bench(server, options.scale, Path(work))
        bench.measure(options.rounds, console)
        report = Report(
            scale=options.scale,
            rounds=options.rounds,
            rows=bench.sample.rows,
            size_bytes=sum(path.stat().st_size for path in files(bench.sample.folder)),
            machine=_machine(server),
            loaders=[step.contender for step in bench.steps],
            reruns=[bench.again],
            stars=[bench.by_hand, bench.by_dbt],
        )
    print_tables(report, console)
    for path in write(report, options.out):
        console.print(f"written: {path}", highlight=False, soft_wrap=True)
    return 0


def _machine(server: Warehouse) -> str:
    memory = psutil.virtual_memory().total / 2**30
    with closing(server.connect()) as connection:
        version = connection.info.server_version // 10_000
    return (
        f"{os.cpu_count()} processors, {memory:.0f} GB, {platform.system()}, "
        f"PostgreSQL {version}, Python {platform.python_version()}"
    )


if __name__ == "__main__":
    sys.exit(main())
