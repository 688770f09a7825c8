"""Brings the lake up to date: new files beside the old ones, then names them, then tidies up."""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from common.errors import ConfigurationError, LoadError
from common.progress import Progress
from common.storage import Bucket, FolderBucket, Object, open_bucket
from common.warehouse import Warehouse
from lake.declaration import LAYERS, Table
from lake.files import File, make_files
from lake.snapshot import snapshot

# Where tables are on their way to the lake.
WORK = Path(__file__).resolve().parent.parent / ".local" / "work"
# What a publish knows of the one before. Names with an underscore are no data to Spark and Athena.
MANIFEST = "_manifest.json"
# Which files a partitioned table is made of, a path a line: what Hive and Athena read as a
# "symlink" table. One object, so readers see all of a version or all of the next.
CURRENT = "_current/files.txt"
# At once; each waits for the network most of the time.
UPLOADS = 8


@dataclass(frozen=True)
class TableResult:
    """What became of one table.

    `rows` is None if it was not published: the warehouse does not have it, or it `is_withheld`
    because the role reader may not read it.
    """

    table: Table
    rows: int | None
    files: int = 0
    written: int = 0
    removed: int = 0
    is_withheld: bool = False


@dataclass(frozen=True)
class Published:
    """What the lake says of a table."""

    table: Table
    rows: int
    files: int
    size: int
    published_at: datetime


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
        """Returns where the tables of a layer are; a folder is made if it is missing."""
        if name not in self._layers:
            bucket = open_bucket(f"{self.url}/{name}")
            if isinstance(bucket, FolderBucket):
                try:
                    Path(bucket.url).mkdir(parents=True, exist_ok=True)
                except OSError as error:
                    raise LoadError(
                        f"{bucket.url}: cannot be made: {error.strerror}; set another LAKE_URL"
                    ) from error
            self._layers[name] = bucket
        return self._layers[name]


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
        files: dict[Table, list[File]] = {}
        columns = {dump.table: dict(dump.columns) for dump in dumps}
        for dump in dumps:
            with progress.task(f"writing {dump.table}"):
                files[dump.table] = make_files(dump, dump.path.with_suffix(""))
                dump.path.unlink()
        listed = {
            layer: list(lake.layer(layer).objects())
            for layer in LAYERS
            if any(table.layer == layer for table in there)
        }
        results = {table: TableResult(table, None) for table in missing}
        for table in withheld:
            folder = _Folder(table, lake.layer(table.layer), listed[table.layer], work)
            results[table] = folder.withdraw()
        for table, made in files.items():
            with progress.task(f"publishing {table}"):
                folder = _Folder(table, lake.layer(table.layer), listed[table.layer], work)
                results[table] = folder.publish(made, columns[table])
    return [results[table] for table in tables]


def published(tables: Sequence[Table], lake: Lake) -> Iterator[Published]:
    """Yields what the lake says of those of the tables that it has."""
    with _work_folder() as work:
        listed = {layer: list(lake.layer(layer).objects()) for layer in LAYERS}
        for table in tables:
            folder = _Folder(table, lake.layer(table.layer), listed[table.layer], work)
            manifest = folder.manifest()
            if manifest:
                files = manifest["files"]
                yield Published(
                    table,
                    sum(file["rows"] for file in files),
                    len(files),
                    sum(file["bytes"] for file in files),
                    datetime.fromisoformat(manifest["published_at"]),
                )


class _Folder:
    """One table's place in the lake."""

    def __init__(self, table: Table, bucket: Bucket, listed: Sequence[Object], work: Path) -> None:
        self._table = table
        self._bucket = bucket
        self._there = {
            item.key.removeprefix(f"{table.name}/"): item
            for item in listed
            if item.key.startswith(f"{table.name}/")
        }
        self._work = work

    def manifest(self) -> dict[str, Any]:
        """Returns what the last publish wrote down, or nothing."""
        if MANIFEST not in self._there:
            return {}
        path = self._work / "manifest.json"
        self._bucket.download(self._there[MANIFEST], path)
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            # Not ours: everything is written anew.
            return {}
        return found

    def publish(self, files: Sequence[File], columns: dict[str, str]) -> TableResult:
        """Makes these files the table."""
        manifest = self.manifest()
        known = {file["key"]: file for file in manifest.get("files", [])}
        new = [file for file in files if not self._is_there(file, known.get(file.key))]
        with ThreadPoolExecutor(UPLOADS) as pool:
            put = dict(
                zip(new, pool.map(lambda file: self._put(file.key, file.path), new), strict=True)
            )
            entries = [
                {
                    "key": file.key,
                    "rows": file.rows,
                    "bytes": file.path.stat().st_size,
                    "sha256": file.sha256,
                    "version": (put.get(file) or self._there[file.key]).version,
                }
                for file in files
            ]
            said = {
                "relation": f"{self._table.schema}.{self._table.relation}",
                "url": f"{self._bucket.url}/{self._table.name}",
                "columns": columns,
                "files": entries,
            }
            wanted = {MANIFEST, *(file.key for file in files)}
            if self._table.partition_by:
                wanted.add(CURRENT)
            if any(manifest.get(name) != value for name, value in said.items()) or (
                wanted - self._there.keys()
            ):
                if self._table.partition_by:
                    lines = (f"{said['url']}/{file.key}\n" for file in files)
                    self._put(CURRENT, "".join(lines).encode())
                # After what readers go by: killed in between, the next publish does it again.
                said = {"published_at": datetime.now(UTC).isoformat(), **said}
                self._put(MANIFEST, json.dumps(said, indent=1, ensure_ascii=False).encode())
            gone = [
                key
                for key in self._there.keys() - wanted
                if key == CURRENT or key.endswith((".parquet", ".jsonl"))
            ]
            list(pool.map(lambda key: self._bucket.delete(f"{self._table.name}/{key}"), gone))
        rows = sum(file.rows for file in files)
        return TableResult(self._table, rows, len(files), len(new), len(gone))

    def withdraw(self) -> TableResult:
        """Removes the table, if it is there: first what names its files, then those."""
        gone = sorted(self._there, key=lambda key: key not in (CURRENT, MANIFEST))
        for key in gone:
            self._bucket.delete(f"{self._table.name}/{key}")
        return TableResult(self._table, None, removed=len(gone), is_withheld=True)

    def _is_there(self, file: File, known: dict[str, Any] | None) -> bool:
        """Whether the lake has that file: written by us, and by nobody since."""
        there = self._there.get(file.key)
        return (
            there is not None
            and known is not None
            and known["sha256"] == file.sha256
            and known["version"] == there.version
        )

    def _put(self, key: str, content: bytes | Path) -> Object:
        return self._bucket.put(f"{self._table.name}/{key}", content)


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
