"""Watches a source: on the clock, it loads what comes next and builds what depends on it."""

import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console

from common.errors import ConfigurationError, LoadError
from common.runs import Node, Run
from common.warehouse import Warehouse
from extract.declaration import Source
from extract.drops import Drop, Drops
from extract.ledger import is_loaded
from extract.load import FileResult, failed_load
from extract.steps import MicroBatches
from orchestrate.builds import locked
from orchestrate.console import say
from orchestrate.errors import DbtError
from orchestrate.health import alert
from orchestrate.run import Extent, build, start_dbt

if TYPE_CHECKING:
    from orchestrate.dbt import Dbt

T = TypeVar("T")


@dataclass(frozen=True)
class Clock:
    """Ticks every so many seconds, from the first call, until `stop` is set.

    `limit` is after how many ticks it stops by itself; None for never.
    """

    every: float
    limit: int | None
    stop: threading.Event
    console: Console

    def ticks(self) -> Iterator[int]:
        """Yields 1, 2, … at each tick. Ticks that become overdue during another one are skipped."""
        begin = time.monotonic()
        due = number = 0
        while not self.stop.wait(max(0.0, begin + due * self.every - time.monotonic())):
            number += 1
            yield number
            took = time.monotonic() - begin - due * self.every
            passed = int(took / self.every)
            if passed:
                say(
                    self.console,
                    f"  overrun: tick {number} took {took:.1f} s where {self.every:g} s are "
                    f"allowed; {passed} skipped",
                )
            if number == self.limit:
                return
            due += passed + 1


@contextmanager
def stopped_by_signals() -> Iterator[threading.Event]:
    """Gives an event that SIGINT and SIGTERM set, so that a tick is finished before the end.

    A second one does what it does elsewhere.
    """
    stop = threading.Event()

    def handle(number: int, _: object) -> None:
        stop.set()
        signal.signal(number, before[number])

    before = {
        int(number): signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def watch_batches(
    source: Source, warehouse: Warehouse, console: Console, clock: Clock, size: int, record: Run
) -> int:
    """Loads the next `size` records on every tick, until all are there.

    Before the first tick and after the last, all that depends on the source is built and tested; a
    tick brings up to date what holds rows. A broken file is reported on every tick, until a
    correct one is there. Returns 0, or 1 if the last load or build failed.
    """
    with closing(MicroBatches(source, warehouse, size)) as batches:
        dbt = start_dbt()
        whole = partial(build, dbt, warehouse, Extent((source.name,)), console, record)
        refresh = partial(_refresh, dbt, warehouse, source, record)
        batches.prepare()
        is_built = whole()
        has_loaded = True
        is_over = False
        for tick in clock.ticks():
            started = time.monotonic()
            result = _retry(batches.load_next, source, record)
            has_loaded = result is not None
            if result is None:
                alert(warehouse)
                continue
            record.add([result.node])
            loaded = time.monotonic()
            is_over = sum(_records(file) for file in result.files) < size
            # Whatever a build that failed left behind is built anew.
            is_built = _retry(refresh if is_built else whole, source, record) or False
            alert(warehouse)
            say(
                console,
                f"tick {tick}: {_describe(result.files) or 'nothing left'}; load "
                f"{loaded - started:.2f} s, dbt {time.monotonic() - loaded:.2f} s"
                + ("" if is_built else ", failed"),
            )
            if is_over:
                clock.stop.set()
        if is_over:
            is_built = _retry(whole, source, record) or False
    return 0 if is_built and has_loaded else 1


def watch_drops(
    source: Source,
    warehouse: Warehouse,
    console: Console,
    clock: Clock,
    settle: float,
    record: Run,
    accept_smaller: bool = False,
) -> int:
    """Loads the files of a landing folder after a quiet period of `settle` seconds, on every tick.

    What depends on the source is built after every tick that loaded something, and again after one
    that failed. `accept_smaller` takes whole tables that lost more rows than sources.yml allows.
    Returns 0, or 1 if the last build failed.
    """
    drops = Drops(source, warehouse, settle, accept_smaller)
    dbt = start_dbt()
    whole = partial(build, dbt, warehouse, Extent((source.name,)), console, record)
    unknown: set[str] = set()
    # A watch that was killed may have loaded what it did not come to build.
    to_build = is_loaded(source, warehouse)
    for tick in clock.ticks():
        before = record.count
        for drop in _retry(drops.poll, source, record) or ():
            say(console, f"tick {tick}: {_tell(drop)}")
            record.add([_node(drop, source)])
            to_build = to_build or (drop.result is not None and drop.result.is_news)
        for key in sorted(set(drops.unknown) - unknown):
            say(console, f"tick {tick}: {key}: no feed of {source.name} has files of that name")
        unknown = set(drops.unknown)
        if to_build:
            to_build = not _retry(whole, source, record)
        if record.count > before:
            alert(warehouse)
    return 1 if to_build else 0


def _refresh(dbt: "Dbt", warehouse: Warehouse, source: Source, record: Run) -> bool:
    with locked(warehouse):
        results = dbt.refresh(source.name)
    record.add(results)
    failed = [result for result in results if result.has_failed]
    for node in failed:
        print(f"error: {node.kind} {node.name}: {node.message}", file=sys.stderr)
    return not failed


def _retry(task: Callable[[], T], source: Source, record: Run) -> T | None:
    """Does the task. Whatever goes wrong is told and recorded, and tried again on the next tick.

    If the watch ended, no other file would be loaded either.
    """
    try:
        return task()
    except ConfigurationError:
        raise
    except (DbtError, LoadError) as error:
        print(f"error: {error} (will be retried)", file=sys.stderr)
        record.add([failed_load(source, error)])
    except Exception as error:  # noqa: BLE001
        # A bug: whoever fixes it needs the place.
        traceback.print_exc()
        print(f"error: {type(error).__name__}: {error} (will be retried)", file=sys.stderr)
        record.add([failed_load(source, error)])
    return None


def _node(drop: Drop, source: Source) -> Node:
    if drop.result is None or drop.error:
        return failed_load(source, LoadError(f"{drop.key}: {drop.error}"))
    return drop.result.node


def _records(file: FileResult) -> int:
    return (file.rows or 0) + file.rejected


def _describe(files: Sequence[FileResult]) -> str:
    return ", ".join(
        f"{_records(file):,} records of {file.file}"
        + (f" ({file.rejected:,} rejected)" if file.rejected else "")
        for file in files
    )


def _tell(drop: Drop) -> str:
    moved = f"; now {drop.moved_to}" if drop.moved_to else "; not moved"
    if drop.result is None or drop.error:
        return f"{drop.key}: {drop.error}{moved}"
    news = _describe(drop.result.files) if drop.result.is_news else "loaded before"
    return f"{drop.key}: {news}{moved}"
