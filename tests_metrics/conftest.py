"""A server, a bucket, a copy of the dbt project and a warehouse, all of the tests' own."""

import csv
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local.postgres import Server
from local.sample import generate
from tests.apart import own_variables

ROOT = Path(__file__).resolve().parent.parent
SCALE = 0.02
HEADERS = "adventure_works/sales/Sales.SalesOrderHeader.csv"
# What dbt reads; what it writes is the copy's own.
PROJECT = (
    *("dbt_project.yml", "packages.yml", "profiles.yml", "dbt_packages"),
    *("models", "macros", "seeds", "snapshots", "analyses", "tests"),
)
# As whom metrics are asked: a person of the role transformer, for some read intermediate views.
ANALYST = {"POSTGRES_USER": "analyst", "POSTGRES_PASSWORD": "analyst"}

Rows = list[tuple[Any, ...]]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small sample. The last order's header is missing: its lines have no day and no customer."""
    folder = tmp_path_factory.mktemp("bucket")
    generate(SCALE, folder)
    headers = (folder / HEADERS).read_bytes().splitlines(keepends=True)
    (folder / HEADERS).write_bytes(b"".join(headers[:-1]))
    return folder


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dbt project with a target folder of its own: MetricFlow reads what was parsed there."""
    folder = tmp_path_factory.mktemp("project")
    for name in PROJECT:
        (folder / name).symlink_to(ROOT / name)
    return folder


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory, bucket: Path, project: Path) -> Iterator[Run]:
    """Runs a program on an empty PostgreSQL server."""
    server = Server(tmp_path_factory.mktemp("server"))
    variables = {
        **own_variables(),
        **server.start(),
        "BUCKET_URL": str(bucket),
        "DBT_PROJECT_DIR": str(project),
        "DBT_PROFILES_DIR": str(project),
        "DLT_DATA_DIR": str(tmp_path_factory.mktemp("dlt")),
    }

    def run(*command: str, **others: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=ROOT,
            env={**variables, **others},
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )

    yield run
    server.delete()


@pytest.fixture(scope="session")
def warehouse(run: Run) -> Run:
    """What `run` runs on, loaded and built, with a user for the analyst."""
    for command in (
        [".venv/bin/python", "-m", "extract", "load"],
        [
            "local/bin/dbt",
            "--no-use-colors",
            "build",
            "--exclude-resource-type",
            "test",
            "unit_test",
        ],
        [
            "local/bin/psql",
            "-c",
            "create role analyst login password 'analyst' in role transformer",
        ],
    ):
        done = run(*command)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return run


@pytest.fixture(scope="session")
def ask(warehouse: Run, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Rows]:
    """Asks MetricFlow, as an analyst; returns a row of texts for each group."""
    file = tmp_path_factory.mktemp("answers") / "answer.csv"

    def ask(metrics: list[str], group_by: str = "", *options: str) -> Rows:
        done = warehouse(
            *("local/bin/mf", "query", "--metrics", ",".join(metrics), "--csv", str(file)),
            *(["--group-by", group_by] if group_by else []),
            *options,
            **ANALYST,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        with file.open(newline="") as answer:
            rows = list(csv.DictReader(answer))
        # MetricFlow orders columns as it likes.
        return [
            tuple(row[c] for c in [*filter(None, group_by.split(",")), *metrics]) for row in rows
        ]

    return ask


@pytest.fixture(scope="session")
def query(warehouse: Run) -> Callable[[str], Rows]:
    """Runs SQL on the warehouse; returns what psql prints of each value."""

    def query(sql: str) -> Rows:
        done = warehouse("local/bin/psql", "-X", "--csv", "-t", "-c", sql)
        assert done.returncode == 0, done.stderr
        return [tuple(row) for row in csv.reader(done.stdout.splitlines())]

    return query
