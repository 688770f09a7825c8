"""Loads one source: finds its files, checks and rewrites them, lets dlt load them, publishes."""

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg2

from extract.bucket import Bucket, Object, source_bucket
from extract.csv_file import DELIMITER, FILE_ID, LINE, Prepared, prepare
from extract.declaration import Feed, Source
from extract.errors import LoadError
from extract.ledger import Ledger, LoadedFile
from extract.progress import Progress
from extract.warehouse import Warehouse

# Downloaded and rewritten files, and dlt's own, in a folder for each process that loads a source.
WORK = Path(__file__).resolve().parent.parent / ".local" / "work"


@dataclass(frozen=True)
class FileResult:
    """What became of one file: `rows` is None if it was unchanged and so not read."""

    feed: str
    file: str
    rows: int | None
    new_columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class LoadResult:
    """What a load of one source did, file by file, and how long it took."""

    source: str
    files: tuple[FileResult, ...]
    seconds: float

    @property
    def rows(self) -> int:
        """Rows that were loaded, over all files."""
        return sum(file.rows or 0 for file in self.files)


def load(source: Source, warehouse: Warehouse, progress: Progress | None = None) -> LoadResult:
    """Loads the new and changed files of a source; they become visible together, or not at all.

    Raises LoadError, naming the file, if one is missing or broken, or if a server fails; what was
    loaded before stays as it was.
    """
    started = time.monotonic()
    progress = progress or Progress(enabled=False)
    bucket = source_bucket(source.name)
    found = _find(source, bucket)
    try:
        with closing(warehouse.connect()) as connection:
            ledger = Ledger(connection, source)
            with ledger.locked():
                changed = ledger.changed(found)
                loaded = _load_changed(source, warehouse, bucket, ledger, changed, progress)
    except psycopg2.Error as error:
        raise LoadError(f"{source.name}: PostgreSQL: {str(error).strip()}") from error
    results = {result.feed: result for result in loaded}
    return LoadResult(
        source=source.name,
        files=tuple(
            results.get(feed.name) or FileResult(feed.name, item.key, None) for feed, item in found
        ),
        seconds=time.monotonic() - started,
    )


def _find(source: Source, bucket: Bucket) -> list[tuple[Feed, Object]]:
    wanted = {feed.file for feed in source.feeds}
    objects = {item.key: item for item in bucket.objects() if item.key in wanted}
    missing = sorted(wanted - set(objects))
    if missing:
        raise LoadError(
            f"{source.name}: {', '.join(missing)} not found in {bucket.url} (declared in "
            "extract/sources.yml)"
        )
    return [(feed, objects[feed.file]) for feed in source.feeds]


def _load_changed(
    source: Source,
    warehouse: Warehouse,
    bucket: Bucket,
    ledger: Ledger,
    changed: Sequence[tuple[Feed, Object]],
    progress: Progress,
) -> list[FileResult]:
    if not changed:
        return []
    work = _work_folder(source)
    load_id, file_ids = ledger.begin(changed)
    try:
        prepared = _prepare(bucket, changed, file_ids, work, progress)
        files = [
            LoadedFile(feed, file_id, ready.columns, ready.rows)
            for (feed, _), file_id, ready in zip(changed, file_ids, prepared, strict=True)
        ]
        with progress.step(f"{source.name}: into PostgreSQL"):
            _run_dlt(source, warehouse, files, prepared, work)
        ledger.publish(load_id, files)
    except BaseException as error:
        # Ctrl-C too: whatever the reason, the ledger says that this load is over. If the server
        # is gone and cannot be told, the next load finds this one interrupted and does the same.
        with suppress(psycopg2.Error):
            ledger.fail(load_id, str(error) or type(error).__name__)
        raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    ledger.prune()
    return [
        FileResult(feed.name, item.key, ready.rows, ready.new_columns)
        for (feed, item), ready in zip(changed, prepared, strict=True)
    ]


def _work_folder(source: Source) -> Path:
    """Makes an empty folder, and removes those that killed loads of the source left behind."""
    for folder in WORK.glob(f"{source.name}.*"):
        if not psutil.pid_exists(int(folder.suffix[1:])):
            shutil.rmtree(folder, ignore_errors=True)
    folder = WORK / f"{source.name}.{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _prepare(
    bucket: Bucket,
    files: Sequence[tuple[Feed, Object]],
    file_ids: Sequence[int],
    work: Path,
    progress: Progress,
) -> list[Prepared]:
    """Downloads, checks and rewrites the files, two at a time, before any is loaded."""

    def one(feed: Feed, item: Object, file_id: int) -> Prepared:
        with progress.step(f"{bucket.url}/{item.key}"):
            original = work / f"{feed.name}.original"
            bucket.download(item, original)
            where = f"{bucket.url}/{item.key}"
            ready = prepare(original, where, feed, file_id, work / f"{feed.name}.csv")
            original.unlink()
            return ready

    with ThreadPoolExecutor(max_workers=2) as pool:
        tasks = [
            pool.submit(one, feed, item, file_id)
            for (feed, item), file_id in zip(files, file_ids, strict=True)
        ]
        try:
            return [task.result() for task in tasks]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _run_dlt(
    source: Source,
    warehouse: Warehouse,
    files: Sequence[LoadedFile],
    prepared: Sequence[Prepared],
    work: Path,
) -> None:
    """Appends the rewritten files to history, by COPY, in one dlt load package."""
    # Imported late: it takes over a second, which a run with nothing to load need not pay.
    import dlt
    from dlt.common.destination.configuration import CsvFormatConfiguration
    from dlt.destinations.impl.postgres.configuration import PostgresCredentials
    from dlt.pipeline.exceptions import PipelineStepFailed

    def resource(file: LoadedFile, ready: Prepared) -> Any:
        hints: dict[str, Any] = {name: {"data_type": "text"} for name in ready.columns}
        hints |= {name: {"data_type": "bigint", "nullable": False} for name in (FILE_ID, LINE)}

        def rows() -> Iterator[Any]:
            yield dlt.mark.with_file_import(str(ready.path), "csv", ready.rows)

        return dlt.resource(
            rows, name=file.feed.name, columns=hints, write_disposition="append", file_format="csv"
        )

    pipeline = dlt.pipeline(
        pipeline_name=source.name,
        # A fresh folder: what a killed load left there must not be loaded by the next one.
        pipelines_dir=str(work / "dlt"),
        dataset_name=source.history_schema,
        destination=dlt.destinations.postgres(
            credentials=PostgresCredentials(
                {
                    "host": warehouse.host,
                    "port": warehouse.port,
                    "username": warehouse.user,
                    "password": warehouse.password,
                    "database": warehouse.database,
                }
            ),
            csv_format=CsvFormatConfiguration(delimiter=DELIMITER, include_header=True),
        ),
    )
    resources = [resource(*pair) for pair in zip(files, prepared, strict=True)]
    try:
        pipeline.run(resources)
    except PipelineStepFailed as error:
        raise LoadError(f"{source.name}: {_root_cause(error)}") from error


def _root_cause(error: BaseException) -> str:
    """Returns what went wrong at the bottom of dlt's chain of errors, e.g. PostgreSQL's words."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return str(error).strip()
