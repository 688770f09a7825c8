"""A small dbt project with this project's macros, and the cluster that runs it."""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from dbt.cli.main import dbtRunner

from orchestrate import spark

ROOT = Path(__file__).resolve().parent.parent
_PROJECT = {
    "name": "elt_warehouse",
    "profile": "elt_warehouse",
    "flags": {"send_anonymous_usage_stats": False},
    "macro-paths": [str(ROOT / "macros"), str(ROOT / "local" / "dbt_utils" / "macros")],
    **{
        kind: {
            "+schema": "small",
            "+file_format": "iceberg",
            "+persist_docs": {"relation": True, "columns": True},
        }
        for kind in ("models", "snapshots", "seeds")
    },
}


@dataclass(frozen=True)
class Project:
    """A folder with models, seeds and snapshots; they are built in the namespace `small`."""

    folder: Path
    environment: dict[str, str]

    def __post_init__(self) -> None:
        self.folder.mkdir()
        shutil.copy(ROOT / "profiles.yml", self.folder)
        (self.folder / "dbt_project.yml").write_text(json.dumps(_PROJECT))

    def write(self, path: str, text: str) -> None:
        """Writes a file, such as models/first.sql."""
        target = self.folder / path
        target.parent.mkdir(exist_ok=True)
        target.write_text(text)

    def dbt(self, command: str, *options: str) -> list[str]:
        """Runs dbt; returns the messages of what failed."""
        folder = str(self.folder)
        arguments = [
            *("--quiet", command, *options),
            *("--project-dir", folder, "--profiles-dir", folder, "--target", "spark"),
        ]
        with mock.patch.dict(os.environ, self.environment):
            done: Any = dbtRunner().invoke(arguments)
        if done.exception:
            raise done.exception
        return [
            str(result.message)
            for result in done.result
            if result.status not in ("success", "pass", "no-op")
        ]

    def rows(self, sql: str) -> Sequence[tuple[object, ...]]:
        """Returns the rows of a query."""
        with mock.patch.dict(os.environ, self.environment):
            return spark.query(sql)[1]
