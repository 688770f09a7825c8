"""Runs dbt inside this process: it starts once, and parses the project once, whatever is asked."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dbt.cli.main import dbtRunner

from orchestrate.errors import DbtError

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Node:
    """What became of one node of the project.

    `kind` is dbt's resource type (model, seed, test, ...), `status` its word for the outcome
    (success, pass, warn, fail, error, skipped).
    """

    name: str
    kind: str
    status: str
    message: str
    seconds: float


class Dbt:
    """The dbt project at the repository's root, against the database that POSTGRES_* names."""

    def __init__(self, threads: int | None = None) -> None:
        """Parses the project; raises DbtError if that fails.

        `threads` is how many nodes run at once; by default two for each processor, because a
        thread waits for PostgreSQL half of its time.
        """
        os.environ["DBT_THREADS"] = str(threads or 2 * (os.cpu_count() or 1))
        self._runner = dbtRunner(manifest=self._invoke(dbtRunner(), ["parse"]))

    def build(self, sources: Sequence[str] = ()) -> list[Node]:
        """Builds and tests what depends on the sources (all if none is named).

        Unit tests are left out: they test the code, not this data, and belong to `make test`.
        Does not raise if a node fails: see `failures`.
        """
        # @: also the seeds and tables of other origin that those models need.
        selection = [f"@source:{source}" for source in sources]
        return self._run(["build", "--exclude-resource-type", "unit_test"], selection)

    def refresh(self, source: str) -> list[Node]:
        """Brings up to date what holds rows of the source, untested; views need nothing.

        All of it must have been built before.
        """
        kinds = ("table", "incremental")
        selection = [f"source:{source}+,config.materialized:{kind}" for kind in kinds]
        # Once every few seconds: without the files that say what one run did, and looking only for
        # what it is about, it takes half the time.
        quick = ["--no-write-json", "--cache-selected-only"]
        return self._run([*quick, "run"], selection)

    def _run(self, arguments: list[str], selection: list[str]) -> list[Node]:
        if selection:
            arguments += ["--select", *selection]
        results = self._invoke(self._runner, arguments, may_fail=True)
        return [
            Node(
                name=result.node.name,
                kind=str(result.node.resource_type),
                status=str(result.status),
                message=(result.message or "").strip(),
                seconds=result.execution_time,
            )
            for result in results
        ]

    def analyses(self, sources: Sequence[str] = ()) -> list[tuple[str, str, str]]:
        """Returns name, description and SQL of the analyses of these sources (all if none)."""
        selection = [f"source:{source}+,resource_type:analysis" for source in sources]
        results = self._invoke(
            self._runner, ["compile", "--select", *(selection or ["resource_type:analysis"])]
        )
        nodes = [result.node for result in results]
        return sorted(
            (node.name, node.description.strip(), node.compiled_code)
            for node in nodes
            if node.resource_type == "analysis"
        )

    @staticmethod
    def _invoke(runner: dbtRunner, arguments: Sequence[str], may_fail: bool = False) -> Any:
        """Returns the result, whose type depends on the command."""
        answer = runner.invoke(
            [
                # What dbt says goes to logs/dbt.log; what matters of it is in the result.
                "--quiet",
                "--no-use-colors",
                *arguments,
                "--project-dir",
                str(ROOT),
                "--profiles-dir",
                str(ROOT),
            ]
        )
        if answer.exception is not None:
            raise DbtError(f"dbt {arguments[0]}: {answer.exception}") from answer.exception
        if not (answer.success or may_fail):
            raise DbtError(f"dbt {arguments[0]} failed; see logs/dbt.log")
        return answer.result


def failures(nodes: Sequence[Node]) -> list[Node]:
    """Returns the nodes that failed, not those that were skipped because of them."""
    return [node for node in nodes if node.status in ("error", "fail", "runtime error")]


def warnings(nodes: Sequence[Node]) -> list[Node]:
    """Returns the tests that only warn."""
    return [node for node in nodes if node.status == "warn"]


def count(nodes: Sequence[Node], *statuses: str) -> Counter[str]:
    """Returns how many nodes of each kind ended in one of the statuses."""
    return Counter(node.kind for node in nodes if node.status in statuses)
