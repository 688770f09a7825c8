"""What the columns of a feed hold: PostgreSQL judges all values, by the macros that will cast them.

The records go into a temporary table, through the loader's own reader. There the macros of the dbt
project say which values would cast, so what is guessed here is what staging will make of it.
"""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import prod
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import jinja2
from psycopg2 import extensions
from psycopg2.sql import SQL, Identifier, Literal

from extract.reader import CsvFile

MACROS = Path(__file__).resolve().parents[2] / "macros"
# What files write where a value is missing; clean_text takes one of them.
MARKERS = (
    *("NULL", "null", "Null", "(null)", "\\N", "N/A", "n/a", "#N/A", "NA", "na", "NaN", "nan"),
    *("None", "none", "?", "-", "--", "."),
)
# Short words that are values as often as not: alone in a text column they count for nothing.
_DOUBTFUL = {"NA", "na", "None", "none", "-", "--", "."}
# The share of values that may be misfits: they become NULL and are listed, as rejected values.
TOLERANCE = 0.01
# In fewer rows many a column has no value twice, by chance.
FEW = 100
# The widest decimal that the lake's parquet has.
_WIDEST = "numeric(38,18)"
_TYPES = ("integer", "bigint", "numeric", "date", "timestamp", "boolean")
_TEXT_BY_NAME = re.compile(r"(^|_)(phone|fax|zip|zip_?code|postal(_?code)?|postcode|plz|iban)(_|$)")
_FLAG_BY_NAME = re.compile(r"^(is|has)_|_flag$")
_DAY_BY_NAME = re.compile(r"(date|day|_on|data|datum|fecha)$")
_NEWEST_BY_NAME = re.compile(r"modif|updat|chang|timestamp")
_ID_BY_NAME = re.compile(r"(^|_)(id|key|code|nr|number|uuid|guid|sku|isbn)$")
# What else is asked of each value, to tell what speaks against a type.
_SIGNS = {
    "begin with 0": "value ~ '^[+-]?0[0-9]'",
    "have a decimal comma": "value ~ '^[+-]?[0-9]*,[0-9]+$'",
    "may have a comma for thousands": "value ~ '^[+-]?[1-9][0-9]{0,2}(,[0-9]{3})+$'",
    "have a time, 00:00:00": "value ~ '[ T]00:00:00([.]0*)?$'",
    "have a time of day": "value ~ ':' and value !~ '[ T]00:00:00([.]0*)?$'",
    "are dates written in another way": "value ~ '^[0-9]{1,4}[/.-][0-9]{1,2}[/.-][0-9]{1,4}'",
    "are times with a zone": "value ~ '^[0-9]{4}-[0-9-]{5}[ T].*(Z|[+-][0-9]{2}:?[0-9]{2})$'",
    "may be days, as yyyymmdd": "value ~ '^(19|20)[0-9]{2}(0[1-9]|1[0-2])[0-3][0-9]$'",
    "have an exponent": "value ~ '^[+-]?[0-9.]+[eE][+-]?[0-9]+$'",
    "have a sign of money or %": "value ~ '^[$€£]|[$€£%]$'",
}
_TOLD_OF_TYPES = ("have a decimal comma", "have a time, 00:00:00", "may be days, as yyyymmdd")
_TOLD_OF_TEXT = tuple(_SIGNS)[5:]

# More words that sqlfluff takes for keywords, and some that it is told to let pass.
_OTHER_WORDS = re.findall(
    r"\w+",
    """account accounts change connect cost datetime days destroy disk exit extended field fields
    file files hash host hosts kill lines list locale login logs long main manage model modify
    monitor online operation owner ownership parameters plain print process processes provider
    public raw region repeat resource restricted roles rowid save settings share shares source stage
    stages status stop stream successful summary task tasks top transactions transient usage use
    users variable variables warehouse week weekday""",
)
_FREE_WORDS = {"comment", "month", "name", "quarter", "rank", "year"}


@dataclass(eq=False)
class Column:
    """A column: its name in raw and in staging, its type, and what was seen for and against that.

    `sql` is its raw name where SQL is written. `filled` of `rows` values are neither empty nor a
    null marker, `distinct` of them differ; `counts` are those of each type and sign, `misfits` has
    one that is not of a type.
    """

    raw: str
    rows: int
    filled: int
    distinct: int
    counts: dict[str, int]
    markers: dict[str, int]
    misfits: dict[str, str]
    type: str = "text"
    name: str = ""
    sql: str = ""
    against: list[str] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """The type, without precision and scale."""
        return self.type.partition("(")[0]

    @property
    def cast(self) -> int:
        """How many values are of the type."""
        return self.counts.get(self.kind, self.filled)

    @property
    def is_complete(self) -> bool:
        """Whether every row has a value."""
        return self.cast == self.rows > 0

    @property
    def says_what_is_newest(self) -> bool:
        """Whether it is a time, by type and name, at which its row was changed."""
        return _NEWEST_BY_NAME.search(self.raw) is not None and self.counts["timestamp"] > 0

    @property
    def is_id(self) -> bool:
        """Whether the name says that the column identifies something."""
        return _ID_BY_NAME.search(self.raw) is not None


def load_macros() -> Any:
    """Returns the project's macros for casting, as functions that return SQL."""
    names = ("can_cast_to", "cast_shape")
    text = "\n".join((MACROS / f"{name}.sql").read_text(encoding="utf-8") for name in names)
    # What dbt would offer them.
    offered: dict[str, Any] = {"adapter": {}, "modules": {"re": re}}
    template = jinja2.Environment(extensions=["jinja2.ext.do"]).from_string(text, offered)  # noqa: S701
    offered["adapter"]["dispatch"] = lambda name: getattr(template.module, f"postgres__{name}")
    template.globals.update(offered)
    return template.module


def land(cursor: extensions.cursor, files: Sequence[CsvFile]) -> tuple[list[tuple[int, int]], str]:
    """Copies the records of files with the same columns into a temporary table, `landed`.

    Returns of each how many there are and how many the loader would reject, and the first of these.
    """
    columns = SQL(", ").join(SQL("{} text").format(Identifier(name)) for name in files[0].columns)
    cursor.execute("drop table if exists landed")
    cursor.execute(SQL("create temporary table landed (_file integer, {})").format(columns))
    counts, first = [], ""
    for number, file in enumerate(files):
        rows = rejected = 0
        with TemporaryFile("w+", encoding="utf-8", newline="") as accepted:
            writer = csv.writer(accepted)
            for record in file.records():
                if record.reason:
                    rejected += 1
                    first = first or f"{file.where} line {record.line} {record.reason}"
                else:
                    rows += 1
                    writer.writerow([number, *record.values])
            accepted.seek(0)
            columns = SQL(", ").join(map(Identifier, ("_file", *file.columns)))
            cursor.copy_expert(
                SQL("copy landed ({}) from stdin (format csv)").format(columns), accepted
            )
        counts.append((rows, rejected))
    cursor.execute("analyze landed")
    return counts, first


def profile(cursor: extensions.cursor, raw: str, rows: int, macros: Any) -> Column:
    """Counts the values of a column, those of each type among them; its type is not guessed yet."""
    types = {
        kind: str(macros.can_cast_to("value", _WIDEST if kind == "numeric" else kind))
        for kind in _TYPES
    }
    halves = "split_part(replace(value, ',', '.'), '.', {})"
    asked = {name: f"sum(n) filter (where {check})" for name, check in (types | _SIGNS).items()} | {
        name: f"max(length({text})) filter (where {types['numeric']})"
        for name, text in {
            "digits": f"ltrim({halves.format(1)}, '+-0')",
            "decimals": f"rtrim({halves.format(2)}, '0')",
        }.items()
    }
    cursor.execute(
        SQL(
            """
            with counted as (
                select btrim({}, e' \\t\\r\\n') as value, count(*) as n from landed group by 1
            ),
            judged as (
                select value, n, value = any({}) as is_marker from counted where value <> ''
            )
            select
                (select coalesce(jsonb_object_agg(value, n), '{{}}') from judged where is_marker),
                count(*),
                coalesce(sum(n), 0)::bigint,
                array[{}]::bigint[],
                array[{}]
            from judged
            where not is_marker
            """
        ).format(
            Identifier(raw),
            Literal(list(MARKERS)),
            SQL(", ").join(SQL(f"coalesce({each}, 0)") for each in asked.values()),
            SQL(", ").join(SQL(f"min(value) filter (where not {each})") for each in types.values()),
        )
    )
    markers, distinct, filled, counts, misfits = cursor.fetchone() or ()
    counted = dict(zip(asked, counts, strict=True))
    return Column(
        raw, rows, filled, distinct, counted, markers, dict(zip(types, misfits, strict=True))
    )


def choose_marker(columns: Sequence[Column]) -> str:
    """Returns the null marker of a feed: what most often stands where a value is missing."""
    votes: Counter[str] = Counter()
    for column in columns:
        is_text = guess_type(column) == "text"
        for marker, count in column.markers.items():
            votes[marker] += 0 if is_text and marker in _DOUBTFUL else count
    marker, count = max(votes.items(), key=lambda each: each[1], default=("NULL", 0))
    return marker if count else "NULL"


def judge(column: Column, marker: str) -> None:
    """Gives a column its type, and says what speaks against it.

    What looked like another null marker than the feed's is a value.
    """
    others = {each: count for each, count in column.markers.items() if each != marker}
    column.filled += sum(others.values())
    column.distinct += len(others)
    kind, counts, against = guess_type(column), column.counts, column.against
    nearest = max(("numeric", "timestamp", "boolean"), key=lambda each: counts[each])
    if kind == "text" and not against and counts[nearest] >= column.filled / 2 > 0:
        kind = nearest
    if misfits := column.filled - counts.get(kind, column.filled):
        such = column.misfits[kind] or min(others)
        against.append(f"{misfits:,} are not {kind}, such as {such[:30]!r}")
    least = 0 if column.kind == "numeric" else column.filled / 2
    for sign in _TOLD_OF_TEXT if column.type == "text" else _TOLD_OF_TYPES:
        if counts[sign] > least:
            against.append(f"{counts[sign]:,} {sign}")
    if not column.filled:
        against.append("no value to judge by")


def guess_type(column: Column) -> str:
    """Gives a column the narrowest type that `TOLERANCE` allows; text where a cast would lie.

    Returns its kind.
    """
    counts = column.counts
    enough = max(1, column.filled * (1 - TOLERANCE))
    column.type, column.against = "text", []
    if counts["boolean"] >= enough and (
        _FLAG_BY_NAME.search(column.raw) or counts["boolean"] > counts["bigint"]
    ):
        column.type = "boolean"
    elif counts["timestamp"] >= enough:
        is_day = _DAY_BY_NAME.search(column.raw) or not counts["have a time, 00:00:00"]
        is_day = is_day and not counts["have a time of day"] and not column.says_what_is_newest
        column.type = "date" if is_day else "timestamp"
    elif counts["numeric"] >= enough:
        column.against = [
            f"{counts[sign]:,} {sign}"
            for sign in ("begin with 0", "may have a comma for thousands")
            if counts[sign] > 0 and counts[sign] >= counts["have a decimal comma"]
        ]
        if _TEXT_BY_NAME.search(column.raw):
            column.against.append("its name is not that of a number")
        if not column.against:
            # Room for what comes: a value with more decimals would be rejected, not rounded.
            scale = max(4, counts["decimals"] + counts["decimals"] % 2)
            exact = f"numeric({19 if counts['digits'] + scale <= 17 else 38},{scale})"
            whole = (kind for kind in ("integer", "bigint") if counts[kind] == counts["numeric"])
            column.type = next(whole, exact)
    return column.kind


def find_key(
    cursor: extensions.cursor, columns: Sequence[Column], files: int = 1
) -> tuple[Column, ...]:
    """Returns the columns that identify a row in all files together; of several, in each file.

    Ids before days before names; names only if nothing else will do, and measures never.
    """
    is_sure = columns[0].rows >= FEW

    def rank(column: Column) -> int:
        is_first = column is columns[0] and is_sure
        return 0 if column.is_id or is_first else 1 if column.kind in ("date", "timestamp") else 2

    usable = sorted(
        (
            column
            for column in columns
            if column.is_complete
            and not column.says_what_is_newest
            and column.kind not in ("numeric", "boolean")
            and (column.is_id or column is columns[0] or column.kind not in ("integer", "bigint"))
            and (is_sure or rank(column) < 2)
        ),
        key=rank,
    )
    tries: list[tuple[Column, ...]] = [(each,) for each in usable if rank(each) != 1]
    tries += [key for size in (2, 3) for key in combinations(usable[:6], size)]
    tries.sort(key=lambda key: rank(key[-1]) == 2)
    return next((key for key in tries if _identifies(cursor, key, files)), ())


def _identifies(cursor: extensions.cursor, key: Sequence[Column], files: int) -> bool:
    if prod(column.distinct for column in key) * files < key[0].rows:
        return False
    parts = [f"""btrim("{column.raw}", e' \\t\\r\\n')""" for column in key]
    grouped = ", ".join(parts + ["_file"] * (files > 1))
    cursor.execute(f"select 1 from landed group by {grouped} having count(*) > 1 limit 1")  # noqa: S608
    return cursor.fetchone() is None


def give_names(cursor: extensions.cursor, columns: Sequence[Column], table: str) -> None:
    """Names columns in staging as in raw, and with the table's name where SQL has a word for it."""
    cursor.execute(
        "select word, catcode in ('R', 'T') from pg_get_keywords() "
        "union all select typname, false from pg_type where typname ~ '^[a-z]'"
    )
    words = dict(cursor.fetchall())
    taken = {*words, *_OTHER_WORDS, "rejected_values"} - _FREE_WORDS
    for column in columns:
        is_free = re.match("[a-z]", column.raw) and column.raw not in taken
        column.name = column.raw if is_free else f"{table}_{column.raw.strip('_')}"[:63]
        column.sql = f'"{column.raw}"' if words.get(column.raw) else column.raw


def share_of_keys(cursor: extensions.cursor, key: Sequence[Column], file: int) -> float:
    """Returns the share of all keys that one of the files has."""
    columns = ", ".join(f'"{column.raw}"' for column in key)
    cursor.execute(
        f"select count(distinct ({columns})) filter (where _file = {file})::float "  # noqa: S608
        f"/ count(distinct ({columns})) from landed"
    )
    ((share,),) = cursor.fetchall()
    return float(share)
