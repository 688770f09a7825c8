"""Lakes in a folder and on S3, read as people would: with pyiceberg and DuckDB."""

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pyiceberg.table import StaticTable

from common.storage import Object, iceberg_settings, open_bucket
from common.warehouse import Warehouse
from lake.declaration import Table
from lake.publish import Lake

Rows = list[tuple[Any, ...]]
ALL = "select * from {}"


class Reader:
    """Reads a lake: Iceberg tables by pyiceberg, others as the file that they are, after a copy."""

    def __init__(self, lake: Lake, folder: Path) -> None:
        self.lake = lake
        self._folder = folder

    def objects(self) -> dict[str, str]:
        """Returns the versions of all objects of the lake by their keys."""
        bucket = open_bucket(self.lake.url)
        return {item.key: item.version for item in bucket.objects()} if bucket.exists() else {}

    def iceberg(self, table: Table) -> StaticTable:
        """Returns a table as its folder alone describes it."""
        return StaticTable.from_metadata(f"{self.lake.url}/{table}", iceberg_settings())

    def data_files(self, table: Table) -> list[str]:
        """Returns where the files are that an Iceberg table shows."""
        return [task.file.file_path for task in self.iceberg(table).scan().plan_files()]

    def read(self, table: Table, sql: str = ALL, snapshot_id: int | None = None) -> Rows:
        """Runs SQL of DuckDB on a table."""
        with closing(duckdb.connect()) as connection:
            connection.execute("set timezone = 'UTC'")
            if table.partition_by:
                scan = self.iceberg(table).scan(snapshot_id=snapshot_id)
                connection.register("rows", scan.to_arrow())
                return connection.execute(sql.format("rows")).fetchall()
            # DuckDB opens a local file more than once; who reads a copy opens it once.
            copy = self._folder / f"{table}.parquet"
            copy.parent.mkdir(parents=True, exist_ok=True)
            bucket, key = self.lake.layer(table.layer), f"{table.name}/{table.name}.parquet"
            bucket.download(Object(key, 0, "", datetime.now(UTC)), copy)
            return connection.execute(sql.format(f"'{copy}'")).fetchall()


@pytest.fixture
def folder_lake(tmp_path: Path) -> Reader:
    return Reader(Lake(str(tmp_path / "lake")), tmp_path / "copy")


@pytest.fixture(params=["folder", "s3"])
def reader(
    request: pytest.FixtureRequest, tmp_path: Path, s3_bucket: Callable[[Path], str]
) -> Reader:
    """A new lake, which is empty."""
    url = str(tmp_path / "lake") if request.param == "folder" else s3_bucket(tmp_path) + "/a/lake"
    return Reader(Lake(url), tmp_path / "copy")


def declare(name: str, layer: str = "silver", **partition_by: str) -> Table:
    """Returns the declaration of a table that holds `public.<name>`."""
    return Table(
        layer=layer,
        name=name,
        schema="public",
        relation=name,
        columns=(),
        partition_by=tuple(partition_by.items()),
        order_by=(),
        exception="of a test",
    )


def execute(warehouse: Warehouse, sql: str) -> None:
    with closing(warehouse.connect()) as connection, connection, connection.cursor() as cursor:
        cursor.execute(sql)


# Two tables, of one version: all rows say which, and how many rows there are depends on it.
PARTITIONS = 3
VERSIONED = (declare("flat", "gold"), declare("parts", part="part"))


def write_version(warehouse: Warehouse, version: int) -> None:
    """Replaces both tables, as a build does, in one transaction."""
    names = [table.name for table in VERSIONED]
    execute(
        warehouse,
        "".join(
            f"""
            create table new_{name} as
            select n as id, n % {PARTITIONS} as part, {version} as version
            from generate_series(1, {100 + version % 7}) as n;
            drop table if exists {name};
            alter table new_{name} rename to {name};
            """
            for name in names
        ),
    )


def version_of(reader: Reader, table: Table) -> int:
    """Returns the version that readers of a table see; fails unless it is whole."""
    question = "select min(version), max(version), count(*), count(distinct id) from {}"
    ((low, high, rows, ids),) = reader.read(table, question)
    assert low == high, f"{table}: a mix of {low} and {high}"
    assert rows == ids == 100 + low % 7, f"{table}: {rows} rows of version {low}"
    version: int = low
    return version


@pytest.fixture
def versioned(warehouse: Warehouse) -> Warehouse:
    write_version(warehouse, 1)
    return warehouse
