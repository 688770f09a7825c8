"""The function as Lambda would run it: the package's content alone, in an interpreter of its own.

S3 and Secrets Manager are moto's, over HTTP; PostgreSQL is a real one. The environment is
.venv-deploy (`make deploy-test`).
"""

import hashlib
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest

from common.warehouse import Warehouse
from deploy.package import Package, build

BOOTSTRAP = Path(__file__).with_name("bootstrap.py")
PYTHON = Path(sys.base_prefix, "bin", f"python{sys.version_info[0]}.{sys.version_info[1]}")
MINUTES = 60_000

Event = dict[str, Any]


@dataclass(frozen=True)
class Invoked:
    """What became of events, what the function logged, and what it took."""

    answers: list[Event]
    log: list[Event]
    output: str
    peak_mb: float
    cpu_seconds: float
    strangers: list[str]


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """The package, built anew; wheels that were downloaded before are taken."""
    return build(tmp_path_factory.mktemp("package") / "loader-python.zip")


@pytest.fixture(scope="session")
def task_root(package: Package, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder /var/task of Lambda: the package unzipped."""
    folder = tmp_path_factory.mktemp("task")
    with zipfile.ZipFile(package.path) as content:
        content.extractall(folder)
    return folder


def digest(folder: Path) -> str:
    """Returns one digest of all names and bytes in a folder."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        total.update(f"{path.relative_to(folder)}\n".encode())
        total.update(path.read_bytes() if path.is_file() else b"")
    return total.hexdigest()


@pytest.fixture
def secret(s3: dict[str, str], warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> str:
    """A secret with the warehouse's user and password, as RDS writes them; its ARN."""
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    text = json.dumps({"username": warehouse.user, "password": warehouse.password})
    client = boto3.client("secretsmanager")
    return str(client.create_secret(Name=f"test-{uuid4().hex}", SecretString=text)["ARN"])


@pytest.fixture
def invoke(
    task_root: Path, warehouse: Warehouse, s3: dict[str, str], tmp_path: Path
) -> Callable[..., Invoked]:
    """Gives events to the function, one after the other in one process: `invoke(event, …)`."""

    def run(*events: Event, left: int = 5 * MINUTES, **variables: str) -> Invoked:
        place = warehouse.variables()
        # These come from Secrets Manager, and from nowhere else.
        del place["POSTGRES_USER"], place["POSTGRES_PASSWORD"]
        done = subprocess.run(
            [PYTHON, "-I", "-S", "-B", BOOTSTRAP, task_root],
            input=json.dumps([[event, left] for event in events]),
            env={
                **s3,
                **place,
                "WORK_DIR": str(tmp_path / "work"),
                "DLT_DATA_DIR": str(tmp_path / "dlt"),
                # As in Lambda, where there is neither a home nor git.
                "HOME": "/nonexistent",
                "PATH": "",
                **variables,
            },
            cwd=task_root,
            text=True,
            capture_output=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        *lines, last = done.stdout.splitlines()
        log = [json.loads(line) for line in lines]
        return Invoked(log=log, output=done.stdout + done.stderr, **json.loads(last))

    return run


def message(identity: str, bucket: str, *keys: str) -> Event:
    """Returns an SQS message about objects that were put into a bucket."""
    records = [{"s3": {"bucket": {"name": bucket}, "object": {"key": key}}} for key in keys]
    return {"messageId": identity, "body": json.dumps({"Records": records})}


def failures(*identities: str) -> Event:
    """Returns what the function answers if these messages failed."""
    return {"batchItemFailures": [{"itemIdentifier": identity} for identity in identities]}
