"""What is timed inside a process, imports and connections done: `python -m … WHAT FOLDER`.

FOLDER holds a sample bucket; POSTGRES_* name an empty database (for the star: a loaded one). Prints
the seconds that the work took.
"""

import csv
import os
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from psycopg2 import extensions
from psycopg2.sql import SQL, Identifier

from common.warehouse import find_warehouse
from tests.benchmark import star

SOURCE = "adventure_works"
# Python's arguments for a load of it.
LOAD = ("-m", "extract", "load", SOURCE)
SCHEMA = "benchmark"
DELIMITER = ";"
BUFFER_BYTES = 1 << 20
# The models of the tables that star.py builds, and the tables that they read.
STAR = (
    *star.TABLES,
    "stg_adventure_works__sales_order_detail",
    "stg_adventure_works__sales_order_header",
)


def files(folder: Path) -> list[Path]:
    """Returns the sample's files, the largest first."""
    return sorted((folder / SOURCE).rglob("*.csv"), key=lambda path: -path.stat().st_size)


def table_of(path: Path) -> str:
    """Returns the name of the table that a file goes to."""
    return path.stem.rpartition(".")[2].lower()


def copy(folder: Path) -> float:
    """One file after the other on one connection, as psql's `copy` would."""
    with closing(_connect()) as connection:
        started = time.perf_counter()
        for path in files(folder):
            _copy(connection, path)
        return time.perf_counter() - started


def load(folder: Path) -> float:
    """Our load. A small one into another database brings in all that is imported on the way."""
    from extract.declaration import read_sources
    from extract.load import load

    source = read_sources()[SOURCE]
    warehouse = find_warehouse()
    os.environ["BUCKET_URL"] = os.environ["WARM_UP_BUCKET_URL"]
    load(source, replace(warehouse, database=os.environ["WARM_UP_DB"]))
    os.environ["BUCKET_URL"] = str(folder)
    started = time.perf_counter()
    load(source, warehouse)
    return time.perf_counter() - started


def star_by_hand(folder: Path) -> float:
    """The statements of star.py, one after the other."""
    with closing(_connect()) as connection, connection.cursor() as cursor:
        cursor.execute(f"drop schema if exists {star.SCHEMA} cascade")
        cursor.execute(f"create schema {star.SCHEMA}")
        started = time.perf_counter()
        for statements in star.TABLES.values():
            cursor.execute(statements)
        return time.perf_counter() - started


def star_by_dbt(folder: Path) -> float:
    """The same tables by `dbt run`, dbt being started: it has parsed, and run a small model."""
    from dbt.cli.main import dbtRunner

    manifest: Any = dbtRunner().invoke(["--quiet", "parse"]).result
    runner = dbtRunner(manifest=manifest)
    runner.invoke(["--quiet", "run", "--select", "dim_date"])
    with closing(_connect()) as connection, connection.cursor() as cursor:
        for node in manifest.nodes.values():
            if node.name in STAR:
                cursor.execute(f"drop table if exists {node.relation_name} cascade")
    started = time.perf_counter()
    done = runner.invoke(["--quiet", "run", "--select", *STAR])
    seconds = time.perf_counter() - started
    if not done.success:
        raise SystemExit(f"dbt run failed: {done.exception or 'see above'}")
    return seconds


WORK: dict[str, Callable[[Path], float]] = {
    work.__name__: work for work in (copy, load, star_by_hand, star_by_dbt)
}


def _connect() -> extensions.connection:
    connection = find_warehouse().connect()
    connection.autocommit = True
    return connection


def _copy(connection: extensions.connection, path: Path) -> None:
    with path.open(encoding="utf-8-sig", newline="") as text:
        columns = next(csv.reader(text, delimiter=DELIMITER))
    table = Identifier(SCHEMA, table_of(path))
    # In one transaction: a table made in it needs no log where wal_level is minimal.
    connection.autocommit = False
    with connection, connection.cursor() as cursor, path.open("rb") as file:
        cursor.execute(
            SQL("create table {} ({})").format(
                table, SQL(", ").join(SQL("{} text").format(Identifier(c)) for c in columns)
            )
        )
        cursor.copy_expert(
            SQL("copy {} from stdin with (format csv, delimiter {}, header)")
            .format(table, SQL(f"'{DELIMITER}'"))
            .as_string(cursor),
            file,
            BUFFER_BYTES,
        )


if __name__ == "__main__":
    # dbt and the others may print: the number is the last line.
    print(WORK[sys.argv[1]](Path(sys.argv[2])))
