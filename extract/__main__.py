"""Command line: `python -m extract suggest PLACE | load [SOURCE ...] | upload … | status`."""

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import psycopg2
from rich.console import Console
from rich.table import Table

from common.commands import add_command, new_parser
from common.errors import ConfigurationError, LoadError, exit_codes
from common.progress import Progress
from common.runs import recorded
from common.warehouse import find_warehouse
from extract.declaration import Source, read_sources
from extract.load import LoadResult, load_recorded
from extract.upload import UploadResult, upload
from local.defaults import local_defaults

ENGINE_OF = {"warehouse": "postgres", "lakehouse": "spark"}


def select(sources: dict[str, Source], names: Sequence[str]) -> list[Source]:
    """Returns the named sources, or all; raises ConfigurationError for one that is unknown."""
    for name in names:
        if name not in sources:
            raise ConfigurationError(f"{name}: no such source; declared: {', '.join(sources)}")
    return [sources[name] for name in names] or list(sources.values())


def describe(result: LoadResult) -> list[str]:
    """Returns what a load did, a line a file and one for the whole."""
    lines = []
    for file in result.files:
        rows = "unchanged" if file.rows is None else f"{file.rows:,} rows"
        replaces = f", in place of {file.replaces}" if file.replaces else ""
        lines.append(f"  {rows:>16}  {file.file}{replaces}")
        if file.rejected:
            lines.append(f"  {file.rejected:>11,} rejected  see audit.rejected_rows")
        if file.new_columns:
            new = ", ".join(file.new_columns)
            lines.append(f"  {'':>16}  new columns, landed but not modelled: {new}")
    lines.append(f"  {result.rows:,} rows of {result.source} loaded in {result.seconds:.1f} s")
    return lines


def describe_upload(result: UploadResult) -> list[str]:
    """Returns what an upload did, a line a file and one for the whole."""
    lines = [f"  {item.size:>13,} bytes  {item.key}" for item in result.uploaded]
    lines += [f"  {'unchanged':>19}  {key}" for key in result.unchanged]
    lines += [f"  {'left out':>19}  {key}: no feed takes it" for key in result.left_out]
    size = sum(item.size for item in result.uploaded)
    count = f"{len(result.uploaded)} of {len(result.uploaded) + len(result.unchanged)} files"
    return [*lines, f"  {count} uploaded to {result.url}, {size:,} bytes"]


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    program = new_parser("extract", __doc__, "load adventure_works")
    commands = program.add_subparsers(dest="command", required=True)
    load_command = add_command(
        commands, "load", "load new and changed files", "adventure_works census"
    )
    load_command.add_argument("sources", nargs="*", metavar="SOURCE", help="default: all")
    load_command.add_argument(
        "--accept-smaller",
        action="store_true",
        help="take files that hold far fewer rows than before (see min_share in sources.yml)",
    )
    load_command.add_argument(
        "--to",
        choices=ENGINE_OF,
        help="where to: PostgreSQL, or Iceberg tables for Spark; default: as ENGINE says",
    )
    upload_command = add_command(
        commands, "upload", "put files into a source's bucket", "~/exports/census census"
    )
    upload_command.add_argument("folder", metavar="FOLDER", type=Path)
    upload_command.add_argument("source", metavar="SOURCE")
    suggest_command = add_command(
        commands,
        "suggest",
        "look at files, and write the source that they make into the project",
        "~/exports/meters --source meters",
    )
    suggest_command.add_argument(
        "place", metavar="PATH_OR_URL", help="a file, a folder, s3:// or http(s)://"
    )
    suggest_command.add_argument("--source", required=True, metavar="NAME")
    suggest_command.add_argument(
        "--force", action="store_true", help="overwrite a source of that name, and its models"
    )
    add_command(commands, "status", "show what is loaded")
    return program


@exit_codes()
def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns 0 when done, 1 if a load failed, 2 on wrong usage."""
    options = parser().parse_args(arguments)
    if options.command == "status":
        with local_defaults():
            _status()
    elif options.command == "suggest":
        from extract.suggest import suggest

        with local_defaults():
            suggest(
                options.place,
                options.source,
                find_warehouse(),
                Console(width=None if sys.stdout.isatty() else 160),
                options.force,
            )
    elif options.command == "upload":
        # Into no sample: whoever uploads says where to (BUCKET_URL).
        (source,) = select(read_sources(), [options.source])
        with Progress() as progress:
            uploaded = upload(source, options.folder, progress)
        print("\n".join(describe_upload(uploaded)))
    else:
        sources = select(read_sources(), options.sources)
        if options.to:
            os.environ["ENGINE"] = ENGINE_OF[options.to]
        with local_defaults(sources), Progress() as progress:
            warehouse = find_warehouse()
            with recorded(warehouse, "load", " ".join(options.sources)) as record:
                results = [
                    load_recorded(source, warehouse, record, progress, options.accept_smaller)
                    for source in sources
                ]
        for result in results:
            print("\n".join(describe(result)))
    return 0


def _status() -> None:
    """Prints the current files; raises LoadError for a user who may not see the ledger."""
    try:
        _print_status()
    except psycopg2.errors.UndefinedTable:
        print("Nothing was loaded yet.")
    except psycopg2.errors.InsufficientPrivilege as error:
        raise LoadError(
            "what is loaded stands in schema audit, which members of loader and transformer may "
            f"read: {error.diag.message_primary}"
        ) from error


def _print_status() -> None:
    with closing(find_warehouse().connect()) as connection, connection.cursor() as cursor:
        cursor.execute(
            """
            select source, file, row_count - rejected_count, rejected_count, ended_at, load_id
            from audit.files
            where is_current
            order by source, file
            """
        )
        current = cursor.fetchall()
        cursor.execute(
            """
            select source, load_id, started_at, error
            from audit.loads
            where status = 'failed'
            order by load_id desc
            limit 5
            """
        )
        failed = cursor.fetchall()
    console = Console(width=None if sys.stdout.isatty() else 160)
    table = Table("source", "file", "rows", "rejected", "loaded at", "load", title="Current files")
    for source, file, rows, rejected, loaded_at, load_id in current:
        table.add_row(
            source,
            file,
            f"{rows:,}",
            f"{rejected:,}",
            f"{loaded_at:%Y-%m-%d %H:%M:%S}",
            str(load_id),
        )
    console.print(table)
    for source, load_id, started_at, error in failed:
        console.print(f"Load {load_id} of {source} ({started_at:%Y-%m-%d %H:%M:%S}): {error}")


if __name__ == "__main__":
    sys.exit(main())
