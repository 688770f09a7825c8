"""Fetches a file from a web address into a folder: loads read folders and S3 alone."""

from filecmp import cmp
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit
from urllib.request import urlopen

from common.errors import ConfigurationError, LoadError
from common.progress import Progress

# What is looked at is copied into the folder, and into PostgreSQL.
MOST_BYTES = 1 << 30
# Seconds without a byte.
PATIENCE = 60


def is_web(url: str) -> bool:
    """Returns whether it is the address of a file on the web."""
    return url.startswith(("http://", "https://"))


def fetch(url: str, folder: Path, progress: Progress) -> Path:
    """Copies the file at an address into a folder; returns its path.

    Raises ConfigurationError for an address without a file's name, or if another file of that name
    is there; LoadError if it cannot be read, or is larger than `MOST_BYTES`.
    """
    parts = urlsplit(url)
    name = PurePosixPath(unquote(parts.path)).name
    # A query may hold a key: it is not repeated.
    where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    instead = "download the file, and give its path"
    if "@" in parts.netloc or name in ("", ".."):
        raise ConfigurationError(
            f"{where}: expected http(s)://host/path/file.csv, without user or password: {instead}"
        )
    folder.mkdir(parents=True, exist_ok=True)
    path, aside = folder / name, folder / f".{name}.unfinished"
    try:
        with (
            progress.task(where),
            urlopen(url, timeout=PATIENCE) as answer,  # noqa: S310 - http(s) alone: `is_web`
            aside.open("wb") as file,
        ):
            while chunk := answer.read(1 << 20):
                file.write(chunk)
                if file.tell() > MOST_BYTES:
                    most = f"{MOST_BYTES:,} bytes, the most that is fetched"
                    raise LoadError(f"{where}: is larger than {most}: {instead}")
            if answer.length:
                raise LoadError(f"{where}: ended {answer.length:,} bytes too early: try again")
        if path.exists() and not cmp(path, aside, shallow=False):
            raise ConfigurationError(
                f"{path}: is there already, and another file than {where}: move it away, or give "
                "that path"
            )
        aside.replace(path)
    except (OSError, HTTPException) as error:
        raise LoadError(f"{where}: cannot be fetched: {error}; try again, or {instead}") from error
    finally:
        aside.unlink(missing_ok=True)
    return path
