"""Loads the files of a source in steps: so many records at a time, in the order of the files.

A step becomes visible as a whole, like any load. What was taken stands in the ledger, in the same
commit: whoever goes on, after whatever end, goes on with the record after it.
"""

import shutil
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

import psycopg2
from psycopg2 import extensions

from common.errors import ConfigurationError, FileError, LoadError
from common.storage import Object, source_bucket
from common.warehouse import Warehouse
from extract.declaration import Source
from extract.history import History
from extract.landing import Arrival, Step
from extract.ledger import Ledger
from extract.load import FileResult, LoadResult, commit, find_arrivals, work_folder
from extract.prepare import content_digest, open_text, raw_columns, read_header
from extract.records import Broken, Record, read_records


class _Reading:
    """A downloaded file that is read record by record; one record is read ahead.

    Raises FileError for what is wrong with the file itself.
    """

    def __init__(self, arrival: Arrival, item: Object, path: Path, where: str) -> None:
        self.item = item
        self.sha256 = content_digest(path)
        self.row = 1
        self._where = where
        self._text: TextIO = open_text(path, arrival.feed.format)
        try:
            header, lines = read_header(self._text, where, arrival.feed)
            self.columns = raw_columns(header, where, arrival.feed)
            self._records = read_records(self._text, arrival.feed.format, len(self.columns), lines)
            self._next = self._read()
        except LoadError as error:
            self._text.close()
            raise FileError(str(error)) from error

    def _read(self) -> Record | Broken | None:
        try:
            return next(self._records, None)
        except LoadError as error:
            raise FileError(f"{self._where}: {error}") from error

    @property
    def is_over(self) -> bool:
        return self._next is None

    def take(self, count: int) -> list[Record | Broken]:
        taken: list[Record | Broken] = []
        while len(taken) < count and self._next is not None:
            taken.append(self._next)
            self._next = self._read()
        self.row += len(taken)
        return taken

    def close(self) -> None:
        self._text.close()


@dataclass(frozen=True)
class _Taken:
    """What a step takes of one file."""

    arrival: Arrival
    reading: _Reading
    first_row: int
    found: Sequence[Record | Broken]
    rejected_before: int


class Steps:
    """Loads the next `size` records of a source whenever it is told to. Used by one thread.

    The files are downloaded once, and again when they change or a step failed; `close` removes
    them.
    """

    def __init__(self, source: Source, warehouse: Warehouse, size: int) -> None:
        """Raises ConfigurationError if the source cannot be loaded in steps."""
        if size < 1:
            raise ConfigurationError("a step takes at least one record")
        if source.api:
            raise ConfigurationError(
                f"{source.name}: is an API, whose pages cannot be loaded in steps"
            )
        for feed in source.feeds:
            if feed.changes:
                raise ConfigurationError(
                    f"{source.name}: feed {feed.name} has files of changes, which cannot be loaded "
                    "in steps"
                )
        self._source = source
        self._warehouse = warehouse
        self._size = size
        self._bucket = source_bucket(source.name)
        self._work = work_folder(source, "steps")
        self._readings: dict[tuple[str, str], _Reading] = {}

    def close(self) -> None:
        """Removes the downloaded files."""
        self._forget()
        shutil.rmtree(self._work, ignore_errors=True)

    def prepare(self) -> None:
        """Makes the feeds' views, without rows, where there are none yet, for dbt to build on."""
        try:
            with (
                closing(self._warehouse.connect()) as connection,
                Ledger(connection, self._source).locked(),
                connection,
                connection.cursor() as cursor,
            ):
                History(cursor, self._source).add_steps([])
        except psycopg2.Error as error:
            raise LoadError(f"{self._source.name}: PostgreSQL: {str(error).strip()}") from error

    def load_next(self) -> LoadResult:
        """Loads the next records, fewer if the files end; without any left, the result has no rows.

        Raises LoadError, as a load does, with everything as it was before the step; FileError if
        the file itself is at fault.
        """
        started = time.monotonic()
        found = find_arrivals(self._source, self._bucket)
        try:
            with closing(self._warehouse.connect()) as connection:
                ledger = Ledger(connection, self._source)
                with ledger.locked():
                    taken = self._take(ledger, ledger.changed(found))
                    if taken:
                        self._load(connection, ledger, taken)
        except psycopg2.Error as error:
            self._forget()
            raise LoadError(f"{self._source.name}: PostgreSQL: {str(error).strip()}") from error
        except BaseException:
            self._forget()
            raise
        return LoadResult(
            self._source.name,
            tuple(
                FileResult(
                    each.arrival.feed.name,
                    each.arrival.item.key,
                    len(_good(each.found)),
                    len(each.found) - len(_good(each.found)),
                )
                for each in taken
            ),
            time.monotonic() - started,
        )

    def _forget(self) -> None:
        """What was read was not loaded: the files are opened anew."""
        for reading in self._readings.values():
            reading.close()
        self._readings.clear()

    def _take(self, ledger: Ledger, arrivals: Sequence[Arrival]) -> list[_Taken]:
        """Reads the next records, going on to the next file where one ends."""
        taken: list[_Taken] = []
        missing = self._size
        for listed in arrivals:
            if not missing:
                break
            reading = self._open(listed)
            arrival = replace(listed, item=reading.item)
            taken_before = ledger.taken(arrival, reading.item, reading.sha256)
            if taken_before is None:
                continue
            before, rejected = taken_before
            if reading.row > before + 1:
                raise LoadError(f"{arrival.item.key}: records before {reading.row} were taken back")
            reading.take(before + 1 - reading.row)
            first = reading.row
            found = reading.take(missing)
            taken.append(_Taken(arrival, reading, first, found, rejected))
            missing -= len(found)
        return taken

    def _open(self, arrival: Arrival) -> _Reading:
        name = (arrival.feed.name, arrival.part)
        reading = self._readings.get(name)
        if reading and reading.item == arrival.item:
            return reading
        if reading:
            self._readings.pop(name).close()
        # In place of the file's former version, if there is one.
        number = arrival.feed.files.index(arrival.part)
        path = self._work / f"{arrival.feed.name}_{number}.original"
        item = self._bucket.download(arrival.item, path)
        self._readings[name] = _Reading(arrival, item, path, f"{self._bucket.url}/{item.key}")
        return self._readings[name]

    def _load(
        self, connection: extensions.connection, ledger: Ledger, taken: Sequence[_Taken]
    ) -> None:
        load_id, file_ids = ledger.begin([each.arrival for each in taken])
        try:
            steps = [
                Step(
                    each.arrival,
                    file_id,
                    each.reading.columns,
                    each.first_row,
                    each.reading.is_over,
                    _good(each.found),
                    [record for record in each.found if isinstance(record, Broken)],
                )
                for each, file_id in zip(taken, file_ids, strict=True)
            ]
            for each, step in zip(taken, steps, strict=True):
                ledger.note(step.file_id, each.reading.item, each.reading.sha256)
                ledger.reject(
                    step.arrival,
                    step.file_id,
                    ((record.line, record.content, record.reason) for record in step.broken),
                )
                _check(step, each.rejected_before)
            commit(
                connection,
                self._source,
                ledger,
                load_id,
                lambda history: history.add_steps(steps),
            )
        except BaseException as error:
            with suppress(psycopg2.Error):
                connection.rollback()
                file_id = error.file_id if isinstance(error, FileError) else None
                ledger.fail(load_id, str(error) or type(error).__name__, file_id)
            raise


def _good(found: Sequence[Record | Broken]) -> list[Record]:
    return [record for record in found if isinstance(record, Record)]


def _check(step: Step, rejected_before: int) -> None:
    """Raises FileError if too much of the file up to here was rejected."""
    count = step.first_row - 1 + len(step.records) + len(step.broken)
    rejected = rejected_before + len(step.broken)
    if step.broken and rejected > step.feed.max_rejected * count:
        first = step.broken[0]
        raise FileError(
            f"{step.arrival.item.key}: {rejected} of the first {count} records are broken, more "
            f"than {step.feed.max_rejected:.4g} of them (max_rejected of feed {step.feed.name} in "
            f"extract/sources.yml): line {first.line}: {first.reason}; see audit.rejected_rows, "
            f"file_id {step.file_id}",
            step.file_id,
        )
