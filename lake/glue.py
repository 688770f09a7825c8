"""AWS Glue's catalog, which points to the newest version of each Iceberg table of the lake.

Athena and Redshift read by it. Tables that are one file are in deploy/template.yaml.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pyiceberg.catalog import METADATA_LOCATION
from pyiceberg.table import Table as Version

from common.errors import LoadError
from lake.declaration import Table


def glue_name(table: Table) -> str:
    """Returns a table's name in Glue: of gold the mart's own, else with the layer before it."""
    return table.name if table.layer == "gold" else f"{table.layer}_{table.name}"


class Glue:
    """A database of Glue; without a name, none, which is told nothing."""

    def __init__(self, database: str) -> None:
        self._database = database

    def point(self, table: Table, version: Version) -> None:
        """Makes Glue show this version; raises LoadError if it does not."""
        if not self._database:
            return
        from pyiceberg.catalog.glue import _construct_table_input

        with self._client(table) as glue:
            there = self._find(glue, table)
            location = version.metadata_location
            if there and there.get("Parameters", {}).get(METADATA_LOCATION) == location:
                return
            said = _construct_table_input(glue_name(table), location, {}, version.metadata)
            if there:
                glue.update_table(DatabaseName=self._database, TableInput=said, SkipArchive=True)
            else:
                glue.create_table(DatabaseName=self._database, TableInput=said)

    def forget(self, table: Table) -> None:
        """Removes an Iceberg table from Glue, if it is there."""
        if not self._database or not table.partition_by:
            return
        with self._client(table) as glue:
            if self._find(glue, table):
                glue.delete_table(DatabaseName=self._database, Name=glue_name(table))

    def _find(self, glue: Any, table: Table) -> dict[str, Any] | None:
        try:
            found = glue.get_table(DatabaseName=self._database, Name=glue_name(table))
        except glue.exceptions.EntityNotFoundException:
            return None
        there: dict[str, Any] = found["Table"]
        return there

    @contextmanager
    def _client(self, table: Table) -> Iterator[Any]:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield boto3.client("glue")
        except (BotoCoreError, ClientError) as error:
            raise LoadError(
                f"{table}: Glue database {self._database}: {error}; see that it is there, and what "
                "AWS_* may do. The lake itself has the new version"
            ) from error


def find_glue() -> Glue:
    """Returns the database that LAKE_GLUE_DATABASE names, or none."""
    return Glue(os.environ.get("LAKE_GLUE_DATABASE") or "")
