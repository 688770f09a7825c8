"""Folders and S3 through one interface, the latter over HTTP."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from common.errors import ConfigurationError, LoadError
from common.storage import (
    UNFINISHED,
    UNFINISHED_SECONDS,
    Bucket,
    Object,
    S3Bucket,
    open_bucket,
    source_bucket,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "files" / "deep").mkdir(parents=True)
    (tmp_path / "files" / "a.csv").write_bytes(b"a\n1\n")
    (tmp_path / "files" / "deep" / "b ü.csv").write_bytes(b"b\n" * 1_000_000)
    return tmp_path


@pytest.fixture(params=["folder", "file", "s3"])
def bucket(
    request: pytest.FixtureRequest, folder: Path, s3_bucket: Callable[[Path], str]
) -> Bucket:
    """The same two files in each kind of bucket, below the prefix `files`."""
    urls: dict[str, Callable[[Path], str]] = {
        "folder": str,
        "file": Path.as_uri,
        "s3": s3_bucket,
    }
    return open_bucket(f"{urls[request.param](folder)}/files")


def only(bucket: Bucket, key: str) -> Object:
    return next(item for item in bucket.objects() if item.key == key)


def test_lists_keys_below_the_prefix_and_downloads_them(bucket: Bucket, tmp_path: Path) -> None:
    assert {item.key: item.size for item in bucket.objects()} == {
        "a.csv": 4,
        "deep/b ü.csv": 2_000_000,
    }
    bucket.download(only(bucket, "deep/b ü.csv"), tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"b\n" * 1_000_000


def test_what_is_put_is_there_whole_and_replaces_what_was(bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"0123456789" * 1_000_000)
    for content in (b"a\n2\n", tmp_path / "large", b""):
        for key in ("a.csv", "new/50%/é=x y.csv"):
            put = bucket.put(key, content)
            assert put == only(bucket, key)
            bucket.download(put, tmp_path / "copy")
            whole = content.read_bytes() if isinstance(content, Path) else content
            assert (tmp_path / "copy").read_bytes() == whole
    assert len(list(bucket.objects())) == 3


def test_a_moved_object_is_itself_under_another_key(bucket: Bucket, tmp_path: Path) -> None:
    moved = bucket.move(only(bucket, "deep/b ü.csv"), "processed/7/b ü.csv")
    assert moved == only(bucket, "processed/7/b ü.csv")
    assert {item.key for item in bucket.objects()} == {"a.csv", "processed/7/b ü.csv"}
    bucket.download(moved, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"b\n" * 1_000_000


def test_nothing_is_moved_over_another_object_or_in_another_version(bucket: Bucket) -> None:
    listed = only(bucket, "a.csv")
    with pytest.raises(LoadError, match="there already is a"):
        bucket.move(listed, "deep/b ü.csv")
    bucket.put("a.csv", b"a\n9\n")
    with pytest.raises(LoadError, match="it changed since it was read"):
        bucket.move(listed, "b.csv")
    bucket.delete("a.csv")
    with pytest.raises(LoadError, match=r"a\.csv"):
        bucket.move(listed, "b.csv")
    assert [item.key for item in bucket.objects()] == ["deep/b ü.csv"]


def test_what_comes_in_mid_move_stays(
    folder: Path, s3_bucket: Callable[[Path], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = S3Bucket(s3_bucket(folder).removeprefix("s3://"), "files")
    copy = bucket._client.copy

    def copy_late(*arguments: Any, **settings: Any) -> None:
        copy(*arguments, **settings)
        bucket.put("a.csv", b"newer")

    monkeypatch.setattr(bucket._client, "copy", copy_late)
    assert bucket.move(only(bucket, "a.csv"), "moved.csv").size == 4
    assert only(bucket, "a.csv").size == 5


def test_deleting_twice_is_no_error(bucket: Bucket) -> None:
    for _ in range(2):
        bucket.delete("deep/b ü.csv")
    assert [item.key for item in bucket.objects()] == ["a.csv"]


def test_a_folder_shows_nothing_unfinished_and_keeps_nothing_empty(folder: Path) -> None:
    bucket = open_bucket(str(folder / "files"))
    bucket.put("a.csv", b"")
    for name, age in (("dead", 2 * UNFINISHED_SECONDS), ("alive", 0)):
        (folder / "files" / UNFINISHED / name).write_bytes(b"half")
        os.utime(folder / "files" / UNFINISHED / name, (time.time() - age,) * 2)
    bucket.put("deep/er/c.csv", b"")
    assert {item.key for item in bucket.objects()} == {"a.csv", "deep/b ü.csv", "deep/er/c.csv"}
    assert [path.name for path in (folder / "files" / UNFINISHED).iterdir()] == ["alive"]
    bucket.delete("deep/er/c.csv")
    assert (folder / "files" / "deep").is_dir()
    assert not (folder / "files" / "deep" / "er").exists()


def test_what_cannot_be_written_is_named(folder: Path, s3_bucket: Callable[[Path], str]) -> None:
    s3_bucket(folder)
    for bucket in (open_bucket(str(folder / "files")), open_bucket("s3://no-such-bucket")):
        for content in (b"x", folder / "files" / "a.csv"):
            with pytest.raises(LoadError, match=r"a\.csv/x"):
                bucket.put("a.csv/x", content)


def test_a_version_changes_with_the_content(folder: Path) -> None:
    bucket = open_bucket(str(folder / "files"))
    before = only(bucket, "a.csv")
    (folder / "files" / "a.csv").write_bytes(b"a\n2\n")
    assert only(bucket, "a.csv") != before


def test_a_file_that_changed_since_it_was_listed_is_read_as_it_is_now(
    folder: Path, tmp_path: Path
) -> None:
    bucket = open_bucket(str(folder / "files"))
    listed = only(bucket, "a.csv")
    (folder / "files" / "a.csv").write_bytes(b"a\n1\n2\n")
    read = bucket.download(listed, tmp_path / "copy")
    assert read == only(bucket, "a.csv") != listed
    assert (tmp_path / "copy").read_bytes() == b"a\n1\n2\n"


def test_an_object_that_changed_since_it_was_listed_is_read_as_it_is_now(
    folder: Path, tmp_path: Path, s3_bucket: Callable[[Path], str]
) -> None:
    url = s3_bucket(folder)
    bucket = open_bucket(url)
    listed = only(bucket, "files/a.csv")
    name = url.removeprefix("s3://")
    boto3.client("s3").put_object(Bucket=name, Key="files/a.csv", Body=b"a\n9\n")
    read = bucket.download(listed, tmp_path / "copy")
    assert read == only(bucket, "files/a.csv") != listed
    assert (tmp_path / "copy").read_bytes() == b"a\n9\n"


def test_listing_goes_on_after_the_first_page(
    tmp_path: Path, s3_bucket: Callable[[Path], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = s3_bucket(tmp_path)
    client, name = boto3.client("s3"), url.removeprefix("s3://")
    for number in range(25):
        client.put_object(Bucket=name, Key=f"many/{number:04}", Body=b"")
    # A page has 1,000 objects otherwise; to put more takes long.
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "10")
    assert client.list_objects_v2(Bucket=name)["KeyCount"] == 10
    assert len(list(open_bucket(f"{url}/many").objects())) == 25


def test_a_bucket_that_is_not_there_is_named(
    tmp_path: Path, s3_bucket: Callable[[Path], str]
) -> None:
    s3_bucket(tmp_path)
    for url in (str(tmp_path / "nowhere"), "s3://no-such-bucket"):
        with pytest.raises(LoadError, match=r"nowhere|no-such-bucket"):
            list(open_bucket(url).objects())


@pytest.mark.parametrize(
    "url", ["ftp://host/x", "s3:///x", "https://host/bucket", "s3://key:secret@x"]
)
def test_other_schemes_are_wrong_configuration(url: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        open_bucket(url)
    assert "secret" not in str(raised.value)


def test_a_source_may_have_a_bucket_of_its_own(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUCKET_URL", str(folder))
    assert [item.key for item in source_bucket("files").objects()] == ["a.csv", "deep/b ü.csv"]
    monkeypatch.setenv("FILES_BUCKET_URL", str(folder / "files" / "deep"))
    assert [item.key for item in source_bucket("files").objects()] == ["b ü.csv"]
