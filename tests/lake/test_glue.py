"""Glue, as Athena and Redshift read it: it shows what was published last, or nothing."""

import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
from pyiceberg.catalog.glue import GlueCatalog

from common.errors import LoadError
from common.storage import iceberg_settings
from common.warehouse import Warehouse
from lake.publish import Lake, publish

from .conftest import Reader, declare, execute

TABLE = declare("t", part="part")
NAME = "silver_t"


@pytest.fixture
def lake(
    tmp_path: Path,
    s3_bucket: Callable[[Path], str],
    warehouse: Warehouse,
    monkeypatch: pytest.MonkeyPatch,
) -> Reader:
    """A lake whose setting names a database of Glue, which is not there yet."""
    monkeypatch.setenv("LAKE_GLUE_DATABASE", f"lake_{uuid4().hex[:8]}")
    execute(
        warehouse, "create table t as select n as id, n % 2 as part from generate_series(1, 4) n"
    )
    return Reader(Lake(s3_bucket(tmp_path / "none")), tmp_path)


@pytest.fixture
def database(lake: Reader) -> str:
    """That database, made."""
    name = os.environ["LAKE_GLUE_DATABASE"]
    boto3.client("glue").create_database(DatabaseInput={"Name": name})
    return name


def ids(database: str) -> list[int]:
    """Returns what pyiceberg reads of the table that Glue points to."""
    with closing(GlueCatalog("glue", boto3.client("glue"), **iceberg_settings())) as catalog:
        rows = catalog.load_table((database, NAME)).scan().to_arrow()
    return sorted(rows["id"].to_pylist())


def in_glue(database: str) -> dict[str, Any]:
    found = boto3.client("glue").get_table(DatabaseName=database, Name=NAME)
    table: dict[str, Any] = found["Table"]
    return table


def test_glue_shows_what_was_published_last(
    lake: Reader, database: str, warehouse: Warehouse
) -> None:
    publish([TABLE, declare("t", "gold")], warehouse, lake.lake)
    assert ids(database) == [1, 2, 3, 4]
    columns = in_glue(database)["StorageDescriptor"]["Columns"]
    assert [(each["Name"], each["Type"]) for each in columns] == [("id", "int"), ("part", "int")]
    # Tables that are one file are the template's.
    tables = boto3.client("glue").get_tables(DatabaseName=database)["TableList"]
    assert [each["Name"] for each in tables] == [NAME]
    before = in_glue(database)
    publish([TABLE], warehouse, lake.lake)
    assert in_glue(database) == before
    execute(warehouse, "delete from t where id = 1")
    publish([TABLE], warehouse, lake.lake)
    assert ids(database) == [2, 3, 4]


def test_what_former_releases_declared_becomes_the_iceberg_table(
    lake: Reader, database: str, warehouse: Warehouse
) -> None:
    said = {
        "Name": NAME,
        "TableType": "EXTERNAL_TABLE",
        "StorageDescriptor": {"Location": "s3://a"},
    }
    boto3.client("glue").create_table(DatabaseName=database, TableInput=said)
    publish([TABLE], warehouse, lake.lake)
    assert ids(database) == [1, 2, 3, 4]
    assert in_glue(database)["Parameters"]["table_type"] == "ICEBERG"


def test_a_table_that_is_withheld_goes_from_glue_too(
    lake: Reader, database: str, warehouse: Warehouse
) -> None:
    publish([TABLE], warehouse, lake.lake)
    execute(warehouse, "revoke usage on schema public from public")
    for _ in range(2):
        (result,) = publish([replace(TABLE, exception="")], warehouse, lake.lake)
        assert result.is_withheld
        assert boto3.client("glue").get_tables(DatabaseName=database)["TableList"] == []
    assert lake.objects() == {}


def test_what_glue_was_not_told_it_is_told_by_the_next_publish(
    lake: Reader, warehouse: Warehouse, request: pytest.FixtureRequest
) -> None:
    with pytest.raises(LoadError, match=r"silver/t: Glue database lake_\w+: .*Database"):
        publish([TABLE], warehouse, lake.lake)
    assert len(lake.read(TABLE)) == 4
    database = request.getfixturevalue("database")
    publish([TABLE], warehouse, lake.lake)
    assert ids(database) == [1, 2, 3, 4]
