"""Lakes in a folder and on S3, read as people would: with DuckDB, along what is current."""

import shutil
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest

from common.storage import open_bucket
from common.warehouse import Warehouse
from lake.declaration import Table
from lake.publish import CURRENT, Lake

Rows = list[tuple[Any, ...]]
ALL = "select * from {}"


class Reader:
    """Reads a lake with DuckDB; what is on S3 is downloaded first, as it is."""

    def __init__(self, lake: Lake, folder: Path) -> None:
        self.lake = lake
        self._folder = folder

    def objects(self) -> dict[str, str]:
        """Returns the versions of all objects of the lake by their keys."""
        return {item.key: item.version for item in open_bucket(self.lake.url).objects()}

    def files(self, table: Table) -> list[Any]:
        """Returns where the files of a table are, here, that are current."""
        root = self._root(table)
        if not table.partition_by:
            # DuckDB opens a local file more than once; who reads a copy opens it once.
            copy = self._folder / f"{table}.copy"
            copy.parent.mkdir(parents=True, exist_ok=True)
            return [shutil.copyfile(f"{root}/{table}/{table.name}.{table.format}", copy)]
        lines = Path(root, str(table), CURRENT).read_text(encoding="utf-8").splitlines()
        return [line.replace(self.lake.url, root, 1) for line in lines]

    def read(self, table: Table, sql: str = ALL, **options: bool) -> Rows:
        """Runs SQL on the files of a table that are current."""
        return self.query(sql, self.files(table), options)

    def glob(self, table: Table, sql: str = ALL, **options: bool) -> Rows:
        """Runs SQL on all files below the table's folder."""
        return self.query(sql, [f"{self._root(table)}/{table}/**/*.parquet"], options)

    @staticmethod
    def query(sql: str, files: list[Any], options: Mapping[str, bool]) -> Rows:
        with closing(duckdb.connect()) as connection:
            connection.execute("set timezone = 'UTC'")
            settings = "".join(f", {name} = {value}" for name, value in options.items())
            relation = f"read_parquet($files{settings})"
            return connection.execute(
                sql.format(relation), {"files": [str(file) for file in files]}
            ).fetchall()

    def _root(self, table: Table) -> str:
        """Returns the folder of the lake, or of a copy that has this table."""
        if not self.lake.url.startswith("s3://"):
            return self.lake.url
        shutil.rmtree(self._folder, ignore_errors=True)
        bucket = open_bucket(self.lake.url)
        for item in bucket.objects():
            if not item.key.startswith(f"{table}/"):
                continue
            path = self._folder / item.key
            path.parent.mkdir(parents=True, exist_ok=True)
            bucket.download(item, path)
        return str(self._folder)


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
        format="parquet",
        record="",
        partition_by=tuple(partition_by.items()),
        order_by=(),
        exception="of a test",
    )


def execute(warehouse: Warehouse, sql: str) -> None:
    with closing(warehouse.connect()) as connection, connection, connection.cursor() as cursor:
        cursor.execute(sql)


# Two tables, of one version: all rows say which, and how many rows there are depends on it.
PARTITIONS = 6
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
