"""dbt_utils: the real package is never replaced, the substitute is used where the hub is not."""

import shutil
from pathlib import Path

import pytest

from local import ROOT, packages
from local.packages import install_packages


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("dbt_project.yml", "packages.yml", "profiles.yml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def test_the_stand_in_steps_in_where_the_hub_does_not_answer(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nothing listens on port 9 of this machine: the hub cannot be reached from anywhere.
    monkeypatch.setenv("DBT_PACKAGE_HUB_URL", "http://127.0.0.1:9/")
    for _ in range(2):
        assert "substitute" in install_packages(project)
        installed = project / "dbt_packages" / "dbt_utils"
        assert (installed / "macros" / "generate_surrogate_key.sql").exists()


def test_a_real_package_is_left_alone(project: Path) -> None:
    real = project / "dbt_packages" / "dbt_utils"
    real.mkdir(parents=True)
    (real / "dbt_project.yml").write_text("name: dbt_utils")
    assert "real package" in install_packages(project)
    assert [path.name for path in real.iterdir()] == ["dbt_project.yml"]


def test_a_silent_hub_is_not_waited_for(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "TIMEOUT_SECONDS", 0.1)
    assert "did not answer within" in install_packages(project)
