"""A bucket's address that is nearly right is answered with what to write."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from common.errors import ConfigurationError
from common.storage import open_bucket
from common.warehouse import Warehouse


@pytest.mark.parametrize(
    ("url", "write"),
    [
        ("s3://", "write s3://bucket, or s3://bucket/prefix"),
        ("s3:///prefix", "write s3://bucket, or s3://bucket/prefix"),
        ("file://localhost/data", "write file:///path/to/folder"),
        ("file://data", "write file:///path/to/folder"),
        ("file://", "write file:///path/to/folder"),
    ],
)
def test_what_to_write_is_said(
    url: str,
    write: str,
    warehouse: Warehouse,
    run_module: Callable[..., subprocess.CompletedProcess[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        open_bucket(url)
    assert write in str(raised.value)
    done = run_module("extract", "load", "census", BUCKET_URL=url, **warehouse.variables())
    assert (done.returncode, write in done.stderr) == (2, True), done.stderr


def test_a_url_with_three_slashes_is_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "a folder, ü"
    folder.mkdir()
    (folder / "a.csv").write_bytes(b"1")
    assert [item.key for item in open_bucket(folder.as_uri()).objects()] == ["a.csv"]
