"""One interface to objects in a folder, or in S3 through boto3."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from extract.errors import ConfigurationError, LoadError

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Object:
    """One object: its key below the bucket's root, and what tells this version from another.

    `version` is S3's ETag; of a local file, its modification time and inode.
    """

    key: str
    size: int
    version: str


class Bucket(Protocol):
    """Where a source's files lie. `url` names it in messages."""

    url: str

    def objects(self) -> Iterator[Object]:
        """Lists every object; raises LoadError if the bucket cannot be read."""

    def download(self, item: Object, path: Path) -> None:
        """Writes the object's bytes to `path`, in chunks.

        Raises LoadError if it is gone, is no longer the listed version, or arrives short.
        """


class FolderBucket:
    """A bucket that is a local folder."""

    def __init__(self, root: Path) -> None:
        self.url = str(root)
        self._root = root

    def objects(self) -> Iterator[Object]:
        """Lists the files below the folder."""
        if not self._root.is_dir():
            raise LoadError(f"{self.url}: there is no such folder")
        for folder, _, names in os.walk(self._root):
            for name in names:
                path = Path(folder, name)
                yield _describe(path, path.relative_to(self._root).as_posix())

    def download(self, item: Object, path: Path) -> None:
        """Copies the file: what is loaded is then one version, whoever writes to the folder."""
        origin = self._root / item.key
        try:
            shutil.copyfile(origin, path)
            after = _describe(origin, item.key)
        except OSError as error:
            raise LoadError(f"{origin}: cannot be read: {error.strerror}") from error
        if after != item or path.stat().st_size != item.size:
            raise LoadError(f"{origin}: was changed while it was read; run the load again")


def _describe(path: Path, key: str) -> Object:
    status = path.stat()
    return Object(key, status.st_size, f"{status.st_mtime_ns}-{status.st_ino}")


class S3Bucket:
    """A bucket, or a prefix in one, on S3 or any server with its API (AWS_ENDPOINT_URL)."""

    def __init__(self, name: str, prefix: str) -> None:
        # Imported late: a third of a second that local folders need not pay.
        import boto3
        from botocore.config import Config

        self.url = f"s3://{name}/{prefix}".rstrip("/")
        self._name = name
        self._prefix = f"{prefix}/" if prefix else ""
        self._client = boto3.client(
            "s3",
            config=Config(
                retries={"mode": "standard", "max_attempts": 5},
                connect_timeout=10,
                read_timeout=60,
            ),
        )

    def objects(self) -> Iterator[Object]:
        """Lists the objects below the prefix, page by page."""
        with self._errors(self.url):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._name, Prefix=self._prefix
            )
            for page in pages:
                for item in page.get("Contents", []):
                    key = item["Key"].removeprefix(self._prefix)
                    yield Object(key, item["Size"], item["ETag"].strip('"'))

    def download(self, item: Object, path: Path) -> None:
        """Streams the body to disk; S3 itself checks that it still is the listed version."""
        where = f"{self.url}/{item.key}"
        with self._errors(where), path.open("wb") as file:
            answer: dict[str, Any] = self._client.get_object(
                Bucket=self._name, Key=self._prefix + item.key, IfMatch=item.version
            )
            for chunk in answer["Body"].iter_chunks(CHUNK_BYTES):
                file.write(chunk)
        if path.stat().st_size != item.size:
            raise LoadError(f"{where}: {path.stat().st_size} of {item.size} bytes arrived")

    @contextmanager
    def _errors(self, where: str) -> Iterator[None]:
        """Says of an AWS error which object it was about."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (BotoCoreError, ClientError) as error:
            raise LoadError(f"{where}: {error}") from error


def open_bucket(url: str) -> Bucket:
    """Returns the bucket at a folder's path, `file://…` or `s3://bucket[/prefix]`.

    Raises ConfigurationError for any other scheme.
    """
    parts = urlsplit(url)
    if parts.scheme == "s3":
        if not parts.netloc:
            raise ConfigurationError(f"{url}: names no bucket; expected s3://bucket[/prefix]")
        return S3Bucket(parts.netloc, parts.path.strip("/"))
    if parts.scheme == "file":
        return FolderBucket(Path(unquote(url.removeprefix("file://"))))
    if "://" in url:
        raise ConfigurationError(
            f"{parts.scheme}: unknown kind of bucket; use a folder, file://… or s3://bucket[/prefix]"
        )
    return FolderBucket(Path(url).expanduser())


def source_bucket(source: str) -> Bucket:
    """Returns the bucket of one source, as the environment names it.

    `<SOURCE>_BUCKET_URL` is that source's own; below `BUCKET_URL` each source has a folder. With
    neither set it is the sample bucket of this machine.
    """
    own = os.environ.get(f"{source.upper()}_BUCKET_URL")
    if own:
        return open_bucket(own)
    shared = os.environ.get("BUCKET_URL")
    if not shared:
        from local.bucket import ensure_sample

        try:
            shared = str(ensure_sample())
        except ValueError as error:
            raise ConfigurationError(f"SCALE: {error}") from error
    return open_bucket(f"{shared.rstrip('/')}/{source}")
