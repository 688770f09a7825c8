"""What happens to builds when parts of the cluster are killed, and to two of them at once."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from common.lakehouse import Lakehouse
from local.spark import Cluster
from tests.lakehouse import rows_of
from tests_spark.project import ROOT, Project

pytestmark = pytest.mark.nightly
Start = Callable[..., subprocess.Popen[str]]
Query = Callable[[str], list[tuple[Any, ...]]]

# A minute of work for two cores, in 16 tasks.
SLOW = "select count(distinct md5(cast(id as string))) as n from range(0, {}, 1, 16)"
ROWS = 16_000_000
# Seconds of it after which something is killed.
WORK = 6.0


@pytest.fixture
def project(cluster: dict[str, str], tmp_path: Path) -> Project:
    return Project(tmp_path / "small", cluster)


@pytest.fixture
def run(cluster: dict[str, str], environment: dict[str, str], small_bucket: Path) -> Start:
    """Starts `python -m orchestrate run condominium`, as a user does."""

    def start(*options: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-u", "-m", "orchestrate", "run", "condominium", *options],
            cwd=ROOT,
            env={**environment, **cluster, "BUCKET_URL": str(small_bucket)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


@pytest.fixture
def query(lakehouse_of_cluster: Lakehouse) -> Query:
    """Asks the ledger and the catalog."""
    return lambda sql: rows_of(lakehouse_of_cluster, sql)


def build(project: Project, rows: int) -> tuple[threading.Thread, list[str]]:
    """Begins to build a table in the background; returns the thread and what will have failed."""
    sql = "{{ config(materialized='table') }} " + SLOW.format(rows)
    project.write("models/counted.sql", sql)
    failures: list[str] = []
    thread = threading.Thread(target=lambda: failures.extend(project.dbt("run")))
    thread.start()
    return thread, failures


def wait_until(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def worked(worker: psutil.Process) -> float:
    """Returns the seconds that a worker's executor has worked."""
    return float(sum(child.cpu_times().user for child in worker.children(recursive=True)))


def test_a_killed_worker_costs_time_only(
    project: Project, own_cluster: Cluster, lakehouse_of_cluster: Lakehouse
) -> None:
    log = own_cluster.state / "thrift.log"
    lost = "failed because while it was being computed, its executor exited"
    before = log.read_text().count(lost)
    worker = own_cluster.process("worker-1")
    assert worker
    begin = worked(worker)
    thread, failures = build(project, ROWS)
    wait_until(lambda: worked(worker) > begin + WORK)
    for each in [worker, *worker.children(recursive=True)]:
        each.kill()
    thread.join(300)
    assert failures == []
    assert project.rows("select n from small.counted") == [(ROWS,)]
    # It was at work on it.
    assert log.read_text().count(lost) > before
    assert own_cluster.process("worker-1") is None
    own_cluster.start(lakehouse_of_cluster)
    assert own_cluster.process("worker-1")


def test_a_killed_server_leaves_what_was_there(
    project: Project, own_cluster: Cluster, lakehouse_of_cluster: Lakehouse
) -> None:
    thread, failures = build(project, 1000)
    thread.join(300)
    worker = own_cluster.process("worker-2")
    server = own_cluster.process("thrift")
    assert worker
    assert server
    begin = worked(worker)
    thread, failures = build(project, ROWS)
    wait_until(lambda: worked(worker) > begin + WORK)
    server.kill()
    thread.join(300)
    assert len(failures) == 1
    own_cluster.start(lakehouse_of_cluster)
    assert project.rows("select n from small.counted") == [(1000,)]
    thread, failures = build(project, 2000)
    thread.join(300)
    assert failures == []
    assert project.rows("select n from small.counted") == [(2000,)]


def test_a_server_that_is_killed_during_a_run_makes_it_red_and_the_next_one_green(
    run: Start, query: Query, own_cluster: Cluster, lakehouse_of_cluster: Lakehouse
) -> None:
    broken = run()
    built = "select count(*) from iceberg_tables where table_namespace = 'staging'"
    wait_until(lambda: query(built) > [(2,)])
    server = own_cluster.process("thrift")
    assert server
    server.kill()
    output, errors = broken.communicate(timeout=300)
    assert broken.returncode == 1, output
    assert "Answers" not in output
    assert "Traceback" not in errors
    assert "error: Spark at 127.0.0.1" in errors.splitlines()[-1], errors
    assert "see that it runs" in errors
    assert query("select status from audit.builds order by build_id") == [("failed",)]
    own_cluster.start(lakehouse_of_cluster)
    mended = run()
    output, errors = mended.communicate(timeout=300)
    assert (mended.returncode, errors) == (0, ""), output
    assert "condominium_totals_by_condominium" in output
    assert query("select status from audit.builds order by build_id") == [("failed",), ("good",)]


def test_of_two_builds_at_once_one_waits_or_refuses(run: Start, query: Query) -> None:
    first = run("--full")
    assert first.stdout
    while "Build and test" not in first.stdout.readline():
        assert first.poll() is None
    second = run("--full")
    for each in (first, second):
        output, errors = each.communicate(timeout=300)
        refused = each is second and "another build of this warehouse is running" in errors
        assert each.returncode == refused, output + errors
    assert "Another build is running; waiting up to 60 s for it." in errors
    *_, (_, ended_at), (started_at, _) = query(
        "select started_at, ended_at from audit.builds order by build_id"
    )
    assert refused or ended_at < started_at
