"""What a lakehouse is like: its tables, its files, its settings, and what a load takes."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pyiceberg.table import Table

from common.errors import ConfigurationError, LoadError
from common.lakehouse import Lakehouse
from common.warehouse import find_warehouse
from extract.__main__ import main as extract
from extract.declaration import Source, read_sources
from extract.load import load
from tests.lakehouse import raw_tables

Query = Callable[[str], list[tuple[Any, ...]]]
PERSON = ("raw_adventure_works", "person")
MEGABYTE = 1 << 20


@pytest.fixture
def source() -> Source:
    return read_sources()["adventure_works"]


@pytest.fixture
def bucket(small_bucket: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sample bucket that the test may change."""
    folder = tmp_path / "bucket"
    shutil.copytree(small_bucket, folder)
    monkeypatch.setenv("BUCKET_URL", str(folder))
    return folder


def iceberg(warehouse: Lakehouse, name: tuple[str, str] = PERSON) -> Table:
    with closing(warehouse.catalog()) as catalog:
        return catalog.load_table(name)


def data_files(warehouse: Lakehouse) -> set[str]:
    folder = Path(warehouse.url.removeprefix("file://"))
    return {str(path.relative_to(folder)) for path in folder.rglob("*.parquet")}


def test_one_load_is_one_version_of_each_table_and_drops_files_by_metadata_alone(
    warehouse: Lakehouse, source: Source, bucket: Path
) -> None:
    load(source, warehouse)
    before = data_files(warehouse)
    assert len(before) == len(source.feeds)
    file = bucket / "adventure_works" / source.feeds_by_name["person"].files[0]
    file.write_bytes(file.read_bytes().rsplit(b"\r\n", 2)[0] + b"\r\n")
    load(source, warehouse)
    table = iceberg(warehouse)
    assert [each.summary["load_id"] for each in table.snapshots() if each.summary] == ["1", "2"]
    (file_id,) = table.scan().to_arrow()["_file_id"].unique().to_pylist()
    # Nothing was read or written but the one file that changed.
    (new,) = data_files(warehouse) - before
    assert new == f"raw_adventure_works/person/data/_file_id={file_id}/2.parquet"
    assert len(iceberg(warehouse, ("raw_adventure_works", "customer")).snapshots()) == 1
    # The former version stays, for who asks for it.
    former = table.scan(snapshot_id=table.snapshots()[0].snapshot_id).to_arrow()
    assert former.num_rows == table.scan().to_arrow().num_rows + 1


def test_the_same_bytes_are_never_written_twice(
    warehouse: Lakehouse, source: Source, bucket: Path
) -> None:
    load(source, warehouse)
    before = data_files(warehouse)
    for path in bucket.rglob("*.csv"):
        path.touch()
    assert load(source, warehouse).rows == 0
    assert data_files(warehouse) == before


def test_a_file_that_is_refused_leaves_no_data_file(
    warehouse: Lakehouse, source: Source, bucket: Path, query: Query
) -> None:
    load(source, warehouse)
    before = data_files(warehouse)
    file = bucket / "adventure_works" / source.feeds_by_name["person"].files[0]
    file.write_bytes(b"\r\n".join(file.read_bytes().split(b"\r\n")[:2]) + b"\r\n")
    with pytest.raises(LoadError, match="min_share"):
        load(source, warehouse)
    assert data_files(warehouse) == before
    assert query("select count(*) from raw_adventure_works.person")[0][0] > 1


def test_postgresql_holds_catalog_and_ledger_and_no_rows(
    warehouse: Lakehouse, source: Source, bucket: Path, query: Query
) -> None:
    load(source, warehouse)
    tables = query(
        "select table_schema || '.' || table_name from information_schema.tables "
        "where table_schema = 'public' or table_schema like 'raw%' order by 1"
    )
    assert [name for (name,) in tables] == [
        "public.iceberg_namespace_properties",
        "public.iceberg_tables",
        "raw_adventure_works._dlt_loads",
        "raw_adventure_works._dlt_version",
    ]
    assert query("select count(*), max(iceberg_type) from iceberg_tables") == [
        (len(source.feeds), "TABLE")
    ]


def test_a_raw_table_that_somebody_dropped_is_made_anew(
    warehouse: Lakehouse, source: Source, bucket: Path, query: Query
) -> None:
    load(source, warehouse)
    with closing(warehouse.catalog()) as catalog:
        catalog.drop_table(PERSON)
    result = load(source, warehouse)
    assert [file.feed for file in result.files if file.rows] == ["person"]
    assert query("select count(*) from raw_adventure_works.person") == [(result.rows,)]


def test_the_command_loads_into_either(
    warehouse: Lakehouse,
    bucket: Path,
    query: Query,
    run_module: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    variables = {**warehouse.variables(), "BUCKET_URL": str(bucket), "ENGINE": ""}
    # Its database is made by the first load.
    name = f"test_{uuid4().hex[:12]}"
    variables["LAKEHOUSE_DB"] = name
    done = run_module("extract", "load", "adventure_works", "--to", "lakehouse", **variables)
    assert done.returncode == 0, done.stderr
    made = replace(warehouse, database=name)
    assert raw_tables(made, [PERSON])[PERSON].num_rows > 0
    done = run_module("extract", "load", "adventure_works", "--to", "warehouse", **variables)
    assert done.returncode == 0, done.stderr
    assert query("select count(*) > 0 from pg_class where relname = 'person'") == [(True,)]


def test_s3(
    warehouse: Lakehouse,
    source: Source,
    bucket: Path,
    tmp_path: Path,
    s3_bucket: Callable[[Path], str],
) -> None:
    (tmp_path / "nothing").mkdir()
    lake = replace(warehouse, url=s3_bucket(tmp_path / "nothing") + "/lake house")
    rows = load(source, lake).rows
    table = iceberg(lake)
    assert table.location().startswith(f"{lake.url}/raw_adventure_works/person")
    found = raw_tables(lake, [(source.raw_schema, feed.name) for feed in source.feeds])
    assert sum(each.num_rows for each in found.values()) == rows > 0


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"ENGINE": "flink"}, "ENGINE: 'flink' is none; there are: postgres, spark"),
        ({"LAKEHOUSE_URL": ""}, "LAKEHOUSE_URL is not set"),
        ({"LAKEHOUSE_URL": "gs://bucket"}, "gs: unknown kind of place"),
    ],
)
def test_wrong_settings_are_named(
    variables: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = {"POSTGRES_HOST": "h", "ENGINE": "spark", "LAKEHOUSE_URL": "/lakehouse"}
    for name, value in (right | variables).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=message):
        find_warehouse()


def test_a_place_that_cannot_be_written_to_is_one_line(
    warehouse: Lakehouse,
    bucket: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").touch()
    for name, value in warehouse.variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LAKEHOUSE_URL", str(tmp_path / "file" / "lakehouse"))
    assert extract(["load", "adventure_works"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: adventure_works: "), line
    assert str(tmp_path / "file") in line


# Loads one source, holding less at a time than usual; prints its rows, and the most memory that it
# took, in KB.
MEASURE = """
from pathlib import Path
from common.warehouse import find_warehouse
from extract import lakehouse
from extract.declaration import Feed, Source
from extract.load import load
feed = Feed(name="big", file=("big.csv",), columns=("id", "name", "note"))
lakehouse.READ_BYTES, lakehouse.GROUP_BYTES = 1 << 18, 1 << 22
print(load(Source(name="big", description="", feeds={"big": feed}), find_warehouse()).rows)
status = Path("/proc/self/status").read_text()
print(status.split("VmHWM:")[1].split()[0])
"""


@pytest.mark.nightly
@pytest.mark.parametrize("note", ["plain", '"over two\nlines"'], ids=["plain", "records"])
def test_memory_does_not_grow_with_the_file(
    warehouse: Lakehouse, tmp_path: Path, environment: dict[str, str], note: str
) -> None:
    """A plain file, which Arrow reads, and one that is read record by record."""
    small, large = (10, 60) if note == "plain" else (10, 40)
    peaks = []
    for megabytes in (small, large):
        row = "{},some name that is not short at all and has no end," + note + "\n"
        with (tmp_path / "big.csv").open("w") as file:
            file.write("id,name,note\n")
            number = 0
            while file.tell() < megabytes * MEGABYTE:
                file.writelines(row.format(number + each) for each in range(10_000))
                number += 10_000
        done = subprocess.run(
            [sys.executable, "-c", MEASURE],
            env={**environment, **warehouse.variables(), "BIG_BUCKET_URL": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        rows, peak = map(int, done.stdout.split())
        assert rows == number
        peaks.append(peak / 1024)
    # What was not streamed would take more than its size. Allocators keep a little.
    assert peaks[1] - peaks[0] < 0.8 * (large - small), peaks
