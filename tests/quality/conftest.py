"""The root of the repository, and its files."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def files() -> list[Path]:
    """The files that are not ignored, as relative paths; in an exported tree too."""
    # .gitignore has plain names only.
    ignored = {name.strip("/") for name in (ROOT / ".gitignore").read_text().split()} | {".git"}
    top = [path for path in ROOT.iterdir() if path.name not in ignored]
    below = [each for path in top for each in (path.rglob("*") if path.is_dir() else [path])]
    files = {path.relative_to(ROOT) for path in below if path.is_file()}
    return sorted(file for file in files if not ignored & set(file.parts))
