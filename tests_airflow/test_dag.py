"""The DAG, run by Airflow itself: `make airflow-test`."""

import json
import re
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
SOURCES = yaml.safe_load((ROOT / "extract" / "sources.yml").read_text())["sources"]

Airflow = Callable[..., subprocess.CompletedProcess[str]]
Query = Callable[[str], list[tuple[Any, ...]]]
States = dict[str, str]


@pytest.fixture
def run(airflow: Airflow) -> Callable[..., tuple[int, States]]:
    """Runs the DAG for some sources; returns the exit code, and the state of every task."""

    def run(*sources: str) -> tuple[int, States]:
        done = airflow("dags", "test", "warehouse", "-c", json.dumps({"sources": sources}))
        found = re.search(r"DagRun Finished: .*?run_id=([^,]+),", done.stdout + done.stderr)
        assert found, done.stdout[-3000:] + done.stderr[-3000:]
        told = airflow("tasks", "states-for-dag-run", "warehouse", found[1], "-o", "json")
        tasks = json.loads(told.stdout[told.stdout.index("[{") :])
        return done.returncode, {task["task_id"]: task["state"] for task in tasks}

    return run


@pytest.fixture
def census(bucket: Path) -> Any:
    """The file with answers, which the test may change; it is put back."""
    file = bucket / "census" / "Adult.data"
    before = file.read_bytes()
    yield file
    file.write_bytes(before)


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


def test_a_good_run_loads_builds_and_publishes(run: Any, query: Query) -> None:
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
    run: Any, query: Query, census: Path
) -> None:
    before = query(
        "select count(*), max(census_response_key) from marts_census.fact_census_response"
    )
    census.write_text("not,a,census\n" * 50)
    code, states = run("census", "condominium")
    assert code != 0
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


def test_what_fails_in_dbt_is_red_by_name(run: Any, query: Query, census: Path) -> None:
    before = query("select count(*) from marts_census.fact_census_response")
    lines = census.read_text().splitlines(keepends=True)
    census.write_text("".join(line.replace("HS-grad", "HS-gard") for line in lines))
    code, states = run("census")
    assert code != 0
    assert (states["census.load"], states["census.dbt.build"]) == ("success", "success")
    red = [task.rpartition(".")[2] for task, state in states.items() if state == "failed"]
    assert sorted(red) == [
        "relationships_stg_census__adult_education__education__ref_education_levels__test",
        "status",
    ]
    kept = "census.dbt.models.fact_census_response_model_build"
    assert (states[kept], states["lake"]) == ("upstream_failed", "upstream_failed")
    # What did not fail was built together with the others, so its own task is skipped.
    assert states["census.dbt.models.stg_census__adult_model_build"] == "skipped"
    assert query("select count(*) from marts_census.fact_census_response") == before
    # And `status` told of it.
    assert query(
        "select status, message like '%ref_education_levels__test%' from audit.runs"
        " where kind = 'scheduled' order by run_id desc limit 1"
    ) == [("failed", True)]
