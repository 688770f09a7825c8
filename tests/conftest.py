"""Servers, buckets and warehouses for the tests: all their own, none of them the user's.

With `pytest -n 2` every worker is a process of its own. The workers share one PostgreSQL server and
the warehouse that is built on it once; each test has a database of its own.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import psutil
import psycopg2.extensions
import pytest
from moto.server import ThreadedMotoServer

from common.lakehouse import Lakehouse
from common.warehouse import DEFAULTS, Warehouse
from local.postgres import Server
from local.sample import generate
from tests.forkserver import Forkserver
from tests.lakehouse import lakehouse
from tests.lakehouse import rows_of as rows_of_lakehouse
from tests.moto_server import moto_variables

ROOT = Path(__file__).resolve().parent.parent
# The real files, for whoever has them: only tests know of this folder.
DEFAULT_REAL_DATA = ROOT.parent / "shared" / "data"
SMALL_SCALE = 0.02
# What the server of the tests may need: its log may grow as large.
MEMORY_BYTES = 4 * 2**30
BUILT = "built"
# Which one these tests are about; the variable itself is unset in them.
ENGINE = os.environ.get("ENGINE")

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Built:
    """A warehouse with a sample loaded and everything built, tested and documented."""

    warehouse: Warehouse
    target_path: Path


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test depends on, or reaches, what the developer's own shell points at."""
    for name in os.environ:
        is_place = name in DEFAULTS or name.endswith(("BUCKET_URL", "BREWERY_URL", "LAKE_URL"))
        is_place = is_place or name.startswith("LAKEHOUSE_")
        is_option = name in ("SCALE", "ACCEPT_SMALLER", "ENGINE")
        if is_place or is_option or name.startswith(("ALERT_", "AWS_", "DBT_")):
            monkeypatch.delenv(name)
    # dlt's working folders are a test's own, as its database is.
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "dlt"))


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A folder that all workers of this run share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if hasattr(request.config, "workerinput") else base


@contextmanager
def exclusive(folder: Path, what: str) -> Iterator[None]:
    """One worker at a time does this."""
    with (folder / f"{what}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def used_by_all(folder: Path, what: str, stop: Callable[[], object]) -> Iterator[None]:
    """The last worker that uses it stops it."""
    with (folder / f"{what}.users").open("w") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        yield
        with suppress(BlockingIOError):
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            stop()


def _in_memory(shared_folder: Path) -> Path:
    """Makes a folder in memory for what the workers of this run share; returns where it is.

    Hundreds of databases come and go, and some file systems (ext4 without a journal) take longer
    for a new file the more of them were deleted in the last minutes. Where there is no such memory,
    the folder is on disk.
    """
    memory, link = Path("/dev/shm"), shared_folder / "memory"  # noqa: S108 - it has its own there
    with exclusive(shared_folder, "memory"):
        if not link.exists():
            has_room = memory.is_dir() and shutil.disk_usage(memory).free > MEMORY_BYTES
            folder = Path(tempfile.mkdtemp(dir=memory if has_room else shared_folder))
            # The server's account has to get through.
            folder.chmod(0o755)
            # That of workers that are done already is gone.
            link.unlink(missing_ok=True)
            link.symlink_to(folder)
    return link.resolve()


@pytest.fixture(scope="session")
def server(shared_folder: Path) -> Iterator[Server]:
    """One PostgreSQL server for the whole run, apart from the clone's own."""

    def stop() -> None:
        with closing(_connect(env)) as connection:
            postmaster = psutil.Process(connection.info.backend_pid).parent()
        # At once, without writing to disk what is deleted then.
        assert postmaster is not None
        postmaster.send_signal(signal.SIGQUIT)
        postmaster.wait(60)
        server.delete()
        shutil.rmtree(folder)

    with used_by_all(shared_folder, "server", stop):
        folder = _in_memory(shared_folder)
        server = Server(folder / "server")
        env = server.start()
        with closing(_connect(env)) as connection:
            # Nothing of it is to survive the run. (tests/local has servers that must.)
            connection.cursor().execute("alter system set fsync = off")
            connection.cursor().execute("alter system set full_page_writes = off")
            # It would go round the hundreds of databases, several a second, for nothing.
            connection.cursor().execute("alter system set autovacuum = off")
            connection.cursor().execute("select pg_reload_conf()")
        yield server


@pytest.fixture(scope="session")
def new_warehouse(
    server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Warehouse]:
    """Makes a database, empty or a copy of a template, and returns how to reach it.

    With ENGINE=spark (make spark-test), it is that of a lakehouse.
    """

    def make(template: str = "template1", name: str = "") -> Warehouse:
        env = server.start()
        name = name or f"test_{uuid4().hex[:12]}"
        _administer(env, f"drop database if exists {name} with (force)")
        # In half the time that it takes by way of the write-ahead log.
        _administer(env, f"create database {name} template {template} strategy file_copy")
        warehouse = _warehouse(env, name)
        if ENGINE == "spark":
            return lakehouse(warehouse, tmp_path_factory.mktemp("lakehouse"))
        return warehouse

    return make


def _administer(env: dict[str, str], statement: str) -> None:
    with closing(_connect(env)) as connection:
        connection.cursor().execute(statement)


def _connect(env: dict[str, str]) -> psycopg2.extensions.connection:
    connection = _warehouse(env, env["POSTGRES_DB"]).connect()
    connection.autocommit = True
    return connection


def _warehouse(env: dict[str, str], database: str) -> Warehouse:
    return Warehouse(
        host=env["POSTGRES_HOST"],
        port=int(env["POSTGRES_PORT"]),
        user=env["POSTGRES_USER"],
        database=database,
        password=env["POSTGRES_PASSWORD"],
    )


@pytest.fixture(scope="session")
def own_name() -> str:
    """The name of this worker's database: for another one, dbt parses the whole project anew."""
    return f"test_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"


@pytest.fixture
def warehouse(new_warehouse: Callable[..., Warehouse], own_name: str) -> Warehouse:
    """An empty database of the test's own."""
    return new_warehouse(name=own_name)


@pytest.fixture(scope="session")
def rows_of() -> Callable[[Warehouse, str], Rows]:
    """Runs one query on a warehouse and returns its rows."""

    def run(warehouse: Warehouse, sql: str) -> Rows:
        if isinstance(warehouse, Lakehouse):
            return rows_of_lakehouse(warehouse, sql)
        with closing(warehouse.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    return run


@pytest.fixture
def query(warehouse: Warehouse, rows_of: Callable[[Warehouse, str], Rows]) -> Callable[[str], Rows]:
    """Runs one query on the test's own warehouse."""
    return lambda sql: rows_of(warehouse, sql)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with the real files: REAL_DATA, by default ../shared/data beside the clone.

    Tests that need it are skipped, and reported as skipped, where the default folder is missing.
    """
    named = os.environ.get("REAL_DATA")
    folder = Path(named).resolve() if named else DEFAULT_REAL_DATA
    if not folder.is_dir():
        if named:
            raise NotADirectoryError(f"REAL_DATA: {named}: there is no such folder")
        pytest.skip("the real files are not on this machine (REAL_DATA names their folder)")
    return folder


@pytest.fixture(scope="session")
def small_bucket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bucket with a small sample; tests that change files copy it."""
    folder = tmp_path_factory.mktemp("bucket")
    generate(SMALL_SCALE, folder)
    return folder


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A real HTTP server with S3's API; the variables that point at it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield moto_variables(server)
    server.stop()


@pytest.fixture
def s3_bucket(s3: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], str]:
    """Uploads a folder to a new bucket, sets AWS_* to reach it and returns its s3:// URL."""
    for name, value in s3.items():
        monkeypatch.setenv(name, value)

    def upload(folder: Path) -> str:
        client = boto3.client("s3")
        name = f"bucket-{uuid4().hex[:12]}"
        client.create_bucket(Bucket=name)
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            client.upload_file(str(path), name, path.relative_to(folder).as_posix())
        return f"s3://{name}"

    return upload


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables of the programs that tests start: dbt writes to folders that are not the user's."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    dbt = tmp_path_factory.mktemp("dbt")
    return {
        **kept,
        "DBT_TARGET_PATH": str(dbt / "target"),
        "DBT_LOG_PATH": str(dbt / "logs"),
        # As orchestrate does: its debug log takes dbt as long as its work.
        "DBT_LOG_LEVEL_FILE": "info",
        "DBT_CACHE_SELECTED_ONLY": "true",
        "DBT_WRITE_JSON": "false",
        "DLT_DATA_DIR": str(dbt / "dlt"),
    }


def _own_dlt() -> dict[str, str]:
    """Returns dlt's folder of the running test; nothing while session fixtures are made."""
    return {name: value for name, value in os.environ.items() if name == "DLT_DATA_DIR"}


@pytest.fixture(scope="session")
def forkserver() -> Iterator[Forkserver]:
    """Starts programs without the seconds that their imports take."""
    server = Forkserver()
    yield server
    server.close()


@pytest.fixture(scope="session")
def run_module(
    forkserver: Forkserver, environment: dict[str, str]
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `python -m MODULE ARGUMENTS…` as a user would, with these variables and no others."""

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return forkserver.run(
            ["-m", *arguments], {**environment, **_own_dlt(), **variables}, timeout=300
        )

    return run


@pytest.fixture(scope="session")
def dbt(forkserver: Forkserver, environment: dict[str, str]) -> Callable[..., Path]:
    """Runs dbt on a warehouse; returns the folder with its artifacts.

    What it parsed stays there, for the next run on the same database: another one, or another user,
    takes another folder.
    """

    def run(warehouse: Warehouse, *arguments: str, target: Path | None = None) -> Path:
        artifacts = target or Path(environment["DBT_TARGET_PATH"])
        done = forkserver.run(
            ["-c", "from dbt.cli.main import cli; cli()", *arguments],
            {**environment, "DBT_TARGET_PATH": str(artifacts), **warehouse.variables()},
            timeout=600,
        )
        assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
        return artifacts

    return run


@pytest.fixture(scope="session")
def built_template(
    server: Server,
    new_warehouse: Callable[..., Warehouse],
    own_name: str,
    shared_folder: Path,
    small_bucket: Path,
    run_module: Callable[..., subprocess.CompletedProcess[str]],
    dbt: Callable[..., Path],
) -> Built:
    """The small sample, loaded, built with every test of the dbt project, and documented: once.

    It is built under the name that dbt has parsed the project for. Then it is renamed, and nobody
    may connect to it, so that PostgreSQL can copy it at any time.
    """
    built = shared_folder / "built" / "target"
    with exclusive(shared_folder, "built"):
        if not built.exists():
            warehouse = new_warehouse(name=own_name)
            bucket = str(small_bucket)
            loaded = run_module("extract", "load", BUCKET_URL=bucket, **warehouse.variables())
            assert loaded.returncode == 0, loaded.stderr
            dbt(warehouse, "--write-json", "build", "--no-use-colors")
            target = dbt(warehouse, "--write-json", "docs", "generate")
            env = server.start()
            _administer(env, f"alter database {own_name} rename to {BUILT}")
            _administer(env, f"alter database {BUILT} allow_connections false")
            shutil.copytree(target, built)
    return Built(_warehouse(server.start(), BUILT), built)


@pytest.fixture(scope="session")
def built_warehouse(built_template: Built, new_warehouse: Callable[..., Warehouse]) -> Built:
    """The built warehouse, to be read: the tests of a worker share this copy."""
    return Built(new_warehouse(built_template.warehouse.database), built_template.target_path)
