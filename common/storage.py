"""One interface to objects in a folder, or in S3 through boto3."""

import hashlib
import os
import random
import re
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from mimetypes import guess_type
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from common.errors import ConfigurationError, LoadError

CHUNK_BYTES = 1 << 20
# How often one object is read, and how long to wait in between: 0.5, 1, 2, 4 s and up to half more.
READ_ATTEMPTS = 5
BACKOFF_SECONDS = 0.5
# How long S3 may be silent. boto3 itself retries requests that fail or are throttled.
CONNECT_TIMEOUT = 10
READ_TIMEOUT = 30
# An upload that was interrupted goes on with the part that is missing: of so many bytes, or as many
# as S3's limit of parts makes necessary. As many are sent, and in memory, at once.
PART_BYTES = 16 << 20
MAX_PARTS = 10_000
PARTS_AT_ONCE = 4
# What S3 copies in one request.
COPY_LIMIT = 5 << 30
# Where a folder keeps what is being written. What nobody wrote to for so long was left by a process
# that died.
UNFINISHED = ".unfinished"
UNFINISHED_SECONDS = 3600


@dataclass(frozen=True)
class Object:
    """One object: its key below the bucket's root, and what tells this version from another.

    `version` is S3's ETag; of a local file, its modification time and inode.
    """

    key: str
    size: int
    version: str
    # S3 tells it to the second, or more exactly, depending on how it is asked.
    modified_at: datetime = field(compare=False)


class Origin(Protocol):
    """Where a source's files come from. `url` names it in messages."""

    url: str

    def objects(self) -> Iterator[Object]:
        """Lists every object; raises LoadError if the bucket cannot be read."""

    def download(self, item: Object, path: Path) -> Object:
        """Writes the object's bytes to `path`, in chunks, and returns the version that they are.

        Reads again if the object changes meanwhile, or does not arrive whole. Raises LoadError if
        that does not help, or if it is gone.
        """


class Bucket(Origin, Protocol):
    """Where files lie, to be read and written."""

    def exists(self) -> bool:
        """Returns False for a folder that is not there; S3 tells when it is asked for objects."""

    def put(self, key: str, content: bytes | Path, sha256: str = "") -> Object:
        """Writes bytes, or a local file's, under `key`, in place of what is there, and returns it.

        Others see the object before or the whole new one. `sha256` of it, if known, is kept with
        it. Raises LoadError if it cannot be written.
        """

    def put_new(self, key: str, content: bytes) -> None:
        """Writes bytes under `key`, where nothing may be: of several at once one succeeds.

        Raises LoadError if there is something, or if it cannot be written.
        """

    def sha256(self, item: Object) -> str:
        """Returns the digest of the object's bytes; nothing if S3 was not told, or it is gone."""

    def move(self, item: Object, new_key: str) -> Object:
        """Gives the object another key and returns it; what is already there is not overwritten.

        Raises LoadError, with the object where it was, if `new_key` is taken, or if the object is
        gone or no longer the version that `item` says. Killed in the middle, S3 holds both copies,
        and moving it again removes the first.
        """

    def delete(self, key: str) -> None:
        """Removes the object; that it is gone already is no error."""


# Of a file that was to be moved.
_CHANGED = "changed since it was read: run this again"


def _failed(path: Path, what: str, error: OSError) -> LoadError:
    advice = "see that it is there, who may use it, and that the disk has room"
    return LoadError(f"{path}: cannot be {what}: {error.strerror}; {advice}")


def _taken(where: str) -> LoadError:
    return LoadError(f"{where}: somebody else has written it just now: run this again")


class _ReadAgainError(Exception):
    """What was read is not the object, or not all of it."""


def _read(attempt: Callable[[], Object], where: str) -> Object:
    """Returns what `attempt` does, which may fail some times, with longer and longer waits."""
    for number in range(READ_ATTEMPTS):
        try:
            return attempt()
        except _ReadAgainError as error:
            if number == READ_ATTEMPTS - 1:
                raise LoadError(
                    f"{where}: could not be read whole in {READ_ATTEMPTS} attempts: {error}; try "
                    "again when nobody writes to it"
                ) from error
        time.sleep(BACKOFF_SECONDS * 2**number * random.uniform(1, 1.5))  # noqa: S311
    raise AssertionError("unreachable")


class FolderBucket:
    """A bucket that is a local folder."""

    def __init__(self, root: Path) -> None:
        self.url = str(root)
        self._root = root

    def exists(self) -> bool:
        """Returns whether there is such a folder."""
        return self._root.is_dir()

    def objects(self) -> Iterator[Object]:
        """Lists the files below the folder."""
        if not self._root.is_dir():
            raise LoadError(f"{self.url}: there is no such folder: make it, or name another")
        for folder, folders, names in os.walk(self._root):
            if UNFINISHED in folders:
                folders.remove(UNFINISHED)
            for name in names:
                path = Path(folder, name)
                try:
                    found = _describe(path, path.relative_to(self._root).as_posix())
                except FileNotFoundError:
                    # Whoever puts files there has renamed or removed it meanwhile.
                    continue
                except OSError as error:
                    raise _failed(path, "read", error) from error
                yield found

    def download(self, item: Object, path: Path) -> Object:
        """Copies the file: what is loaded is then one version, whoever writes to the folder."""
        origin = self._root / item.key

        def attempt() -> Object:
            try:
                before = _describe(origin, item.key)
                shutil.copyfile(origin, path)
                after = _describe(origin, item.key)
            except OSError as error:
                raise _failed(origin, "read", error) from error
            if after != before or path.stat().st_size != after.size:
                raise _ReadAgainError("it is being written to")
            return after

        return _read(attempt, str(origin))

    def put(self, key: str, content: bytes | Path, sha256: str = "") -> Object:  # noqa: ARG002
        """Writes to a file aside and renames it, once it is on the disk."""
        return self._put(key, content, Path.replace)

    def put_new(self, key: str, content: bytes) -> None:
        """Links the file that was written aside: a link, unlike a rename, replaces nothing."""

        def link(aside: Path, target: Path) -> None:
            try:
                target.hardlink_to(aside)
            except FileExistsError as error:
                raise _taken(str(target)) from error
            finally:
                aside.unlink()

        self._put(key, content, link)

    def _put(self, key: str, content: bytes | Path, move: Callable[[Path, Path], object]) -> Object:
        target = self._root / key
        aside = self._root / UNFINISHED / uuid4().hex
        try:
            aside.parent.mkdir(parents=True, exist_ok=True)
            _remove_abandoned(aside.parent)
            with aside.open("wb") as file:
                if isinstance(content, Path):
                    with content.open("rb") as origin:
                        shutil.copyfileobj(origin, file, CHUNK_BYTES)
                else:
                    file.write(content)
                file.flush()
                os.fsync(file.fileno())
            found = _describe(aside, key)
            target.parent.mkdir(parents=True, exist_ok=True)
            move(aside, target)
        except OSError as error:
            with suppress(OSError):
                aside.unlink()
            raise _failed(target, "written", error) from error
        return found

    def sha256(self, item: Object) -> str:
        """Reads the file."""
        path = self._root / item.key
        try:
            with path.open("rb") as content:
                return hashlib.file_digest(content, "sha256").hexdigest()
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise _failed(path, "read", error) from error

    def move(self, item: Object, new_key: str) -> Object:
        """Renames the file."""
        origin, target = self._root / item.key, self._root / new_key
        try:
            if _describe(origin, item.key) != item:
                raise LoadError(f"{origin}: cannot be moved: it {_CHANGED}")
            if target.exists():
                raise LoadError(
                    f"{origin}: cannot be moved: there already is a {target}: move that away"
                )
            target.parent.mkdir(parents=True, exist_ok=True)
            origin.rename(target)
        except OSError as error:
            raise _failed(origin, "moved", error) from error
        return replace(item, key=new_key)

    def delete(self, key: str) -> None:
        """Removes the file, and the folders that it leaves empty: S3 has no such thing either."""
        path = self._root / key
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise _failed(path, "removed", error) from error
        with suppress(OSError):
            for folder in path.relative_to(self._root).parents[:-1]:
                (self._root / folder).rmdir()


def _remove_abandoned(folder: Path) -> None:
    """Removes what processes that died left unfinished."""
    for path in folder.iterdir():
        # Another process may finish, or remove, it just now.
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > UNFINISHED_SECONDS:
                path.unlink()


def _describe(path: Path, key: str) -> Object:
    status = path.stat()
    return Object(
        key,
        status.st_size,
        f"{status.st_mtime_ns}-{status.st_ino}",
        datetime.fromtimestamp(status.st_mtime, UTC),
    )


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
                connect_timeout=CONNECT_TIMEOUT,
                read_timeout=READ_TIMEOUT,
            ),
        )

    def exists(self) -> bool:
        """Returns True: a prefix is there as soon as it is named."""
        return True

    def objects(self) -> Iterator[Object]:
        """Lists the objects below the prefix, page by page."""
        with self._errors(self.url):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._name, Prefix=self._prefix
            )
            for page in pages:
                for item in page.get("Contents", []):
                    key = item["Key"].removeprefix(self._prefix)
                    if not key or key.endswith("/"):
                        # What consoles make so that a prefix shows as a folder.
                        continue
                    etag = item["ETag"].strip('"')
                    yield Object(key, item["Size"], etag, item["LastModified"])

    def download(self, item: Object, path: Path) -> Object:
        """Streams the body to disk; S3 itself checks that it still is the same version."""
        from botocore.exceptions import (
            ClientError,
            FlexibleChecksumError,
            HTTPClientError,
            IncompleteReadError,
        )

        where = f"{self.url}/{item.key}"
        key = self._prefix + item.key

        def attempt() -> Object:
            with self._errors(where):
                head = self._client.head_object(Bucket=self._name, Key=key)
                try:
                    answer: dict[str, Any] = self._client.get_object(
                        Bucket=self._name, Key=key, IfMatch=head["ETag"]
                    )
                    md5 = hashlib.md5(usedforsecurity=False)
                    with path.open("wb") as file:
                        for chunk in answer["Body"].iter_chunks(CHUNK_BYTES):
                            file.write(chunk)
                            md5.update(chunk)
                except ClientError as error:
                    if _status(error) == 412:
                        raise _ReadAgainError("it changed while it was read") from error
                    raise
                # A connection that broke or fell silent in the middle of the body, or a body that
                # is not what S3 says it is.
                except (HTTPClientError, IncompleteReadError, FlexibleChecksumError) as error:
                    raise _ReadAgainError(str(error)) from error
            found = Object(
                item.key, head["ContentLength"], head["ETag"].strip('"'), head["LastModified"]
            )
            arrived = path.stat().st_size
            if arrived != found.size:
                raise _ReadAgainError(f"{arrived} of {found.size} bytes arrived")
            if _is_md5(found.version, answer) and md5.hexdigest() != found.version:
                raise _ReadAgainError("its bytes are not those of its ETag")
            return found

        return _read(attempt, where)

    def put(self, key: str, content: bytes | Path, sha256: str = "") -> Object:
        """Uploads it; large files in parts, which S3 shows when the last one is there.

        The parts of a file with a known digest that an interrupted upload brought are kept.
        """
        metadata = {"sha256": sha256} if sha256 else {}
        options: dict[str, Any] = {"Metadata": metadata}
        # A browser shows a page that is called one, and downloads everything else.
        kind, encoding = guess_type(key)
        if kind and not encoding:
            options["ContentType"] = kind
        name, whole_key = self._name, self._prefix + key
        with self._errors(f"{self.url}/{key}"):
            if not isinstance(content, Path):
                self._client.put_object(Bucket=name, Key=whole_key, Body=content, **options)
            elif sha256 and content.stat().st_size > PART_BYTES:
                self._put_missing_parts(whole_key, content, metadata)
            else:
                self._client.upload_file(str(content), name, whole_key, options)
            return self._head(key)

    def put_new(self, key: str, content: bytes) -> None:
        """Uploads it; S3 itself checks that nothing is there."""
        from botocore.exceptions import ClientError

        where = f"{self.url}/{key}"
        with self._errors(where):
            try:
                self._client.put_object(
                    Bucket=self._name, Key=self._prefix + key, Body=content, IfNoneMatch="*"
                )
            except ClientError as error:
                # 409: somebody else writes it at this moment.
                if _status(error) in (409, 412):
                    raise _taken(where) from error
                raise

    def _put_missing_parts(self, key: str, path: Path, metadata: dict[str, str]) -> None:
        where = {"Bucket": self._name, "Key": key}
        size = path.stat().st_size
        part_bytes = max(PART_BYTES, -(-size // MAX_PARTS))
        begun = self._client.list_multipart_uploads(Bucket=self._name, Prefix=key)
        ids = [each["UploadId"] for each in begun.get("Uploads", []) if each["Key"] == key]
        if not ids:
            ids = [self._client.create_multipart_upload(**where, Metadata=metadata)["UploadId"]]
        where["UploadId"] = ids[-1]
        pages = self._client.get_paginator("list_parts").paginate(**where)
        there = {
            part["PartNumber"]: part["ETag"] for page in pages for part in page.get("Parts", [])
        }

        def put_part(number: int) -> dict[str, Any]:
            with path.open("rb") as file:
                file.seek((number - 1) * part_bytes)
                content = file.read(part_bytes)
            etag = f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'
            if there.get(number) != etag:
                etag = self._client.upload_part(**where, PartNumber=number, Body=content)["ETag"]
            return {"PartNumber": number, "ETag": etag}

        with ThreadPoolExecutor(PARTS_AT_ONCE) as pool:
            parts = list(pool.map(put_part, range(1, -(-size // part_bytes) + 1)))
        self._client.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
        # The upload was begun with an older version of the file: its digest is not this one's.
        if self._client.head_object(Bucket=self._name, Key=key)["Metadata"] != metadata:
            self._client.upload_file(str(path), self._name, key, {"Metadata": metadata})

    def sha256(self, item: Object) -> str:
        """Returns what `put` was told."""
        with self._errors(f"{self.url}/{item.key}"):
            head = self._client.head_object(Bucket=self._name, Key=self._prefix + item.key)
            return str(head["Metadata"].get("sha256", ""))

    def move(self, item: Object, new_key: str) -> Object:
        """Copies the object within S3, then removes it; both only if it still is that version."""
        from botocore.exceptions import ClientError

        where = f"{self.url}/{item.key}"
        origin = {"Bucket": self._name, "Key": self._prefix + item.key}
        with self._errors(where):
            etag = f'"{item.version}"'
            try:
                there = self._head(new_key)
            except ClientError as error:
                if _status(error) != 404:
                    raise
                self._copy(origin, new_key, etag, where)
            else:
                if (there.size, there.version) != (item.size, item.version):
                    raise LoadError(
                        f"{where}: cannot be moved: there already is a {new_key}: move that away"
                    )
            try:
                self._client.delete_object(**origin, IfMatch=etag)
            except ClientError as error:
                # A new version has come: it stays, and the one that was meant is moved.
                if _status(error) not in (404, 412):
                    raise
            return self._head(new_key)

    def _copy(self, origin: dict[str, str], new_key: str, etag: str, where: str) -> None:
        from boto3.s3.transfer import TransferConfig
        from botocore.exceptions import ClientError

        # In parts if it was put so: then the copy's ETag is the same, and tells that it is one.
        threshold = 1 if "-" in etag else COPY_LIMIT
        try:
            self._client.copy(
                origin,
                self._name,
                self._prefix + new_key,
                {"CopySourceIfMatch": etag},
                Config=TransferConfig(multipart_threshold=threshold),
            )
        except ClientError as error:
            if _status(error) == 412:
                raise LoadError(f"{where}: cannot be moved: it {_CHANGED}") from error
            raise

    def delete(self, key: str) -> None:
        """Removes the object."""
        with self._errors(f"{self.url}/{key}"):
            self._client.delete_object(Bucket=self._name, Key=self._prefix + key)

    def _head(self, key: str) -> Object:
        head = self._client.head_object(Bucket=self._name, Key=self._prefix + key)
        return Object(key, head["ContentLength"], head["ETag"].strip('"'), head["LastModified"])

    @contextmanager
    def _errors(self, where: str) -> Iterator[None]:
        """Says of an AWS error which object it was about."""
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (Boto3Error, BotoCoreError, ClientError) as error:
            raise LoadError(
                f"{where}: {error}; see that it is there, and what AWS_* may do"
            ) from error


def _status(error: Any) -> int:
    """Returns the HTTP status of botocore's ClientError."""
    status: int = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return status


def _is_md5(etag: str, answer: dict[str, Any]) -> bool:
    """Whether S3 says that the ETag is the body's MD5: not of parts, not of an encrypted body."""
    encrypted = answer.get("ServerSideEncryption", "AES256") != "AES256"
    encrypted = encrypted or "SSECustomerAlgorithm" in answer
    return not encrypted and re.fullmatch("[0-9a-f]{32}", etag) is not None


def open_bucket(url: str) -> Bucket:
    """Returns the bucket at a folder's path, `file://…` or `s3://bucket[/prefix]`.

    Raises ConfigurationError, which says what to write, for anything else.
    """
    parts = urlsplit(url)
    if parts.scheme == "s3":
        if not parts.netloc:
            raise ConfigurationError(
                "s3:// without a bucket: write s3://bucket, or s3://bucket/prefix"
            )
        if "@" in parts.netloc:
            # Not repeated here: it may hold a key.
            raise ConfigurationError("s3://…@…: keys belong into AWS_*, not into the bucket's URL")
        return S3Bucket(parts.netloc, parts.path.strip("/"))
    if parts.scheme == "file":
        if not url.startswith("file:///"):
            raise ConfigurationError(
                f"{url}: a folder is on this machine, and its path is absolute: write "
                "file:///path/to/folder (three slashes, no host), or just /path/to/folder"
            )
        return FolderBucket(Path(unquote(url.removeprefix("file://"))))
    if "://" in url:
        raise ConfigurationError(
            f"{parts.scheme}: unknown kind of bucket; use a folder, file://… or s3://bucket[/prefix]"
        )
    return FolderBucket(Path(url).expanduser())


def source_url(source: str) -> str:
    """Returns where the files of one source are, as the environment names it.

    `<SOURCE>_BUCKET_URL` is that source's own; below `BUCKET_URL` each source has a folder. Raises
    ConfigurationError if neither is set.
    """
    own = os.environ.get(f"{source.upper()}_BUCKET_URL")
    if own:
        return own
    shared = os.environ.get("BUCKET_URL")
    if not shared:
        raise ConfigurationError(
            f"{source}: neither {source.upper()}_BUCKET_URL nor BUCKET_URL says where its files "
            "are: set one"
        )
    return f"{shared.rstrip('/')}/{source}"


def source_bucket(source: str) -> Bucket:
    """Returns the bucket of one source; raises ConfigurationError where none is named."""
    return open_bucket(source_url(source))


def iceberg_settings() -> dict[str, str]:
    """Returns what pyiceberg must be told of S3; it finds keys as every AWS client does."""
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    settings = {"s3.region": region, "s3.endpoint": endpoint}
    return {name: value for name, value in settings.items() if value}
