"""Runs the analyses and prints their results as tables."""

from collections.abc import Sequence
from contextlib import closing
from decimal import Decimal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from common.warehouse import Warehouse

SHOWN_ROWS = 15


def print_answers(
    warehouse: Warehouse, analyses: Sequence[tuple[str, str, str]], console: Console
) -> None:
    """Runs each (name, description, SQL) and prints its result, at most `SHOWN_ROWS` of it."""
    with closing(warehouse.connect()) as connection, connection.cursor() as cursor:
        for name, description, sql in analyses:
            cursor.execute(sql)
            columns = [column.name for column in cursor.description or ()]
            rows = cursor.fetchall()
            console.print(f"[bold]{name}[/bold]: {description}", highlight=False, soft_wrap=True)
            console.print(_table(columns, rows))
            console.print(f"{len(rows):,} rows" + _cut(name, len(rows)) + "\n", highlight=False)


def _cut(name: str, rows: int) -> str:
    if rows <= SHOWN_ROWS:
        return ""
    return f", the first {SHOWN_ROWS} shown; all of them: dbt show --select {name} --limit {rows}"


def _table(columns: Sequence[str], rows: Sequence[tuple[object, ...]]) -> Table:
    table = Table()
    for position, column in enumerate(columns):
        numeric = any(isinstance(row[position], int | Decimal) for row in rows[:SHOWN_ROWS])
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows[:SHOWN_ROWS]:
        table.add_row(*("" if value is None else escape(str(value)) for value in row))
    return table
