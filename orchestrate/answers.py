"""Runs the analyses and prints their results as tables."""

import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from decimal import Decimal

import psycopg2
from psycopg2 import errors
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from common.errors import LoadError
from common.warehouse import Warehouse
from orchestrate.project import Answer

SHOWN_ROWS = 15
# Seconds to wait, in all answers together, for a relation that a build replaces just now.
PATIENCE = (0.2, 0.5, 1.0, 2.0)


def print_answers(warehouse: Warehouse, answers: Sequence[Answer], console: Console) -> bool:
    """Runs each answer and prints its result, at most `SHOWN_ROWS` of it.

    What is not built, and what the user may not read, are a line on stderr each. Returns False if
    there is nothing else. Raises LoadError if PostgreSQL fails.
    """
    unbuilt, secret = [], []
    patience = iter(PATIENCE)
    # Two at a time: most of an answer runs on one processor.
    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(_run, warehouse, answer, patience) for answer in answers]
        for answer, result in zip(answers, running, strict=True):
            try:
                columns, rows, count = result.result()
            except (errors.UndefinedTable, errors.InvalidSchemaName, errors.UndefinedColumn):
                unbuilt.append(answer.name)
            except errors.InsufficientPrivilege:
                secret.append(answer.name)
            except psycopg2.Error as error:
                raise LoadError(f"{answer.name}: PostgreSQL: {str(error).strip()}") from error
            else:
                console.print(
                    f"[bold]{answer.name}[/bold]: {answer.description}",
                    highlight=False,
                    soft_wrap=True,
                )
                console.print(_table(columns, rows))
                cut = _cut(answer.name, count)
                console.print(f"{count:,} rows{cut}\n", highlight=False)
    if unbuilt:
        print(f"not built yet: {', '.join(unbuilt)}: make run builds them", file=sys.stderr)
    if secret:
        print(f"not for {warehouse.user} to read: {', '.join(secret)}", file=sys.stderr)
    return not answers or len(unbuilt) + len(secret) < len(answers)


def _run(
    warehouse: Warehouse, answer: Answer, patience: Iterator[float]
) -> tuple[list[str], list[tuple[object, ...]], int]:
    """Returns the columns and the first rows of an answer, and how many rows it has."""
    # Only what is shown is fetched: answers can have as many rows as there are customers.
    counted = f"select *, count(*) over () from (\n{answer.sql}\n) as answer limit {SHOWN_ROWS}"  # noqa: S608
    with closing(warehouse.connect()) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        while True:
            try:
                cursor.execute(counted)
                columns = [column.name for column in cursor.description or ()]
                rows = cursor.fetchall()
                return columns[:-1], [row[:-1] for row in rows], rows[0][-1] if rows else 0
            # Gone between its name and its rows, or about to be there again.
            except (
                errors.UndefinedTable,
                errors.InternalError_,
                errors.DeadlockDetected,
                errors.LockNotAvailable,
            ):
                pause = next(patience, None)
                if pause is None:
                    raise
                time.sleep(pause)


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
