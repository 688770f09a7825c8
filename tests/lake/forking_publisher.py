"""Publishes the versioned tables for every line on stdin, in a process that can be killed.

It is forked from one that has imported everything: a kill hits the publish, not the imports.
Prints its id, and its exit code (negative: the signal) when it is gone.
"""

import os
import sys

from common.errors import LoadError
from common.warehouse import find_warehouse
from lake.declaration import Table
from lake.publish import open_lake, publish

TABLES = [
    Table("gold", "flat", "public", "flat", (), (), (), "of a test"),
    Table("silver", "parts", "public", "parts", (), (("part", "part"),), (), "of a test"),
]


def main() -> None:
    """Serves until stdin ends."""
    for _ in sys.stdin:
        child = os.fork()
        if not child:
            try:
                publish(TABLES, find_warehouse(), open_lake())
            except LoadError as error:
                print(error, file=sys.stderr, flush=True)
                os._exit(1)
            os._exit(0)
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
