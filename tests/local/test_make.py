"""What `make` sets up, and the programs that it puts on the path, from wherever they are called.

Python, pip and dbt's packages are faked where only the order of things matters.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from common.warehouse import Warehouse
from local import ROOT

MAKE = shutil.which("make") or "make is not installed"
# A python that makes virtual environments of itself, and whose pip takes a moment and writes down
# what it did: `spoiled` if another one was at work in the same environment.
FAKE_PYTHON = """#!/bin/sh
case "$*" in
    "-m venv "*) rm -rf .venv && mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
    "-m pip --version") test -f "$0" ;;
    "-m pip install "*)
        mkdir .venv/busy || echo spoiled >> installs
        sleep 0.5
        rmdir .venv/busy
        echo "what pip says"
        echo "$*" >> installs ;;
    "-m local packages")
        mkdir -p dbt_packages/dbt_utils && touch dbt_packages/dbt_utils/dbt_project.yml
        echo "what the packages say" ;;
    *) exec {python} "$@" ;;
esac
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A fresh clone, as far as `make setup` looks at it."""
    for name in ("Makefile", "requirements.lock", "requirements-dev.lock", "packages.yml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "local" / "bin", tmp_path / "local" / "bin")
    python = tmp_path / "fake_python"
    python.write_text(FAKE_PYTHON.replace("{python}", sys.executable))
    python.chmod(0o755)
    return tmp_path


def start(clone: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [MAKE, f"PYTHON={clone / 'fake_python'}", *arguments],
        cwd=clone,
        env={"PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def installs(clone: Path) -> list[str]:
    return (clone / "installs").read_text().splitlines()


def test_two_first_runs_at_once_install_once(clone: Path) -> None:
    processes = [start(clone, "setup") for _ in range(3)]
    said = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], said
    assert len(installs(clone)) == 1
    assert "spoiled" not in installs(clone)


def test_two_that_want_different_things_take_turns(clone: Path) -> None:
    processes = [start(clone, ".venv/.test"), start(clone, "setup"), start(clone, ".venv/.test")]
    for process in processes:
        process.communicate(timeout=60)
    found = installs(clone)
    assert "spoiled" not in found
    assert sorted("requirements-dev.lock" in line for line in found) == [False, True]


def test_setup_says_nothing_on_stdout(clone: Path) -> None:
    for arguments in (("-s", "setup"), ("-s", "setup"), ("-s", ".venv/.test")):
        out, error = start(clone, *arguments).communicate(timeout=60)
        assert out == "", error
    assert "what pip says" in error


def test_a_half_made_environment_is_made_again(clone: Path) -> None:
    """Killed while it was made, it has a python, but no pip."""
    broken = clone / ".venv" / "bin" / "python"
    broken.parent.mkdir(parents=True)
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    process = start(clone, "setup")
    assert process.communicate(timeout=60)[1] is not None
    assert process.returncode == 0
    assert len(installs(clone)) == 1


def test_an_older_python_is_refused_with_what_to_write(clone: Path) -> None:
    python = clone / "fake_python"
    text = python.read_text().replace(
        "    *)", '    "-c "*) exec {0} -c "import sys; sys.version_info = (3, 9); $2" ;;\n    *)'
    )
    python.write_text(text.replace("{0}", sys.executable))
    process = start(clone, "setup")
    assert "this is 3.9: make PYTHON=python3.12" in process.communicate(timeout=60)[1]
    assert process.returncode != 0


def run_program(
    program: str, *arguments: str, cwd: Path, **variables: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ROOT / "local" / "bin" / program), *arguments],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


# From the root, `make lint` runs dbt, and tests/extract/test_dlt.py runs dlt.
FOLDER = ROOT / "models" / "marts"


def test_dbt_works_from_any_folder_of_the_clone(
    warehouse: Warehouse, environment: dict[str, str]
) -> None:
    paths = {name: value for name, value in environment.items() if name.startswith("DBT_")}
    variables = {**warehouse.variables(), **paths}
    done = run_program("dbt", "--no-use-colors", "debug", cwd=FOLDER, **variables)
    assert done.returncode == 0, done.stdout
    assert "Connection test: [OK connection ok]" in done.stdout


def test_dlt_knows_where_the_pipelines_are(warehouse: Warehouse) -> None:
    done = run_program("dlt", "pipeline", "--list-pipelines", cwd=FOLDER, **warehouse.variables())
    assert done.returncode == 0, done.stderr
    assert str(ROOT / ".local" / "dlt" / "pipelines") in done.stdout
