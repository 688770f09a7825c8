"""Loads one source: finds its files, fetches what is new, and has dlt load it."""

import hashlib
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import psycopg2

from common.errors import FileError, LoadError
from common.lakehouse import Lakehouse
from common.progress import Progress
from common.runs import Node, Run
from common.storage import Origin, source_bucket
from common.warehouse import Warehouse, as_owner
from extract.api import open_api
from extract.declaration import Source
from extract.files import RawFile, find_files
from extract.ledger import Ledger, locked_ledger
from extract.publish import Load, Tables, patiently, publish
from extract.reader import CsvFile

# Downloaded files, in a folder for each process that loads a source. WORK_DIR names another place
# where the code's own cannot be written to.
WORK = Path(
    os.environ.get("WORK_DIR") or Path(__file__).resolve().parent.parent / ".local" / "work"
)


@dataclass(frozen=True)
class FileResult:
    """What became of one file: `rows` is None if its bytes were loaded before.

    `replaces` is the name of the file whose rows it replaced, where that is another one.
    """

    feed: str
    file: str
    rows: int | None
    rejected: int = 0
    new_columns: tuple[str, ...] = ()
    replaces: str = ""


@dataclass(frozen=True)
class LoadResult:
    """What a load of one source did, file by file, where it read them and how long it took."""

    source: str
    origin: str
    files: tuple[FileResult, ...]
    seconds: float

    @property
    def rows(self) -> int:
        """Rows that were loaded, over all files."""
        return sum(file.rows or 0 for file in self.files)

    @property
    def is_news(self) -> bool:
        """Whether any file brought other bytes than were loaded before."""
        return any(file.rows is not None for file in self.files)

    @property
    def node(self) -> Node:
        """What became of it, for the record."""
        name = f"load.{self.source}"
        return Node(
            name, "load", self.source, "success", self.seconds, self.rows, sources=self.source
        )


def failed_load(source: Source, error: Exception) -> Node:
    """Returns what became of a load that failed, for the record."""
    name = source.name
    return Node(f"load.{name}", "load", name, "error", message=str(error), sources=name)


@dataclass
class Task:
    """A source and what its loads need; `load` runs one of them under the source's lock."""

    source: Source
    warehouse: Warehouse
    bucket: Origin
    progress: Progress = field(default_factory=lambda: Progress(enabled=False))
    accept_smaller: bool = False

    def load(self, ledger: Ledger, files: Sequence[RawFile], work: Path) -> None:
        """Loads the files; they become visible together, or not at all.

        Those without a header yet are fetched first, and skipped if their bytes are known.
        """
        with closing(_tables(self.warehouse)) as tables:
            self._load(ledger, files, work, tables)

    def _load(self, ledger: Ledger, files: Sequence[RawFile], work: Path, tables: Tables) -> None:
        load_id, started_at = ledger.begin(files)
        try:
            to_fetch = [file for file in files if file.csv is None]
            with ThreadPoolExecutor(max_workers=2) as pool:
                list(pool.map(lambda file: self.download(file, work), to_fetch))
            for file in files:
                ledger.note(file)
            for number, file in enumerate(files):
                if file.csv is None:
                    self._look(ledger, file, files[:number])
            load = Load(
                self.source,
                load_id,
                started_at,
                files,
                self.progress,
                self.accept_smaller,
                ledger.missing(),
                tables,
            )
            if load.new or load.missing:
                # Imported late: a second that a load without news need not pay.
                from extract.pipeline import run

                run(load, self.warehouse, work)
            else:
                patiently(self.source, lambda: self._publish(ledger, load))
        except BaseException as error:
            # Ctrl-C too: whatever the reason, the ledger says that this load is over. If the server
            # is gone and cannot be told, the next load finds this one interrupted and does the
            # same.
            for file in files:
                file.rows = None
            with suppress(psycopg2.Error):
                file_id = error.file_id if isinstance(error, FileError) else None
                ledger.fail(str(error) or type(error).__name__, file_id)
            raise

    def download(self, file: RawFile, work: Path) -> None:
        """Brings a file's bytes; raises FileError if its bucket cannot hand them over."""
        file.path = work / f"{file.feed.name}_{file.file_id}"
        try:
            with self.progress.task(self._where(file)):
                file.item = self.bucket.download(file.item, file.path)
        except LoadError as error:
            raise FileError(str(error), file.file_id, is_unread=True) from error
        with file.path.open("rb") as content:
            file.sha256 = hashlib.file_digest(content, "sha256").hexdigest()

    def open(self, file: RawFile) -> None:
        """Reads the header of a file; raises FileError for what is wrong with it."""
        try:
            file.csv = CsvFile.open(file.path, self._where(file), file.feed)
        except LoadError as error:
            raise FileError(str(error), file.file_id) from error

    def _look(self, ledger: Ledger, file: RawFile, before: Sequence[RawFile]) -> None:
        """Reads the header of a downloaded file, unless its bytes are loaded, or come, already."""
        file.former = ledger.former(file)
        content = (file.feed, file.part, file.sha256)
        coming = (
            each.file_id
            for each in before
            if (each.feed, each.part, each.sha256) == content and not each.partition_id
        )
        file.partition_id = ledger.same(file) or next(coming, 0)
        if not file.partition_id:
            self.open(file)
        elif file.former and file.former.partition_id != file.partition_id:
            # What it held before is to go.
            file.rows = 0

    def _publish(self, ledger: Ledger, load: Load) -> None:
        with ledger.transaction() as cursor:
            publish(cursor, load)

    def _where(self, file: RawFile) -> str:
        return f"{self.bucket.url}/{file.item.key}"


def _tables(warehouse: Warehouse) -> Tables:
    """Returns the raw tables of the engine that holds the rows."""
    if isinstance(warehouse, Lakehouse):
        # Imported late: PostgreSQL needs no Iceberg, whose packages need not be there.
        from extract.lakehouse import IcebergTables

        return IcebergTables(warehouse)
    return Tables()


def load(
    source: Source,
    warehouse: Warehouse,
    progress: Progress | None = None,
    accept_smaller: bool = False,
    files: Sequence[RawFile] | None = None,
) -> LoadResult:
    """Loads the new and changed files of a source; they become visible together, or not at all.

    `files` are the files to look at; by default, what is in the source's bucket.
    `accept_smaller` takes whole tables that lost more rows than sources.yml allows. Raises
    LoadError, naming the file, if one is missing or broken, or if a server fails; what was loaded
    before stays as it was.
    """
    started = time.monotonic()
    bucket = open_api(source) if source.api else source_bucket(source.name)
    found = list(find_files(source, bucket) if files is None else files)
    task = Task(
        source,
        as_owner(warehouse),
        bucket,
        progress or Progress(enabled=False),
        accept_smaller or source.name in os.environ.get("ACCEPT_SMALLER", "").split(),
    )
    with locked_ledger(source, task.warehouse) as ledger:
        changed = ledger.changed(found)
        if changed or ledger.missing():
            with work_folder(source) as work:
                task.load(ledger, changed, work)
    return result(source, bucket, found, started)


def load_recorded(
    source: Source,
    warehouse: Warehouse,
    record: Run,
    progress: Progress | None = None,
    accept_smaller: bool = False,
) -> LoadResult:
    """Loads as `load` does, and records what became of it, also if it fails."""
    try:
        loaded = load(source, warehouse, progress, accept_smaller)
    except LoadError as error:
        record.add([failed_load(source, error)])
        raise
    record.add([loaded.node])
    record.row_count = (record.row_count or 0) + loaded.rows
    return loaded


def result(source: Source, bucket: Origin, files: Sequence[RawFile], started: float) -> LoadResult:
    """Tells what became of the files of a load that began at `started` (time.monotonic)."""
    return LoadResult(
        source=source.name,
        origin=bucket.url,
        files=tuple(
            FileResult(
                feed=file.feed.name,
                file=file.name,
                rows=file.rows,
                rejected=file.rejected,
                new_columns=file.csv.new_columns if file.csv else (),
                replaces=file.replaces,
            )
            for file in files
        ),
        seconds=time.monotonic() - started,
    )


def has_files(source: Source) -> bool:
    """Returns whether there is anything in the place of a source's files, or pages of its API."""
    if source.api:
        return True
    bucket = source_bucket(source.name)
    return bucket.exists() and any(True for _ in bucket.objects())


def has_news(source: Source, warehouse: Warehouse) -> bool:
    """Returns whether a load of the source would fetch files; of an API, nobody knows before."""
    if source.api:
        return False
    found = list(find_files(source, source_bucket(source.name)))
    with locked_ledger(source, as_owner(warehouse)) as ledger:
        return bool(ledger.changed(found) or ledger.missing())


@contextmanager
def work_folder(source: Source) -> Iterator[Path]:
    """Gives an empty folder, removed afterwards, as are those that killed loads left behind."""
    for left in WORK.glob(f"{source.name}.*"):
        if not psutil.pid_exists(int(left.suffix[1:])):
            shutil.rmtree(left, ignore_errors=True)
    WORK.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(
        prefix=f"{source.name}.", suffix=f".{os.getpid()}", dir=WORK, ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)
