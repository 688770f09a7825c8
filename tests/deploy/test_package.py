"""The package: the same bytes each time, within Lambda's limits, and nothing else in it."""

import zipfile
from pathlib import Path

import pytest

from common.errors import LoadError
from deploy import package as packaging
from deploy.package import Package, build


def test_two_builds_are_the_same_bytes(package: Package, tmp_path: Path) -> None:
    again = build(tmp_path / "again.zip")
    assert again.sha256 == package.sha256
    assert again.path.read_bytes() == package.path.read_bytes()


def test_it_has_the_loader_and_nothing_of_the_rest(package: Package) -> None:
    with zipfile.ZipFile(package.path) as content:
        names = content.namelist()
        assert {entry.date_time for entry in content.infolist()} == {packaging.DATE}
        assert {entry.external_attr >> 16 for entry in content.infolist()} == {0o100644}
    assert names == sorted(names)
    assert {"deploy/handler.py", "extract/sources.yml", ".dlt/config.toml"} <= set(names)
    rooms = {name.split("/")[0] for name in names}
    assert {"common", "extract", "deploy", "dlt", "boto3", "psycopg2"} <= rooms
    assert rooms & {"local", "lake", "orchestrate", "tests", "dbt", "pyarrow", "pip"} == set()


def test_it_is_refused_if_lambda_would_refuse_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packaging, "MAX_BYTES", 60 * 2**20)
    with pytest.raises(LoadError, match="bytes unzipped, of which Lambda takes"):
        build(tmp_path / "large.zip")
    assert not (tmp_path / "large.zip").exists()


def test_a_wheel_that_cannot_be_had_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    lock = tmp_path / "requirements-lambda.lock"
    lock.write_text("dlt==0.0.999\n")
    monkeypatch.setattr(packaging, "LOCK", lock)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(LoadError, match="pip cannot download its wheels"):
        build(tmp_path / "none.zip", tmp_path / "wheels")
    assert "dlt==0.0.999" in capfd.readouterr().err
