"""What happens to a build when parts of the cluster are killed."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from common.lakehouse import Lakehouse
from local.spark import Cluster
from tests_spark.project import Project

# A minute of work for two cores, in 16 tasks.
SLOW = "select count(distinct md5(cast(id as string))) as n from range(0, {}, 1, 16)"
ROWS = 16_000_000
# Seconds of it after which something is killed.
WORK = 6.0


@pytest.fixture
def project(cluster: dict[str, str], tmp_path: Path) -> Project:
    return Project(tmp_path / "small", cluster)


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
