"""Which feeds the files of a place make, and what each holds: one file, parts, or changes."""

import glob
import math
import os
import re
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from fnmatch import filter as matching
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg2
from psycopg2 import extensions

from common.errors import ConfigurationError, LoadError
from common.progress import Progress
from common.storage import Bucket, FolderBucket, Object, open_bucket
from common.warehouse import Warehouse
from extract.declaration import Feed
from extract.reader import CsvFile, raw_names
from extract.suggest import values
from extract.suggest.form import Form, guess_form
from extract.suggest.values import Column

# Of other names a folder holds texts for people, too: there a file of one column is no data.
_DATA = (".csv", ".tsv", ".txt", ".psv", ".tab", ".dat", ".data")
# More broken records than this share: the form was guessed wrongly.
_MOST_REJECTED = 0.2
# A newest file with this share of all keys is a complete export.
_COMPLETE = 0.9


@dataclass
class Table:
    """A feed, as guessed: its files, how they are declared (`kind`: file, parts, changes), columns.

    `rejected` of its records the loader would reject, at most `worst` (a share) of a file's.
    """

    name: str
    form: Form
    files: list[tuple[Object, Path]]
    kind: str = "file"
    patterns: list[str] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)
    key: tuple[Column, ...] = ()
    newest_by: Column | None = None
    marker: str = "NULL"
    rows: int = 0
    rejected: int = 0
    worst: float = 0.0

    @property
    def max_rejected(self) -> str:
        """What is to be declared for its broken records, in whole percents; nothing by default."""
        percent = math.ceil(self.worst * 100)
        return f"{percent}%" if percent > (0 if self.key else 1) else ""


def find_place(url: str) -> tuple[Bucket, str]:
    """Returns the bucket of a path or s3:// URL, and the key of its file if it names one.

    Raises ConfigurationError for what is neither, with what to do.
    """
    if url.startswith(("http://", "https://")):
        raise ConfigurationError(
            "loads read folders and s3://: download it (curl -O …), then suggest the file"
        )
    folder, _, last = url.rpartition("/")
    if url.startswith("s3://"):
        is_file = folder.count("/") > 1 and "." in last
        return open_bucket(folder if is_file else url), last if is_file else ""
    path = Path(url).expanduser().resolve()
    if not path.exists():
        raise ConfigurationError(f"{url}: there is no such file or folder")
    return FolderBucket(path if path.is_dir() else path.parent), "" if path.is_dir() else path.name


def find_tables(
    bucket: Bucket, only: str, source: str, warehouse: Warehouse, progress: Progress
) -> tuple[list[Table], list[str]]:
    """Returns the feeds that a bucket's files make, or one file alone, and what was left out.

    All values are judged, in temporary tables of the warehouse. Raises LoadError if there is no
    table among the files, or PostgreSQL fails.
    """
    objects = [each for each in bucket.objects() if only in ("", each.key)]
    objects = [each for each in objects if not Path(each.key).name.startswith(".")]
    if not objects:
        raise LoadError(f"{bucket.url}/{only}: there is no file")
    with TemporaryDirectory() as work, closing(warehouse.connect()) as connection:
        forms, left_out = [], []
        for number, item in enumerate(sorted(objects, key=lambda each: each.key)):
            path = Path(bucket.url, item.key)
            with progress.task(f"{item.key}: its form"):
                if not isinstance(bucket, FolderBucket):
                    path = Path(work, str(number))
                    bucket.download(item, path)
                try:
                    form = guess_form(path, item.key)
                except LoadError as error:
                    if only:
                        raise
                    left_out.append(str(error))
                    continue
            if len(form.columns) == 1 and not (only or item.key.lower().endswith(_DATA)):
                left_out.append(f"{item.key}: has one column, and is not called .csv")
                continue
            forms.append((item, path, form))
        tables = []
        with connection.cursor() as cursor:
            for table in _group(forms, source):
                try:
                    with progress.task(f"{table.name}: its values"):
                        _look_inside(cursor, table, [item.key for item in objects])
                    tables.append(table)
                except psycopg2.Error as error:
                    raise LoadError(f"PostgreSQL: {str(error).strip()}") from error
                except LoadError as error:
                    left_out.append(str(error))
    if not tables:
        raise LoadError(f"{bucket.url}: has no table: {'; '.join(left_out)}")
    return tables, left_out


def _group(forms: Sequence[tuple[Object, Path, Form]], source: str) -> list[Table]:
    """Puts files with the same columns, written alike, into one feed."""
    groups: dict[object, Table] = {}
    for item, path, form in forms:
        has_names = form.columns[0] != "column_1"
        alike = form.format.model_copy(update={"comment": ""})
        found = (alike, *sorted(form.columns), "" if has_names else _name([item.key], source))
        table = groups.setdefault(found, Table("", form, []))
        table.files.append((item, path))
        if form.format.comment and not table.form.format.comment:
            table.form.format, table.form.seen = form.format, form.seen
    for table in groups.values():
        name = _name([item.key for item, _ in table.files], source)
        taken = {other.name for other in groups.values()}
        table.name = next(
            each
            for each in (name, *(f"{name[:37]}_{n}" for n in range(2, 1000)))
            if each not in taken
        )
    return list(groups.values())


def _name(keys: Sequence[str], source: str) -> str:
    """Returns the name of a feed: what the names of its files share, without dates and numbers."""
    stems = [Path(key).stem if "." in Path(key).name else Path(key).name for key in keys]
    # Of Sales.SalesOrderHeader the last word, but not of products.v2.
    words = _shared(stems).split(".")
    stem = next(
        (word for word in reversed(words) if len(re.sub(r"[\W\d_]", "", word)) > 2), words[0]
    )
    (name,) = raw_names(
        [re.sub(r"(?<![A-Za-z\d])\d+(?![A-Za-z\d])", " ", stem).strip(" _-.") or "_"]
    )
    name = re.sub(r"_+", "_", name).strip("_")
    return name[:40].rstrip("_") if len(name) > 1 and name[0].isalpha() else source


def _shared(texts: Sequence[str]) -> str:
    """Returns what all begin with, a letter at a time."""
    return os.path.commonprefix(texts)  # noqa: RUF071


def _look_inside(cursor: extensions.cursor, table: Table, all_keys: Sequence[str]) -> None:
    """Lands the records of a feed, and guesses types, key and kind by all of them."""
    form, macros = table.form, values.load_macros()
    feed = Feed(name=table.name, file=("*",), columns=tuple(form.columns), format=form.format)
    opened = [CsvFile.open(path, item.key, feed) for item, path in table.files]
    table.rows, table.rejected, table.worst, first = values.land(cursor, opened)
    if table.worst > _MOST_REJECTED:
        raise LoadError(
            f"{table.files[0][0].key}: {table.rejected:,} of {table.rows + table.rejected:,} "
            f"records are broken, the first: {first}; declare it by hand: docs/add-a-feed.md"
        )
    if table.rejected:
        form.doubts.append(f"{table.rejected:,} records are rejected, the first: {first}")
    names = raw_names(form.columns)
    table.columns = [values.profile(cursor, name, table.rows, macros) for name in names]
    table.marker = values.choose_marker(table.columns)
    for column in table.columns:
        values.explain(cursor, column, table.marker, macros)
    values.give_names(cursor, table.columns, table.name)
    _guess_kind(cursor, table, all_keys)


def _guess_kind(cursor: extensions.cursor, table: Table, all_keys: Sequence[str]) -> None:
    keys = [item.key for item, _ in table.files]
    table.patterns = [glob.escape(key) for key in keys]
    table.key = values.find_key(cursor, table.columns) if table.rows else ()
    doubts = table.form.doubts
    if table.key and table.rows < values.FEW:
        doubts.append(f"the key is unique in {table.rows:,} rows only, which may be chance")
    elif table.key and not any(column.is_id for column in table.key):
        doubts.append("the key is unique in all rows, but no name says that it is one")
    if len(keys) == 1:
        return
    prefix = re.sub(r"\d[\d_.-]*$", "", _shared(keys))
    suffix = _shared([key[::-1] for key in keys])[::-1]
    pattern = f"{glob.escape(prefix)}*{glob.escape(suffix)}"
    if set(matching(all_keys, pattern)) != set(keys):
        doubts.append(f"{len(keys)} files with the same columns are listed: {pattern} takes more")
        return
    table.patterns, table.kind = [pattern], "parts"
    in_each = () if table.key else values.find_key(cursor, table.columns, len(keys))
    if not in_each:
        why = "no key repeats in them" if table.key else "no key was found"
        doubts.append(f"{len(keys)} files with the same columns are parts of one table: {why}")
        return
    newest, _ = max(table.files, key=lambda each: (each[0].modified_at, each[0].key))
    share = values.share_of_keys(cursor, in_each, keys.index(newest.key))
    table.newest_by = next((each for each in table.columns if each.says_what_is_newest), None)
    if share >= _COMPLETE:
        table.kind, table.key = "file", in_each
        doubts.append(
            f"{len(keys)} files are complete exports, the newest counts: {newest.key} has "
            f"{share:.0%} of all keys"
        )
    elif table.newest_by:
        table.kind, table.key = "changes", in_each
        doubts.append(
            f"{len(keys)} files are new and changed rows: keys repeat in them, and "
            f"{table.newest_by.raw} tells which row is newest"
        )
    else:
        doubts.append(f"{len(keys)} files are parts of one table, though keys repeat in them")
