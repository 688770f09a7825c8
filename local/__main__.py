"""Command line of the local defaults: up, down, packages and sample."""

import argparse
import os
import sys
from pathlib import Path

from common.commands import add_command, new_parser
from common.errors import LoadError
from local.defaults import local_defaults
from local.packages import install_packages
from local.postgres import ServerError, this_clone
from local.spark import this_cluster


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    program = new_parser("local", __doc__, "up")
    commands = program.add_subparsers(dest="command", required=True)
    up = add_command(commands, "up", "start this clone's PostgreSQL and leave it running")
    up.add_argument("--quiet", action="store_true", help="say nothing if all is well")
    down = add_command(commands, "down", "stop it", "--delete")
    down.add_argument("--delete", action="store_true", help="and delete its data")
    add_command(commands, "spark-up", "start this clone's Spark cluster and leave it running")
    add_command(commands, "spark-down", "stop it")
    add_command(commands, "packages", "install the dbt packages")
    sample = add_command(
        commands,
        "sample",
        "write sample files in the sources' own formats",
        "--scale 0.1 --out bucket",
    )
    sample.add_argument("--scale", type=float, default=1.0, help="1 = AdventureWorks' row counts")
    sample.add_argument("--out", type=Path, required=True, help="folder to write into")
    return program


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns 0 when done, 1 if it failed, 2 on wrong usage."""
    options = parser().parse_args(arguments)
    try:
        if options.command == "up":
            _up(quiet=options.quiet)
        elif options.command == "down":
            stopped = this_clone().stop()
            print("PostgreSQL stopped." if stopped else "PostgreSQL was not running.")
            if options.delete:
                this_clone().delete()
        elif options.command == "spark-up":
            os.environ["ENGINE"] = "spark"
            with local_defaults(cluster=True):
                print(
                    "Spark is up on {SPARK_HOST}:{SPARK_PORT}; `make spark-down` stops it.".format(
                        **os.environ
                    )
                )
        elif options.command == "spark-down":
            stopped = this_cluster().stop()
            print("Spark stopped." if stopped else "Spark was not running.")
        elif options.command == "packages":
            print(install_packages(), file=sys.stderr)
        else:
            return _sample(options.scale, options.out)
    except (LoadError, ServerError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _up(quiet: bool) -> None:
    host = os.environ.get("POSTGRES_HOST")
    if host:
        message = f"POSTGRES_HOST is set: using the server on {host}, starting none."
    else:
        env = this_clone().start()
        message = (
            f"PostgreSQL is up on {env['POSTGRES_HOST']}:{env['POSTGRES_PORT']} "
            f"(database {env['POSTGRES_DB']}); `make psql` opens a prompt, `make down` stops it."
        )
    if not quiet:
        print(message)


def _sample(scale: float, out: Path) -> int:
    from local.bucket import write_sample

    try:
        rows = write_sample(scale, out)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for file, count in rows.items():
        print(f"{count:>10,} rows  {out / file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
