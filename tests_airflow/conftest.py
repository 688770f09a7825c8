"""A home of Airflow's, a server and a bucket, all of the tests' own."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from common.warehouse import DEFAULTS
from local.postgres import Server
from local.sample import generate

ROOT = Path(__file__).resolve().parent.parent
SCALE = 0.02

Airflow = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small sample; the tests are about one warehouse, one after the other."""
    folder = tmp_path_factory.mktemp("bucket")
    generate(SCALE, folder)
    return folder


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """An empty PostgreSQL server; the variables that point at it."""
    server = Server(tmp_path_factory.mktemp("server"))
    yield server.start()
    server.delete()


@pytest.fixture(scope="session")
def airflow(
    tmp_path_factory: pytest.TempPathFactory, server: dict[str, str], bucket: Path
) -> Airflow:
    """Runs `airflow ARGUMENTS…` as the DAG's user would, with a home of its own."""
    home = tmp_path_factory.mktemp("airflow")
    named = ("_BUCKET_URL", "BREWERY_URL", "LAKE_URL")
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in DEFAULTS and not name.endswith(named) and not name.startswith("DBT_")
    }
    variables = {
        **kept,
        **server,
        "BUCKET_URL": str(bucket),
        "LAKE_URL": str(home / "lake"),
        "DLT_DATA_DIR": str(home / "dlt"),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__API__PORT": "8082",
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(ROOT / "local" / "bin" / "airflow"), *arguments],
            cwd=home,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )

    for arguments in (["db", "migrate"], ["pools", "import", str(ROOT / "dags" / "pools.json")]):
        done = run(*arguments)
        assert done.returncode == 0, done.stderr
    return run


@pytest.fixture(scope="session")
def query(server: dict[str, str]) -> Callable[[str], list[tuple[Any, ...]]]:
    """Runs one query on the warehouse."""

    def run(sql: str) -> list[tuple[Any, ...]]:
        with (
            closing(
                psycopg2.connect(
                    host=server["POSTGRES_HOST"],
                    port=server["POSTGRES_PORT"],
                    user=server["POSTGRES_USER"],
                    password=server["POSTGRES_PASSWORD"],
                    dbname=server["POSTGRES_DB"],
                )
            ) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(sql)
            return cursor.fetchall()

    return run
