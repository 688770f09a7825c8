"""Which files a load looks at: the objects in a source's bucket that match a feed's patterns."""

import fnmatch
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from common.errors import LoadError
from common.storage import Object, Origin
from extract.declaration import Feed, Source
from extract.reader import CsvFile, Record, raw_names

# Where a file of a landing folder goes: once loaded, into a folder named by its load; or, if it
# cannot be loaded, to error/.
PROCESSED = "processed"
ERROR = "error"
# What staging casts to a timestamp: macros/cast_shape.sql.
_TIMESTAMP = re.compile(
    r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
    r"(?:[ T](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6}0*)?)?"
)
_PROCESSED = re.compile(rf"{PROCESSED}/(\d+)/")


class Former(NamedTuple):
    """What is loaded in the place of a file; `is_same` if these are its bytes, read alike."""

    name: str
    partition_id: int
    row_count: int
    rejected_count: int
    is_same: bool


@dataclass
class RawFile:
    """One file on its way from a bucket to its rows in raw; each stage fills in what it finds out.

    `part` is the pattern of the feed that it matches, `name` the object's key as it was dropped
    (without processed/<load>/). `load_id` is the load that brought what it holds. If a partition
    holds its bytes already, `partition_id` is that one; else its own, which bears its `file_id`.
    `rows` and `rejected` count records; `rows` is None if nothing changes in raw. `batch` are the
    records of a micro-batch. `first_rejected` are for messages, `error` is what keeps its load from
    being published.
    """

    feed: Feed
    part: str
    item: Object
    name: str
    file_id: int = 0
    load_id: int = 0
    partition_id: int = 0
    former: Former | None = None
    path: Path = Path()
    sha256: str = ""
    csv: CsvFile | None = None
    rows: int | None = None
    rejected: int = 0
    first_rejected: list[Record] = field(default_factory=list)
    replaces: str = ""
    batch: list[Record] | None = None
    is_complete: bool = True
    error: Exception | None = None

    @property
    def is_change(self) -> bool:
        """Whether it brings changed rows, and not (a part of) the whole table."""
        return self.part == self.feed.changes

    @property
    def is_known_by_name(self) -> bool:
        """Whether its next version is the file of the same name, not the part's next match."""
        return self.part in (self.feed.changes, self.feed.parts)

    @property
    def is_next_batch(self) -> bool:
        """Whether it goes on where an earlier micro-batch ended."""
        return self.batch is not None and self.former is not None

    @property
    def table(self) -> str:
        """The table that its records are copied to: its partition, to be, of the raw table."""
        return f"{self.feed.name}_{self.file_id}" + ("_next" if self.is_next_batch else "")

    @property
    def accepts(self) -> Path:
        """Where its records are written as CSV if COPY cannot take the file as it is."""
        return self.path.with_name(f"{self.table}.accepted")

    @property
    def rejects(self) -> Path:
        """Where its rejected records are kept, as CSV, until the ledger has them."""
        return self.path.with_name(f"{self.table}.rejected")

    @property
    def opened(self) -> CsvFile:
        """The file with its header read, which must have happened before."""
        if self.csv is None:
            raise AssertionError(f"{self.name}: its header was not read")
        return self.csv

    @property
    def facts(self) -> dict[str, Any]:
        """What the ledger notes of it, for SQL."""
        return {
            "file_id": self.file_id,
            "partition_id": self.partition_id,
            "feed": self.feed.name,
            "part": self.part,
            "by_name": self.is_known_by_name,
            "is_change": self.is_change,
            "file": self.name,
            "size": self.item.size,
            "version": self.item.version,
            "modified_at": self.item.modified_at,
            "sha256": self.sha256,
            "declaration": self.feed.digest,
        }

    def records(self) -> Iterator[Record]:
        """Yields its records, or those of its micro-batch; rejected ones too."""
        records = self.opened.records() if self.batch is None else iter(self.batch)
        return map(self._judge_change, records) if self.is_change else records

    def _judge_change(self, record: Record) -> Record:
        """Rejects a change row without key, or without a time to tell whether it is newer."""
        if record.reason:
            return record
        values = dict(zip(self.opened.columns, record.values, strict=True))
        reason = ""
        if not _TIMESTAMP.fullmatch(values[raw_names((self.feed.newest_by,))[0]].strip()):
            reason = f"{self.feed.newest_by} is no timestamp"
        if any(values[name].strip() in ("", "NULL") for name in raw_names(self.feed.key)):
            reason = f"no value in the key {', '.join(self.feed.key)}"
        return replace(record, reason=reason)


def find_files(source: Source, bucket: Origin) -> list[RawFile]:
    """Returns the files of a source, each feed's in the order of their age.

    Raises LoadError if one is missing; of a landing folder, if all are.
    """
    objects = sorted(bucket.objects(), key=lambda item: _age(source, item))
    found: list[RawFile] = []
    missing: list[str] = []
    for feed in source.feeds:
        for part in feed.patterns:
            matches = match(source, objects, feed, part)
            if part in feed.files:
                matches = matches[-1:]
            found += matches
            missing += [part] if part != feed.changes and not matches else []
    if missing and not (source.drops and found):
        raise LoadError(
            f"{source.name}: {', '.join(missing)} not found in {bucket.url} (declared in "
            "extract/sources.yml): put it there, or correct the entry"
        )
    return found


def match(source: Source, objects: Iterable[Object], feed: Feed, part: str) -> list[RawFile]:
    """Returns the objects that match a pattern of a feed; of several by one name, the last."""
    files: dict[str, RawFile] = {}
    for item in objects:
        if source.drops and item.key.startswith(f"{ERROR}/"):
            continue
        name = _PROCESSED.sub("", item.key) if source.drops else item.key
        if fnmatch.fnmatchcase(name, part):
            files.pop(name, None)
            files[name] = RawFile(feed, part, item, name)
    return list(files.values())


def _age(source: Source, item: Object) -> tuple[int, datetime, str]:
    """Sorts by time; processed files come first, in the order of their loads."""
    processed = _PROCESSED.match(item.key) if source.drops else None
    return (int(processed[1]) if processed else sys.maxsize, item.modified_at, item.key)
