"""Does one task for every line on stdin, in a process of its own that can be killed.

The process is forked from one that has imported everything: a kill hits the task, not the imports.
Prints its id, and its exit code (negative: the signal) when it is gone. Arguments: `load SOURCE`,
`steps SOURCE SIZE` (until all records are there), `drops SOURCE` (all files that are there now) or
`die SOURCE MODULE:NAME` (a load that is killed as soon as this function has done its work).
"""

import os
import pkgutil
import signal
import sys
from contextlib import closing
from typing import Any

# Late as they are imported otherwise, they would be what is killed.
import boto3  # noqa: F401

import extract.pipeline
from common.errors import LoadError
from common.warehouse import Warehouse, find_warehouse
from extract.declaration import Source, read_sources
from extract.drops import Drops
from extract.load import load
from extract.reader import raw_names
from extract.steps import MicroBatches


def take_steps(source: Source, warehouse: Warehouse, size: int) -> None:
    """Takes steps until no record is left."""
    with closing(MicroBatches(source, warehouse, size)) as steps:
        while steps.load_next().files:
            pass


def take_drops(source: Source, warehouse: Warehouse) -> None:
    """Takes all files, which do not change meanwhile."""
    drops = Drops(source, warehouse, 0)
    drops.poll()
    for drop in drops.poll():
        if not drop.moved_to:
            raise LoadError(f"{drop.key}: {drop.error}")


def die_after(place: str) -> None:
    """Has this process killed when the function at this place has returned."""
    owner, _, name = place.rpartition(".")
    patched = pkgutil.resolve_name(owner)
    function = getattr(patched, name)

    def call_and_die(*arguments: Any, **named: Any) -> None:
        function(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(patched, name, call_and_die)


def main(task: str, name: str, *arguments: str) -> None:
    """Serves until stdin ends."""
    source = read_sources()[name]
    warehouse = find_warehouse()
    raw_names(["Imported"])
    extract.pipeline.pipeline(source, warehouse)
    for _ in sys.stdin:
        child = os.fork()
        if not child:
            try:
                if task == "steps":
                    take_steps(source, warehouse, int(arguments[0]))
                elif task == "drops":
                    take_drops(source, warehouse)
                else:
                    if task == "die":
                        die_after(arguments[0])
                    load(source, warehouse)
            except LoadError as error:
                print(error, file=sys.stderr, flush=True)
                os._exit(1)
            os._exit(0)
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
