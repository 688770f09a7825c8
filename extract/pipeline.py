"""What dlt does: each source is a dlt source, each feed a resource, each load one pipeline run.

A resource yields the files of its feed that are to be loaded, as jobs of our destination; dlt keeps
the schema (`_dlt_version`: raw tables and the columns that files brought), runs the jobs two at a
time, and records the load (`_dlt_loads`) in the transaction that publishes it.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dlt
import psycopg2
from dlt.common.typing import TDataItem
from dlt.extract import DltResource, DltSource
from dlt.pipeline.exceptions import PipelineStepFailed

from common.errors import FileError, LoadError
from common.lakehouse import CATALOG, Lakehouse
from common.warehouse import Warehouse
from extract import destination
from extract.declaration import Feed, Source
from extract.files import RawFile
from extract.publish import LOCK_MILLISECONDS, Load
from extract.reader import (
    FILE_ID,
    IS_CHANGE,
    LINE,
    LOAD_ID,
    LOADED_AT,
    ROW,
    SOURCE_FILE,
    raw_names,
)

# dlt keeps its own report of every load; a watch makes thousands.
KEPT_PACKAGES = 50
_STATE = Path(__file__).resolve().parent.parent / ".local" / "dlt"

_LINEAGE = {
    FILE_ID: "bigint",
    SOURCE_FILE: "text",
    LINE: "bigint",
    ROW: "bigint",
    LOAD_ID: "bigint",
    LOADED_AT: "timestamp",
}


def pipeline(source: Source, warehouse: Warehouse, load: Load | None = None) -> dlt.Pipeline:
    """Returns the pipeline of a source.

    On PostgreSQL `pipeline(...).dataset()` reads its raw tables.
    """
    kind = destination.Warehouse
    if isinstance(warehouse, Lakehouse):
        from extract import lakehouse

        kind = lakehouse.Destination
    return dlt.pipeline(
        pipeline_name=_name(source, warehouse),
        pipelines_dir=str(_pipelines()),
        destination=kind(_credentials(warehouse), load),
        dataset_name=source.raw_schema,
    )


def _name(source: Source, warehouse: Warehouse) -> str:
    """Returns the name of a source's pipeline: another one for the lakehouse."""
    return f"{source.name}_{CATALOG}" if isinstance(warehouse, Lakehouse) else source.name


def run(load: Load, warehouse: Warehouse, work: Path) -> None:
    """Loads the files of a load, whose headers were read; they become visible together.

    `work` is a folder of the load's own. Raises LoadError, or psycopg2.Error if the server fails;
    nothing of the load is visible then.
    """
    with _alone(_name(load.source, warehouse)):
        task = pipeline(load.source, warehouse, load)
        # What a killed load left pending is never loaded later: its files may have changed since.
        task.abort_packages()
        for package in sorted(Path(task.working_dir, "load", "loaded").glob("*"))[:-KEPT_PACKAGES]:
            shutil.rmtree(package, ignore_errors=True)
        try:
            task.run(dlt_source(load, work))
        except PipelineStepFailed as error:
            task.abort_packages()
            raise _reason(error, load) from error


def _pipelines() -> Path:
    """Returns the folder that dlt works in, where its command line looks too: .venv/bin/dlt."""
    return Path(os.environ.get("DLT_DATA_DIR", _STATE)) / "pipelines"


@contextmanager
def _alone(pipeline: str) -> Iterator[None]:
    """Waits for loads of the same pipeline into other warehouses: its folder is one's at a time."""
    _pipelines().mkdir(parents=True, exist_ok=True)
    with (_pipelines() / f"{pipeline}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def dlt_source(load: Load, work: Path) -> DltSource:
    """Returns a source of dlt's whose resources are the feeds, with the files of this load."""
    return DltSource(
        dlt.Schema(load.source.name),
        load.source.name,
        [
            _resource(feed, files, work)
            for feed in load.source.feeds
            if (files := [file for file in load.new if file.feed == feed])
            or feed.name in load.missing
        ],
    )


def _resource(feed: Feed, files: list[RawFile], work: Path) -> DltResource:
    def jobs() -> Iterator[TDataItem]:
        pointers = [{"file_id": file.file_id, "path": str(file.path)} for file in files]
        # Of a feed that nothing came for yet, a job that only has its table made.
        for number, pointer in enumerate(pointers or [{}]):
            job = work / f"{feed.name}.{number}.jsonl"
            job.write_text(json.dumps(pointer))
            yield dlt.mark.with_file_import(str(job), "jsonl")

    names = [
        *raw_names(feed.columns),
        *(name for file in files if file.csv for name in file.csv.columns),
    ]
    types = dict.fromkeys(names, "text") | _LINEAGE | ({IS_CHANGE: "bool"} if feed.changes else {})
    columns: Any = {
        name: {"data_type": kind, "nullable": name in names} for name, kind in types.items()
    }
    return dlt.resource(jobs, name=feed.name, columns=columns, write_disposition="append")


def _credentials(warehouse: Warehouse) -> Any:
    from dlt.destinations.impl.postgres.configuration import PostgresCredentials

    options = f"{warehouse.options} -c lock_timeout={LOCK_MILLISECONDS}"
    credentials = PostgresCredentials(
        {
            "host": warehouse.host,
            "port": warehouse.port,
            "username": warehouse.user,
            "password": warehouse.password,
            "database": warehouse.database,
            "query": {"options": options, "application_name": "extract"},
        }
    )
    credentials.resolve()
    return credentials


def _reason(error: PipelineStepFailed, load: Load) -> BaseException:
    """Returns what made a run fail, out of what dlt and psycopg2 wrap around it."""
    chain = list(_causes(error))
    for each in chain:
        if isinstance(each, LoadError | KeyboardInterrupt):
            return each
    # The last one: "connection already closed" came after what closed it.
    errors = [each for each in chain if isinstance(each, psycopg2.Error)]
    message = " ".join(str((errors or chain)[-1]).split())
    if errors and (errors[-1].pgcode or "").startswith("54") and len(load.new) == 1:
        # Beyond what a table of PostgreSQL can hold: too many columns, in all versions together.
        (file,) = load.new
        return FileError(f"{file.opened.where}: {message}", file.file_id)
    place = "PostgreSQL" if errors else type(chain[-1]).__name__
    return LoadError(f"{load.source.name}: {place}: {message}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yields an error, what it was raised from, and so on to the one that came first."""
    while error is not None:
        yield error
        error = error.__cause__ or getattr(error, "exception", None) or error.__context__
