"""A load is a load of dlt's: its tables, its command line and its Python see it."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from common.errors import LoadError
from common.warehouse import Warehouse
from extract.declaration import Source, read_sources
from extract.load import load
from extract.pipeline import pipeline

ROOT = Path(__file__).resolve().parents[2]
Query = Callable[[str], list[tuple[Any, ...]]]

DECLARATION = """
sources:
  shop:
    description: A shop
    feeds:
      items:
        file: items.csv
        columns: [id, name]
        min_share: 0%
      visits:
        changes: visits-*.csv
        columns: [id, at]
        key: [id]
        newest_by: at
"""
LOADS = "select load_id, schema_name, status from raw_shop._dlt_loads order by inserted_at"


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    path = tmp_path / "sources.yml"
    path.write_text(DECLARATION)
    monkeypatch.setenv("SHOP_BUCKET_URL", str(tmp_path / "bucket"))
    (tmp_path / "bucket").mkdir()
    return read_sources(path)["shop"]


@pytest.fixture
def items(tmp_path: Path) -> Path:
    path = tmp_path / "bucket" / "items.csv"
    path.write_text("id,name\n1,one\n2,two\n")
    return path


def test_each_load_is_a_row_of_dlts(
    source: Source, items: Path, warehouse: Warehouse, query: Query
) -> None:
    load(source, warehouse)
    load(source, warehouse)
    assert [row[1:] for row in query(LOADS)] == [("shop", 0)], "nothing was new the second time"
    items.write_text("id,name,size\n1,one,L\n")
    load(source, warehouse)
    items.write_text("id,name\nbroken\n")
    with pytest.raises(LoadError):
        load(source, warehouse)
    assert [row[1:] for row in query(LOADS)] == [("shop", 0), ("shop", 0)]
    # A version for the first tables, one for the column that came.
    assert query(
        """
        select count(*), count(loads.load_id) from raw_shop._dlt_version as versions
        left join raw_shop._dlt_loads as loads
            on versions.version_hash = loads.schema_version_hash
        """
    ) == [(2, 2)]


@pytest.mark.postgres
def test_dlts_dataset_reads_the_rows(
    source: Source, items: Path, warehouse: Warehouse, tmp_path: Path
) -> None:
    (tmp_path / "bucket" / "visits-1.csv").write_text("id,at\n7,2024-01-01\n")
    load(source, warehouse)
    dataset = pipeline(source, warehouse).dataset()
    assert dataset.items.select("id", "name").order_by("id").fetchall() == [
        ("1", "one"),
        ("2", "two"),
    ]
    assert dataset.visits.select("id", "_source_file").fetchall() == [("7", "visits-1.csv")]
    assert set(dataset.schema.data_table_names()) == {"items", "visits"}


@pytest.mark.postgres
def test_dlts_command_line_names_the_last_load(
    source: Source, items: Path, warehouse: Warehouse, query: Query
) -> None:
    load(source, warehouse)
    items.write_text("id,name\n3,three\n")
    load(source, warehouse)
    done = dlt(warehouse, "pipeline", "shop", "info")
    assert done.returncode == 0, done.stderr
    assert "dataset_name: raw_shop" in done.stdout
    assert query(LOADS)[-1][0] in done.stdout
    assert "pending" not in done.stdout.lower()
    package = dlt(warehouse, "pipeline", "shop", "load-package")
    assert package.returncode == 0, package.stderr
    assert query(LOADS)[-1][0] in package.stdout


def dlt(warehouse: Warehouse, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs dlt's command line as one of a clone does, on the test's own folder."""
    return subprocess.run(
        [ROOT / "local" / "bin" / "dlt", *arguments],
        cwd=ROOT,
        env={**os.environ, **warehouse.variables()},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.postgres
def test_a_raw_table_that_somebody_dropped_is_made_anew(
    source: Source, items: Path, warehouse: Warehouse, query: Query
) -> None:
    """The version of dlt's schema that is stored says that it is there."""
    load(source, warehouse)
    connection = warehouse.connect()
    with connection, connection.cursor() as cursor:
        cursor.execute("drop table raw_shop.items, raw_shop.visits")
    connection.close()
    load(source, warehouse)
    assert query("select id from raw_shop.visits") == []
    assert query("select id from raw_shop.items order by id") == [("1",), ("2",)]
    assert query("select file, status, error from audit.files order by file_id") == [
        ("items.csv", "failed", "its raw table was dropped"),
        ("items.csv", "complete", None),
    ]


def test_dlts_folder_may_be_lost(
    source: Source,
    items: Path,
    warehouse: Warehouse,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """It is a cache: another machine, or another clone, has none, or one of another database."""
    items.write_text("id,name,size\n1,one,L\n")
    load(source, warehouse)
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "elsewhere"))
    items.write_text("id,name\n1,uno\n")
    load(source, warehouse)
    assert query("select id, name, size from raw_shop.items") == [("1", "uno", None)]
    items.write_text("id,name,size,colour\n1,uno,M,red\n")
    load(source, warehouse)
    assert query("select id, name, size, colour from raw_shop.items") == [("1", "uno", "M", "red")]
    assert [row[1:] for row in query(LOADS)] == [("shop", 0)] * 3


def test_dlts_folder_does_not_grow(
    source: Source, items: Path, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.setattr("extract.pipeline.KEPT_PACKAGES", 2)
    counts = []
    for number in range(5):
        items.write_text(f"id,name\n1,{number}\n")
        load(source, warehouse)
        counts.append(sum(path.is_file() for path in (tmp_path / "dlt").rglob("*")))
    assert counts[2:] == [counts[2]] * 3
