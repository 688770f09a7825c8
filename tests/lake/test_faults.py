"""Whatever becomes of a publish, who reads along what is current sees a version that is whole."""

import os
import random
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.table import StaticTable

from common.errors import LoadError
from common.storage import Bucket, FolderBucket, S3Bucket, iceberg_settings
from common.warehouse import Warehouse
from lake.declaration import Table
from lake.publish import WORK, publish
from tests.forkserver import Forkserver, Repeated

from .conftest import PARTITIONS, VERSIONED, Reader, declare, execute, version_of, write_version

KILLS = int(os.environ.get("KILLS", "6"))


class _PowerCutError(BaseException):
    """Nothing in the program catches it."""


@pytest.fixture
def cut_power(monkeypatch: pytest.MonkeyPatch) -> Callable[[int | None], None]:
    """Makes writing stop after so many puts and deletes, of which the last is done."""
    left: list[int] = []
    lock = threading.Lock()

    def cut_after(steps: int | None) -> None:
        left[:] = [] if steps is None else [steps]

    def cutting(method: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any) -> Any:
            with lock:
                if left and left[0] == 0:
                    raise _PowerCutError
                if left:
                    left[0] -= 1
            return method(*arguments)

        return step

    for kind in (FolderBucket, S3Bucket):
        for name in ("put", "put_new", "delete"):
            monkeypatch.setattr(kind, name, cutting(getattr(kind, name)))
    # By which pyiceberg writes its lists of files.
    monkeypatch.setattr(PyArrowFileIO, "new_output", cutting(PyArrowFileIO.new_output))
    return cut_after


@pytest.fixture
def no_history(monkeypatch: pytest.MonkeyPatch) -> None:
    """Former versions go at once: the most that a publish can remove."""
    monkeypatch.setenv("LAKE_HISTORY_DAYS", "0")


def nothing_is_left(reader: Reader) -> bool:
    """Whether the lake holds the current files and what describes them, and no others."""
    flat, parts = VERSIONED
    table = reader.iceberg(parts)
    (snapshot,) = table.snapshots()
    shown = [
        *(each.metadata_file for each in table.metadata.metadata_log),
        *(table.metadata_location, "metadata/version-hint.text"),
        *(snapshot.manifest_list, *(each.manifest_path for each in snapshot.manifests(table.io))),
        *reader.data_files(parts),
    ]
    assert len(reader.data_files(parts)) == PARTITIONS
    keys = {f"{parts}/" + url.rpartition(f"{parts}/")[2] for url in shown}
    return reader.objects().keys() == {f"{flat}/flat.parquet", *keys}


def newest(reader: Reader, table: Table) -> StaticTable:
    """Returns a table as Spark finds it, which looks for a version after the hint's."""
    pattern = re.compile(rf"{table}/metadata/v(\d+)\.metadata\.json")
    version = max(int(found[1]) for key in reader.objects() if (found := pattern.fullmatch(key)))
    url = f"{reader.lake.url}/{table}/metadata/v{version}.metadata.json"
    return StaticTable.from_metadata(url, iceberg_settings())


@pytest.mark.parametrize(
    "reader", ["folder", pytest.param("s3", marks=pytest.mark.nightly)], indirect=True
)
def test_a_publish_that_stops_after_any_step_shows_one_version(
    reader: Reader,
    versioned: Warehouse,
    no_history: None,
    cut_power: Callable[[int | None], None],
) -> None:
    publish(VERSIONED, versioned, reader.lake)
    version, steps, finished = 1, 0, False
    while not finished:
        version += 1
        write_version(versioned, version)
        cut_power(steps)
        try:
            publish(VERSIONED, versioned, reader.lake)
            finished = True
        except _PowerCutError:
            pass
        cut_power(None)
        for table in VERSIONED:
            assert version_of(reader, table) in (version - 1, version)
        rows = newest(reader, VERSIONED[1]).scan().to_arrow()
        assert rows["version"].unique().to_pylist() in ([version - 1], [version])
        publish(VERSIONED, versioned, reader.lake)
        assert [version_of(reader, table) for table in VERSIONED] == [version] * 2
        steps += 1
    assert steps > 2 * PARTITIONS
    # What died before this version goes with it.
    assert nothing_is_left(reader)


def test_readers_never_see_half(reader: Reader, versioned: Warehouse) -> None:
    publish(VERSIONED, versioned, reader.lake)
    stop = threading.Event()
    seen: dict[str, list[int]] = {str(table): [] for table in VERSIONED}

    def look() -> None:
        while not stop.is_set():
            for table in VERSIONED:
                # Whatever version it is, its files stay while it is read.
                seen[str(table)].append(version_of(reader, table))

    version = 1
    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look)
        try:
            while version < 10 or (
                version < 60 and min(len(set(versions)) for versions in seen.values()) < 4
            ):
                version += 1
                write_version(versioned, version)
                publish(VERSIONED, versioned, reader.lake)
        finally:
            stop.set()
        looking.result()
    for versions in seen.values():
        assert len(set(versions)) >= 4
        assert versions == sorted(versions)


@pytest.fixture
def publisher(
    forkserver: Forkserver, reader: Reader, versioned: Warehouse, environment: dict[str, str]
) -> Iterator[Repeated]:
    aws = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    lake = {"LAKE_URL": reader.lake.url, "LAKE_HISTORY_DAYS": "0"}
    env = {**environment, **versioned.variables(), **aws, **lake}
    program = [str(Path(__file__).with_name("forking_publisher.py"))]
    publisher = Repeated(lambda streams: forkserver.start(program, env, streams))
    yield publisher
    publisher.close()


def test_a_killed_publish_is_healed_by_the_next(
    reader: Reader, versioned: Warehouse, publisher: Repeated
) -> None:
    seed = random.randrange(1 << 30)  # noqa: S311
    chance = random.Random(seed)  # noqa: S311
    assert publisher.run(None) == 0
    write_version(versioned, 2)
    started = time.monotonic()
    assert publisher.run(None) == 0
    usual = time.monotonic() - started
    version, killed, tries = 2, 0, 0
    before = dict.fromkeys(VERSIONED, 2)
    while killed < KILLS and tries < 4 * KILLS:
        version, tries = version + 1, tries + 1
        write_version(versioned, version)
        killed += publisher.run(chance.uniform(0, usual)) == -signal.SIGKILL
        for table in VERSIONED:
            seen = version_of(reader, table)
            assert seen in (before[table], version), f"seed {seed}"
            before[table] = seen
        if chance.random() < 0.5:
            assert publisher.run(None) == 0, f"seed {seed}"
            before = dict.fromkeys(VERSIONED, version)
    assert killed
    write_version(versioned, version + 1)
    assert publisher.run(None) == 0
    assert [version_of(reader, table) for table in VERSIONED] == [version + 1] * 2
    assert nothing_is_left(reader)
    alive = {str(pid) for pid in psutil.pids()}
    assert [folder for folder in WORK.glob("lake.*") if folder.suffix[1:] not in alive] == []


def test_a_lake_that_fails_is_named_and_keeps_what_it_has(
    reader: Reader, versioned: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(VERSIONED, versioned, reader.lake)
    write_version(versioned, 2)
    layer: Bucket = reader.lake.layer("silver")
    put = layer.put

    def fail_late(key: str, content: bytes | Path) -> Any:
        if "part=2" in key:
            raise LoadError(f"{layer.url}/{key}: No space left on device")
        return put(key, content)

    monkeypatch.setattr(layer, "put", fail_late)
    with pytest.raises(LoadError, match=r"silver/parts/data/part=2/.*: No space left"):
        publish(VERSIONED, versioned, reader.lake)
    assert [version_of(reader, table) for table in VERSIONED] == [2, 1]


def test_all_tables_are_of_one_moment(folder_lake: Reader, versioned: Warehouse) -> None:
    stop = threading.Event()

    def build() -> None:
        version = 1
        while not stop.is_set():
            version += 1
            write_version(versioned, version)

    with ThreadPoolExecutor(1) as pool:
        building = pool.submit(build)
        try:
            for _ in range(10):
                publish(VERSIONED, versioned, folder_lake.lake)
                first, second = (version_of(folder_lake, table) for table in VERSIONED)
                assert first == second
        finally:
            stop.set()
        building.result()


def test_a_table_that_is_replaced_meanwhile_is_not_seen_empty(
    folder_lake: Reader, versioned: Warehouse
) -> None:
    with closing(versioned.connect()) as build, ThreadPoolExecutor(1) as pool:
        build.cursor().execute(
            "create table new_parts as select id, part, 9 as version from parts;"
            "insert into new_parts values (101, 5, 9), (102, 6, 9);"
            "drop table parts; alter table new_parts rename to parts"
        )
        publishing = pool.submit(publish, VERSIONED, versioned, folder_lake.lake)
        # It waits for the build by now, with a moment chosen or not.
        waiting = "select count(*) from pg_locks where not granted"
        with closing(versioned.connect()) as other, other.cursor() as cursor:
            other.autocommit = True
            for _ in range(100):
                cursor.execute(waiting)
                if cursor.fetchone() != (0,):
                    break
                time.sleep(0.05)
        build.commit()
        publishing.result()
    ((rows, version),) = folder_lake.read(VERSIONED[1], "select count(*), min(version) from {}")
    assert (rows, version) == (103, 9)


def test_of_two_at_once_one_is_refused(folder_lake: Reader, versioned: Warehouse) -> None:
    with closing(versioned.connect()) as other:
        other.cursor().execute("select pg_advisory_lock(hashtext('lake: publish'))")
        with pytest.raises(LoadError, match="another publish is running"):
            publish(VERSIONED, versioned, folder_lake.lake)
    publish(VERSIONED, versioned, folder_lake.lake)


def test_a_version_that_another_warehouse_writes_meanwhile_is_not_overwritten(
    reader: Reader, versioned: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its publish takes no notice of our lock, which is in our warehouse."""
    publish(VERSIONED, versioned, reader.lake)
    write_version(versioned, 2)
    layer: Bucket = reader.lake.layer("silver")
    put_new = layer.put_new

    def too_late(key: str, content: bytes) -> None:
        put_new(key, content)
        put_new(key, content)

    message = r"v2\.metadata\.json: somebody else has written it just now"
    with monkeypatch.context() as patched:
        patched.setattr(layer, "put_new", too_late)
        with pytest.raises(LoadError, match=message):
            publish(VERSIONED, versioned, reader.lake)
    assert version_of(reader, VERSIONED[1]) == 1


def test_a_lost_connection_publishes_nothing(folder_lake: Reader, versioned: Warehouse) -> None:
    execute(
        versioned,
        "create view slow as select pg_terminate_backend(pg_backend_pid()) as gone from flat",
    )
    with pytest.raises(LoadError, match=r"gold/slow: PostgreSQL: (terminating|server closed)"):
        publish([*VERSIONED, declare("slow", "gold")], versioned, folder_lake.lake)
    assert not Path(folder_lake.lake.url).exists()
