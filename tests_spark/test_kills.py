"""Loaders into a lakehouse are killed, and run side by side, before the eyes of a reader."""

import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.exceptions import CommitFailedException

from common.lakehouse import Lakehouse
from extract.lakehouse import IcebergTables
from extract.load import load
from tests.faults.conftest import Versions
from tests.faults.test_kills import load_at_once
from tests.forkserver import Repeated
from tests.lakehouse import rows_of

KILLS = int(os.environ.get("KILLS", "5"))
Query = Callable[[str], list[tuple[Any, ...]]]

# After what a load is killed, and whether readers then see the new version.
PHASES = [
    # In mid-commit: the catalog points to the first table's new version.
    ("extract.lakehouse:_Catalog.commit_table", False),
    *(
        pytest.param(*phase, marks=pytest.mark.nightly)
        for phase in (
            # Raw tables are made, and no rows are there.
            ("extract.lakehouse:LakehouseClient.update_stored_schema", False),
            # Data files are written.
            ("extract.lakehouse:IcebergTables.write", False),
            # The catalog points to the new version of all tables.
            ("extract.lakehouse:IcebergTables.swap", False),
            # Committed, but dlt does not know it yet.
            ("extract.lakehouse:LakehouseClient.complete_load", True),
        )
    ),
]


@contextmanager
def reading(warehouse: Lakehouse, versions: Versions) -> Iterator[list[str]]:
    """Looks at all feeds again and again, in a thread; gives a list of what was wrong."""
    stop, wrong, newest = threading.Event(), list[str](), 0

    def look() -> None:
        nonlocal newest
        while not stop.wait(0.02):
            try:
                version = versions.seen(rows_of(warehouse, versions.query()))
                assert version >= newest, f"back from version {newest} to {version}"
                newest = version
            except AssertionError as error:
                wrong.append(str(error))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield wrong
    finally:
        stop.set()
        thread.join()
    assert newest, "the reader saw nothing"


@pytest.mark.parametrize(("place", "is_published"), PHASES)
def test_a_load_that_is_killed_shows_nothing_and_the_next_one_mends_it(
    warehouse: Lakehouse,
    versions: Versions,
    query: Query,
    fork: Callable[..., Repeated],
    place: str,
    is_published: bool,
) -> None:
    versions.write(1)
    load(versions.source, warehouse)
    versions.write(2)
    with reading(warehouse, versions) as wrong:
        assert fork("die", versions.source.name, place).run(None) == -signal.SIGKILL
        assert versions.seen(query(versions.query())) == 1 + is_published
        versions.write(3)
        load(versions.source, warehouse)
    assert wrong == []
    assert versions.seen(query(versions.query())) == 3
    assert_nothing_is_left(query)
    assert query("select count(*) from audit.loads where status = 'complete'") == [
        (2 + is_published,)
    ]


@pytest.mark.nightly
def test_readers_never_see_what_a_load_that_was_killed_at_any_time_left(
    warehouse: Lakehouse, versions: Versions, query: Query, fork: Callable[..., Repeated]
) -> None:
    seed = random.randrange(1 << 30)  # noqa: S311
    chance = random.Random(seed)  # noqa: S311
    loader = fork("load", versions.source.name)
    versions.write(1)
    assert loader.run(None) == 0
    versions.write(2)
    started = time.monotonic()
    assert loader.run(None) == 0
    usual = time.monotonic() - started
    version, killed = 2, 0
    with reading(warehouse, versions) as wrong:
        while killed < KILLS:
            version += 1
            versions.write(version)
            killed += loader.run(chance.uniform(0, 1.1 * usual)) == -signal.SIGKILL
            seen = versions.seen(query(versions.query()))
            assert seen in (version - 1, version), f"seed {seed}"
            if seen != version:
                assert loader.run(None) == 0, f"seed {seed}"
    assert wrong == [], f"seed {seed}"
    assert versions.seen(query(versions.query())) == version
    assert_nothing_is_left(query)


def assert_nothing_is_left(query: Query) -> None:
    """No load is open, and each was published by dlt just when the ledger says so."""
    assert query("select count(*) from audit.loads where status = 'running'") == [(0,)]
    assert query("select count(*), max(status) from raw_adventure_works._dlt_loads") == [
        (*query("select count(*) from audit.loads where row_count > 0")[0], 0)
    ]


def test_of_loads_at_once_one_is_refused_or_later(
    warehouse: Lakehouse,
    versions: Versions,
    query: Query,
    run_module: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    versions.write(1)
    loads = load_at_once(run_module, [warehouse] * 3)
    assert 0 in [each.returncode for each in loads]
    for each in loads:
        refused = each.returncode == 1 and "another load of it is running" in each.stderr
        assert each.returncode == 0 or refused, each
    assert versions.seen(query(versions.query())) == 1
    assert query("select count(*) from audit.loads where row_count > 0") == [(1,)]


def test_whoever_else_commits_to_a_raw_table_waits_and_finds_it_changed(
    warehouse: Lakehouse, versions: Versions, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions.write(1)
    load(versions.source, warehouse)
    versions.write(2)
    commit, others, refused = IcebergTables._commit, list[threading.Thread](), list[str]()

    def maintain() -> None:
        with closing(warehouse.catalog()) as catalog:
            table = catalog.load_table(("raw_adventure_works", "person"))
            loaded.set()
            try:
                with table.transaction() as change:
                    change.set_properties({"commit.retry.num-retries": "0"})
            except CommitFailedException as error:
                refused.append(str(error))

    loaded = threading.Event()

    def commit_meanwhile(self: IcebergTables, *arguments: Any) -> None:
        if not others:
            others.append(threading.Thread(target=maintain))
            others[0].start()
            loaded.wait()
        commit(self, *arguments)

    monkeypatch.setattr(IcebergTables, "_commit", commit_meanwhile)
    load(versions.source, warehouse)
    others[0].join()
    assert versions.seen(query(versions.query())) == 2
    with closing(warehouse.catalog()) as catalog:
        table = catalog.load_table(("raw_adventure_works", "person"))
    # It was refused, or it came later; it took nothing away.
    assert len(refused) == ("commit.retry.num-retries" not in table.properties)


def test_files_that_no_version_shows_stay_only_of_loads_that_were_killed(
    warehouse: Lakehouse, versions: Versions, fork: Callable[..., Repeated]
) -> None:
    versions.write(1)
    load(versions.source, warehouse)
    assert orphans(warehouse) == set()
    versions.write(2)
    place = "extract.lakehouse:IcebergTables.write"
    assert fork("die", versions.source.name, place).run(None) == -signal.SIGKILL
    assert orphans(warehouse) != set()


def orphans(warehouse: Lakehouse) -> set[Path]:
    """Returns the data files that no version of any raw table has."""
    folder = Path(warehouse.url.removeprefix("file://"))
    there = set(folder.rglob("*.parquet"))
    with closing(warehouse.catalog()) as catalog:
        for name in catalog.list_tables("raw_adventure_works"):
            files: pa.Table = catalog.load_table(name).inspect.all_files()
            there -= {Path(each.removeprefix("file://")) for each in files["file_path"].to_pylist()}
    return there
