"""Looks at files that nobody has declared, and writes what makes a source of them."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from shlex import quote

from rich.console import Console

from common.progress import Progress
from common.warehouse import Warehouse
from extract.declaration import check_name
from extract.suggest.feeds import Table, find_place, find_tables
from extract.suggest.project import ROOT, write
from extract.suggest.web import fetch, is_web

# Where files from the web are kept, a folder per source.
FETCHED = ROOT / ".local" / "fetched"
_DOUBT = "yellow"


def suggest(
    url: str, source: str, warehouse: Warehouse, console: Console, force: bool = False
) -> list[Path]:
    """Writes the source that the file or files at a path or URL make; returns what it wrote.

    Says what it guessed, and what it saw against that. Raises ConfigurationError for a place or a
    name that cannot be, or for files that are there already; LoadError if there is no table.
    """
    check_name(source)
    with Progress() as progress:
        place = str(fetch(url, FETCHED / source, progress)) if is_web(url) else url
        bucket, only = find_place(place)
        tables, left_out = find_tables(bucket, only, source, warehouse, progress)
    written = write(source, tables, force)
    # Paths and commands are to be copied: they are not broken.
    say = partial(console.print, markup=False, highlight=False, soft_wrap=True)
    for table in tables:
        _describe(table, say)
        if all(column.type == "text" for column in table.columns):
            name = f"stg_{source}__{table.name}"
            say(f"  ? nothing reads {name} yet: make lint asks for a mart that does", style=_DOUBT)
    for reason in left_out:
        say(f"left out: {reason}", style=_DOUBT)
    say("\nWritten, with descriptions to fill in:")
    for path in written:
        say(f"  {path}")
    if is_web(url):
        say(
            f"\nFetched: {place}. Loads read no web addresses: put each new version of it there, or"
        )
        say(f"into the folder or bucket that {source.upper()}_BUCKET_URL names.")
    say("\nNext: load, build and test it, with this variable in the environment from now on:")
    say(f"  make run SOURCES={source} {source.upper()}_BUCKET_URL={quote(bucket.url)}")
    return written


def _describe(table: Table, say: Callable[..., None]) -> None:
    """Prints a feed: how it is declared, how its files are written, and its columns."""
    key = " + ".join(column.raw for column in table.key) or "none: known by its place in the file"
    say(f"\n{table.name}", style="bold")
    say(f"  {table.kind}: {', '.join(table.patterns)}; {table.rows:,} rows")
    say(f"  key: {key}")
    for seen in table.form.seen:
        say(f"  {seen}")
    for doubt in table.form.doubts:
        say(f"  ? {doubt}", style=_DOUBT)
    width = max(len(column.raw) for column in table.columns)
    for column in table.columns:
        facts = [f"{column.cast:,} of {column.filled:,} values", *column.against]
        missing = column.rows - column.filled
        facts += [f"called {column.name} in staging"] if column.name != column.raw else []
        facts += [f"{missing:,} empty or {table.marker}"] if missing else []
        line = f"    {column.raw:{width}}  {column.type:14}  {'; '.join(facts)}"
        say(line, style=_DOUBT if column.against else None)
