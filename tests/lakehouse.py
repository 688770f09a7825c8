"""Reads a lakehouse for tests: raw by DuckDB out of pyiceberg's hands, the rest by PostgreSQL."""

import re
from collections.abc import Collection
from contextlib import closing
from pathlib import Path
from typing import Any

from common.lakehouse import Lakehouse
from common.warehouse import Warehouse

_RAW = re.compile(r"\b(raw_\w+)\.([a-z]\w*)")


def lakehouse(warehouse: Warehouse, folder: Path) -> Lakehouse:
    """Returns a lakehouse whose catalog is in a warehouse's database, and its files in a folder."""
    return Lakehouse(**vars(warehouse), url=f"file://{folder}")


def raw_tables(lakehouse: Lakehouse, names: Collection[tuple[str, str]]) -> dict[Any, Any]:
    """Returns Arrow tables, all as they are in the catalog at one moment."""
    from pyiceberg.table import StaticTable

    with closing(lakehouse.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(
            "select table_namespace, table_name, metadata_location from iceberg_tables "
            "where (table_namespace, table_name) in %s",
            (tuple(names),),
        )
        found = {(schema, name): location for schema, name, location in cursor.fetchall()}
    properties = lakehouse.properties()
    return {
        name: StaticTable.from_metadata(found[name], properties).scan().to_arrow() for name in names
    }


def rows_of(lakehouse: Lakehouse, sql: str) -> list[tuple[Any, ...]]:
    """Runs a query on raw tables, or one on the ledger, and returns its rows."""
    names = set(_RAW.findall(sql))
    if not names:
        with closing(lakehouse.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()
    import duckdb

    with duckdb.connect() as duck:
        duck.execute("set timezone = 'UTC'")
        for (schema, name), rows in raw_tables(lakehouse, names).items():
            duck.register("rows", rows)
            duck.execute(f"create schema if not exists {schema}")
            duck.execute(f'create table {schema}."{name}" as from rows')
        return duck.execute(sql).fetchall()
