"""Passwords and keys stay where they were given: in no output, log, artifact, ledger or file."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from common.warehouse import Warehouse
from extract.load import WORK

Rows = list[tuple[Any, ...]]
ROOT = Path(__file__).resolve().parents[2]
DBT = ("-c", "from dbt.cli.main import cli; cli()", "--log-level", "debug")
# With characters that are quoted in addresses.
PASSWORD = "mark-of-password/1 '@%:x"
WRONG_PASSWORD = "mark-of-password/2 '@%:x"
KEY_ID = "MARKOFKEYID3"
KEY = "mark+of/key=4"


def secrets_in(text: str) -> list[str]:
    """Returns the secrets that a text holds, plain or as they stand in an address."""
    marks = (PASSWORD, WRONG_PASSWORD, KEY_ID, KEY)
    return [m for m in marks if any(form in text for form in (m, quote(m), quote(m, safe="")))]


def leaks_below(*folders: Path) -> Iterator[str]:
    """Yields a sentence per file below the folders, of whatever kind, that holds a secret."""
    # Not rglob, which minds folders that go while a run is going on.
    files = [Path(at, name) for top in folders for at, _, names in os.walk(top) for name in names]
    for path in files:
        with suppress(FileNotFoundError):
            text = path.read_text(encoding="utf-8", errors="replace")
            yield from (f"{path}: {secret}" for secret in secrets_in(text))


@pytest.fixture
def user(warehouse: Warehouse) -> Warehouse:
    """Who logs in to the test's own warehouse with a password that is marked."""
    name = f"{warehouse.database}_user"
    with closing(warehouse.connect()) as connection, connection, connection.cursor() as cursor:
        cursor.execute(f"create role {name} login password %s", (PASSWORD,))
        cursor.execute(f"grant create on database {warehouse.database} to {name}")
    return replace(warehouse, user=name, password=PASSWORD)


@pytest.fixture
def s3_url(
    s3_bucket: Callable[[Path], str], small_bucket: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """A bucket whose keys are marked."""
    url = s3_bucket(small_bucket)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY)
    return url


def broken(bucket: Path, folder: Path) -> Path:
    """Returns a copy of a bucket with a file that cannot be loaded."""
    shutil.copytree(bucket, folder)
    (file,) = folder.glob("census/*.data")
    file.write_text("1, 2\n" * 50, encoding="utf-8")
    return folder


def test_a_secret_is_found(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"\xff postgresql://x:" + quote(PASSWORD, safe="").encode())
    assert list(leaks_below(tmp_path)) == [f"{tmp_path / 'log'}: {PASSWORD}"]
    assert secrets_in(f"key {KEY}, id {KEY_ID}") == [KEY_ID, KEY]


def test_no_run_tells_a_secret(
    user: Warehouse, query: Callable[[str], Rows], s3_url: str, small_bucket: Path, tmp_path: Path
) -> None:
    written = tmp_path / "written"
    written.mkdir()
    environment = {
        **{name: value for name, value in os.environ.items() if name.startswith(("PATH", "AWS_"))},
        **user.variables(),
        "HOME": str(written),
        "DBT_TARGET_PATH": str(written / "target"),
        "DBT_LOG_PATH": str(written / "logs"),
        # Its state, schemas, packages and traces.
        "DLT_DATA_DIR": str(written / "dlt"),
        "BUCKET_URL": s3_url,
    }
    wrong = {"POSTGRES_PASSWORD": WRONG_PASSWORD}
    unreadable = str(broken(small_bucket, tmp_path / "broken"))
    leaks: list[str] = []

    def run(*arguments: str, **variables: str) -> int:
        output = written / f"{len(list(written.iterdir()))}.output"
        with output.open("w") as file:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env={**environment, **variables},
                stdout=file,
                stderr=file,
            )
            while process.poll() is None:
                # What a run deletes at its end stays where it is killed.
                leaks.extend(leaks_below(WORK))
                time.sleep(0.02)
        return process.returncode

    def run_module(*arguments: str, **variables: str) -> int:
        return run("-m", *arguments, **variables)

    assert run_module("orchestrate", "run", "census") == 0
    assert run(*DBT, "docs", "generate") == 0
    assert run_module("extract", "status") == 0
    assert run_module("orchestrate", "run", "census", **wrong) == 1
    assert run(*DBT, "build", **wrong) != 0
    assert run(*DBT, "debug", **wrong) != 0
    assert run_module("extract", "load", "census", BUCKET_URL="s3://there-is-none") == 1
    assert run_module("extract", "load", "census", AWS_ENDPOINT_URL="http://127.0.0.1:1") == 1
    assert run_module("extract", "load", "census", BUCKET_URL=unreadable) == 1

    leaks.extend(leaks_below(written, WORK))
    tables = "select oid::regclass::text from pg_class where relnamespace = 'audit'::regnamespace"
    for (table,) in query(f"{tables} and relkind = 'r'"):
        rows = query(f"select each::text from {table} as each")
        leaks += [f"{table}: {secret}" for (row,) in rows for secret in secrets_in(row)]
    assert leaks == []
    assert list((written / "dlt").rglob("trace.*"))
