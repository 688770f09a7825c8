"""Loads one source: finds its files, prepares and lands what is new, and makes it visible."""

import csv
import fnmatch
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import psutil
import psycopg2
from psycopg2 import extensions
from psycopg2.sql import SQL, Identifier

from common.errors import FileError, LoadError
from common.progress import Progress
from common.storage import Object, Origin, source_bucket
from common.warehouse import Warehouse
from extract.api import open_api
from extract.declaration import Source
from extract.history import History
from extract.landing import Arrival, Landing, land
from extract.ledger import Ledger
from extract.prepare import (
    LINE,
    Prepared,
    content_digest,
    prepare,
    prepare_carefully,
    raw_names,
)

# Downloaded and prepared files, in a folder for each process that loads a source.
WORK = Path(__file__).resolve().parent.parent / ".local" / "work"
# A view is replaced when no one reads it. Readers wait behind us meanwhile, so we do not insist
# for long, and try again.
LOCK_SECONDS = 2
LOCK_ATTEMPTS = 30
# Where a drop lies once it is loaded: in a folder named by its load; and those that cannot be.
PROCESSED = "processed"
ERROR = "error"
_PROCESSED = re.compile(rf"{PROCESSED}/(\d+)/")

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class FileResult:
    """What became of one file: `rows` is None if its bytes were loaded before."""

    feed: str
    file: str
    rows: int | None
    rejected: int = 0
    new_columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class LoadResult:
    """What a load of one source did, file by file, how long it took, and where it read them."""

    source: str
    files: tuple[FileResult, ...]
    seconds: float
    origin: str = ""

    @property
    def rows(self) -> int:
        """Rows that were loaded, over all files."""
        return sum(file.rows or 0 for file in self.files)

    @property
    def is_news(self) -> bool:
        """Whether any file brought other bytes than were loaded before."""
        return any(file.rows is not None for file in self.files)


def load(
    source: Source,
    warehouse: Warehouse,
    progress: Progress | None = None,
    accept_smaller: bool = False,
    arrivals: Sequence[Arrival] | None = None,
) -> LoadResult:
    """Loads the new and changed files of a source; they become visible together, or not at all.

    `arrivals` are the files to look at; by default, what is in the source's bucket.
    `accept_smaller` takes whole tables that lost more rows than sources.yml allows. Raises
    LoadError, naming the file, if one is missing or broken, or if a server fails; what was loaded
    before stays as it was.
    """
    started = time.monotonic()
    bucket = open_api(source) if source.api else source_bucket(source.name)
    found = find_arrivals(source, bucket) if arrivals is None else arrivals
    try:
        with closing(warehouse.connect()) as connection:
            ledger = Ledger(connection, source)
            with ledger.locked():
                changed = ledger.changed(found)
                loaded = []
                if changed:
                    task = _Load(
                        source,
                        warehouse,
                        bucket,
                        connection,
                        ledger,
                        progress or Progress(enabled=False),
                        accept_smaller,
                    )
                    loaded = task.run(changed)
                else:
                    # The load before may have been cut off just after it became visible.
                    _prune(connection, source)
    except psycopg2.Error as error:
        raise LoadError(f"{source.name}: PostgreSQL: {str(error).strip()}") from error
    results = {(result.feed, result.file): result for result in loaded}
    return LoadResult(
        source=source.name,
        files=tuple(
            results.get((arrival.feed.name, arrival.item.key))
            or FileResult(arrival.feed.name, arrival.item.key, None)
            for arrival in found
        ),
        seconds=time.monotonic() - started,
        origin=bucket.url,
    )


def has_files(source: Source) -> bool:
    """Returns whether there is anything in the place of a source's files, or pages of its API."""
    if source.api:
        return True
    bucket = source_bucket(source.name)
    return bucket.exists() and any(True for _ in bucket.objects())


def find_arrivals(source: Source, bucket: Origin) -> list[Arrival]:
    """Returns the newest file of each part of a whole table, and all change files, by age.

    Raises LoadError if one is missing; of a source with drops, if all are.
    """
    objects = sorted(bucket.objects(), key=lambda item: _age(source, item))
    found: list[Arrival] = []
    missing: list[str] = []
    for feed in source.feeds:
        for part in feed.files:
            matches = [item for item in objects if _matches(source, item, part)]
            found += [Arrival(feed, part, item) for item in matches[-1:]]
            missing += [] if matches else [part]
        if feed.changes:
            found += [
                Arrival(feed, feed.changes, item)
                for item in objects
                if _matches(source, item, feed.changes)
            ]
    if missing and not (source.drops and found):
        raise LoadError(
            f"{source.name}: {', '.join(missing)} not found in {bucket.url} (declared in "
            "extract/sources.yml)"
        )
    return found


def _age(source: Source, item: Object) -> tuple[int, datetime, str]:
    """Sorts by time; of drops, those that were loaded before come first, in the order of loads."""
    processed = _PROCESSED.match(item.key) if source.drops else None
    return (int(processed[1]) if processed else sys.maxsize, item.modified_at, item.key)


def _matches(source: Source, item: Object, pattern: str) -> bool:
    if source.drops and item.key.startswith(f"{ERROR}/"):
        return False
    name = _PROCESSED.sub("", item.key) if source.drops else item.key
    return fnmatch.fnmatchcase(name, pattern)


@dataclass(frozen=True)
class _File:
    """One file of a load: its id in the ledger, its name in messages, and where it is put."""

    arrival: Arrival
    file_id: int
    where: str
    work: Path

    @property
    def original(self) -> Path:
        """The file as it was downloaded."""
        return self.work / f"{self.file_id}.original"


@dataclass(frozen=True)
class _Load:
    """One load of a source that has something to load, under the source's lock."""

    source: Source
    warehouse: Warehouse
    bucket: Origin
    connection: extensions.connection
    ledger: Ledger
    progress: Progress
    accept_smaller: bool

    def run(self, arrivals: Sequence[Arrival]) -> list[FileResult]:
        """Loads the files; returns what became of those whose bytes are new."""
        work = work_folder(self.source)
        load_id, file_ids = self.ledger.begin(arrivals)
        try:
            files = [
                _File(arrival, file_id, f"{self.bucket.url}/{arrival.item.key}", work)
                for arrival, file_id in zip(arrivals, file_ids, strict=True)
            ]
            fetched = _side_by_side(self._fetch, files)
            # Bytes that are loaded already, under whatever name or date, need no more work.
            new = [
                file
                for file, (item, digest) in zip(files, fetched, strict=True)
                if not self.ledger.is_same(file.arrival, file.file_id, item, digest)
            ]
            landings = _side_by_side(self._prepare, new)
            with self.progress.step(f"{self.source.name}: into PostgreSQL"):
                landings = self._land(landings, work)
            for landing in landings:
                self._check(landing)
            commit(
                self.connection,
                self.source,
                self.ledger,
                load_id,
                lambda history: history.publish(landings),
            )
        except BaseException as error:
            # Ctrl-C too: whatever the reason, the ledger says that this load is over. If the server
            # is gone and cannot be told, the next load finds this one interrupted and does the
            # same.
            with suppress(psycopg2.Error):
                self.connection.rollback()
                file_id = error.file_id if isinstance(error, FileError) else None
                self.ledger.fail(load_id, str(error) or type(error).__name__, file_id)
            raise
        finally:
            shutil.rmtree(work, ignore_errors=True)
        return [
            FileResult(
                landing.feed.name,
                landing.arrival.item.key,
                landing.prepared.rows,
                landing.prepared.rejected,
                landing.prepared.new_columns,
            )
            for landing in landings
        ]

    def _fetch(self, file: "_File") -> tuple[Object, str]:
        """Downloads a file; returns the version that arrived and the digest of its bytes."""
        with self.progress.step(file.where):
            try:
                item = self.bucket.download(file.arrival.item, file.original)
            except LoadError as error:
                raise FileError(str(error), file.file_id, is_unread=True) from error
            return item, content_digest(file.original)

    def _prepare(self, file: "_File") -> Landing:
        """Makes what is to be landed of a downloaded file."""
        with self.progress.step(f"{file.where}: prepare"):
            try:
                ready = prepare(
                    file.original, file.where, file.arrival.feed, file.original.with_suffix(".csv")
                )
            except LoadError as error:
                raise FileError(str(error), file.file_id) from error
            return Landing(file.arrival, file.file_id, file.where, ready)

    def _land(self, landings: Sequence[Landing], work: Path) -> list[Landing]:
        """Lands the files, those that COPY refuses a second time, and stores what they reject."""
        refused = land(self.source, self.warehouse, landings)
        again = [replace(each, prepared=_read_carefully(each, work)) for each in refused]
        for landing in land(self.source, self.warehouse, again):
            raise FileError(f"{landing.where}: PostgreSQL took only some of it", landing.file_id)
        careful = {landing.file_id: landing for landing in again}
        landed = [careful.get(landing.file_id, landing) for landing in landings]
        return [self._reject(landing) for landing in landed]

    def _reject(self, landing: Landing) -> Landing:
        """Stores the records that cannot be loaded; of change rows, those without key or time."""
        prepared = landing.prepared
        if prepared.rejects and prepared.rejected:
            self.ledger.reject(landing.arrival, landing.file_id, _rejects(prepared.rejects))
        if not landing.arrival.is_changes:
            return landing
        unusable = self._take_unusable_changes(landing)
        self.ledger.reject(landing.arrival, landing.file_id, iter(unusable))
        return replace(
            landing,
            prepared=replace(
                prepared,
                rows=prepared.rows - len(unusable),
                rejected=prepared.rejected + len(unusable),
            ),
        )

    def _take_unusable_changes(self, landing: Landing) -> list[tuple[int, str, str]]:
        """Removes change rows without key, or without a time to tell which one is newer."""
        (newest_by,) = raw_names((landing.feed.newest_by,))
        key = raw_names(landing.feed.key)
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(
                SQL(
                    """
                    delete from {table} as change
                    where
                        num_nulls({key}) > 0
                        or not coalesce(pg_input_is_valid({newest_by}, 'timestamptz'), false)
                    returning {line}, to_json(change)::text, num_nulls({key}) > 0
                    """
                ).format(
                    table=Identifier(self.source.landing_schema, landing.table),
                    key=SQL(", ").join(map(Identifier, key)),
                    newest_by=Identifier(newest_by),
                    line=Identifier(LINE),
                )
            )
            return [
                (
                    line,
                    content,
                    f"no value in the key {', '.join(landing.feed.key)}"
                    if keyless
                    else f"{landing.feed.newest_by} is no timestamp",
                )
                for line, content, keyless in cursor.fetchall()
            ]

    def _check(self, landing: Landing) -> None:
        """Raises FileError if too much of a file was rejected, or too little arrived."""
        feed, prepared = landing.feed, landing.prepared
        if prepared.rejected > feed.max_rejected * (prepared.rows + prepared.rejected):
            raise FileError(self._too_many_rejected(landing), landing.file_id)
        if landing.arrival.is_changes or self.accept_smaller:
            return
        before = self.ledger.previous_rows(landing.arrival)
        if before is not None and prepared.rows < feed.min_share * before:
            remedy = f"python -m extract load --accept-smaller {self.source.name}"
            if self.source.drops:
                remedy = (
                    f"python -m orchestrate watch {self.source.name} --accept-smaller, and while "
                    "it runs move the file from error/ back to where it was"
                )
            raise FileError(
                f"{landing.where}: {prepared.rows} rows, where {before} were before: less than "
                f"{feed.min_share:.0%} of them (min_share of feed {feed.name} in "
                f"extract/sources.yml). If that is right: {remedy}",
                landing.file_id,
            )

    def _too_many_rejected(self, landing: Landing) -> str:
        feed, prepared = landing.feed, landing.prepared
        shown = "; ".join(
            f"line {line}: {reason} ({_shorten(content)})"
            for line, content, reason in self.ledger.rejected(landing.file_id)
        )
        return (
            f"{landing.where}: {prepared.rejected} of {prepared.rows + prepared.rejected} records "
            f"are broken, more than {feed.max_rejected:.4g} of them (max_rejected of feed "
            f"{feed.name} in extract/sources.yml): {shown}; see audit.rejected_rows, file_id "
            f"{landing.file_id}"
        )


def commit(
    connection: extensions.connection,
    source: Source,
    ledger: Ledger,
    load_id: int,
    publish: Callable[[History], None],
) -> None:
    """Makes a load visible in one commit, as soon as no one reads what it replaces."""
    for attempt in range(1, LOCK_ATTEMPTS + 1):
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(f"set local lock_timeout = '{LOCK_SECONDS}s'")
                publish(History(cursor, source))
                ledger.complete(load_id)
            break
        except psycopg2.errors.LockNotAvailable as error:
            if attempt == LOCK_ATTEMPTS:
                raise LoadError(
                    f"{source.name}: the views in {source.raw_schema} were in use for "
                    f"{LOCK_ATTEMPTS * LOCK_SECONDS} s: load again later"
                ) from error
            time.sleep(0.5)
    _prune(connection, source)


def _prune(connection: extensions.connection, source: Source) -> None:
    """Drops what is no longer kept, or leaves it to the next load if someone reads it."""
    with (
        suppress(psycopg2.errors.LockNotAvailable),
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(f"set local lock_timeout = '{LOCK_SECONDS}s'")
        History(cursor, source).prune()


def _side_by_side(task: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Does the task for all items, two at a time; of several failures, raises the first."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        tasks = [pool.submit(task, item) for item in items]
        try:
            return [each.result() for each in tasks]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _read_carefully(landing: Landing, work: Path) -> Prepared:
    return prepare_carefully(
        work / f"{landing.file_id}.original",
        landing.where,
        landing.feed,
        work / f"{landing.file_id}.records.csv",
    )


def _rejects(path: Path) -> Iterator[tuple[int, str, str]]:
    csv.field_size_limit(1 << 30)
    with path.open(encoding="utf-8", newline="") as file:
        for line, content, reason in csv.reader(file):
            yield int(line), content, reason


def work_folder(source: Source, purpose: str = "load") -> Path:
    """Makes an empty folder, and removes those that killed loads of the source left behind."""
    for folder in WORK.glob(f"{source.name}.*"):
        if not psutil.pid_exists(int(folder.suffix[1:])):
            shutil.rmtree(folder, ignore_errors=True)
    folder = WORK / f"{source.name}.{purpose}.{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _shorten(text: str) -> str:
    line = text.strip()
    return repr(line if len(line) <= 80 else f"{line[:80]}…")
