"""A project that a new source can be added to."""

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project without its sources, which dbt need not parse again; loads stay."""
    kept = shutil.ignore_patterns(".*", "target", "logs", "__pycache__")
    project = shutil.copytree(ROOT, tmp_path / "project", ignore=kept)
    others = [project / name for name in ("analyses", "seeds", "snapshots", "tests")]
    for folder in others + list(project.glob("models/*/*/")):
        if folder.name not in ("audit", "operations"):
            shutil.rmtree(folder)
    return project
