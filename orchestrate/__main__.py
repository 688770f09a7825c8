"""Command line: `python -m orchestrate run [SOURCE ...]` and `python -m orchestrate answers`."""

import argparse
import os
import sys

from rich.console import Console

from extract.__main__ import select
from extract.declaration import read_sources
from extract.errors import ConfigurationError, LoadError
from extract.warehouse import find_warehouse
from orchestrate.answers import print_answers
from orchestrate.errors import DbtError
from orchestrate.run import run, start_dbt


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns 0 when done, 1 if a step failed, 2 on wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m orchestrate", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run_command = commands.add_parser("run", help="load, dbt build, answers")
    run_command.add_argument("sources", nargs="*", metavar="SOURCE", help="default: all")
    commands.add_parser("answers", help="print the answers from what is built")
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 120)
    try:
        sources = read_sources()
        if options.command == "run":
            chosen = select(sources, options.sources)
            return run(chosen, find_warehouse(), console, everything=not options.sources)
        warehouse = find_warehouse()
        os.environ.update(warehouse.variables())
        print_answers(warehouse, start_dbt().analyses(), console)
    except ConfigurationError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (DbtError, LoadError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
