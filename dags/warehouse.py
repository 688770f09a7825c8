"""The warehouse, once a day: load each source, build and test its models, publish the lake.

Every task runs a command of this clone's own .venv; Airflow and Cosmos have an environment of their
own. How to run it, and what to do about what is red: docs/airflow.md.
"""

import json
import subprocess
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Param, TaskGroup, task
from airflow.sdk.exceptions import AirflowException, DownstreamTasksSkipped
from cosmos import DbtTaskGroup, ExecutionConfig, ProfileConfig, ProjectConfig, RenderConfig
from cosmos.constants import InvocationMode, LoadMode, TestBehavior
from cosmos.operators.local import DbtBuildLocalOperator

ROOT = Path(__file__).resolve().parent.parent
# What dbt parsed of the project: `make airflow` writes it.
PARSED = ROOT / ".local" / "airflow" / "dbt"
SOURCES = yaml.safe_load((ROOT / "extract" / "sources.yml").read_text())["sources"]
# What stands on the tables of each source, in the words of dbt and of Cosmos.
BELOW = {
    name: [f"source:{name}.{feed}+" for feed in source["feeds"]] for name, source in SOURCES.items()
}
# Marts about the loads and runs themselves: built last, whatever became of the sources.
OPERATIONS = "path:models/marts/operations"

PROFILE = ProfileConfig(
    profile_name="elt_warehouse", target_name="main", profiles_yml_filepath=ROOT / "profiles.yml"
)
EXECUTION = ExecutionConfig(
    dbt_project_path=ROOT,
    dbt_executable_path=ROOT / ".venv" / "bin" / "dbt",
    invocation_mode=InvocationMode.SUBPROCESS,
)
DBT = {
    "install_deps": False,
    "full_refresh": "{{ params.full_refresh }}",
    # Unit tests are about the code: `make test` runs them.
    "env": {
        "DBT_PARTIAL_PARSE_FILE_PATH": str(PARSED / "partial_parse.msgpack"),
        "DBT_EXCLUDE_RESOURCE_TYPES": "unit_test",
        "DBT_LOG_PATH": str(PARSED / "logs"),
        "NO_COLOR": "1",
    },
    "append_env": True,
    "execution_timeout": timedelta(hours=1),
}


def record(folder: str, **_: object) -> None:
    """Has audit.runs know what a dbt process did, node by node; says so if it cannot."""
    command = [".venv/bin/python", "-m", "orchestrate", "record", str(Path(folder, "target"))]
    subprocess.run(command, cwd=ROOT, check=False)  # noqa: S603 - our own program


class BuildAtOnce(DbtBuildLocalOperator):
    """Builds and tests a group of models in one dbt process, and skips their own tasks.

    The tasks of what failed, and of what dbt left out because of that, are not skipped: each tries
    once more, by itself, is red if it fails again, and can be cleared alone. A task per model takes
    8 s whatever the model does; one process builds all of them in that time.
    """

    def __init__(self, group: DbtTaskGroup, **arguments: object) -> None:
        super().__init__(**arguments)
        self.tasks = {key: node.task_id for key, node in group.tasks_map.items()}
        self.parents = {key: node.depends_on for key, node in group.dbt_graph.nodes.items()}
        self.results: dict[str, str] = {}

    def _read_results(self, folder: str, **_: object) -> None:
        file = Path(folder, "target", "run_results.json")
        if file.exists():
            results = json.loads(file.read_text())["results"]
            self.results = {each["unique_id"]: each["status"] for each in results}
            record(folder)

    def execute(self, context: object) -> None:
        """Runs dbt; raises DownstreamTasksSkipped with the tasks that have nothing left to do."""
        # Here, for Airflow executes a copy of what was made above.
        self.callback = self._read_results
        try:
            super().execute(context)
        except AirflowException:
            if not self.results:
                raise  # dbt did not get as far as the models
        failed = [
            key
            for key, status in self.results.items()
            if status not in ("success", "pass", "warn", "no-op")
        ]
        left = set()
        for key in failed:
            # A test of one model is part of the model's own task.
            own = [
                self.tasks[each] for each in (key, *self.parents.get(key, [])) if each in self.tasks
            ]
            if not own:
                raise AirflowException(f"{key} failed; no task stands for it: clear this one")
            left.update(own[:1] if key in self.tasks else own)
        self.log.info("Left to tasks of their own: %s", ", ".join(sorted(left)) or "none")
        raise DownstreamTasksSkipped(tasks=sorted(set(self.tasks.values()) - left))


def build(select: list[str], exclude: list[str], trigger_rule: str = "none_failed") -> TaskGroup:
    """Returns a task that builds what is selected, and a task per model for what fails in it."""
    with TaskGroup("dbt") as whole:
        models = DbtTaskGroup(
            group_id="models",
            project_config=ProjectConfig(
                manifest_path=PARSED / "manifest.json", project_name="elt_warehouse"
            ),
            profile_config=PROFILE,
            execution_config=EXECUTION,
            render_config=RenderConfig(
                load_method=LoadMode.DBT_MANIFEST,
                select=select,
                exclude=exclude,
                test_behavior=TestBehavior.BUILD,
                # A test of several models is a task; in a model's it would wait for the others.
                should_detach_multiple_parents_tests=not exclude,
                emit_datasets=False,
            ),
            operator_args={**DBT, "callback": record, "trigger_rule": "none_failed"},
        )
        at_once = BuildAtOnce(
            task_id="build",
            group=models,
            select=select,
            exclude=exclude,
            profile_config=PROFILE,
            project_dir=str(ROOT),
            dbt_executable_path=str(EXECUTION.dbt_executable_path),
            invocation_mode=InvocationMode.SUBPROCESS,
            emit_datasets=False,
            trigger_rule=trigger_rule,
            **DBT,
        )
        at_once >> models
        _let_tests_come_first(models)
    return whole


def _let_tests_come_first(models: DbtTaskGroup) -> None:
    """As in dbt build: what stands on all that a test looks at waits for the test."""
    nodes, tasks = models.dbt_graph.nodes, models.tasks_map

    def above(key: str) -> set[str]:
        parents = nodes[key].depends_on if key in nodes else []
        return set(parents).union(*map(above, parents))

    for test in (key for key in tasks if key.startswith("test.")):
        for model in (key for key in tasks if not key.startswith("test.")):
            if set(nodes[test].depends_on) <= above(model):
                tasks[test] >> tasks[model]


with DAG(
    "warehouse",
    description="Load the sources, build and test the models, publish the lake",
    schedule="@daily",
    start_date=datetime(2026, 1, 1),  # noqa: DTZ001 - Airflow takes it as UTC
    catchup=False,
    max_active_runs=1,
    params={
        "sources": Param(
            list(SOURCES),
            type="array",
            items={"type": "string", "enum": list(SOURCES)},
            examples=list(SOURCES),
            description="Sources to load and build; the others are skipped",
        ),
        "full_refresh": Param(
            False, type="boolean", description="Make incremental tables anew from all rows"
        ),
    },
    doc_md=__doc__,
) as dag:

    @task
    def choose(params: dict[str, object]) -> None:
        """Skips the sources that the parameters leave out."""
        groups = [f"{name}." for name in SOURCES if name not in params["sources"]]
        raise DownstreamTasksSkipped(
            tasks=[each for each in dag.task_ids if each.startswith(tuple(groups))]
        )

    loads, sources = [], []
    for name in SOURCES:
        with TaskGroup(name):
            load = BashOperator(
                task_id="load",
                bash_command=f".venv/bin/python -m extract load {name}",
                cwd=str(ROOT),
                pool=f"load_{name}",  # of one slot: loads of a source never overlap
                # After Airflow's default_task_retry_delay, then after twice that.
                retries=2,
                retry_exponential_backoff=2,
                max_retry_delay=timedelta(minutes=5),
                execution_timeout=timedelta(hours=1),
            )
            models = build(BELOW[name], [])
        load >> models
        loads.append(load)
        sources.append(models)

    # Seeds, the calendar, views on the ledger: what stands on no source, but sources on it.
    with TaskGroup("common"):
        # The first load makes the ledger.
        common = build(
            [],
            [*(each for below in BELOW.values() for each in below), OPERATIONS],
            trigger_rule="one_success",
        )
    with TaskGroup("operations"):
        operations = build([OPERATIONS], [], trigger_rule="all_done")

    lake = BashOperator(
        task_id="lake",
        bash_command=".venv/bin/python -m lake publish",
        cwd=str(ROOT),
        trigger_rule="none_failed",
        execution_timeout=timedelta(hours=1),
    )

    @task(trigger_rule="all_done", execution_timeout=timedelta(minutes=5))
    def status(params: dict[str, list[str]], run_id: str, ti: Any) -> None:
        """Records what failed in this run, prints what is wrong, and sends the alerts."""
        states = ti.get_task_states(dag.dag_id, run_ids=[run_id])[run_id]
        failed = sorted(task_id for task_id, state in states.items() if state == "failed")
        left_out = set(SOURCES) - set(params["sources"])
        about = ["--about", *params["sources"]] if left_out else []
        command = [".venv/bin/python", "-m", "orchestrate", "status", "--failed", *failed, *about]
        done = subprocess.run(command, cwd=ROOT, check=False)  # noqa: S603 - our own program
        if done.returncode:
            raise AirflowException("something is wrong with the warehouse: see the log")

    # `status` runs whatever happened. This one does not, and so the run is red if anything is.
    done = EmptyOperator(task_id="done", trigger_rule="none_failed")

    choose() >> loads >> common >> sources >> operations
    # Not only by way of `operations`, which is built whatever became of the sources.
    [*sources, operations] >> lake >> done
    [*sources, operations, lake] >> status()
