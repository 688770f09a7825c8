"""Looks at files that nobody has declared, and writes what makes a source of them."""

from pathlib import Path

from rich.console import Console

from common.progress import Progress
from common.warehouse import Warehouse
from extract.declaration import check_name
from extract.suggest.feeds import Table, find_place, find_tables
from extract.suggest.project import write


def suggest(
    url: str, source: str, warehouse: Warehouse, console: Console, force: bool = False
) -> list[Path]:
    """Writes the source that the file or files at a path or s3:// URL make; returns what it wrote.

    Says what it guessed, and what it saw against that. Raises ConfigurationError for a place or a
    name that cannot be, or for files that are there already; LoadError if there is no table.
    """
    check_name(source)
    bucket, only = find_place(url)
    with Progress() as progress:
        tables, left_out = find_tables(bucket, only, source, warehouse, progress)
    written = write(source, tables, force)
    for table in tables:
        _describe(table, console)
        if all(column.type == "text" for column in table.columns):
            console.print(
                f"  ? nothing reads stg_{source}__{table.name} yet: make lint asks for a mart that "
                "does",
                style="yellow",
                markup=False,
            )
    for reason in left_out:
        console.print(f"left out: {reason}", style="yellow", markup=False)
    console.print("\nWritten, with descriptions to fill in:")
    for path in written:
        console.print(f"  {path}", markup=False)
    console.print(
        "\nNext: load, build and test it, in this shell or with the variable in your environment:\n"
        f"  make run SOURCES={source} {source.upper()}_BUCKET_URL={bucket.url}",
        markup=False,
    )
    return written


def _describe(table: Table, console: Console) -> None:
    """Prints a feed: how it is declared, how its files are written, and its columns."""
    key = " + ".join(column.raw for column in table.key) or "none: known by its place in the file"
    console.print(f"\n{table.name}", style="bold", markup=False)
    console.print(f"  {table.kind}: {', '.join(table.patterns)}; {table.rows:,} rows", markup=False)
    console.print(f"  key: {key}", markup=False)
    for seen in table.form.seen:
        console.print(f"  {seen}", markup=False)
    for doubt in table.form.doubts:
        console.print(f"  ? {doubt}", style="yellow", markup=False)
    width = max(len(column.raw) for column in table.columns)
    for column in table.columns:
        facts = [f"{column.cast:,} of {column.filled:,} values", *column.against]
        missing = column.rows - column.filled
        facts += [f"called {column.name} in staging"] if column.name != column.raw else []
        facts += [f"{missing:,} empty or {table.marker}"] if missing else []
        console.print(
            f"    {column.raw:{width}}  {column.type:14}  {'; '.join(facts)}",
            style="yellow" if column.against else None,
            markup=False,
        )
