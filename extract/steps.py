"""Loads the files of a source in micro-batches: so many records at a time, in the files' order.

A micro-batch is loaded atomically, like any load. Progress is checkpointed in audit.files, in the
same commit: an interrupted watch resumes after the last record that is visible.
"""

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import islice

from common.errors import ConfigurationError, FileError, LoadError
from common.storage import source_bucket
from common.warehouse import Warehouse, as_owner
from extract.declaration import Source
from extract.files import RawFile, find_files
from extract.ledger import Ledger, locked_ledger
from extract.load import LoadResult, Task, result, work_folder
from extract.reader import Record


class _Reading:
    """A downloaded file that is read record by record; one record is read ahead."""

    def __init__(self, file: RawFile) -> None:
        self.file = file
        self.row = 1
        self._records: Iterator[Record] = file.records()
        self._ahead = self._read(1)

    @property
    def is_over(self) -> bool:
        return not self._ahead

    def take(self, count: int) -> list[Record]:
        """Returns the next records, `count` or fewer at the end; raises FileError."""
        if not count:
            return []
        taken = self._ahead + self._read(count - 1)
        self._ahead = self._read(1)
        self.row += len(taken)
        return taken

    def _read(self, count: int) -> list[Record]:
        try:
            return list(islice(self._records, count))
        except LoadError as error:
            raise FileError(str(error)) from error


class MicroBatches:
    """Loads the next `size` records of a source whenever it is told to. Used by one thread.

    The files are downloaded once, and again when they change or a micro-batch failed; `close`
    removes them.
    """

    def __init__(self, source: Source, warehouse: Warehouse, size: int) -> None:
        """Raises ConfigurationError if the source cannot be loaded in micro-batches."""
        if size < 1:
            raise ConfigurationError("a micro-batch takes at least one record: say --batch 1000")
        if source.api:
            raise ConfigurationError(
                f"{source.name}: is an API, whose pages cannot be loaded in micro-batches: "
                f"python -m extract load {source.name}"
            )
        for feed in source.feeds:
            if feed.changes:
                raise ConfigurationError(
                    f"{source.name}: feed {feed.name} has files of changes, which cannot be loaded "
                    f"in micro-batches: python -m extract load {source.name}"
                )
        self._size = size
        self._task = Task(source, as_owner(warehouse), source_bucket(source.name))
        self._stack = ExitStack()
        self._work = self._stack.enter_context(work_folder(source))
        self._readings: dict[tuple[str, str, str], _Reading] = {}

    def close(self) -> None:
        """Removes the downloaded files."""
        self._readings.clear()
        self._stack.close()

    def prepare(self) -> None:
        """Makes the feeds' raw tables, without rows, where there are none, for dbt to build on."""
        with locked_ledger(self._task.source, self._task.warehouse) as ledger:
            if ledger.missing():
                self._task.load(ledger, [], self._work)

    def load_next(self) -> LoadResult:
        """Loads the next records, fewer if the files end; without any left, the result has no rows.

        Raises LoadError, as a load does, with everything as it was before; FileError if the file
        itself is at fault.
        """
        started = time.monotonic()
        task = self._task
        found = find_files(task.source, task.bucket)
        try:
            with locked_ledger(task.source, task.warehouse) as ledger:
                taken = self._take(ledger, ledger.changed(found))
                if taken:
                    task.load(ledger, taken, self._work)
        except BaseException:
            # What was read was not loaded: the files are read anew.
            self._readings.clear()
            raise
        return result(task.source, task.bucket, taken, started)

    def _take(self, ledger: Ledger, files: Sequence[RawFile]) -> list[RawFile]:
        """Reads the next records, going on to the next file where one ends."""
        taken: list[RawFile] = []
        missing = self._size
        for listed in files:
            if not missing:
                break
            reading = self._open(listed)
            file, former = reading.file, ledger.former(reading.file)
            file.former = former
            if former and not former.is_same:
                raise LoadError(
                    f"{file.name}: is another file, or declared otherwise, than the one of which "
                    f"{former.row_count} records are loaded: load it whole (python -m extract load "
                    f"{self._task.source.name})"
                )
            if former:
                file.file_id = former.partition_id
            before = former.row_count if former else 0
            if reading.row > before + 1:
                raise LoadError(
                    f"{file.name}: records before {reading.row} were taken back: load it again"
                )
            reading.take(before + 1 - reading.row)
            file.batch = reading.take(missing)
            file.is_complete = reading.is_over
            file.error = None
            file.first_rejected.clear()
            taken.append(file)
            missing -= len(file.batch)
        return taken

    def _open(self, file: RawFile) -> _Reading:
        name = (file.feed.name, file.part, file.name)
        reading = self._readings.get(name)
        if reading and reading.file.item == file.item:
            return reading
        shutil.rmtree(self._work, ignore_errors=True)
        self._work.mkdir()
        self._task.download(file, self._work)
        self._task.open(file)
        # Only one file is being read at a time.
        self._readings = {name: _Reading(file)}
        return self._readings[name]
