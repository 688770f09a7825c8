"""Loaders are killed at random moments, and run side by side, before the eyes of a reader."""

import os
import random
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest

from common.errors import LoadError
from common.warehouse import Warehouse
from extract import destination
from extract.__main__ import main as extract
from extract.load import WORK, load
from local.postgres import Server
from tests.forkserver import Repeated
from tests.leftovers import unpublished

from .conftest import KILLS, Versions

Query = Callable[[str], list[tuple[Any, ...]]]


class Reader:
    """Looks at all feeds again and again, in a thread, and keeps what was wrong."""

    def __init__(self, warehouse: Warehouse, versions: Versions) -> None:
        self._warehouse = warehouse
        self._versions = versions
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.looks = 0
        self.wrong: list[str] = []

    def __enter__(self) -> "Reader":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        newest = 0
        with closing(self._warehouse.connect()) as connection:
            connection.autocommit = True
            while not self._stop.wait(0.005):
                with connection.cursor() as cursor:
                    try:
                        cursor.execute(self._versions.query())
                        version = self._versions.seen(cursor.fetchall())
                        assert version >= newest, f"back from version {newest} to {version}"
                        newest = version
                    except (AssertionError, psycopg2.Error) as error:
                        self.wrong.append(str(error))
                self.looks += 1


@pytest.fixture
def loader(versions: Versions, fork: Callable[..., Repeated]) -> Repeated:
    return fork("load", versions.source.name)


def test_readers_never_see_what_a_killed_load_left(
    warehouse: Warehouse, versions: Versions, loader: Repeated, query: Query
) -> None:
    seed = random.randrange(1 << 30)  # noqa: S311
    chance = random.Random(seed)  # noqa: S311
    versions.write(1)
    assert loader.run(None) == 0
    versions.write(2)
    started = time.monotonic()
    assert loader.run(None) == 0
    usual = time.monotonic() - started
    version, killed = 2, 0
    with Reader(warehouse, versions) as reader:
        while killed < KILLS:
            version += 1
            versions.write(version)
            killed += loader.run(chance.uniform(0, 1.1 * usual)) == -signal.SIGKILL
            assert versions.seen(query(versions.query())) in (version - 1, version), f"seed {seed}"
            # What a reader saw must not come back: the next load is not of an older version.
            if chance.random() < 0.5 or versions.seen(query(versions.query())) != version:
                code = loader.run(None)
                assert code == 0, f"seed {seed}"
                assert versions.seen(query(versions.query())) == version, f"seed {seed}"
    assert reader.wrong == [], f"seed {seed}"
    assert reader.looks > KILLS
    versions.write(version + 1)
    assert loader.run(None) == 0
    assert_nothing_is_left(query)


def assert_nothing_is_left(query: Query) -> None:
    """No rows but those of current files, no open loads, no work folders of loads that are gone."""
    assert query(unpublished("adventure_works")) == []
    assert query("select count(*) from audit.loads where status = 'running'") == [(0,)]
    of_failed_loads = """
        select count(*) from audit.files inner join audit.loads using (load_id)
        where files.is_current and (files.status, loads.status) != ('complete', 'complete')
    """
    assert query(of_failed_loads) == [(0,)]
    partitions = """
        select relname from pg_class
        where relnamespace = 'raw_adventure_works_files'::regnamespace and relispartition
        order by 1
    """
    current = "select feed || '_' || file_id from audit.files where is_current order by 1"
    assert query(partitions) == query(current)
    # No load of dlt's was published but by a load of ours, and the other way round.
    assert query("select count(*), max(status) from raw_adventure_works._dlt_loads") == [
        (*query("select count(*) from audit.loads where row_count > 0")[0], 0)
    ]
    alive = {str(pid) for pid in psutil.pids()}
    folders = list(WORK.glob("adventure_works.*"))
    assert [folder for folder in folders if folder.suffix[1:] not in alive] == []


def test_no_reader_is_the_victim_of_a_load(
    warehouse: Warehouse, versions: Versions, query: Query
) -> None:
    """A load that waits for one table holds up who reads others, but not until it is a deadlock."""
    versions.write(1)
    load(versions.source, warehouse)
    person, product, customer, header = (
        f"raw_adventure_works.{feed.name}" for feed in versions.source.feeds[:4]
    )
    # The load locks in this order; the second and the third are held for a while, one after the
    # other, and whoever holds the fourth comes for the first when the load has it.
    plans = [
        (product, 0.45, None),
        (customer, 0.9, None),
        (header, 0.1, person),
    ]
    wrong: list[str] = []

    def read(first: str, seconds: float, then: str | None) -> None:
        with closing(warehouse.connect()) as connection, connection.cursor() as cursor:
            try:
                cursor.execute(f"select count(*) from {first}")
                ready.wait()
                publishing.wait(30)
                time.sleep(seconds)
                if then:
                    cursor.execute(f"select count(*) from {then}")
            except psycopg2.Error as error:
                wrong.append(str(error))

    ready = threading.Barrier(len(plans) + 1)
    publishing = threading.Event()
    readers = [threading.Thread(target=read, args=plan) for plan in plans]
    for reader in readers:
        reader.start()
    ready.wait()
    versions.write(2)
    complete_load = destination.WarehouseClient.complete_load

    def tell(*arguments: Any) -> None:
        publishing.set()
        complete_load(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(destination.WarehouseClient, "complete_load", tell)
        load(versions.source, warehouse)
    for reader in readers:
        reader.join()
    assert wrong == []
    assert versions.seen(query(versions.query())) == 2


# After what of dlt's, and of ours within it; and whether readers then see the new version.
PHASES = [
    ("dlt.pipeline.pipeline:Pipeline.extract", False),
    ("dlt.pipeline.pipeline:Pipeline.normalize", False),
    ("extract.destination:WarehouseClient.initialize_storage", False),
    ("extract.destination:WarehouseClient.update_stored_schema", False),
    ("extract.destination:WarehouseClient.fill", False),
    ("dlt.load.load:Load.complete_jobs", False),
    ("extract.publish._complete", False),
    ("extract.destination:WarehouseClient.complete_load", True),
    ("dlt.load.load:Load.complete_package", True),
    ("dlt.pipeline.pipeline:Pipeline.abort_packages", False),
]


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize(("place", "is_published"), PHASES)
def test_a_load_that_is_killed_in_a_phase_of_dlt_is_never_resumed(
    warehouse: Warehouse,
    versions: Versions,
    query: Query,
    fork: Callable[..., Repeated],
    place: str,
    is_published: bool,
    is_first: bool,
) -> None:
    """What it had pending is neither seen nor loaded later; the next load is as any other."""
    if not is_first:
        versions.write(1)
        load(versions.source, warehouse)
    versions.write(2)
    assert fork("die", versions.source.name, place).run(None) == -signal.SIGKILL
    if is_published:
        assert versions.seen(query(versions.query())) == 2
    elif not is_first:
        assert versions.seen(query(versions.query())) == 1
    versions.write(3)
    load(versions.source, warehouse)
    assert versions.seen(query(versions.query())) == 3
    assert_nothing_is_left(query)
    assert query("select count(*) from audit.loads where status = 'complete'") == [
        (1 + is_published + (not is_first),)
    ]
    versions.write(4)
    load(versions.source, warehouse)
    assert versions.seen(query(versions.query())) == 4


def test_loads_of_one_source_into_two_warehouses_do_not_meet(
    versions: Versions,
    new_warehouse: Callable[[], Warehouse],
    rows_of: Callable[[Warehouse, str], Any],
    run_module: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    """They share the clone, and with it the folder that dlt works in."""
    versions.write(1)
    warehouses = [new_warehouse() for _ in range(3)]
    loads = load_at_once(run_module, warehouses)
    assert [each.returncode for each in loads] == [0, 0, 0], loads
    for warehouse in warehouses:
        assert versions.seen(rows_of(warehouse, versions.query())) == 1


def load_at_once(
    run_module: Callable[..., subprocess.CompletedProcess[str]], warehouses: Sequence[Warehouse]
) -> list[subprocess.CompletedProcess[str]]:
    def load_into(warehouse: Warehouse) -> subprocess.CompletedProcess[str]:
        bucket = os.environ["BUCKET_URL"]
        variables = {"BUCKET_URL": bucket, **warehouse.variables()}
        return run_module("extract", "load", "adventure_works", **variables)

    with ThreadPoolExecutor(len(warehouses)) as pool:
        return list(pool.map(load_into, warehouses))


def test_of_two_loads_at_once_one_is_refused_or_later(
    warehouse: Warehouse,
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


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "state")
    yield server
    server.stop()
    server.delete()


@pytest.mark.nightly
def test_a_server_that_crashes_in_mid_load_is_healed_by_the_next_one(
    own_server: Server, versions: Versions, rows_of: Callable[[Warehouse, str], Any]
) -> None:
    warehouse = _on(own_server)
    versions.write(1)
    load(versions.source, warehouse)
    started = time.monotonic()
    versions.write(2)
    load(versions.source, warehouse)
    usual = time.monotonic() - started
    for number, share in enumerate((0.1, 0.3, 0.5, 0.7, 0.9), start=3):
        versions.write(number)
        crash = threading.Timer(share * usual, _crash, [warehouse])
        crash.start()
        with suppress(LoadError):
            load(versions.source, warehouse)
        crash.join()
        warehouse = _on(own_server)
        assert versions.seen(rows_of(warehouse, versions.query())) in (number - 1, number)
        load(versions.source, warehouse)
        assert versions.seen(rows_of(warehouse, versions.query())) == number
    assert_nothing_is_left(lambda sql: rows_of(warehouse, sql))


@pytest.mark.parametrize("phase", ["update_stored_schema", "fill", "complete_load"])
def test_a_server_that_is_gone_ends_the_load_with_one_line_and_at_once(
    own_server: Server,
    versions: Versions,
    rows_of: Callable[[Warehouse, str], Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    phase: str,
) -> None:
    warehouse = _on(own_server)
    versions.write(1)
    load(versions.source, warehouse)
    versions.write(2)
    for name, value in warehouse.variables().items():
        monkeypatch.setenv(name, value)
    original = getattr(destination.WarehouseClient, phase)
    crashes: list[float] = []

    def crash_first(*arguments: Any, **named: Any) -> Any:
        if not crashes:
            _crash(warehouse)
            crashes.append(time.monotonic())
        return original(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(destination.WarehouseClient, phase, crash_first)
        assert extract(["load", "adventure_works"]) == 1
    assert time.monotonic() - crashes[0] < 10
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert re.search("closed the connection|terminating connection|Connection refused", line), line
    warehouse = _on(own_server)
    assert versions.seen(rows_of(warehouse, versions.query())) == 1
    load(versions.source, warehouse)
    assert versions.seen(rows_of(warehouse, versions.query())) == 2
    assert_nothing_is_left(lambda sql: rows_of(warehouse, sql))


def _on(server: Server) -> Warehouse:
    env = server.start()
    return Warehouse(
        env["POSTGRES_HOST"],
        int(env["POSTGRES_PORT"]),
        env["POSTGRES_USER"],
        env["POSTGRES_DB"],
        env["POSTGRES_PASSWORD"],
    )


def _crash(warehouse: Warehouse) -> None:
    """Kills the server's main process, which takes its children with it."""
    (pid,) = {
        each.pid
        for each in psutil.net_connections("tcp")
        if each.status == psutil.CONN_LISTEN and each.laddr and each.laddr[1] == warehouse.port
    }
    assert pid
    os.kill(pid, signal.SIGQUIT)
    psutil.Process(pid).wait(30)
