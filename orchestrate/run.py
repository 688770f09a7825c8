"""One run: load, `dbt build` of what depends on it, the answers."""

import os
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console

from common.errors import LoadError
from common.progress import Progress
from common.warehouse import Warehouse
from extract.__main__ import describe
from extract.declaration import Source
from extract.ledger import is_loaded
from extract.load import has_files, load
from orchestrate.answers import print_answers

if TYPE_CHECKING:
    from orchestrate.dbt import Dbt, Node

SLOWEST = 3


def run(sources: Sequence[Source], warehouse: Warehouse, console: Console, everything: bool) -> int:
    """Loads the sources, builds what depends on them and prints the answers.

    `everything` says that these are all sources: those that were never loaded and have no files are
    left out, and if there are none, the whole project is built. Returns 0, or 1 if a step failed:
    the ones after it do not run, and its reason is the last thing printed.
    """
    started = time.monotonic()
    os.environ.update(warehouse.variables())
    chosen = [
        source
        for source in sources
        if not everything or has_files(source) or is_loaded(source, warehouse)
    ]
    if not chosen:
        raise LoadError("no source has files; BUCKET_URL says where they are looked for")
    names = [] if everything and chosen == sources else [source.name for source in chosen]
    console.rule("Load", align="left")
    for source in sources:
        if source not in chosen:
            console.print(f"  {source.name}: never loaded, and without files: left out")
    with Progress() as progress:
        for source in chosen:
            result = load(source, warehouse, progress)
            console.print("\n".join(describe(result)), highlight=False, markup=False)
    dbt = start_dbt()
    if not build(dbt, names, console):
        return 1
    console.rule("Answers", align="left")
    print_answers(warehouse, dbt.analyses(names), console)
    console.print(f"Done in {time.monotonic() - started:.1f} s.", highlight=False)
    return 0


def start_dbt() -> "Dbt":
    """Returns dbt, started; raises DbtError if the project does not parse."""
    # Imported late: it takes seconds, which a command with wrong arguments need not pay.
    from orchestrate.dbt import Dbt

    return Dbt()


def build(dbt: "Dbt", names: Sequence[str], console: Console) -> bool:
    """Builds and tests what depends on the sources (all if none is named), and prints how it went.

    Returns whether nothing failed.
    """
    from orchestrate.dbt import failures, warnings

    console.rule("Build and test", align="left")
    started = time.monotonic()
    with Progress() as progress, progress.step("dbt build"):
        nodes = dbt.build(names)
    _summarize(nodes, time.monotonic() - started, console)
    for node in warnings(nodes):
        console.print(
            f"  warning: {node.name}: {node.message}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
    failed = failures(nodes)
    for node in failed:
        console.print(f"  failed: {node.kind} {node.name}", highlight=False, markup=False)
    for node in failed:
        print(f"error: {node.kind} {node.name}: {node.message}", file=sys.stderr)
    return not failed


def _summarize(nodes: "Sequence[Node]", seconds: float, console: Console) -> None:
    from orchestrate.dbt import count

    built, skipped = count(nodes, "success"), count(nodes, "skipped")
    passed = count(nodes, "pass").total()
    parts = [f"{built[kind]} {kind}s" for kind in ("seed", "model", "snapshot") if built[kind]]
    lines = [
        f"  {', '.join(parts) or 'nothing'} built, {passed} tests passed in {seconds:.1f} s",
    ]
    if skipped:
        lines.append(f"  {skipped.total()} skipped because of a failure before them")
    slowest = sorted(nodes, key=lambda node: node.seconds, reverse=True)[:SLOWEST]
    lines.append("  slowest: " + ", ".join(f"{node.name} {node.seconds:.1f} s" for node in slowest))
    console.print("\n".join(lines), highlight=False, markup=False)
