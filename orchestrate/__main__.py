"""Command line: `python -m orchestrate run [SOURCE ...] | watch SOURCE | answers | status | …`."""

import argparse
import os
import re
import sys
from pathlib import Path

from rich.console import Console

from common.commands import add_command, new_parser
from common.errors import ConfigurationError, exit_codes
from common.runs import recorded
from common.warehouse import Warehouse, find_warehouse
from extract.__main__ import select
from extract.declaration import Source, read_sources
from local.defaults import local_defaults
from orchestrate.answers import print_answers
from orchestrate.artifacts import read_nodes
from orchestrate.console import new_console, say
from orchestrate.errors import DbtError
from orchestrate.export import FORMATS, export
from orchestrate.health import alert, print_status
from orchestrate.project import code_digest, recall
from orchestrate.run import import_dbt_beside, run, start_dbt
from orchestrate.watch import Clock, stopped_by_signals, watch_batches, watch_drops


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    program = new_parser("orchestrate", __doc__, "run adventure_works")
    commands = program.add_subparsers(dest="command", required=True)
    run_command = add_command(commands, "run", "load, dbt build, answers", "adventure_works --full")
    run_command.add_argument("sources", nargs="*", metavar="SOURCE", help="default: all")
    run_command.add_argument(
        "--full", action="store_true", help="build and test all, not only what is new"
    )
    run_command.add_argument(
        "--full-refresh",
        action="store_true",
        help="build all, and make incremental tables anew from all rows",
    )
    watch_command = add_command(
        commands, "watch", "load and build on the clock", "condominium --every 1m --settle 10s"
    )
    watch_command.add_argument("source", metavar="SOURCE")
    watch_command.add_argument(
        "--every", type=seconds, default=10.0, metavar="10s", help="time from tick to tick"
    )
    watch_command.add_argument(
        "--batch",
        type=number,
        metavar="N",
        help="load so many records per tick (a micro-batch), until all are there",
    )
    watch_command.add_argument(
        "--settle",
        type=seconds,
        default=5.0,
        metavar="5s",
        help="quiet period: how long a file must not have changed to be loaded",
    )
    watch_command.add_argument("--ticks", type=number, metavar="N", help="stop after so many ticks")
    watch_command.add_argument(
        "--accept-smaller",
        action="store_true",
        help="load landed files that have far fewer rows than before (see min_share in "
        "sources.yml)",
    )
    answers_command = add_command(
        commands,
        "answers",
        "print the answers from what is built, or write them",
        "--format html --out ~/answers",
    )
    answers_command.add_argument(
        "--format", choices=FORMATS, help="of the files; else they are printed"
    )
    answers_command.add_argument("--out", type=Path, metavar="FOLDER", help="where to write")
    status_command = add_command(
        commands,
        "status",
        "say how each source and the last runs are; exit code 1 if anything is wrong",
        "--failed load_census --about census",
    )
    status_command.add_argument(
        "--failed",
        nargs="*",
        metavar="TASK",
        help="record first that a scheduler's run is over, and which of its tasks failed",
    )
    status_command.add_argument(
        "--about", nargs="*", default=[], metavar="SOURCE", help="of that run; default: all"
    )
    record_command = add_command(
        commands, "record", "record in audit.runs what a dbt command of its own did", "target"
    )
    record_command.add_argument(
        "target", type=Path, metavar="FOLDER", help="its target folder, with run_results.json"
    )
    return program


@exit_codes(DbtError)
def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns 0 when done, 1 if a load or build failed, 2 on wrong usage."""
    options = parser().parse_args(arguments)
    console = new_console()
    sources = read_sources()
    if options.command == "run":
        chosen = select(sources, options.sources)
        import_dbt_beside()
        with local_defaults(chosen, cluster=True):
            return run(
                chosen,
                find_warehouse(),
                console,
                everything=not options.sources,
                is_full=options.full,
                full_refresh=options.full_refresh,
            )
    if options.command == "watch":
        (source,) = select(sources, [options.source])
        return _watch(source, options, console)
    if options.command == "answers" and bool(options.format) != bool(options.out):
        raise ConfigurationError("--format and --out go together: --format html --out answers")
    with local_defaults(cluster=options.command == "answers"):
        warehouse = find_warehouse()
        os.environ.update(warehouse.variables())
        if options.command == "record":
            _record(options.target, warehouse)
            return 0
        if options.command == "status":
            if options.failed is not None:
                with recorded(warehouse, "scheduled", " ".join(options.about)) as recording:
                    if options.failed:
                        recording.fail(f"failed: {', '.join(options.failed)}")
            return print_status(warehouse, list(sources), console)
        known = recall(code_digest(warehouse.database)) or start_dbt().known
        if options.format:
            is_any = export(
                warehouse,
                known.answers,
                options.format,
                options.out.expanduser(),
                lambda text: say(console, text),
            )
        else:
            is_any = print_answers(warehouse, known.answers, console)
        return 0 if is_any else 1


def seconds(text: str) -> float:
    """Returns 10.0 for `10s` or `10`, 600.0 for `10m`; raises ValueError if it is no duration."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|)", text)
    if not match:
        raise ValueError(text)
    units = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
    return float(match[1]) * units[match[2]]


def number(text: str) -> int:
    """Returns a whole number from 1; raises ValueError if it is none."""
    if int(text) < 1:
        raise ValueError(text)
    return int(text)


def _record(target: Path, warehouse: Warehouse) -> None:
    nodes, seconds = read_nodes(target)
    about = " ".join(sorted({source for node in nodes for source in node.sources.split()}))
    with recorded(warehouse, "build", about, seconds) as recording:
        recording.add(nodes)
        if any(node.has_failed for node in nodes):
            recording.fail()


def _watch(source: Source, options: argparse.Namespace, console: Console) -> int:
    if not options.every:
        raise ConfigurationError("--every: ticks need some time in between: say 10s")
    if source.api:
        raise ConfigurationError(
            f"{source.name}: is an API, which cannot be watched: schedule orchestrate run "
            f"{source.name}"
        )
    if options.batch is None and not source.drops:
        raise ConfigurationError(
            f"{source.name}: extract/sources.yml declares no landing folder for it; to load its "
            "files in micro-batches, say --batch N"
        )
    with local_defaults([source], cluster=True), stopped_by_signals() as stop:
        warehouse = find_warehouse()
        os.environ.update(warehouse.variables())
        clock = Clock(options.every, options.ticks, stop, console)
        try:
            with recorded(warehouse, "watch", source.name) as record:
                if options.batch is not None:
                    code = watch_batches(source, warehouse, console, clock, options.batch, record)
                else:
                    code = watch_drops(
                        source,
                        warehouse,
                        console,
                        clock,
                        options.settle,
                        record,
                        options.accept_smaller,
                    )
                if code:
                    record.fail()
                return code
        finally:
            alert(warehouse)


if __name__ == "__main__":
    sys.exit(main())
