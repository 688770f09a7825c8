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
from psycopg2.sql import SQL, Composable, Identifier, Literal

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
_OTHER_WORDS = set(
    re.findall(
        r"\w+",
        """account accounts change connect cost datetime days destroy disk exit extended field
        fields file files hash host hosts kill lines list locale login logs long main manage
        model modify monitor online operation owner ownership parameters plain print process
        processes provider public raw region repeat resource restricted roles rowid save
        settings share shares source stage stages status stop stream successful summary task
        tasks top transactions transient usage use users variable variables warehouse week
        weekday""",
    )
)
_FREE_WORDS = {"comment", "month", "name", "quarter", "rank", "year"}


@dataclass(eq=False)
class Column:
    """A column: its name in raw and in staging, its type, and what was seen for and against that.

    `sql` is its raw name where SQL is written. `filled` of `rows` values are neither empty nor a
    null marker, `distinct` of them differ, `cast` are of the type.
    """

    raw: str
    rows: int
    filled: int
    distinct: int
    counts: dict[str, int]
    markers: dict[str, int]
    type: str = "text"
    name: str = ""
    sql: str = ""
    against: list[str] = field(default_factory=list)

    @property
    def cast(self) -> int:
        """How many values are of the type."""
        return self.filled if self.type == "text" else self.counts[self.type.partition("(")[0]]

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
    text = "\n".join(
        (MACROS / f"{name}.sql").read_text(encoding="utf-8")
        for name in ("can_cast_to", "cast_shape")
    )
    # What dbt would offer them.
    offered: dict[str, Any] = {"adapter": {}, "modules": {"re": re}}
    template = jinja2.Environment(extensions=["jinja2.ext.do"]).from_string(text, offered)  # noqa: S701
    offered["adapter"]["dispatch"] = lambda name: getattr(template.module, f"postgres__{name}")
    template.globals.update(offered)
    return template.module


def land(cursor: extensions.cursor, files: Sequence[CsvFile]) -> tuple[int, int, float, str]:
    """Copies the records of files with the same columns into a temporary table, `landed`.

    Returns how many there are, how many the loader would reject, the largest share of these in a
    file, and the first of them.
    """
    rows = rejected = 0
    worst, first = 0.0, ""
    cursor.execute(
        SQL(
            "drop table if exists landed; create temporary table landed (_file integer, {})"
        ).format(
            SQL(", ").join(SQL("{} text").format(Identifier(each)) for each in files[0].columns)
        )
    )
    for number, file in enumerate(files):
        before = rows, rejected
        with TemporaryFile("w+", encoding="utf-8", newline="") as accepted:
            writer = csv.writer(accepted)
            for record in file.records():
                if record.reason:
                    rejected += 1
                    first = first or f"{file.where} line {record.line} {record.reason}"
                    continue
                rows += 1
                writer.writerow([number, *record.values])
            accepted.seek(0)
            columns = SQL(", ").join(map(Identifier, file.columns))
            cursor.copy_expert(
                SQL("copy landed (_file, {}) from stdin (format csv)").format(columns), accepted
            )
        broken = rejected - before[1]
        worst = max(worst, broken / max(1, rows - before[0] + broken))
    cursor.execute("analyze landed")
    return rows, rejected, worst, first


def profile(cursor: extensions.cursor, raw: str, rows: int, macros: Any) -> Column:
    """Counts the values of a column, those of each type among them; its type is not guessed yet."""
    types = ("integer", "bigint", "numeric", "date", "timestamp", "boolean")
    checks = {
        type_: str(macros.can_cast_to("value", _WIDEST if type_ == "numeric" else type_))
        for type_ in types
    } | _SIGNS
    decimals = "split_part(replace(value, ',', '.'), '.', 2)"
    whole = "split_part(replace(value, ',', '.'), '.', 1)"
    query = SQL(
        """
        with counted as (
            select btrim({column}, e' \\t\\r\\n') as value, count(*) as n from landed group by 1
        ),
        judged as (
            select value, n, value = any({markers}) as is_marker from counted where value <> ''
        ),
        filled as (select value, n from judged where not is_marker)
        select
            (select coalesce(jsonb_object_agg(value, n), '{{}}') from judged where is_marker),
            count(*),
            coalesce(sum(n), 0),
            {checks},
            max(length(rtrim({decimals}, '0'))) filter (where {is_number}),
            max(length(ltrim({whole}, '+-0'))) filter (where {is_number})
        from filled
        """
    ).format(
        column=Identifier(raw),
        markers=Literal(list(MARKERS)),
        checks=SQL(", ").join(
            SQL("coalesce(sum(n) filter (where {}), 0)").format(SQL(check))
            for check in checks.values()
        ),
        decimals=SQL(decimals),
        whole=SQL(whole),
        is_number=SQL(checks["numeric"]),
    )
    cursor.execute(query)
    markers, distinct, filled, *counts, scale, digits = cursor.fetchone() or ()
    names = [*checks, "decimals", "digits"]
    numbers = [int(count) for count in (*counts, scale or 0, digits or 0)]
    return Column(raw, rows, int(filled), distinct, dict(zip(names, numbers, strict=True)), markers)


def choose_marker(columns: Sequence[Column]) -> str:
    """Returns the null marker of a feed, and counts what else looked like one as values."""
    votes: Counter[str] = Counter()
    for column in columns:
        guess_type(column)
        for marker, count in column.markers.items():
            votes[marker] += count if column.type != "text" or marker not in _DOUBTFUL else 0
    marker = max(votes, key=lambda each: votes[each]) if any(votes.values()) else "NULL"
    for column in columns:
        others = {each: count for each, count in column.markers.items() if each != marker}
        column.filled += sum(others.values())
        column.distinct += len(others)
        guess_type(column)
    return marker


def guess_type(column: Column) -> None:
    """Gives a column the narrowest type that `TOLERANCE` allows; text where a cast would lie."""
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
            column.type = _number(counts)


def _number(counts: dict[str, int]) -> str:
    for type_ in ("integer", "bigint"):
        if counts[type_] == counts["numeric"]:
            return type_
    # Room for what comes: a value with more decimals would be rejected, not rounded.
    scale = max(4, counts["decimals"] + counts["decimals"] % 2)
    return f"numeric({19 if counts['digits'] + scale <= 17 else 38},{scale})"


def explain(cursor: extensions.cursor, column: Column, marker: str, macros: Any) -> None:
    """Adds what speaks against a column's type: values that do not cast, and signs in them."""
    counts, type_ = column.counts, column.type
    nearest = max(("numeric", "timestamp", "boolean"), key=lambda each: counts[each])
    if type_ == "text" and not column.against and counts[nearest] >= column.filled / 2 > 0:
        type_ = _WIDEST if nearest == "numeric" else nearest
    misfits = column.filled - counts[type_.partition("(")[0]] if type_ != "text" else 0
    if misfits:
        cursor.execute(
            SQL(
                "select distinct value from (select btrim({}, e' \\t\\r\\n') as value from landed) "
                "as trimmed where value not in ('', {}) and not {} order by 1 limit 3"
            ).format(
                Identifier(column.raw),
                Literal(marker),
                SQL(str(macros.can_cast_to("value", type_))),
            )
        )
        such = ", ".join(repr(value[:30]) for (value,) in cursor.fetchall())
        kind = type_.partition("(")[0]
        column.against.append(f"{misfits:,} are not {kind}, such as {such}")
    least = 0 if column.type.startswith("numeric") else column.filled / 2
    for sign in _TOLD_OF_TEXT if column.type == "text" else _TOLD_OF_TYPES:
        if counts[sign] > least:
            column.against.append(f"{counts[sign]:,} {sign}")
    if not column.filled:
        column.against.append("no value to judge by")


def find_key(
    cursor: extensions.cursor, columns: Sequence[Column], files: int = 1
) -> tuple[Column, ...]:
    """Returns the columns that identify a row in all files together; of several, in each file.

    Measures are never in it, and names only if nothing else will do.
    """
    usable = [
        column
        for place, column in enumerate(columns)
        if column.is_complete
        and not column.says_what_is_newest
        and not column.type.startswith(("numeric", "boolean"))
        and (column.is_id or not place or column.type not in ("integer", "bigint"))
    ]
    is_sure = columns[0].rows >= FEW
    days = [each for each in usable if each.type in ("date", "timestamp")]
    strong = [each for each in usable if each.is_id or (each is columns[0] and is_sure)]
    weak = [each for each in usable if is_sure and each not in strong and each not in days]
    mixed = [*strong, *days][:6]
    tries = [
        *combinations(strong, 1),
        *(key for size in (2, 3) for key in combinations(mixed, size)),
        *combinations(weak, 1),
        *(key for size in (2, 3) for key in combinations([*mixed, *weak][:6], size)),
    ]
    return next((key for key in dict.fromkeys(tries) if _identifies(cursor, key, files)), ())


def _identifies(cursor: extensions.cursor, key: Sequence[Column], files: int) -> bool:
    if prod(column.distinct for column in key) * files < key[0].rows:
        return False
    parts: list[Composable] = [
        SQL("btrim({}, e' \\t\\r\\n')").format(Identifier(column.raw)) for column in key
    ]
    parts += [SQL("_file")] if files > 1 else []
    cursor.execute(
        SQL("select 1 from landed group by {} having count(*) > 1 limit 1").format(
            SQL(", ").join(parts)
        )
    )
    return cursor.fetchone() is None


def give_names(cursor: extensions.cursor, columns: Sequence[Column], table: str) -> None:
    """Names columns in staging as in raw, and with the table's name where SQL has a word for it."""
    cursor.execute(
        "select word, catcode in ('R', 'T') from pg_get_keywords() "
        "union all select typname, false from pg_type where typname ~ '^[a-z]'"
    )
    words = dict(cursor.fetchall())
    for column in columns:
        is_word = column.raw in {*words, *_OTHER_WORDS} - _FREE_WORDS
        is_name = re.match("[a-z]", column.raw) and column.raw != "rejected_values"
        column.name = (
            column.raw if is_name and not is_word else f"{table}_{column.raw.strip('_')}"[:63]
        )
        column.sql = f'"{column.raw}"' if words.get(column.raw) else column.raw


def share_of_keys(cursor: extensions.cursor, key: Sequence[Column], file: int) -> float:
    """Returns the share of all keys that one of the files has."""
    columns = SQL(", ").join(Identifier(column.raw) for column in key)
    cursor.execute(
        SQL(
            "select count(distinct ({0})) filter (where _file = {1}), count(distinct ({0})) "
            "from landed"
        ).format(columns, Literal(file))
    )
    mine, total = cursor.fetchone() or (0, 0)
    return float(mine / total)
