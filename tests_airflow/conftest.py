"""A home of Airflow's, a server and a bucket, all of the tests' own."""

import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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
def inbox() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """An address for ALERT_URL, and the messages that arrive there."""
    messages: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            messages.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as receiver:
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        yield f"json://127.0.0.1:{receiver.server_port}/", messages
        receiver.shutdown()


@pytest.fixture(scope="session")
def airflow(
    tmp_path_factory: pytest.TempPathFactory,
    server: dict[str, str],
    bucket: Path,
    inbox: tuple[str, list[dict[str, str]]],
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
        "ALERT_URL": inbox[0],
        # What was told without a warehouse to remember it in.
        "TMPDIR": str(home),
        "DLT_DATA_DIR": str(home / "dlt"),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__API__PORT": "8082",
        "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "1",
    }

    def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(ROOT / "local" / "bin" / "airflow"), *arguments],
            cwd=home,
            env={**variables, **more},
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
