"""How long whole commands take: `python -m tests.benchmark.runs --scale N`.

A first run, one with nothing new, one after 1 % of the orders changed (files of changes, headers
and lines), and one that builds and tests all. Each is `python -m orchestrate run adventure_works`
as a user starts it, in a database of its own on the server that POSTGRES_* names or the embedded
one; the database and the sample are removed. Beside the whole command stands what load, build and
tests took of it, up to the answers.
"""

import argparse
import csv
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from uuid import uuid4

from rich.console import Console
from rich.table import Table

from common.warehouse import Warehouse, find_warehouse
from local.defaults import local_defaults
from local.sample import generate

ROOT = Path(__file__).resolve().parents[2]
SALES = Path("adventure_works/sales")
SHARE = 0.01
ANSWERS = "Answers "
# What is wanted: seconds with nothing new up to scale 1 (above, the answers' SQL takes as many); of
# the load, build and tests of a first run, the share that SHARE of news may take.
NOTHING_SECONDS = 3.0
NEWS_SHARE = 0.2


def measure(
    server: Warehouse, scale: float, rounds: int, work: Path
) -> dict[str, tuple[float, float]]:
    """Returns the seconds of each kind of run, whole and up to the answers.

    They are the medians of `rounds`, but of the first run.
    """
    bucket = work / "bucket"
    generate(scale, bucket)
    seconds: dict[str, list[tuple[float, float]]] = {}
    with _database(server) as warehouse:
        variables = {
            **warehouse.variables(),
            "BUCKET_URL": str(bucket),
            "DBT_TARGET_PATH": str(work / "target"),
            "PYTHONUNBUFFERED": "1",
        }

        def command(*arguments: str) -> tuple[str, float, float]:
            """Returns what it printed, and the seconds whole and up to the answers."""
            started, printed = time.perf_counter(), []
            answers = 0.0
            with subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env={**os.environ, **variables},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            ) as running:
                for line in running.stdout or ():
                    printed.append(line)
                    if line.startswith(ANSWERS):
                        answers = time.perf_counter() - started
            if running.returncode:
                raise SystemExit(f"{arguments} failed:\n{''.join(printed)[-4000:]}")
            return "".join(printed), time.perf_counter() - started, answers

        def run(name: str, *options: str) -> None:
            printed, *taken = command("-m", "orchestrate", "run", "adventure_works", *options)
            seconds.setdefault(name, []).append((taken[0], taken[1]))
            if ("nothing new" in printed) != (name == "nothing new"):
                raise SystemExit(f"{name} was not that:\n{printed[:2000]}")

        # What dbt remembers of a project that it has parsed, it remembers in all runs but a clone's
        # very first.
        command("-c", "from dbt.cli.main import cli; cli()", "--quiet", "parse")
        run("first run")
        for number in range(1, rounds + 1):
            run("nothing new")
            change(bucket / SALES, number)
            run("1 % of the orders changed")
            run("all again (--full)", "--full")
    return {
        name: (statistics.median(t[0] for t in taken), statistics.median(t[1] for t in taken))
        for name, taken in seconds.items()
    }


def change(folder: Path, number: int) -> None:
    """Writes files of changes: other orders each time, headers and lines, with a later date."""
    (folder / "changes").mkdir(exist_ok=True)
    orders = [row[0] for row in _rows(folder / "Sales.SalesOrderHeader.csv")][1:]
    chosen = set(Random(number).sample(orders, max(1, round(len(orders) * SHARE))))  # noqa: S311
    for name in ("SalesOrderHeader", "SalesOrderDetail"):
        rows = _rows(folder / f"Sales.{name}.csv")
        target = folder / "changes" / f"Sales.{name}.{number}.csv"
        with target.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter=";")
            writer.writerow(next(rows))
            writer.writerows(
                [*row[:-1], f"2030-01-{number:02} 00:00:00.000"] for row in rows if row[0] in chosen
            )


def _rows(path: Path) -> Iterator[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield from csv.reader(file, delimiter=";")


@contextmanager
def _database(server: Warehouse) -> Iterator[Warehouse]:
    name = f"benchmark_{uuid4().hex[:12]}"
    with closing(server.connect()) as connection:
        connection.autocommit = True
        connection.cursor().execute(f"create database {name}")
        try:
            yield replace(server, database=name)
        finally:
            connection.cursor().execute(f"drop database {name} with (force)")


def main() -> int:
    """Prints the table; returns 1 if a run takes longer than is wanted."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark.runs", description=__doc__)
    parser.add_argument("--scale", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="runs_"))
    try:
        with local_defaults():
            taken = measure(find_warehouse(), options.scale, options.rounds, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    _, first = taken["first run"]
    table = Table(
        "python -m orchestrate run adventure_works", "s", "to the answers, s", "of the first run"
    )
    for name, (whole, to_answers) in taken.items():
        table.add_row(name, f"{whole:.1f}", f"{to_answers:.1f}", f"{to_answers / first:.2f}")
    Console().print(table)
    nothing, _ = taken["nothing new"]
    _, news = taken["1 % of the orders changed"]
    missed = []
    if options.scale <= 1 and nothing > NOTHING_SECONDS:
        missed.append(f"nothing new: {nothing:.1f} s, wanted {NOTHING_SECONDS:.1f} s")
    if news > NEWS_SHARE * first:
        missed.append(f"1 % of news: {news / first:.2f} of a first run, wanted {NEWS_SHARE}")
    for miss in missed:
        print(miss, file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
