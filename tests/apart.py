"""For tests of whole programs: an environment without the developer's warehouse, and queries."""

import os
from contextlib import closing
from typing import Any

from common.warehouse import DEFAULTS, Warehouse

# What names a warehouse, its sources and lake, or where it runs, by its end and by its beginning.
_ENDS = ("BUCKET_URL", "BREWERY_URL", "LAKE_URL")
_BEGINNINGS = ("DBT_", "DASHBOARD_", "ALERT_")


def own_variables() -> dict[str, str]:
    """Returns the environment without all that names a warehouse, or somebody to be told."""
    return {
        name: value
        for name, value in os.environ.items()
        if name not in DEFAULTS and not name.endswith(_ENDS) and not name.startswith(_BEGINNINGS)
    }


def ask(server: dict[str, str], sql: str) -> list[tuple[Any, ...]]:
    """Runs one query on the warehouse that these POSTGRES_* name, and commits what it does."""
    warehouse = Warehouse(
        host=server["POSTGRES_HOST"],
        port=int(server["POSTGRES_PORT"]),
        user=server["POSTGRES_USER"],
        database=server["POSTGRES_DB"],
        password=server["POSTGRES_PASSWORD"],
    )
    with closing(warehouse.connect()) as connection, connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []
