"""Compares the engines: the same files are loaded into PostgreSQL and Iceberg, and both are built.

`make parity`: every relation and every answer, all columns, both ways, after a first build, after
an increment, and after late and corrected change files. Prints a table for each, and ends with exit
code 1 if anything differs. What is compared of the ledger is what does not depend on the clock.
"""

import csv
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest import mock

from psycopg2 import sql
from rich.console import Console
from rich.table import Table

from common.lakehouse import Lakehouse
from common.warehouse import Warehouse, find_warehouse
from local import ROOT, STATE
from local.bucket import write_sample
from local.defaults import local_defaults
from local.spark import Cluster
from orchestrate import spark

DEFAULT_SCALE = 0.05
FOLDER = STATE / "parity"
# What says how long something took, or what the engine answered; and keys that are made of times.
UNEQUAL = {
    *("seconds", "mean_seconds", "max_seconds", "hours_since_load", "message"),
    *("dbt_scd_id", "customer_version_key", "product_version_key"),
}
# Spark does not say how many rows a statement wrote.
UNKNOWN_TO_SPARK = {"staging.stg_audit__run_nodes": "row_count", "agg_node_health": "row_count"}
SHOWN = 3
RUN = ("-m", "orchestrate", "run")
DBT = ("-c", "from dbt.cli.main import cli; cli()", "--quiet", "--no-use-colors")

Rows = list[tuple[object, ...]]


@dataclass(frozen=True)
class Engine:
    """An engine with a warehouse of its own, and how to ask it."""

    name: str
    warehouse: Warehouse
    target: Path
    query: Callable[[str], tuple[list[str], Rows]]
    # How to show a list of objects as JSON.
    as_json: str

    def run(self, arguments: Sequence[str], environment: dict[str, str]) -> float:
        """Runs Python on this warehouse; returns the seconds, raises SystemExit if it fails."""
        self.target.mkdir(exist_ok=True)
        begin = time.monotonic()
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={
                **os.environ,
                "ENGINE": self.name,
                **self.warehouse.variables(),
                "DBT_TARGET_PATH": str(self.target),
                "DBT_LOG_PATH": str(self.target / "logs"),
                "DLT_DATA_DIR": str(self.target / "dlt"),
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        (self.target / "run.log").write_text(done.stdout + done.stderr)
        if done.returncode:
            said = f"{done.stdout[-3000:]}{done.stderr[-3000:]}"
            raise SystemExit(f"{self.name}: {' '.join(arguments)} failed:\n{said}")
        return time.monotonic() - begin

    def known(self) -> dict[str, Any]:
        """Returns what the run knows of the project: relations and answers."""
        (path,) = self.target.glob("builds/*/known.json")
        known: dict[str, Any] = json.loads(path.read_text())
        return known


@dataclass(frozen=True)
class Difference:
    """What two engines say of a relation or an answer: `first` and `second` are rows of one."""

    name: str
    rows: int
    columns: int
    left_out: list[str]
    first: list[str]
    second: list[str]
    error: str = ""

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs."""
        return not (self.first or self.second or self.error)


def text_of(value: object, begin: datetime) -> str:
    """Returns a value as both engines mean it; a time of this run is one as any other."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | Decimal):
        number = Decimal(value)
        return format(number.normalize() if number else Decimal(0), "f")
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        if begin <= moment < datetime(9000, 1, 1, tzinfo=UTC):
            return "(of this run)"
        return moment.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list):
        objects = [{key: each[key] for key in each if each[key] is not None} for each in value]
        return json.dumps(objects, sort_keys=True)
    return str(value)


def compare(
    name: str, postgres: Engine, lakehouse: Engine, begin: datetime, answer: tuple[str, str] | None
) -> Difference:
    """Compares a relation, or an answer by the queries of both engines; there, in its order."""
    if answer:
        queries = dict(zip((postgres.name, lakehouse.name), answer, strict=True))
        left_out = set[str]()
    else:
        columns, _ = postgres.query(f"select * from {name} limit 0")
        left_out = {
            column
            for column in columns
            if column in UNEQUAL
            or any(key in name and column == only for key, only in UNKNOWN_TO_SPARK.items())
        }
        queries = {
            engine.name: "select {} from {}".format(
                ", ".join(
                    engine.as_json.format(column) if column == "rejected_values" else column
                    for column in columns
                    if column not in left_out
                ),
                name,
            )
            for engine in (postgres, lakehouse)
        }
    found = {}
    columns = []
    for engine in (postgres, lakehouse):
        try:
            names, rows = engine.query(queries[engine.name])
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a difference
            return Difference(name, 0, 0, [], [], [], f"{engine.name}: {error}")
        if columns and names != columns:
            return Difference(name, 0, 0, [], [], [], f"columns: {columns} and {names}")
        columns = names
        json_at = names.index("rejected_values") if "rejected_values" in names else None
        found[engine.name] = [
            " | ".join(
                text_of(
                    json.loads(value) if at == json_at and isinstance(value, str) else value, begin
                )
                for at, value in enumerate(row)
            )
            for row in rows
        ]
    first, second = found[postgres.name], found[lakehouse.name]
    only = [
        list((Counter(a) - Counter(b)).elements()) for a, b in ((first, second), (second, first))
    ]
    order = "" if not answer or first == second or any(only) else "another order"
    return Difference(
        name, len(first), len(columns), sorted(left_out), only[0], only[1], error=order
    )


def compare_all(postgres: Engine, lakehouse: Engine, begin: datetime) -> list[Difference]:
    """Compares every relation of the project and every answer."""
    ours, theirs = postgres.known(), lakehouse.known()
    assert ours["relations"] == theirs["relations"]
    answers = {
        name: (text, other[2])
        for (name, _, text, _), other in zip(ours["answers"], theirs["answers"], strict=True)
    }
    # The answers of both are in the same order.
    assert [each[0] for each in theirs["answers"]] == list(answers)
    jobs: list[tuple[str, tuple[str, str] | None]] = [
        *((name, None) for name in sorted(ours["relations"])),
        *((name, queries) for name, queries in sorted(answers.items())),
    ]
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda job: compare(job[0], postgres, lakehouse, begin, job[1]), jobs))


def show(title: str, differences: Iterable[Difference], console: Console) -> int:
    """Prints a line for each relation; returns how many differ."""
    table = Table(
        "relation or answer", "rows", "columns", "only PostgreSQL", "only Spark", "left out"
    )
    for column in table.columns[1:5]:
        column.justify = "right"
    unequal = [each for each in differences if not each.is_equal]
    for each in differences:
        table.add_row(
            each.name,
            f"{each.rows:,}",
            str(each.columns),
            "error" if each.error else f"{len(each.first):,}",
            "error" if each.error else f"{len(each.second):,}",
            ", ".join(each.left_out),
        )
    console.rule(title, align="left")
    console.print(table)
    for each in unequal:
        console.print(f"{each.name} differs: {each.error}", markup=False)
        for engine, rows in (("PostgreSQL", each.first), ("Spark", each.second)):
            for row in rows[:SHOWN]:
                console.print(f"  only {engine}: {row}", markup=False)
    return len(unequal)


class Files:
    """The files of the sales, which change from one round to the next, with those of others."""

    def __init__(self, bucket: Path) -> None:
        self._folder = bucket / "adventure_works"
        self._headers = self._read("sales/Sales.SalesOrderHeader.csv")
        self._lines = self._read("sales/Sales.SalesOrderDetail.csv")

    def increment(self) -> None:
        """Writes changed and new orders, and whole tables in which something changed."""
        headers = [
            row
            | {"TaxAmt": "12,3456", "TotalDue": "987,6543", "ModifiedDate": "2024-01-02 00:00:00"}
            for row in self._headers[10:60]
        ]
        new = str(max(int(row["SalesOrderID"]) for row in self._headers) + 1)
        headers.append(headers[0] | {"SalesOrderID": new, "SalesOrderNumber": f"SO{new}"})
        lines = [
            row | {"OrderQty": "7", "LineTotal": "0.000001", "ModifiedDate": "2024-01-02 00:00:00"}
            for row in self._lines[100:400:3]
        ]
        lines += [
            lines[at] | {"SalesOrderID": new, "SalesOrderDetailID": str(9_000_000 + at)}
            for at in range(3)
        ]
        self._write("sales/changes/Sales.SalesOrderHeader.1.csv", headers)
        self._write("sales/changes/Sales.SalesOrderDetail.1.csv", lines)
        for name, column, value in (
            ("sales/Sales.Customer.csv", "TerritoryID", "9"),
            ("production/Production.Product.csv", "ListPrice", "1234,5678"),
        ):
            rows = self._read(name)
            self._write(name, [row | {column: value} for row in rows[:20]] + rows[21:])

    def correct(self) -> None:
        """Writes late changes, older than those that came, and takes some of these back."""
        late = [
            row | {"OrderQty": "99", "ModifiedDate": "2023-01-01 00:00:00"}
            for row in self._lines[100:400:2]
        ]
        late.append(late[-1] | {"OrderQty": "two", "ModifiedDate": "2024-02-01 00:00:00"})
        self._write("sales/changes/Sales.SalesOrderDetail.2.csv", late)
        for kind in ("Header", "Detail"):
            name = f"sales/changes/Sales.SalesOrder{kind}.1.csv"
            self._write(name, self._read(name)[::2])

    def _read(self, name: str) -> list[dict[str, str]]:
        with (self._folder / name).open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file, delimiter=";"))

    def _write(self, name: str, rows: list[dict[str, str]]) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys(), delimiter=";")
            writer.writeheader()
            writer.writerows(rows)


def drop(warehouse: Warehouse) -> None:
    """Drops a warehouse's database, if it is there, whoever is connected to it."""
    _administer(warehouse, "drop database if exists {} with (force)")


def _administer(warehouse: Warehouse, statement: str) -> None:
    with closing(replace(warehouse, database="postgres").connect()) as connection:
        connection.autocommit = True
        name = sql.Identifier(warehouse.database)
        connection.cursor().execute(sql.SQL(statement).format(name))


def prepare_bucket() -> Path:
    """Returns a copy of BUCKET_URL's folder, or a sample of SCALE."""
    bucket = FOLDER / "bucket"
    place = os.environ.get("BUCKET_URL")
    if place:
        shutil.copytree(place.removeprefix("file://"), bucket)
        for path in (bucket, *bucket.rglob("*")):
            path.chmod(path.stat().st_mode | 0o200)
    else:
        write_sample(float(os.environ.get("SCALE") or DEFAULT_SCALE), bucket)
    return bucket


def both(warehouse: Warehouse, lakehouse: Lakehouse, folder: Path) -> tuple[Engine, Engine]:
    """Returns PostgreSQL and Spark, with dbt's files in a folder."""

    def query(text: str) -> tuple[list[str], Rows]:
        with closing(warehouse.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(text)
            return [column.name for column in cursor.description or ()], cursor.fetchall()

    return (
        Engine("postgres", warehouse, folder / "of_postgres", query, "{}"),
        Engine("spark", lakehouse, folder / "of_spark", spark.query, "to_json({0}) as {0}"),
    )


@contextmanager
def engines(folder: Path) -> Iterator[tuple[Engine, Engine]]:
    """Both engines with empty databases, named as the folder is, on a cluster of their own there.

    The databases stay until the next time, or until they are dropped.
    """
    with mock.patch.dict(os.environ), local_defaults():
        os.environ.pop("ENGINE", None)
        server = find_warehouse()
        warehouse = replace(server, database=f"{folder.name}_warehouse")
        url = f"file://{folder}/lakehouse"
        lakehouse = Lakehouse(**vars(server) | {"database": f"{folder.name}_lakehouse", "url": url})
        for each in (warehouse, lakehouse):
            drop(each)
            _administer(each, "create database {}")
        cluster = Cluster(folder / "spark")
        try:
            os.environ.update(cluster.start(lakehouse))
            yield both(warehouse, lakehouse, folder)
        finally:
            cluster.stop()


def remove(folder: Path) -> None:
    """Removes what the engines of a folder, or who was killed, left there."""
    Cluster(folder / "spark").stop()
    shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """Compares after each of three rounds; returns 1 if anything differs in any of them."""
    console = Console(width=160, soft_wrap=True) if not sys.stdout.isatty() else Console()
    remove(FOLDER)
    FOLDER.mkdir(parents=True)
    bucket = prepare_bucket()
    files = Files(bucket)
    environment = {"BUCKET_URL": str(bucket), "ACCEPT_SMALLER": "adventure_works"}
    rounds: list[tuple[str, Callable[[], None]]] = [
        ("first build", lambda: None),
        ("increment: changed and new orders, customers and products", files.increment),
        ("late and corrected change files", files.correct),
    ]
    unequal = 0
    with engines(FOLDER) as (postgres, lakehouse):
        begin = datetime.now(UTC)
        for title, change in rounds:
            change()
            seconds = [
                f"{each.name} {each.run(RUN, environment):.0f} s" for each in (postgres, lakehouse)
            ]
            differences = compare_all(postgres, lakehouse, begin)
            unequal += show(f"{title} ({', '.join(seconds)})", differences, console)
            equal = sum(each.is_equal for each in differences)
            console.print(f"{equal} of {len(differences)} are equal\n", highlight=False)
    return 1 if unequal else 0


if __name__ == "__main__":
    sys.exit(main())
