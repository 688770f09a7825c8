"""One run: load, build and test what has reason to be, the answers."""

import gc
import multiprocessing
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Container, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from rich.console import Console

from common.errors import LoadError
from common.lakehouse import Lakehouse
from common.progress import Progress
from common.runs import FAILED, Node, Run, recorded
from common.warehouse import DEFAULTS, Warehouse
from extract.__main__ import describe
from extract.declaration import Source
from extract.ledger import is_loaded
from extract.load import has_files, has_news, load_recorded
from orchestrate import spark
from orchestrate.answers import print_answers
from orchestrate.builds import Build, Builds, locked, no_news_of
from orchestrate.console import new_console, say
from orchestrate.errors import DbtError
from orchestrate.health import alert
from orchestrate.project import Feed, Known, code_digest, recall

if TYPE_CHECKING:
    from orchestrate.dbt import Dbt

SLOWEST = 3


@dataclass(frozen=True)
class Extent:
    """How much of the project a build is about.

    `names` are sources, none for the whole project. Of those, it builds what is new, or all of it
    if it `is_full`; `full_refresh` makes incremental tables anew as well.
    """

    names: tuple[str, ...] = ()
    is_full: bool = False
    full_refresh: bool = False


def run(
    sources: Sequence[Source],
    warehouse: Warehouse,
    console: Console,
    everything: bool,
    is_full: bool = False,
    full_refresh: bool = False,
) -> int:
    """Loads the sources, builds and tests what has reason to be, and prints the answers.

    `everything` says that these are all sources: those that were never loaded and have no files are
    skipped, and if there are none, the whole project is built. A source that cannot be loaded
    keeps no other from being built. What it did is recorded, and whoever wants to know of trouble
    is told. Returns 0, or 1 if something failed: the reasons are the last things printed.
    """
    os.environ.update(warehouse.variables())
    names = [source.name for source in sources]
    try:
        with recorded(warehouse, "run", "" if everything else " ".join(names)) as record:
            return _run(sources, warehouse, console, record, everything, is_full, full_refresh)
    finally:
        alert(warehouse)


def _run(
    sources: Sequence[Source],
    warehouse: Warehouse,
    console: Console,
    record: Run,
    everything: bool,
    is_full: bool,
    full_refresh: bool,
) -> int:
    started = time.monotonic()
    chosen = [
        source
        for source in sources
        if not everything or has_files(source) or is_loaded(source, warehouse)
    ]
    if not chosen:
        raise LoadError("no source has files: put some where BUCKET_URL says, or set it")
    console.rule("Load", align="left")
    for source in sources:
        if source not in chosen:
            console.print(f"  {source.name}: never loaded, and without files: skipped")
    is_dbt_needed = (
        is_full
        or full_refresh
        or recall(code_digest(warehouse.database)) is None
        or any(_has_news(source, warehouse) for source in chosen)
    )
    if is_dbt_needed:
        loads = _load_beside_dbt(chosen, warehouse)
    else:
        loads = _load(chosen, warehouse, console)
    record.add(loads)
    record.row_count = sum(load.row_count or 0 for load in loads)
    loaded = [load.name for load in loads if not load.has_failed]
    try:
        is_good = not loaded or _build_and_answer(
            warehouse,
            Extent(
                () if everything and len(loaded) == len(sources) else tuple(loaded),
                is_full,
                full_refresh,
            ),
            console,
            record,
        )
        console.print(f"Done in {time.monotonic() - started:.1f} s.", highlight=False)
    finally:
        for load in loads:
            if load.has_failed:
                print(f"error: {load.message}", file=sys.stderr)
    if is_good and len(loaded) == len(loads):
        return 0
    record.fail()
    return 1


def _build_and_answer(warehouse: Warehouse, extent: Extent, console: Console, record: Run) -> bool:
    known = nothing_new(warehouse, extent, console)
    if known is None:
        dbt = start_dbt()
        if not build(dbt, warehouse, extent, console, record):
            return False
        known = dbt.known
    console.rule("Answers", align="left")
    return print_answers(warehouse, known.answers_of(extent.names), console)


def import_dbt_beside() -> None:
    """Begins to import dbt in a thread, if nothing is known of this state of the code.

    It is needed then, and takes a second or two, in which the server and the sample can be made.
    """
    database = os.environ.get("POSTGRES_DB") or DEFAULTS["POSTGRES_DB"]
    if recall(code_digest(database)) is None:
        threading.Thread(target=import_module, args=("orchestrate.dbt",)).start()


@cache
def start_dbt() -> "Dbt":
    """Returns dbt, started once; raises DbtError if the project does not parse."""
    # Without the garbage collector, which would go through all that is made here again and again:
    # half a second of three.
    gc.disable()
    try:
        # Imported late: it takes seconds, which a run with nothing new need not pay.
        from orchestrate.dbt import Dbt

        return Dbt()
    finally:
        gc.freeze()
        gc.enable()


def nothing_new(warehouse: Warehouse, extent: Extent, console: Console) -> Known | None:
    """Returns what is known of the project if nothing of it is to be built, and says so.

    dbt need not be started to know. None if something may have to be built.
    """
    code = code_digest(warehouse.database)
    known = recall(code)
    if known is None or extent.is_full or extent.full_refresh:
        return None
    with locked(warehouse) as builds:
        last, loads = builds.last(), builds.loads()
        if (
            code != last.code
            or last.red
            or _news(extent, last, loads)
            or known.missing(extent.names, builds.relations())
        ):
            return None
        console.rule("Build and test", align="left")
        console.print(
            f"  nothing new since build {last.build_id} ({last.started_at:%Y-%m-%d %H:%M:%S}): "
            "nothing built",
            highlight=False,
        )
        _print_warnings(last.warnings, console)
        _print_stale(builds, known, extent, console)
    return known


def build(dbt: "Dbt", warehouse: Warehouse, extent: Extent, console: Console, record: Run) -> bool:
    """Builds and tests what has reason to be, records it in audit.builds, and prints how it went.

    Returns whether nothing failed. Raises LoadError if something did because Spark is gone.
    """
    with locked(warehouse) as builds:
        console.rule("Build and test", align="left")
        started = time.monotonic()
        last, loads = builds.last(), builds.loads()
        plan = _plan(dbt, extent, last, loads, builds.relations())
        dbt.keep_manifest()
        build_id = builds.begin(dbt.code, extent.is_full, plan.tested, last)
        with Progress() as progress, progress.task("dbt build"):
            results = dbt.build(plan.wanted - plan.again, plan.tested, plan.full_refresh)
            results += dbt.build(plan.again)
        record.add(results)
        there = dbt.project.nodes
        red = {**_others(last.red, results, there), **_messages(results, "skipped", *FAILED)}
        warnings = {**_others(last.warnings, results, there), **_messages(results, "warn")}
        failed = [result for result in results if result.has_failed]
        # What is red has kept its sources from being tested to the end.
        at_fault = dbt.project.sources(red)
        tested = dict(plan.tested)
        for (source, _), load in sorted(loads.items(), key=lambda each: each[1]):
            if source not in (extent.names or [source]):
                continue
            if source not in at_fault:
                tested[source] = load
            elif source in last.tested_loads:
                tested[source] = last.tested_loads[source]
        builds.end(build_id, not failed, tested, red, warnings)
        _summarize(results, time.monotonic() - started, console)
        _print_warnings(warnings, console)
        for key in sorted(red.keys() - {result.key for result in results}):
            say(console, f"  still red, of other sources: {_name(key)}: {red[key]}")
        if not failed:
            _print_stale(builds, dbt.known, extent, console)
    for result in failed:
        console.print(f"  failed: {result.kind} {result.name}", highlight=False, markup=False)
    for result in failed:
        print(f"error: {result.kind} {result.name}: {result.message}", file=sys.stderr)
    if failed:
        print("what to do about each: make status", file=sys.stderr)
        if isinstance(warehouse, Lakehouse):
            # If the server is gone, that says more than what each of them met.
            with spark.cursor():
                pass
    return not failed


@dataclass(frozen=True)
class _Plan:
    """What a build has reason to build and test.

    `again` are those tests of the `wanted` nodes that warned before. `tested` says up to which load
    of a source the others need not look.
    """

    wanted: set[str]
    again: set[str]
    tested: dict[str, int]
    full_refresh: bool


def _plan(
    dbt: "Dbt", extent: Extent, last: Build, loads: dict[Feed, int], relations: set[str]
) -> _Plan:
    project = dbt.project
    scope = project.everything()
    if extent.names:
        scope = project.of(extent.names) | project.of_ledger()
    news = _news(extent, last, loads)
    new = project.of(source for source, _ in news if source not in last.tested_loads)
    changed = dbt.changed(last.code)
    # Not only new rows, so tested on all rows; and the tests of those models.
    others = scope & (changed | new | project.missing(relations) | set(last.red))
    others |= scope & project.tests_of(others)
    # What changed, but is out of scope, is built as if it were new when its turn comes.
    whole = project.sources(others | changed)
    tested = {source: load for source, load in last.tested_loads.items() if source not in whole}
    # Rows that other code made, or that a build left out which failed, do not stay in them.
    stained = any(project.nodes[key].kind == "incremental" for key in others)
    if extent.is_full or extent.full_refresh:
        tested = {key: tested[key] for key in tested if extent.names and key not in extent.names}
        return _Plan(scope, set(), tested, extent.full_refresh or stained)
    wanted = others | scope & project.below(news)
    return _Plan(wanted, wanted & set(last.warnings), tested, stained)


def _news(extent: Extent, last: Build, loads: dict[Feed, int]) -> set[Feed]:
    """Returns the feeds that brought something since their sources were built and tested."""
    return {
        (source, feed)
        for (source, feed), load in loads.items()
        if load > last.tested_loads.get(source, 0) and source in (extent.names or [source])
    }


def _others(
    before: dict[str, str], results: Sequence[Node], there: Container[str]
) -> dict[str, str]:
    """Returns what is known from before of nodes that this build was not about."""
    done = {result.key for result in results}
    return {key: text for key, text in before.items() if key in there and key not in done}


def _messages(results: Sequence[Node], *statuses: str) -> dict[str, str]:
    return {
        result.key: result.message or result.status
        for result in results
        if result.status in statuses
    }


def _load(sources: Sequence[Source], warehouse: Warehouse, console: Console) -> list[Node]:
    """Loads the sources, and returns what became of each, for the record."""
    # Of these loads alone: whoever asked for them writes it down.
    record = Run()
    with Progress() as progress:
        for source in sources:
            try:
                result = load_recorded(source, warehouse, record, progress)
            except LoadError:
                console.print(f"  {source.name}: not loaded", highlight=False)
            else:
                console.print("\n".join(describe(result)), highlight=False, markup=False)
    return list(record.nodes.values())


def _has_news(source: Source, warehouse: Warehouse) -> bool:
    try:
        return has_news(source, warehouse)
    except LoadError:
        # Its load will meet the same, and say so.
        return False


def _load_beside_dbt(sources: Sequence[Source], warehouse: Warehouse) -> list[Node]:
    """Loads as `_load` does, in a process of its own, and starts dbt in this one meanwhile."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    sys.stdout.flush()
    loading = context.Process(target=_send_loads, args=(sender, sources, warehouse))
    loading.start()
    sender.close()
    # What is wrong with the project is said when it is to be built, if it is.
    with suppress(DbtError):
        start_dbt()
    try:
        loads: list[Node] = receiver.recv()
    except EOFError as error:
        raise LoadError(
            f"the process that loads ended by itself ({loading.exitcode}): see that there is "
            "memory, and run this again"
        ) from error
    finally:
        loading.join()
    return loads


def _send_loads(sender: Connection, sources: Sequence[Source], warehouse: Warehouse) -> None:
    # Ctrl-C is for both processes, and the other one says so.
    with suppress(KeyboardInterrupt):
        sender.send(_load(sources, warehouse, new_console()))


def _print_warnings(warnings: dict[str, str], console: Console) -> None:
    for key, message in sorted(warnings.items()):
        say(console, f"  warning: {_name(key)}: {message}")


def _name(key: str) -> str:
    """Returns the name in a unique id, which a digest may follow."""
    return key.split(".")[2]


def _print_stale(builds: Builds, known: Known, extent: Extent, console: Console) -> None:
    for source, feeds in known.stale(builds.ages()).items():
        if not extent.names or source in extent.names:
            say(console, f"  warning: {source}: {no_news_of(feeds)}")


def _count(results: Sequence[Node], status: str) -> Counter[str]:
    """Returns how many of each kind ended so."""
    return Counter(result.kind for result in results if result.status == status)


def _summarize(results: Sequence[Node], seconds: float, console: Console) -> None:
    built, skipped = _count(results, "success"), _count(results, "skipped")
    passed = _count(results, "pass").total()
    parts = [f"{built[kind]} {kind}s" for kind in ("seed", "model", "snapshot") if built[kind]]
    lines = [f"  {', '.join(parts) or 'nothing'} built, {passed} tests passed in {seconds:.1f} s"]
    if not results:
        lines = ["  nothing new: nothing built"]
    if skipped:
        lines.append(f"  {skipped.total()} skipped because of a failure before them")
    slowest = sorted(results, key=lambda result: result.seconds or 0, reverse=True)[:SLOWEST]
    if slowest:
        names = (f"{result.name} {result.seconds:.1f} s" for result in slowest)
        lines.append("  slowest: " + ", ".join(names))
    console.print("\n".join(lines), highlight=False, markup=False)
