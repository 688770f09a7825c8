"""Runs the analyses and prints their results as tables."""

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from decimal import Decimal
from typing import NamedTuple

import psycopg2
from psycopg2 import errors
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from common.errors import LoadError
from common.lakehouse import Lakehouse
from common.progress import Progress
from common.warehouse import NOT_BUILT, PATIENCE, Warehouse, patiently, postgres_failed
from orchestrate import spark
from orchestrate.project import Answer

SHOWN_ROWS = 15


class Result(NamedTuple):
    """What an answer says: its columns, its rows (not always all), and how many there are."""

    answer: Answer
    columns: list[str]
    rows: list[tuple[object, ...]]
    total: int


def print_answers(warehouse: Warehouse, answers: Sequence[Answer], console: Console) -> bool:
    """Prints the result of each answer, at most `SHOWN_ROWS` of it; else as `ask`."""

    def show(result: Result) -> None:
        name = result.answer.name
        title = f"[bold]{name}[/bold]: {result.answer.description}"
        console.print(title, highlight=False, soft_wrap=True)
        console.print(_table(result.columns, result.rows))
        cut = _cut(name, result.total)
        console.print(f"{result.total:,} rows{cut}\n", highlight=False)

    return ask(warehouse, answers, show, SHOWN_ROWS)


def ask(
    warehouse: Warehouse,
    answers: Sequence[Answer],
    show: Callable[[Result], None],
    limit: int | None = None,
) -> bool:
    """Runs each answer and shows its result, at most `limit` rows of it.

    What is not built, and what the user may not read, are a line on stderr each. Returns False if
    there is nothing else. Raises LoadError if the engine fails.
    """
    unbuilt, secret = [], []
    # In all answers together.
    patience = iter(PATIENCE)
    # Two at a time: most of an answer runs on one processor.
    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(_run, warehouse, answer, patience, limit) for answer in answers]
        for answer, result in zip(answers, running, strict=True):
            try:
                with Progress() as progress, progress.task(answer.name):
                    wait([result])
                show(result.result())
            except (*NOT_BUILT, spark.NotThereError):
                unbuilt.append(answer.name)
            except errors.InsufficientPrivilege:
                secret.append(answer.name)
            except psycopg2.Error as error:
                raise LoadError(f"{answer.name}: {postgres_failed(error)}") from error
    if unbuilt:
        print(f"not built yet: {', '.join(unbuilt)}: make run builds them", file=sys.stderr)
    if secret:
        print(
            f"not for {warehouse.user} to read: {', '.join(secret)}: ask a member of transformer",
            file=sys.stderr,
        )
    return not answers or len(unbuilt) + len(secret) < len(answers)


def _run(
    warehouse: Warehouse, answer: Answer, patience: Iterator[float], limit: int | None
) -> Result:
    """Returns the first rows of an answer, or all."""
    if isinstance(warehouse, Lakehouse):
        # As it is: around a query, Spark does not keep the order of its rows.
        names, every = spark.query(answer.sql)
        return Result(answer, names, every[:limit], len(every))
    # Only what is shown is fetched: answers can have as many rows as there are customers.
    shown = "all" if limit is None else str(limit)
    counted = f"select *, count(*) over () from (\n{answer.sql}\n) as answer limit {shown}"  # noqa: S608
    with closing(warehouse.connect()) as connection, connection.cursor() as cursor:
        connection.autocommit = True

        def fetch() -> Result:
            cursor.execute(counted)
            columns = [column.name for column in cursor.description or ()]
            rows = cursor.fetchall()
            count = rows[0][-1] if rows else 0
            return Result(answer, columns[:-1], [row[:-1] for row in rows], count)

        return patiently(fetch, patience)


def _cut(name: str, rows: int) -> str:
    if rows <= SHOWN_ROWS:
        return ""
    return f", the first {SHOWN_ROWS} shown; all of them: dbt show --select {name} --limit {rows}"


def _table(columns: Sequence[str], rows: Sequence[tuple[object, ...]]) -> Table:
    table = Table()
    for position, column in enumerate(columns):
        numeric = any(isinstance(row[position], int | Decimal) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*("" if value is None else escape(str(value)) for value in row))
    return table
