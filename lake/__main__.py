"""Command line: `python -m lake publish [TABLE ...]`, `status`, `docs TARGET`, `catalog FILE`."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table as Grid

from common.commands import add_command, new_parser
from common.errors import exit_codes
from common.progress import Progress
from common.runs import Node, recorded
from common.warehouse import find_warehouse
from lake import catalog
from lake.declaration import read_tables, select
from lake.place import TableResult
from lake.publish import Lake, open_lake, publish, published
from lake.site import publish_site
from lake.snapshot import READER
from local.defaults import local_defaults


def describe(results: Sequence[TableResult], lake: Lake, seconds: float) -> list[str]:
    """Returns what a publish did, a line a table and one for the whole."""
    lines = []
    for result in results:
        if result.rows is None:
            continue
        done = f"{result.written} of {result.files} files written"
        if not result.written and not result.removed:
            done = "unchanged"
        elif result.removed:
            done += f", {result.removed} removed"
        lines.append(f"  {result.rows:>11,} rows  {result.table}: {done}")
    missing = [
        str(result.table) for result in results if result.rows is None and not result.is_withheld
    ]
    if missing:
        lines.append(f"  not built yet, so left alone: {', '.join(missing)}")
    count = sum(result.rows is not None for result in results)
    lines.append(f"  {count} tables published to {lake.url} in {seconds:.1f} s")
    return lines


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    program = new_parser("lake", __doc__, "publish")
    commands = program.add_subparsers(dest="command", required=True)
    publish_command = add_command(commands, "publish", "publish what changed", "sales silver/sales")
    publish_command.add_argument(
        "tables", nargs="*", metavar="TABLE", help="such as sales or silver/sales; default: all"
    )
    add_command(commands, "status", "show what the lake has")
    docs_command = add_command(commands, "docs", "publish dbt's documentation site", "target")
    docs_command.add_argument("target", type=Path, help="where dbt docs generate --static wrote it")
    catalog_command = add_command(
        commands, "catalog", "write the tables, as AWS Glue has them", "deploy/template.yaml"
    )
    catalog_command.add_argument("template", type=Path, help="a CloudFormation template")
    return program


@exit_codes()
def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns 0 when done, 1 if a publish failed, 2 on wrong usage."""
    options = parser().parse_args(arguments)
    tables = read_tables()
    if options.command == "catalog":
        catalog.write(tables, options.template)
        return 0
    if options.command == "status":
        with local_defaults(database=False):
            _status(open_lake())
        return 0
    if options.command == "docs":
        with local_defaults(database=False):
            print(f"  documentation published: {publish_site(options.target, open_lake())}")
        return 0
    wanted = select(tables, options.tables)
    with local_defaults(), Progress() as progress:
        warehouse = find_warehouse()
        started = time.monotonic()
        with recorded(warehouse, "publish", " ".join(options.tables)) as record:
            lake = open_lake()
            results = publish(wanted, warehouse, lake, progress, bool(options.tables))
            record.add(_node(result) for result in results)
            record.row_count = sum(result.rows or 0 for result in results)
            if any(result.is_withheld for result in results):
                record.fail()
    print("\n".join(describe(results, lake, time.monotonic() - started)))
    withheld = [result for result in results if result.is_withheld]
    for result in withheld:
        table = result.table
        print(
            f"error: {table}: withheld: the role {READER} may not read "
            f"{table.schema}.{table.relation}, and lake/tables.yml declares no exception"
            + (", so it was removed from the lake" if result.removed else ""),
            file=sys.stderr,
        )
    if withheld:
        return 1
    return 0


def _node(result: TableResult) -> Node:
    status, message = "success", ""
    if result.is_withheld:
        status, message = "error", f"the role {READER} may not read it"
    elif result.rows is None:
        status, message = "skipped", "not built yet"
    name = str(result.table)
    return Node(f"publish.{name}", "publish", name, status, None, result.rows, message)


def _status(lake: Lake) -> None:
    grid = Grid("table", "rows", "files", "kB", "published at", title=f"Tables in {lake.url}")
    for entry in published(read_tables(), lake):
        grid.add_row(
            str(entry.table),
            f"{entry.rows:,}",
            f"{entry.files:,}",
            f"{entry.size // 1000:,}",
            f"{entry.published_at:%Y-%m-%d %H:%M:%S}",
        )
    Console(width=None if sys.stdout.isatty() else 160).print(grid)


if __name__ == "__main__":
    sys.exit(main())
