"""What the rules of the repository are applied to: its files, and dbt's account of a build."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

ROOT = Path(__file__).parents[2]


class Built(Protocol):
    """A warehouse after `dbt build` and `dbt docs generate`, whose artifacts lie in a folder."""

    target_path: Path


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def manifest(built_warehouse: Built) -> dict[str, Any]:
    """What dbt read out of the project."""
    return _read(built_warehouse.target_path / "manifest.json")


@pytest.fixture(scope="session")
def catalog(built_warehouse: Built) -> dict[str, Any]:
    """What dbt found in the database."""
    return _read(built_warehouse.target_path / "catalog.json")


@pytest.fixture(scope="session")
def expect_none() -> Callable[[list[str]], None]:
    """Fails with every finding of a rule, a line each, where pytest would show only the first."""

    def check(findings: list[str]) -> None:
        if findings:
            pytest.fail("\n".join(findings), pytrace=False)

    return check


def _read(path: Path) -> dict[str, Any]:
    artifact: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return artifact
