"""A table's place in the lake; that of a table which is one object."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow.parquet
from pyiceberg.io import load_file_io

from common.errors import LoadError
from common.storage import Bucket, FolderBucket, Object, iceberg_settings
from lake.declaration import Table
from lake.files import File, arrow_schema, make_files
from lake.snapshot import Dump

# At once; each waits for the network most of the time.
UPLOADS = 8
HINT = "metadata/version-hint.text"
METADATA = re.compile(r"metadata/v(\d+)\.metadata\.json")
# What a publish may have written below a table's folder, and removes when no version shows it.
OURS = re.compile(r"metadata/[^/]+\.(text|json|avro)|data/.+\.parquet|[^/]+\.parquet")


@dataclass(frozen=True)
class TableResult:
    """What became of one table.

    `rows` is None if it was not published: the warehouse does not have it, or it `is_withheld`
    because the role reader may not read it. `removed` are files that the table does not show any
    more; of a withheld one, all that it had.
    """

    table: Table
    rows: int | None
    files: int = 0
    written: int = 0
    removed: int = 0
    is_withheld: bool = False


@dataclass(frozen=True)
class Published:
    """What the lake says of a table."""

    table: Table
    rows: int
    files: int
    size: int
    published_at: datetime


class Place(ABC):
    """Where one table is in the lake: below a folder of its layer's bucket."""

    def __init__(self, table: Table, bucket: Bucket, there: Mapping[str, Object]) -> None:
        """Takes what is there, by its key below the table's folder."""
        self.table = table
        self._bucket = bucket
        self._there = dict(there)
        # Not as_uri: Iceberg's readers take %20 for what it is.
        scheme = "file://" if isinstance(bucket, FolderBucket) else ""
        self.url = f"{scheme}{bucket.url}/{table.name}"
        self._io = load_file_io(iceberg_settings(), self.url)

    def has(self, key: str) -> bool:
        """Whether there is an object of that key."""
        return key in self._there

    @abstractmethod
    def prepare(self, dump: Dump, folder: Path) -> None:
        """Makes the table's files in `folder`; writes nothing to the lake."""

    @abstractmethod
    def publish(self) -> TableResult:
        """Makes what was prepared the table that readers see."""

    @abstractmethod
    def tidy(self) -> None:
        """Removes what publishes have written and no version shows any more."""

    @abstractmethod
    def published(self) -> Published | None:
        """Returns what the lake says of the table; None if it does not have it."""

    def withdraw(self) -> TableResult:
        """Removes the table, history and all, if it is there."""
        self._remove(self._there)
        return TableResult(self.table, None, removed=len(self._there), is_withheld=True)

    def _remove(self, keys: Iterable[str]) -> None:
        """Removes objects: first what names others, so that nobody sees half of a table."""
        names = [key for key in keys if key == HINT or METADATA.fullmatch(key)]
        for key in sorted(names, reverse=True):
            self._bucket.delete(f"{self.table.name}/{key}")
        others = set(keys) - set(names)
        with ThreadPoolExecutor(UPLOADS) as pool:
            list(pool.map(lambda key: self._bucket.delete(f"{self.table.name}/{key}"), others))


class OneFile(Place):
    """A table that is one object, which is replaced as a whole."""

    _file: File

    @property
    def _key(self) -> str:
        return f"{self.table.name}.parquet"

    def prepare(self, dump: Dump, folder: Path) -> None:
        """Makes the file, of a table without rows, too."""
        (self._file,) = make_files(dump, arrow_schema(dump), folder)

    def publish(self) -> TableResult:
        """Writes the file if the lake has another, or none."""
        file, there = self._file, self._there.get(self._key)
        is_new = (
            there is None
            or there.size != file.path.stat().st_size
            or self._bucket.sha256(there) != file.sha256
        )
        if is_new:
            self._bucket.put(f"{self.table.name}/{self._key}", file.path, file.sha256)
        return TableResult(self.table, file.rows, 1, int(is_new))

    def tidy(self) -> None:
        """Removes the Iceberg table that it was before."""
        self._remove([key for key in self._there if OURS.fullmatch(key) and key != self._key])

    def published(self) -> Published | None:
        """Asks the file itself for its rows."""
        there = self._there.get(self._key)
        if there is None:
            return None
        url = f"{self.url}/{self._key}"
        try:
            with self._io.new_input(url).open() as content:
                rows = pyarrow.parquet.read_metadata(content).num_rows
        except (OSError, ValueError) as error:
            raise LoadError(f"{url}: cannot be read: {error}; publish it again") from error
        return Published(self.table, rows, 1, there.size, there.modified_at)
