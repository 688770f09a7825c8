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
from common.warehouse import Warehouse, postgres_failed
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
    def keys(self) -> list[str]:
        """The keys of its files in the bucket."""
        return [item.key for item, _ in self.files]

    @property
    def max_rejected(self) -> str:
        """What is to be declared for its broken records, in whole percents; nothing by default."""
        percent = math.ceil(self.worst * 100)
        return f"{percent}%" if percent > (0 if self.key else 1) else ""


def find_place(url: str) -> tuple[Bucket, str]:
    """Returns the bucket of a path or s3:// URL, and the key of its file if it names one.

    Raises ConfigurationError for a path that is not there.
    """
    folder, _, last = url.rpartition("/")
    if url.startswith("s3://"):
        is_file = folder.count("/") > 1 and "." in last
        return open_bucket(folder if is_file else url), last if is_file else ""
    path = Path(url).expanduser().resolve()
    if not path.exists():
        raise ConfigurationError(f"{url}: there is no such file or folder: correct the path")
    return FolderBucket(path if path.is_dir() else path.parent), "" if path.is_dir() else path.name


def find_tables(
    bucket: Bucket, only: str, source: str, warehouse: Warehouse, progress: Progress
) -> tuple[list[Table], list[str]]:
    """Returns the feeds that a bucket's files make, or one file alone, and what was left out.

    All values are judged, in temporary tables of the warehouse. Raises LoadError if there is no
    table among the files, or PostgreSQL fails.
    """
    objects = sorted(
        (
            item
            for item in bucket.objects()
            if only in ("", item.key) and not Path(item.key).name.startswith(".")
        ),
        key=lambda item: item.key,
    )
    tables, left_out = [], []
    with TemporaryDirectory() as work, closing(warehouse.connect()) as connection:
        forms = []
        for number, item in enumerate(objects):
            path = Path(bucket.url, item.key)
            try:
                with progress.task(f"{item.key}: its form"):
                    if not isinstance(bucket, FolderBucket):
                        path = Path(work, str(number))
                        bucket.download(item, path)
                    form = guess_form(path, item.key)
                if len(form.columns) == 1 and not only and not item.key.lower().endswith(_DATA):
                    raise LoadError(f"{item.key}: has one column, and is not called .csv")
                forms.append((item, path, form))
            except LoadError as error:
                left_out.append(str(error))
        for table in _group(forms, source):
            try:
                with progress.task(f"{table.name}: its values"), connection.cursor() as cursor:
                    _look_inside(cursor, table, [item.key for item in objects])
                tables.append(table)
            except psycopg2.Error as error:
                raise LoadError(postgres_failed(error)) from error
            except LoadError as error:
                left_out.append(str(error))
    if not tables:
        why = "; ".join(left_out) or "there is no file: name another place"
        raise LoadError(f"{bucket.url}: has no table: {why}")
    return tables, left_out


def _group(forms: Sequence[tuple[Object, Path, Form]], source: str) -> list[Table]:
    """Puts files with the same columns, written alike, into one feed."""
    groups: dict[object, Table] = {}
    for item, path, form in forms:
        alike = form.format.model_copy(update={"comment": ""})
        named = "" if form.columns[0] != "column_1" else _name([item.key], source)
        table = groups.setdefault((alike, *sorted(form.columns), named), Table("", form, []))
        table.files.append((item, path))
        if form.format.comment and not table.form.format.comment:
            table.form.format, table.form.seen = form.format, form.seen
    taken: set[str] = set()
    for table in groups.values():
        name = _name(table.keys, source)
        others = (f"{name[:37]}_{number}" for number in range(2, 1000))
        table.name = next(each for each in (name, *others) if each not in taken)
        taken.add(table.name)
    return list(groups.values())


def _name(keys: Sequence[str], source: str) -> str:
    """Returns the name of a feed: what the names of its files share, without dates and numbers."""
    # Of Sales.SalesOrderHeader the last word, but not of products.v2.
    words = os.path.commonprefix([Path(key).stem for key in keys]).split(".")  # noqa: RUF071
    spoken = [word for word in words if len(re.sub(r"[\W\d_]", "", word)) > 2]
    stem = re.sub(r"(?<![A-Za-z\d])\d+(?![A-Za-z\d])", " ", (spoken or words[:1])[-1])
    (name,) = raw_names([stem.strip(" _-.") or "_"])
    name = re.sub(r"_+", "_", name).strip("_")
    return name[:40].rstrip("_") if len(name) > 1 and name[0].isalpha() else source


def _look_inside(cursor: extensions.cursor, table: Table, all_keys: Sequence[str]) -> None:
    """Lands the records of a feed, and guesses types, key and kind by all of them."""
    form, macros = table.form, values.load_macros()
    feed = Feed(name=table.name, file=("*",), columns=tuple(form.columns), format=form.format)
    opened = [CsvFile.open(path, item.key, feed) for item, path in table.files]
    counts, first = values.land(cursor, opened)
    table.rows, table.rejected = map(sum, zip(*counts, strict=True))
    table.worst = max(rejected / max(1, rows + rejected) for rows, rejected in counts)
    if table.worst > _MOST_REJECTED:
        raise LoadError(
            f"{table.keys[0]}: {table.rejected:,} of {table.rows + table.rejected:,} records are "
            f"broken, the first: {first}; declare it by hand: docs/add-a-feed.md"
        )
    if table.rejected:
        form.doubts.append(f"{table.rejected:,} records are rejected, the first: {first}")
    names = raw_names(form.columns)
    table.columns = [values.profile(cursor, name, table.rows, macros) for name in names]
    table.marker = values.choose_marker(table.columns)
    for column in table.columns:
        values.judge(column, table.marker)
    values.give_names(cursor, table.columns, table.name)
    table.key = values.find_key(cursor, table.columns) if table.rows else ()
    if table.key and table.rows < values.FEW:
        form.doubts.append(f"the key is unique in {table.rows:,} rows only, which may be chance")
    elif table.key and not any(column.is_id for column in table.key):
        form.doubts.append("the key is unique in all rows, but no name says that it is one")
    table.patterns = [glob.escape(key) for key in table.keys]
    if len(table.files) > 1:
        form.doubts.append(f"{len(table.files)} files {_guess_kind(cursor, table, all_keys)}")


def _guess_kind(cursor: extensions.cursor, table: Table, all_keys: Sequence[str]) -> str:
    """Guesses what several files with the same columns are to each other; returns it in words."""
    keys = table.keys
    prefix = re.sub(r"\d[\d_.-]*$", "", os.path.commonprefix(keys))  # noqa: RUF071
    suffix = os.path.commonprefix([key[::-1] for key in keys])[::-1]  # noqa: RUF071
    pattern = f"{glob.escape(prefix)}*{glob.escape(suffix)}"
    if set(matching(all_keys, pattern)) != set(keys):
        return f"with the same columns are listed: {pattern} takes more"
    table.patterns, table.kind = [pattern], "parts"
    if table.key:
        return "with the same columns are parts of one table: no key repeats in them"
    in_each = values.find_key(cursor, table.columns, len(keys))
    if not in_each:
        return "with the same columns are parts of one table: no key was found"
    newest, _ = max(table.files, key=lambda each: (each[0].modified_at, each[0].key))
    share = values.share_of_keys(cursor, in_each, keys.index(newest.key))
    if share >= _COMPLETE:
        table.kind, table.key = "file", in_each
        return f"are complete exports, the newest counts: {newest.key} has {share:.0%} of all keys"
    table.newest_by = next((each for each in table.columns if each.says_what_is_newest), None)
    if table.newest_by is None:
        return "are parts of one table, though keys repeat in them"
    table.kind, table.key = "changes", in_each
    return (
        f"are new and changed rows: keys repeat in them, and {table.newest_by.raw} tells which row "
        "is newest"
    )
