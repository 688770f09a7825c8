"""A home of Airflow's, a server and a bucket, all of the tests' own."""

import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from local.postgres import Server
from local.sample import generate
from tests.apart import ask, own_variables
from tests.inbox import Inbox, open_inbox

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
def inbox() -> Iterator[Inbox]:
    """An address for ALERT_URL, and the messages that arrive there."""
    with open_inbox() as inbox:
        yield inbox


@pytest.fixture(scope="session")
def airflow(
    tmp_path_factory: pytest.TempPathFactory,
    server: dict[str, str],
    bucket: Path,
    inbox: Inbox,
) -> Airflow:
    """Runs `airflow ARGUMENTS…` as the DAG's user would, with a home of its own."""
    home = tmp_path_factory.mktemp("airflow")
    variables = {
        **own_variables(),
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
    return partial(ask, server)
