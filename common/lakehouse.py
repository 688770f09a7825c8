"""Where the lakehouse is: Iceberg tables at LAKEHOUSE_URL, whose catalog PostgreSQL holds.

The catalog is Iceberg's own for SQL databases (JDBC, version 1), which Spark and pyiceberg share.
It lies beside the ledger in a database of its own, so that one transaction can change both.
"""

import os
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import psycopg2
from psycopg2 import extensions, sql

from common.errors import ConfigurationError, LoadError
from common.storage import iceberg_settings
from common.warehouse import Warehouse

# The name by which Spark, pyiceberg and dbt know it.
CATALOG = "lake"
# Where a database is made from.
_MAINTENANCE_DATABASE = "postgres"
# As Iceberg and pyiceberg would make them; here they cannot make them at the same time. Nobody
# connects to Spark without a namespace `default`.
_SETUP = f"""
    create table if not exists iceberg_tables (
        catalog_name varchar(255) not null,
        table_namespace varchar(255) not null,
        table_name varchar(255) not null,
        metadata_location varchar(1000),
        previous_metadata_location varchar(1000),
        iceberg_type varchar(5),
        primary key (catalog_name, table_namespace, table_name)
    );
    create table if not exists iceberg_namespace_properties (
        catalog_name varchar(255) not null,
        namespace varchar(255) not null,
        property_key varchar(255) not null,
        property_value varchar(1000) not null,
        primary key (catalog_name, namespace, property_key)
    );
    insert into iceberg_namespace_properties
    values ('{CATALOG}', 'default', 'exists', 'true')
    on conflict do nothing
"""  # noqa: S608


@dataclass(frozen=True)
class Lakehouse(Warehouse):
    """The database of catalog and ledger, which holds no rows, and where the rows are.

    `url` is a folder as file://…, or s3://bucket[/prefix].
    """

    url: str = ""

    def connect(self) -> extensions.connection:
        """Opens a connection to the database, which is made if there is none."""
        try:
            return super().connect()
        except LoadError:
            if not self._make():
                raise
        return super().connect()

    def _make(self) -> bool:
        """Makes the database; returns False if it is there, or cannot be looked for."""
        try:
            connection = psycopg2.connect(
                host=self.host,
                port=self.port,
                user=self.user,
                password=self.password,
                dbname=_MAINTENANCE_DATABASE,
                connect_timeout=15,
            )
        except psycopg2.OperationalError:
            return False
        with closing(connection), connection.cursor() as cursor:
            connection.autocommit = True
            cursor.execute("select from pg_database where datname = %s", (self.database,))
            if cursor.rowcount:
                return False
            name = sql.Identifier(self.database)
            try:
                cursor.execute(sql.SQL("create database {}").format(name))
            except (psycopg2.errors.DuplicateDatabase, psycopg2.errors.UniqueViolation):
                # Another load made it just now.
                return True
            except psycopg2.Error as error:
                raise LoadError(
                    f"database {self.database} (LAKEHOUSE_DB) is not there and cannot be made: "
                    f"{str(error).strip()}"
                ) from error
        return True

    def prepare(self, cursor: extensions.cursor) -> None:
        """Makes the catalog if there is none; the caller sees to it that nobody else does."""
        cursor.execute(_SETUP)

    @property
    def has_table(self) -> str:
        """SQL that tells whether the catalog has a table."""
        return (
            "exists (select from iceberg_tables where (catalog_name, table_namespace, table_name) "
            f"= ('{CATALOG}', {{schema}}, {{name}}))"
        )

    def variables(self) -> dict[str, str]:
        """Returns the variables that name this lakehouse."""
        own = {"ENGINE": "spark", "LAKEHOUSE_DB": self.database, "LAKEHOUSE_URL": self.url}
        return {**super().variables(), **own}

    def catalog(self) -> Any:
        """Returns pyiceberg's catalog, which must have been prepared."""
        from pyiceberg.catalog import load_catalog

        return load_catalog(CATALOG, **self.properties())

    def properties(self) -> dict[str, str]:
        """Returns what pyiceberg's catalog is made of, the password too."""
        user, password, database = (
            quote(each, safe="") for each in (self.user, self.password, self.database)
        )
        options = {"options": self.options, "application_name": "extract"}
        query = urlencode(options, quote_via=quote)
        return {
            "type": "sql",
            "uri": f"postgresql+psycopg2://{user}:{password}@{self.host}:{self.port}/{database}"
            f"?{query}",
            "warehouse": self.url,
            "init_catalog_tables": "false",
            **iceberg_settings(),
        }


def find_lakehouse(server: Warehouse) -> Lakehouse:
    """Returns the lakehouse that LAKEHOUSE_* names, with its catalog on a server.

    Raises ConfigurationError if LAKEHOUSE_URL is not set, or no place for files.
    """
    place = os.environ.get("LAKEHOUSE_URL")
    if not place:
        raise ConfigurationError(
            "LAKEHOUSE_URL is not set: it says where the lakehouse's files lie"
        )
    scheme, separator, _ = place.partition("://")
    if not separator:
        # Not as_uri: neither Spark nor pyiceberg reads %20 as a space.
        place = f"file://{Path(place).expanduser().resolve()}"
    elif scheme not in ("file", "s3"):
        raise ConfigurationError(
            f"LAKEHOUSE_URL: {scheme}: unknown kind of place; use a folder, file:///… or "
            "s3://bucket[/prefix]"
        )
    settings = vars(server) | {"database": os.environ.get("LAKEHOUSE_DB") or "lakehouse"}
    return Lakehouse(**settings, url=place.rstrip("/"))
