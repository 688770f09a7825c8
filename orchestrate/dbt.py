"""Runs dbt inside this process: it starts once, and parses the project once, whatever is asked."""

import io
import json
import os
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from functools import cached_property
from typing import Any

from dbt.cli.main import dbtRunner

from common.runs import Node
from orchestrate.artifacts import count_rows
from orchestrate.errors import DbtError
from orchestrate.project import ROOT, Answer, Known, Project, code_digest, folder, keep, recall

_PERIODS = {"minute": 60, "hour": 3600, "day": 86400}
# dbt writes a line for each of its thoughts, and files that say what one run did. Without them, and
# looking only for the relations that it is about, a small build takes half the time.
_QUICK = ["--no-write-json", "--cache-selected-only", "--log-level-file", "info"]


class Dbt:
    """The dbt project at the repository's root, against the database that POSTGRES_* names.

    `code` is the digest of what was parsed.
    """

    def __init__(self) -> None:
        """Parses the project; raises DbtError if that fails."""
        # Two nodes at once for each processor: a thread waits for PostgreSQL half of its time.
        os.environ["DBT_THREADS"] = str(2 * (os.cpu_count() or 1))
        self.code = code_digest(os.environ["POSTGRES_DB"])
        self._runner = dbtRunner(manifest=self._invoke(dbtRunner(), "parse", ["--no-write-json"]))
        self.project = Project(self._runner.manifest)

    def changed(self, before: str) -> set[str]:
        """Returns the nodes whose code changed since that digest, and those that depend on them.

        All nodes, if the manifest of that state is not kept (any more, or on this machine).
        """
        if before == self.code:
            return set()
        if not (folder(before) / "manifest.json").exists():
            return set(self.project.nodes)
        state = ["--state", str(folder(before)), "--output", "json", "--output-keys", "unique_id"]
        with redirect_stdout(io.StringIO()):
            lines = self._invoke(self._runner, "ls", ["--select", "state:modified+", *state])
        return {json.loads(line)["unique_id"] for line in lines} & set(self.project.nodes)

    def keep_manifest(self) -> None:
        """Keeps the manifest for `changed` of a later state, if it is not kept yet."""
        path = folder(self.code) / "manifest.json"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            aside = path.with_suffix(f".{os.getpid()}")
            self._manifest.write(str(aside))
            aside.replace(path)

    def build(
        self,
        keys: Iterable[str],
        tested_loads: dict[str, int] | None = None,
        full_refresh: bool = False,
    ) -> list[Node]:
        """Builds the models, seeds and snapshots among these nodes, and runs the tests.

        Tests look at what is newer than `tested_loads` of a source, without it at whole tables.
        Unit tests are excluded: they test the code, not this data, and belong to `make test`.
        Does not raise if a node fails: see `Node.has_failed`.
        """
        # None but those that are named: whoever chose the nodes chose the tests.
        options = ["--exclude-resource-type", "unit_test", "--indirect-selection", "empty"]
        if tested_loads:
            options += ["--vars", json.dumps({"tested_loads": tested_loads})]
        if full_refresh:
            options.append("--full-refresh")
        return self._run("build", keys, options)

    def refresh(self, source: str) -> list[Node]:
        """Brings up to date what holds rows of the source, untested; views need nothing.

        All of it must have been built before.
        """
        nodes = self.project.nodes.items()
        kinds = ("table", "incremental")
        return self._run(
            "run", [key for key, node in nodes if source in node.sources and node.kind in kinds]
        )

    def _run(self, command: str, keys: Iterable[str], options: Sequence[str] = ()) -> list[Node]:
        wanted = set(keys)
        selection = self.project.selection(wanted)
        if not selection:
            return []
        arguments = [*_QUICK, *options, "--select", *selection]
        if excluded := self.project.excluded(wanted):
            arguments += ["--exclude", *excluded]
        results = self._invoke(self._runner, command, arguments, may_fail=True)
        return [
            Node(
                key=result.node.unique_id,
                kind=str(result.node.resource_type),
                name=result.node.name,
                status=str(result.status),
                seconds=result.execution_time,
                row_count=count_rows(
                    str(result.node.resource_type), result.failures, result.adapter_response
                ),
                message=(result.message or "").strip(),
                sources=" ".join(sorted(self.project.sources([result.node.unique_id]))),
            )
            for result in results
        ]

    @cached_property
    def known(self) -> Known:
        """What can be known of this state of the code without dbt, from now on."""
        kept = recall(self.code)
        if kept is None:
            kept = self._find_out()
            keep(self.code, kept)
        return kept

    def _find_out(self) -> Known:
        results = self._invoke(
            self._runner, "compile", [*_QUICK, "--select", "resource_type:analysis"]
        )
        compiled = {result.node.unique_id: result.node for result in results}
        nodes = self.project.nodes
        allowed: dict[str, dict[str, float]] = {}
        for source in self._manifest.sources.values():
            limit = source.freshness and source.freshness.warn_after
            if limit and limit.count:
                feeds = allowed.setdefault(source.source_name, {})
                feeds[source.name] = limit.count * _PERIODS[str(limit.period)]
        return Known(
            answers=tuple(
                Answer(
                    node.name,
                    node.description.strip(),
                    node.compiled_code,
                    tuple(sorted(nodes[key].sources)),
                )
                for key, node in sorted(compiled.items())
                if node.resource_type == "analysis"
            ),
            relations={
                node.relation: tuple(sorted(node.sources))
                for node in nodes.values()
                if node.relation
            },
            allowed=allowed,
        )

    @property
    def _manifest(self) -> Any:
        return self._runner.manifest

    @staticmethod
    def _invoke(
        runner: dbtRunner, command: str, arguments: Sequence[str], may_fail: bool = False
    ) -> Any:
        """Returns the result, whose type depends on the command."""
        answer = runner.invoke(
            [
                command,
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
        if isinstance(answer.exception, KeyboardInterrupt):
            raise answer.exception
        if answer.exception is not None:
            raise DbtError(
                f"dbt {command}: {answer.exception}; correct what it names, or see logs/dbt.log"
            ) from answer.exception
        if not (answer.success or may_fail):
            raise DbtError(f"dbt {command} failed; see logs/dbt.log")
        return answer.result
