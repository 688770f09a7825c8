"""The DAG, run by Airflow itself: `make airflow-test`."""

import json
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.inbox import Inbox

ROOT = Path(__file__).resolve().parent.parent
SOURCES = yaml.safe_load((ROOT / "extract" / "sources.yml").read_text())["sources"]

Airflow = Callable[..., subprocess.CompletedProcess[str]]
Query = Callable[[str], list[tuple[Any, ...]]]
States = dict[str, str]
Run = Callable[..., tuple[int, States]]
Change = Callable[[str, Callable[[bytes], bytes]], None]
Row = Callable[[str, int, States], None]


@pytest.fixture
def run(airflow: Airflow) -> Run:
    """Runs the DAG for some sources; returns the exit code, and the state of every task."""

    def run(*sources: str, **variables: str) -> tuple[int, States]:
        parameters = json.dumps({"sources": sources})
        done = airflow("dags", "test", "warehouse", "-c", parameters, **variables)
        found = re.search(r"DagRun Finished: .*?run_id=([^,]+),", done.stdout + done.stderr)
        assert found, done.stdout[-3000:] + done.stderr[-3000:]
        told = airflow("tasks", "states-for-dag-run", "warehouse", found[1], "-o", "json")
        tasks = json.loads(told.stdout[told.stdout.index("[{") :])
        return done.returncode, {task["task_id"]: task["state"] for task in tasks}

    return run


@pytest.fixture(scope="session")
def seen() -> dict[str, str]:
    """Rows of the table in docs/airflow.md, by what went wrong, as the tests find them."""
    return {}


@pytest.fixture
def row(inbox: Inbox, seen: dict[str, str]) -> Row:
    """Takes a run in which something went wrong for a row of the table, and its only alert."""
    _, messages = inbox
    messages.clear()

    def add(failure: str, code: int, states: States) -> None:
        red = ", ".join(f"`{task}`" for task, state in sorted(states.items()) if state == "failed")
        (message,) = messages
        about = re.sub(r"^Warehouse \w+: ", "", message["title"])
        seen[failure] = f"| {failure} | {code} | {red} | `{about}` |"

    return add


@pytest.fixture
def change(bucket: Path) -> Iterator[Callable[[str, Callable[[bytes], bytes]], None]]:
    """Changes a file of the bucket; it is put back after the test."""
    before: dict[Path, bytes] = {}

    def write(name: str, changed: Callable[[bytes], bytes]) -> None:
        file = bucket / name
        before[file] = file.read_bytes()
        file.write_bytes(changed(before[file]))

    yield write
    for file, content in before.items():
        file.write_bytes(content)


def test_every_model_and_test_has_one_place(airflow: Airflow) -> None:
    """Imports without errors; a task per seed, model, snapshot and test of several of them."""
    errors = airflow("dags", "list-import-errors", "--local", "-o", "json")
    assert (errors.returncode, errors.stdout.split()[-1]) == (0, "[]"), errors.stdout
    tasks = airflow("tasks", "list", "warehouse").stdout.split()
    built = Counter(
        re.sub(r"_(model|seed|snapshot)_build$", "", task.rpartition(".")[2])
        for task in tasks
        if task.endswith("_build")
    )
    manifest = json.loads((ROOT / ".local/airflow/dbt/manifest.json").read_text())
    kinds = ("model", "seed", "snapshot")
    assert built == Counter(
        node["name"] for node in manifest["nodes"].values() if node["resource_type"] in kinds
    )
    assert {f"{name}.load" for name in SOURCES} <= set(tasks)


def test_a_pool_of_one_slot_stands_for_each_source() -> None:
    pools = json.loads((ROOT / "dags" / "pools.json").read_text())
    assert {name: pool["slots"] for name, pool in pools.items()} == {
        f"load_{name}": 1 for name in SOURCES
    }


def test_a_good_run_loads_builds_and_publishes(run: Run, query: Query) -> None:
    code, states = run(*SOURCES)
    assert {
        task: state for task, state in states.items() if state in ("failed", "upstream_failed")
    } == {}
    assert code == 0
    for name in SOURCES:
        assert (states[f"{name}.load"], states[f"{name}.dbt.build"]) == ("success", "success")
    # All was built at once: no model has needed its own task.
    assert {s for task, s in states.items() if ".models." in task} == {"skipped"}
    assert query(
        "select count(*) > 0, count(*) = count(distinct sales_key) from marts_sales.fact_sales"
    ) == [(True, True)]
    for table in (
        "census.fact_census_response",
        "condominium.fact_transaction",
        "breweries.dim_brewery",
    ):
        assert query(f"select count(*) > 1 from marts_{table}") == [(True,)], table


def test_a_broken_file_is_red_and_nothing_behind_it_is_run(
    run: Run, query: Query, change: Change, row: Row
) -> None:
    before = query(
        "select count(*), max(census_response_key) from marts_census.fact_census_response"
    )
    change("census/Adult.data", lambda _: b"not,a,census\n" * 50)
    code, states = run("census", "condominium")
    row("a file is broken", code, states)
    assert states["census.load"] == "failed"
    behind = {s for task, s in states.items() if task.startswith("census.dbt.")}
    assert behind == {"upstream_failed"}
    assert (states["lake"], states["done"]) == ("upstream_failed", "upstream_failed")
    # The others are not kept from it, and those that were not asked for are left out.
    assert states["condominium.dbt.build"] == "success"
    assert {s for task, s in states.items() if task.startswith("adventure_works.")} == {"skipped"}
    assert states["status"] == "failed"
    assert query(
        "select status from audit.loads where source = 'census' order by load_id desc limit 1"
    ) == [("failed",)]
    assert (
        query("select count(*), max(census_response_key) from marts_census.fact_census_response")
        == before
    )


def test_what_fails_in_dbt_is_red_by_name(run: Run, query: Query, change: Change, row: Row) -> None:
    before = query("select count(*), sum(line_total) from marts_sales.fact_sales")
    change(
        "adventure_works/production/Production.Product.csv",
        lambda data: data + data.splitlines(keepends=True)[-1],
    )
    code, states = run("adventure_works")
    row("a dbt test is red", code, states)
    of_dbt = {
        task.rpartition(".")[2]: state
        for task, state in states.items()
        if task.startswith("adventure_works.dbt.")
    }
    assert (states["adventure_works.load"], of_dbt["build"]) == ("success", "success")
    red = {task for task, state in states.items() if state == "failed"}
    model = "adventure_works.dbt.models.stg_adventure_works__product_model_build"
    assert red == {model, "status"}
    for behind in ("dim_product_model_build", "fact_sales_model_build"):
        assert of_dbt[behind] == "upstream_failed"
    assert (states["lake"], states["done"]) == ("upstream_failed", "upstream_failed")
    # What does not stand on it was built together, so its own task was skipped.
    assert of_dbt["stg_adventure_works__customer_model_build"] == "skipped"
    assert query("select count(*), sum(line_total) from marts_sales.fact_sales") == before
    # And `status` told of it.
    assert query(
        "select status, message from audit.runs where kind = 'scheduled'"
        " order by run_id desc limit 1"
    ) == [("failed", f"failed: {model}")]


def test_what_was_built_is_recorded_node_by_node(query: Query) -> None:
    """Of the runs above: every node that dbt built, in whichever task; what failed, too."""
    ((builds, failed),) = query(
        "select count(*), count(*) filter (where status = 'failed') from audit.runs"
        " where kind = 'build'"
    )
    assert (builds > failed, failed) == (True, 2), "at once, and once more by itself"
    assert query(
        "select distinct status from audit.run_nodes where name = 'fact_sales'"
        " and kind = 'model' order by status"
    ) == [("skipped",), ("success",)]


def test_the_bucket_is_gone(run: Run, bucket: Path, row: Row) -> None:
    code, states = run("condominium", BUCKET_URL=str(bucket / "nowhere"))
    row("the bucket is gone", code, states)


def test_the_lake_cannot_be_written(run: Run, bucket: Path, row: Row) -> None:
    file = next(bucket.glob("census/*"))
    code, states = run("census", LAKE_URL=str(file / "lake"))
    row("the lake cannot be written", code, states)


def test_the_server_is_down(run: Run, row: Row) -> None:
    code, states = run("census", POSTGRES_PORT="1")
    row("PostgreSQL is down", code, states)


def test_the_page_shows_what_was_red(seen: dict[str, str]) -> None:
    """What the tests above found: run all of them."""
    table = "\n".join(seen.values())
    assert table.count("\n") == 4, table
    assert table in (ROOT / "docs" / "airflow.md").read_text(encoding="utf-8"), f"\n{table}"
