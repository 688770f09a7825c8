"""Loads adventure_works once for every line on stdin, in a process of its own that can be killed.

The process is forked from one that has imported everything: a kill hits the load, not the imports.
Prints its id, and its exit code (negative: the signal) when it is gone.
"""

import os
import sys

from extract.declaration import read_sources
from extract.errors import LoadError
from extract.load import load
from extract.prepare import raw_names
from extract.warehouse import find_warehouse


def main() -> None:
    """Serves until stdin ends."""
    source = read_sources()["adventure_works"]
    warehouse = find_warehouse()
    raw_names(["Imported"])
    for _ in sys.stdin:
        child = os.fork()
        if not child:
            try:
                load(source, warehouse)
            except LoadError as error:
                print(error, file=sys.stderr, flush=True)
                os._exit(1)
            os._exit(0)
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
