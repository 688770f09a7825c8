"""Installs the dbt packages: from the hub where it answers, else our substitute for dbt_utils."""

import shutil
import subprocess
import sys
from pathlib import Path

from local import ROOT

TIMEOUT_SECONDS = 60
# How the substitute's README begins, and the real package's does not.
SUBSTITUTE_TITLE = "# A substitute for dbt_utils"


def install_packages(project: Path = ROOT) -> str:
    """Fills `dbt_packages` of the dbt project; returns one line that says with what.

    The substitute, `local/dbt_utils`, has the same name and holds just the macros that this project
    calls, so nothing else in the project knows which of the two is there.
    """
    target = project / "dbt_packages" / "dbt_utils"
    if target.exists() and not _is_substitute(target):
        return "dbt_utils: the real package is there already (`dbt deps --upgrade` renews it)."
    reason = _from_hub(project)
    if reason is None:
        return "dbt_utils: installed from the dbt package hub."
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(ROOT / "local" / "dbt_utils", target)
    return f"dbt_utils: {reason}; using the substitute in local/dbt_utils."


def _is_substitute(package: Path) -> bool:
    readme = package / "README.md"
    return readme.exists() and readme.read_text().startswith(SUBSTITUTE_TITLE)


def _from_hub(project: Path) -> str | None:
    """Runs `dbt deps`; returns why it did not bring dbt_utils, None if it did."""
    command = [sys.executable, "-c", "from dbt.cli.main import cli; cli()", "--quiet", "deps"]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and arguments
            command,
            cwd=project,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"the dbt package hub did not answer within {TIMEOUT_SECONDS} s"
    if done.returncode == 0 and (project / "dbt_packages" / "dbt_utils").is_dir():
        return None
    if "connection" in done.stdout.lower():
        return "the dbt package hub cannot be reached"
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return f"`dbt deps` failed ({lines[-1].strip() if lines else f'exit {done.returncode}'})"
