"""Uploads: what differs, whole or not at all, and nothing that no feed takes."""

import hashlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import EndpointConnectionError

from common.errors import ConfigurationError, LoadError
from common.progress import Progress
from common.storage import PART_BYTES, source_bucket
from extract.declaration import read_sources
from extract.upload import UploadResult, upload

ROOT = Path(__file__).resolve().parents[2]
SILENT = Progress(enabled=False)


@pytest.fixture(params=["folder", "s3"])
def bucket(
    request: pytest.FixtureRequest,
    s3_bucket: Callable[[Path], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """An empty bucket, as BUCKET_URL names it."""
    empty = tmp_path / "bucket"
    if request.param == "s3":
        empty.mkdir()
    url = s3_bucket(empty) if request.param == "s3" else str(empty)
    monkeypatch.setenv("BUCKET_URL", url)
    return url


def _names(result: UploadResult) -> list[str]:
    return [item.key for item in result.uploaded]


def test_only_what_differs_is_uploaded(bucket: str, small_bucket: Path, tmp_path: Path) -> None:
    source = read_sources()["census"]
    folder = tmp_path / "prepared"
    shutil.copytree(small_bucket / "census", folder)
    (folder / "notes.txt").write_text("not for the warehouse")
    (folder / ".DS_Store").write_text("")
    first = upload(source, folder, SILENT)
    assert sorted(_names(first)) == sorted(
        path.name for path in (small_bucket / "census").iterdir()
    )
    assert first.left_out == ("notes.txt",)
    again = upload(source, folder, SILENT)
    assert (again.uploaded, len(again.unchanged)) == ((), 2)

    # As many bytes, but others.
    changed = folder / _names(first)[0]
    content = changed.read_bytes()
    changed.write_bytes(content.replace(b"Private", b"PRIVATE", 1))
    assert _names(upload(source, folder, SILENT)) == [changed.name]


@pytest.mark.parametrize(
    ("name", "message"),
    [("census", "has no file of census, whose feeds take "), ("open_brewery", "is an API")],
)
def test_what_no_feed_takes_is_refused(
    name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUCKET_URL", str(tmp_path / "bucket"))
    folder = tmp_path / "wrong"
    folder.mkdir()
    (folder / "holiday.jpg").write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match=message):
        upload(read_sources()[name], folder, SILENT)
    assert not (tmp_path / "bucket").exists()


def test_an_upload_that_was_killed_is_gone_on_with(
    s3: dict[str, str],
    s3_bucket: Callable[[Path], str],
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    url = s3_bucket(empty)
    folder = tmp_path / "prepared" / "sales" / "changes"
    folder.mkdir(parents=True)
    size = 20_000_000
    for number in range(8):
        (folder / f"Sales.SalesOrderHeader.{number}.csv").write_bytes(bytes([48 + number]) * size)
    command = [
        *(sys.executable, "-m", "extract", "upload"),
        *(str(tmp_path / "prepared"), "adventure_works"),
    ]
    settings = {**environment, **s3, "BUCKET_URL": url}
    client = boto3.client("s3")

    def there() -> dict[str, int]:
        name = url.removeprefix("s3://")
        found = client.list_objects_v2(Bucket=name).get("Contents", [])
        return {each["Key"]: each["Size"] for each in found}

    running = subprocess.Popen(command, cwd=ROOT, env=settings)
    while not there() and running.poll() is None:
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    running.wait()
    whole = there()
    assert 0 < len(whole) < 8
    assert set(whole.values()) == {size}
    done = subprocess.run(
        command, cwd=ROOT, env=settings, capture_output=True, text=True, check=True
    )
    assert done.stdout.count("unchanged") == len(whole)
    assert f"{8 - len(whole)} of 8 files uploaded to {url}/adventure_works" in done.stdout
    assert len(there()) == 8


def test_a_large_file_goes_on_with_the_parts_that_are_missing(
    s3_bucket: Callable[[Path], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("BUCKET_URL", s3_bucket(tmp_path / "empty"))
    folder = tmp_path / "prepared"
    folder.mkdir()
    file = folder / "Adult.data"
    content = b"".join(bytes([48 + number]) * PART_BYTES for number in range(5))
    file.write_bytes(content[:-7])
    sent: list[int] = []
    fails_at = 3
    call = BaseClient._make_api_call

    def counting(client: Any, operation: str, arguments: dict[str, Any]) -> Any:
        if operation == "UploadPart":
            if arguments["PartNumber"] == fails_at:
                raise EndpointConnectionError(endpoint_url="gone")
            sent.append(arguments["PartNumber"])
        return call(client, operation, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", counting)
    source = read_sources()["census"]
    with pytest.raises(LoadError, match="gone"):
        upload(source, folder, SILENT)
    assert 3 not in sent
    before, fails_at = set(sent), 0
    sent.clear()
    assert _names(upload(source, folder, SILENT)) == ["Adult.data"]
    assert set(sent) == {1, 2, 3, 4, 5} - before
    assert upload(source, folder, SILENT).unchanged == ("Adult.data",)

    # The file changes between two attempts: nothing of the first is taken for the second's.
    file.write_bytes(content[::-1])
    fails_at = 3
    with pytest.raises(LoadError, match="gone"):
        upload(source, folder, SILENT)
    file.write_bytes(content)
    fails_at = 0
    upload(source, folder, SILENT)
    bucket = source_bucket("census")
    (item,) = bucket.objects()
    assert bucket.sha256(item) == hashlib.sha256(content).hexdigest()
    bucket.download(item, tmp_path / "arrived")
    assert (tmp_path / "arrived").read_bytes() == content
