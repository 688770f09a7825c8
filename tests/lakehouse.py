"""Reads a lakehouse for tests: raw by DuckDB out of pyiceberg's hands, the rest by PostgreSQL."""

import re
from contextlib import closing
from pathlib import Path
from typing import Any

from common.lakehouse import Lakehouse
from common.warehouse import Warehouse

_RAW = re.compile(r"\b(raw_\w+)\.([a-z]\w*)")


def lakehouse(warehouse: Warehouse, folder: Path) -> Lakehouse:
    """Returns a lakehouse whose catalog is in a warehouse's database, and its files in a folder."""
    return Lakehouse(**vars(warehouse), url=f"file://{folder}")


def rows_of(lakehouse: Lakehouse, sql: str) -> list[tuple[Any, ...]]:
    """Runs a query on raw tables, or one on the ledger, and returns its rows."""
    tables = set(_RAW.findall(sql))
    if not tables:
        with closing(lakehouse.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()
    import duckdb

    with duckdb.connect() as connection, closing(lakehouse.catalog()) as catalog:
        connection.execute("set timezone = 'UTC'")
        for schema, name in tables:
            connection.register("rows", catalog.load_table((schema, name)).scan().to_arrow())
            connection.execute(f"create schema if not exists {schema}")
            connection.execute(f'create table {schema}."{name}" as from rows')
        return connection.execute(sql).fetchall()
