"""Puts prepared files into a source's bucket: what differs, and nothing that no feed would take."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from common.errors import ConfigurationError, LoadError
from common.progress import Progress
from common.storage import Bucket, FolderBucket, Object, source_bucket
from extract.declaration import Source
from extract.files import match


@dataclass(frozen=True)
class UploadResult:
    """What became of a folder's files, by their keys; `left_out` are those that no feed takes."""

    url: str
    uploaded: tuple[Object, ...]
    unchanged: tuple[str, ...]
    left_out: tuple[str, ...]


def upload(source: Source, folder: Path, progress: Progress) -> UploadResult:
    """Uploads the folder's files that the source's bucket has not, or not with these bytes.

    Bytes are compared by their SHA-256. Each file appears whole or not at all, so an upload that
    was interrupted is gone on with by calling it again. Nothing is removed from the bucket. Raises
    ConfigurationError for a source without a bucket, or a folder of which no feed takes any file;
    LoadError if a file cannot be read or written.
    """
    if source.api:
        raise ConfigurationError(f"{source.name}: is an API: nothing can be uploaded, load it")
    origin = FolderBucket(folder)
    files = [item for item in origin.objects() if not Path(item.key).name.startswith(".")]
    wanted = _by_name(source, files)
    if not wanted:
        patterns = ", ".join(pattern for feed in source.feeds for pattern in feed.patterns)
        raise ConfigurationError(
            f"{folder}: has no file of {source.name}, whose feeds take {patterns} "
            "(extract/sources.yml): name another folder, or correct the entry"
        )
    bucket = source_bucket(source.name)
    there = _by_name(source, list(bucket.objects()) if bucket.exists() else [])
    uploaded, unchanged = [], []
    for name, item in sorted(wanted.items()):
        path = folder / item.key
        try:
            with path.open("rb") as content:
                sha256 = hashlib.file_digest(content, "sha256").hexdigest()
        except OSError as error:
            raise LoadError(
                f"{path}: cannot be read: {error.strerror}; see who may read it"
            ) from error
        if _is_there(bucket, there.get(name), item.size, sha256):
            unchanged.append(name)
            continue
        with progress.task(f"{bucket.url}/{name}"):
            uploaded.append(bucket.put(name, path, sha256))
    left_out = {item.key for item in files} - {item.key for item in wanted.values()}
    return UploadResult(bucket.url, tuple(uploaded), tuple(unchanged), tuple(sorted(left_out)))


def _by_name(source: Source, objects: list[Object]) -> dict[str, Object]:
    """Returns the objects that feeds take, by the names that they were dropped under."""
    return {
        file.name: file.item
        for feed in source.feeds
        for part in feed.patterns
        for file in match(source, objects, feed, part)
    }


def _is_there(bucket: Bucket, item: Object | None, size: int, sha256: str) -> bool:
    return item is not None and item.size == size and bucket.sha256(item) == sha256
