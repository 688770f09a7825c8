"""Files made at random from good lines and every kind of dirt: nothing is lost or misread.

What each line is worth is known from how it was made, not from reading it. FILES=N tries more.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from common.warehouse import Warehouse
from extract.declaration import Feed, Format, Source
from extract.destination import WarehouseClient
from extract.load import load
from extract.reader import CsvFile

FILES = int(os.environ.get("FILES", "300"))
# Loaded together, as feeds of one source: a load costs more than a file.
TOGETHER = 20

COLUMNS = ("id", "name", "note")


@dataclass(frozen=True)
class Line:
    """One or more lines of a file; `values` of a good record, None of a broken one."""

    text: bytes
    values: tuple[str, str, str] | None


@dataclass(frozen=True)
class File:
    """A file's bytes, and what must come of them: records and broken lines, by line number."""

    content: bytes
    good: dict[int, tuple[str | None, ...]]
    broken: set[int]


# Whatever else is in a text, it begins with a letter: a quote that was left open before it then
# never ends in a place where a field may end.
LETTER = st.sampled_from("aZ0é李😀\u05d0")
ODD = st.sampled_from(
    ["", "\\.", "\\N", "NULL", "\u2028", "\u0085", "\u00a0x", "\ufeff", "'", "--", "\t", "%s", "{}"]
)
PLAIN = st.builds(
    lambda first, middle, last: first + middle + last,
    LETTER,
    ODD,
    st.text(st.characters(codec="utf-8", exclude_characters='\0\r\n";'), max_size=8).filter(
        lambda text: not text.startswith('"')
    ),
)


def _good(values: tuple[str, str, str], quoted: int, end: bytes) -> Line:
    fields = [
        '"' + value.replace('"', '""') + '"' if quoted >> place & 1 else value
        for place, value in enumerate(values)
    ]
    return Line(";".join(fields).encode() + end, values)


def lines(end: bytes) -> st.SearchStrategy[Line]:
    """Lines with this end."""
    newline = end.decode()
    # What COPY or people take for something else: here it is text.
    special = st.sampled_from(["\\.", "\\N", "NULL", "\\", "null", "''", "0", " "])
    value = st.one_of(PLAIN, PLAIN, special)
    values = st.tuples(value, value, value)
    # Values that need quotes: with quotes, delimiters and line ends in them.
    needy = st.builds(
        lambda a, b, c: a + b + c,
        LETTER,
        st.sampled_from(['""', '"', ";", newline, f'";{newline}']),
        PLAIN,
    )
    good = st.one_of(
        st.builds(_good, values, st.just(0), st.just(end)),
        st.builds(_good, values, st.integers(0, 7), st.just(end)),
        st.builds(lambda n, v: _good((n, v[1], v[2]), 1, end), needy, values),
        st.builds(lambda n, v: _good((v[0], v[1], n), 4, end), needy, values),
        # A quote in the middle of a value that is not quoted is a character like others.
        st.builds(lambda v: _good((v[0], 'a"b' + v[1], v[2]), 0, end), values),
        st.builds(lambda v: _good((v[0], "", v[2]), 0, end), values),
        st.builds(lambda v: _good((v[0], "x" * 20_000, v[2]), 0, end), values),
    )
    text = values.map(lambda each: ";".join(each).encode())
    broken = st.one_of(
        st.builds(lambda v: Line(v[0].encode() + end, None), values),
        st.builds(lambda t: Line(t + b";more" + end, None), text),
        st.builds(lambda v: Line(f'{v[0]};"{v[1]};{v[2]}'.encode() + end, None), values),
        st.builds(lambda v: Line(f'{v[0]};"{v[1]}"x;{v[2]}'.encode() + end, None), values),
        st.builds(
            lambda t, b: Line(t + b + end, None), text, st.sampled_from([b"\xff", b"\xc3", b"\0"])
        ),
    )
    blank = st.just(Line(end, None))
    return st.one_of(good, good, good, broken, blank)


@st.composite
def files(draw: st.DrawFn) -> File:
    """A file with a header, some lines, and perhaps marks, blank lines and no end at all."""
    style = draw(st.sampled_from([b"\n", b"\r\n", b"mixed", b"\r"]))
    ends = [b"\n", b"\r\n"] if style == b"mixed" else [style]
    content = draw(st.sampled_from([b"", b"\xef\xbb\xbf"]))
    content += draw(st.sampled_from([b"id;name;note", b'"id";name;"note"'])) + ends[0]
    number = 2
    good: dict[int, tuple[str | None, ...]] = {}
    broken: set[int] = set()
    clean = draw(st.booleans())
    for _ in range(draw(st.integers(0, 12))):
        end = draw(st.sampled_from(ends))
        line = draw(lines(end))
        if clean and not line.values:
            continue
        if line.values:
            good[number] = tuple(value or None for value in line.values)
        elif line.text.strip():
            broken.add(number)
        content += line.text
        number += line.text.count(b"\r" if style == b"\r" else b"\n")
    if draw(st.booleans()) and content.endswith(tuple(ends)) and number > 2:
        content = content.removesuffix(b"\n").removesuffix(b"\r")
    return File(content, good, broken)


def declare(name: str, count: int) -> Source:
    """Returns a source of so many files, each a feed of its own."""
    feeds = {
        f"file{number}": Feed(
            name=f"file{number}",
            file=(f"{number}.csv",),
            columns=COLUMNS,
            max_rejected="100%",  # type: ignore[arg-type]
            min_share=0,
            format=Format(delimiter=";"),
        )
        for number in range(count)
    }
    return Source(name=name, description="Dirt", feeds=feeds)


_WAREHOUSES: list[Warehouse] = []


def _shared(new_warehouse: Callable[[], Warehouse]) -> Warehouse:
    """One database for all examples, which hypothesis runs within one test."""
    if not _WAREHOUSES:
        _WAREHOUSES.append(new_warehouse())
    return _WAREHOUSES[0]


SETTINGS = settings(
    max_examples=-(-FILES // TOGETHER),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
    database=None,
    print_blob=True,
)


@SETTINGS
@given(batch=st.lists(files(), min_size=TOGETHER, max_size=TOGETHER))
def test_rows_in_a_file_are_rows_loaded_and_rows_rejected(
    batch: list[File],
    new_warehouse: Callable[[], Warehouse],
    rows_of: Callable[[Warehouse, str], list[tuple[Any, ...]]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    warehouse = _shared(new_warehouse)
    bucket = tmp_path_factory.mktemp("malformed")
    source = declare("dirt", len(batch))
    for number, file in enumerate(batch):
        (bucket / f"{number}.csv").write_bytes(file.content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIRT_BUCKET_URL", str(bucket))
        result = load(source, warehouse)
    loaded = rows_of(
        warehouse,
        " union all ".join(
            f"select {n}, _source_line, id, name, note from raw_dirt.file{n}"
            for n in range(len(batch))
        ),
    )
    rejected = rows_of(
        warehouse,
        """
        select substr(rejected_rows.feed, 5)::integer, line_number from audit.rejected_rows
        inner join audit.files using (file_id) where is_current
        """,
    )
    for number, file in enumerate(batch):
        rows = {line: tuple(rest) for n, line, *rest in loaded if n == number}
        assert rows == file.good, file.content
        assert {line for n, line in rejected if n == number} == file.broken, file.content
    # The same bytes as before load nothing; what is new is counted.
    assert result.rows <= len(loaded)
    rows_in_files = rows_of(
        warehouse,
        "select sum(row_count), sum(rejected_count) from audit.files where is_current",
    )
    assert rows_in_files == [(len(loaded) + len(rejected), len(rejected))]


@SETTINGS
@given(batch=st.lists(files(), min_size=TOGETHER, max_size=TOGETHER))
def test_copy_as_it_is_and_record_by_record_bring_the_same(
    batch: list[File],
    new_warehouse: Callable[[], Warehouse],
    rows_of: Callable[[Warehouse, str], list[tuple[Any, ...]]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Of every file that COPY takes as it is, it makes just what the careful reader finds."""
    warehouse = _shared(new_warehouse)
    bucket = tmp_path_factory.mktemp("malformed")
    for number, file in enumerate(batch):
        (bucket / f"{number}.csv").write_bytes(file.content)
    found = []
    for name in ("quick", "careful"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(f"{name.upper()}_BUCKET_URL", str(bucket))
            copied = _count_copied(patch)
            if name == "careful":
                patch.setattr(CsvFile, "is_plain", False)
            load(declare(name, len(batch)), warehouse)
        event(f"{name}: {10 * len(copied) // TOGETHER}0% copied as they are")
        assert name == "quick" or not copied
        rows = " union all ".join(
            f"select {n}, _source_line, _source_row, id, name, note from raw_{name}.file{n}"
            for n in range(len(batch))
        )
        rejected = f"""
            select rejected_rows.feed, line_number, content, reason from audit.rejected_rows
            inner join audit.files using (file_id) where is_current and files.source = '{name}'
        """
        found.append(
            (sorted(rows_of(warehouse, rows), key=str), sorted(rows_of(warehouse, rejected)))
        )
    quick, careful = found
    assert quick == careful


def _count_copied(patch: pytest.MonkeyPatch) -> list[bool]:
    """Returns a list that will have an entry for each file that COPY took as it is."""
    copied: list[bool] = []
    copy_plain = WarehouseClient._copy_plain

    def count(*arguments: Any) -> bool:
        done = copy_plain(*arguments)
        copied.extend([True] * done)
        return done

    patch.setattr(WarehouseClient, "_copy_plain", count)
    return copied
