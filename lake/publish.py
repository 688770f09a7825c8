"""Brings the lake up to date: new files, then what shows them, then tidies up."""

import os
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from common.errors import ConfigurationError, LoadError
from common.progress import Progress
from common.storage import Bucket, FolderBucket, Object, open_bucket
from common.warehouse import Warehouse
from lake.declaration import Table
from lake.glue import find_glue
from lake.iceberg import IcebergTable, history_days
from lake.place import OneFile, Place, Published, TableResult
from lake.snapshot import snapshot

# Where tables are on their way to the lake.
WORK = Path(__file__).resolve().parent.parent / ".local" / "work"
# What it wrote when a partitioned table was a list of files: docs/lake.md.
FORMER = "_manifest.json"


class Lake:
    """The folder or bucket at a URL."""

    def __init__(self, url: str) -> None:
        root = open_bucket(url.rstrip("/"))
        self.url = root.url
        if isinstance(root, FolderBucket):
            # Absolute, because readers may be anywhere.
            self.url = str(Path(root.url).resolve())
        self._layers: dict[str, Bucket] = {}

    def layer(self, name: str) -> Bucket:
        """Returns where the tables of a layer are."""
        if name not in self._layers:
            self._layers[name] = open_bucket(f"{self.url}/{name}")
        return self._layers[name]

    def places(self, tables: Iterable[Table]) -> dict[Table, Place]:
        """Returns the tables' places, with what is there now."""
        there: dict[str, dict[str, Object]] = defaultdict(dict)
        for layer in {table.layer for table in tables}:
            bucket = self.layer(layer)
            for item in bucket.objects() if bucket.exists() else []:
                name, _, key = item.key.partition("/")
                there[f"{layer}/{name}"][key] = item
        return {
            table: (IcebergTable if table.partition_by else OneFile)(
                table, self.layer(table.layer), there[str(table)]
            )
            for table in tables
        }


def open_lake() -> Lake:
    """Returns the lake that LAKE_URL names; raises ConfigurationError if that is not set."""
    url = os.environ.get("LAKE_URL")
    if not url:
        raise ConfigurationError("LAKE_URL is not set: say where to publish")
    return Lake(url)


def publish(
    tables: Sequence[Table],
    warehouse: Warehouse,
    lake: Lake,
    progress: Progress | None = None,
    must_exist: bool = False,
) -> list[TableResult]:
    """Publishes tables as the warehouse holds them at one moment; each changes as a whole.

    Raises LoadError or ConfigurationError. Until the last table is read and converted nothing is
    written to the lake; if writing fails, the tables that were not reached stay as they were.
    Tables that the warehouse does not have are left alone, or an error if they `must_exist`. The
    lake has no roles, so tables that the role reader may not read are withheld, and removed from
    the lake if it has them.
    """
    progress = progress or Progress(enabled=False)
    glue = find_glue()
    history_days()
    with _work_folder() as work, snapshot(warehouse) as taken:
        missing = taken.missing(tables)
        if missing and must_exist:
            first = missing[0]
            raise LoadError(
                f"{first}: the warehouse has no {first.schema}.{first.relation}: load and build "
                "its source first"
            )
        there = [table for table in tables if table not in missing]
        withheld = taken.withheld(there)
        with progress.task("reading the warehouse"):
            dumps = taken.dump([table for table in there if table not in withheld], work)
        places = lake.places(there)
        for dump in dumps:
            with progress.task(f"writing {dump.table}"):
                places[dump.table].prepare(dump, dump.path.with_suffix(""))
                dump.path.unlink()
        results = {table: TableResult(table, None) for table in missing}
        for table in withheld:
            glue.forget(table)
            results[table] = places[table].withdraw()
        _refuse_former([places[dump.table] for dump in dumps], lake)
        for dump in dumps:
            place = places[dump.table]
            with progress.task(f"publishing {dump.table}"):
                results[dump.table] = place.publish()
                if isinstance(place, IcebergTable):
                    glue.point(dump.table, place.version)
                place.tidy()
    return [results[table] for table in tables]


def published(tables: Sequence[Table], lake: Lake) -> Iterator[Published]:
    """Yields what the lake says of those of the tables that it has."""
    for place in lake.places(tables).values():
        entry = place.published()
        if entry:
            yield entry


def _refuse_former(places: Iterable[Place], lake: Lake) -> None:
    """Raises LoadError if any of the tables is as former releases have left it."""
    former = [str(place.table) for place in places if place.has(FORMER)]
    if former:
        raise LoadError(
            f"{lake.url}: these have the lake's former format ({FORMER}): {', '.join(former)}; "
            "remove their folders, then publish again: docs/lake.md"
        )


@contextmanager
def _work_folder() -> Iterator[Path]:
    """Makes an empty folder for a while, and removes those that killed publishes left behind."""
    for left in WORK.glob("lake.*"):
        if not psutil.pid_exists(int(left.suffix[1:])):
            shutil.rmtree(left, ignore_errors=True)
    folder = WORK / f"lake.{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
