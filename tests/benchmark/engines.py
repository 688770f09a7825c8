"""How PostgreSQL and Spark grow with the rows: `make bench-spark SCALE=1,10,50`.

For each scale one generated set of adventure_works, which each engine loads, builds (models, seeds,
snapshots) and tests from nothing; with NEWS=1, it loads and builds again after 1 % of the orders
changed. Databases, lakehouse and cluster are the benchmark's own, new for each scale, and removed.
dbt has parsed the project before; its start, some seconds, is a part of each build and of the
tests.

Memory is the most that the processes of a kind were seen to have at a time, during load, build and
tests: what each has for itself, and what they share once. PostgreSQL's is seen on this machine
only. Spark takes what the settings of its cluster allow (local/spark.py) before it gives any back.
"""

import argparse
import os
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise

import psutil
from rich.console import Console
from rich.table import Table

from common.warehouse import Warehouse
from local import STATE
from local.sample import generate
from tests.benchmark.runs import SALES, change
from tests.benchmark.worker import LOAD, SOURCE
from tests_spark.parity import DBT, Engine, drop, engines, remove

FOLDER = STATE / "bench_spark"
MB = 1_000_000
LOOK_EVERY_SECONDS = 0.5
# What belongs to the source, and what that needs.
SELECT = ("--select", f"@source:{SOURCE}")
BUILD = (*DBT, "build", *SELECT, "--exclude-resource-type", "test", "unit_test")
TEST = (*DBT, "build", *SELECT, "--resource-type", "test")
Steps = Mapping[str, Sequence[Sequence[str]]]
STEPS: Steps = {"load": (LOAD,), "build": (BUILD,), "tests": (TEST,)}
NEWS: Steps = {"1 %": (LOAD, BUILD)}
# Where a program's memory is counted: Spark is all that is Java.
KINDS = ("Python", "PostgreSQL", "Spark")
# What is wanted: time grows as rows do, at the most. Measured twice, it differs by as much.
MARGIN = 1.25
# What both engines must have in common in the end.
SUM = "select count(*), sum(line_total), sum(total_due) from marts_sales.fact_sales"


@dataclass(frozen=True)
class Measured:
    """What an engine took at a scale: seconds by step, and bytes by kind of process."""

    scale: float
    rows: int
    engine: str
    seconds: dict[str, float] = field(default_factory=dict)
    peaks: Counter[str] = field(default_factory=Counter)

    @property
    def cells(self) -> list[str]:
        """A line of the table."""
        kinds = KINDS if self.engine == "spark" else KINDS[:2]
        return [
            f"{self.scale:g}",
            f"{self.rows:,}",
            self.engine,
            *(f"{seconds:.1f}" for seconds in self.seconds.values()),
            *(f"{self.peaks[kind] / MB:,.0f}" if kind in kinds else "" for kind in KINDS),
        ]


def measure(scale: float, with_news: bool, console: Console) -> list[Measured]:
    """Returns what both engines took; raises SystemExit if one fails, or if their sums differ."""
    remove(FOLDER)
    bucket = FOLDER / "bucket"
    console.print(f"scale {scale:g}: making the files", highlight=False)
    written = generate(scale, bucket)
    rows = sum(count for path, count in written.items() if path.startswith(f"{SOURCE}/"))
    environment = {
        # Goes before BUCKET_URL.
        f"{SOURCE.upper()}_BUCKET_URL": str(bucket / SOURCE),
        # As orchestrate runs dbt.
        "DBT_THREADS": str(2 * (os.cpu_count() or 1)),
        "DBT_WRITE_JSON": "false",
        "DBT_CACHE_SELECTED_ONLY": "true",
        "DBT_LOG_LEVEL_FILE": "info",
    }

    def run(engine: Engine, steps: Steps, to: Measured) -> None:
        for step, commands in steps.items():
            to.seconds[step] = sum(engine.run(command, environment) for command in commands)
            console.print(f"  {to.engine}: {step} {to.seconds[step]:.1f} s", highlight=False)

    with engines(FOLDER) as both:
        measured = [Measured(scale, rows, engine.name) for engine in both]
        try:
            for engine, to in zip(both, measured, strict=True):
                engine.run((*DBT, "parse"), environment)
                with watched(engine.warehouse, to.peaks):
                    run(engine, STEPS, to)
            if with_news:
                change(bucket / SALES, number=1)
                for engine, to in zip(both, measured, strict=True):
                    run(engine, NEWS, to)
            _compare(*both)
        finally:
            for engine in both:
                drop(engine.warehouse)
    remove(FOLDER)
    return measured


def _compare(postgres: Engine, spark: Engine) -> None:
    _, (ours,) = postgres.query(SUM)
    _, (theirs,) = spark.query(SUM)
    if ours != theirs:
        raise SystemExit(f"{SUM}: PostgreSQL has {ours}, Spark {theirs}: see `make parity`")


@contextmanager
def watched(server: Warehouse, peaks: Counter[str]) -> Iterator[None]:
    """Looks at the memory of our processes and the server's, and notes the peak of each kind."""
    with closing(server.connect()) as connection:
        postmaster = _parent(connection.info.backend_pid)
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(LOOK_EVERY_SECONDS):
            found = defaultdict(list)
            for each in psutil.Process().children(recursive=True):
                with suppress(psutil.NoSuchProcess):  # it ended meanwhile
                    kind = "Spark" if each.name() == "java" else "Python"
                    found[kind].append(each.memory_info())
            for each in [postmaster, *postmaster.children()] if postmaster else []:
                with suppress(psutil.NoSuchProcess):
                    found["PostgreSQL"].append(each.memory_info())
            for kind, memory in found.items():
                own = sum(each.rss - each.shared for each in memory)
                peaks[kind] = max(peaks[kind], own + max(each.shared for each in memory))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _parent(pid: int) -> psutil.Process | None:
    """Returns the server that a connection's process belongs to, if it is one of this machine."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        return process.parent() if process.name().startswith("postgres") else None
    return None


def growth(measured: list[Measured]) -> tuple[Table, list[str]]:
    """Returns a table of how time and rows grow from scale to scale, and what grows too fast."""
    table = Table("engine", "scale", "rows", *STEPS)
    for column in table.columns[1:]:
        column.justify = "right"
    missed = []
    for name in dict.fromkeys(each.engine for each in measured):
        for before, after in pairwise(each for each in measured if each.engine == name):
            rows = after.rows / before.rows
            which = f"{before.scale:g} to {after.scale:g}"
            times = {step: after.seconds[step] / before.seconds[step] for step in STEPS}
            table.add_row(name, which, f"x {rows:.1f}", *(f"x {x:.1f}" for x in times.values()))
            missed += [
                f"{name}, scale {which}: {step} takes {times[step]:.2f} times as long for "
                f"{rows:.2f} times the rows"
                for step in times
                if times[step] > MARGIN * rows
            ]
    return table, missed


def scales(text: str) -> list[float]:
    """Returns [1.0, 10.0] for `1,10`; raises ValueError if one is no number above 0."""
    found = [float(each) for each in text.split(",")]
    if any(each <= 0 for each in found):
        raise ValueError(text)
    return sorted(found)


def main(arguments: list[str] | None = None) -> int:
    """Measures all scales and prints two tables; returns 1 if time grows faster than rows."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark.engines", description=__doc__)
    parser.add_argument("--scale", type=scales, default=[1.0, 10.0, 50.0], metavar="1,10,50")
    parser.add_argument("--news", action="store_true", help="build 1 %% of changed orders, too")
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 120)
    measured = [each for scale in options.scale for each in measure(scale, options.news, console)]
    table = Table(
        *("scale", "rows", "engine"),
        *(f"{step} s" for step in measured[0].seconds),
        *(f"{kind} MB" for kind in KINDS),
    )
    for column in [*table.columns[:2], *table.columns[3:]]:
        column.justify = "right"
    for each in measured:
        table.add_row(*each.cells)
    console.print(table)
    grown, missed = growth(measured)
    if grown.rows:
        console.print("How many times the rows and the seconds of the scale before:")
        console.print(grown)
    for miss in missed:
        print(f"{miss} (wanted: at most {MARGIN:g} times the rows)", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
