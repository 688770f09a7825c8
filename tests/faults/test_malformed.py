"""Files made at random from good lines and every kind of dirt: nothing is lost or misread.

What each line is worth is known from how it was made, not from reading it. FILES=N tries more.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from common.warehouse import Warehouse
from extract.declaration import Feed, Format, Source
from extract.load import load
from extract.prepare import prepare, prepare_carefully

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


def feed(number: int) -> Feed:
    return Feed(
        name=f"file{number}",
        files=(f"{number}.csv",),
        changes="",
        columns=COLUMNS,
        key=(),
        newest_by="",
        max_rejected=1.0,
        min_share=0.0,
        keep=1,
        format=Format(delimiter=";"),
    )


@settings(
    max_examples=-(-FILES // TOGETHER),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
    database=None,
    print_blob=True,
)
@given(batch=st.lists(files(), min_size=TOGETHER, max_size=TOGETHER))
def test_rows_in_a_file_are_rows_loaded_and_rows_rejected(
    batch: list[File],
    new_warehouse: Callable[[], Warehouse],
    rows_of: Callable[[Warehouse, str], list[tuple[Any, ...]]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    warehouse = _shared(new_warehouse)
    bucket = tmp_path_factory.mktemp("malformed")
    source = Source("dirt", "Dirt", tuple(feed(number) for number in range(len(batch))))
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


_WAREHOUSES: list[Warehouse] = []


def _shared(new_warehouse: Callable[[], Warehouse]) -> Warehouse:
    """One database for all examples, which hypothesis runs within one test."""
    if not _WAREHOUSES:
        _WAREHOUSES.append(new_warehouse())
    return _WAREHOUSES[0]


@settings(max_examples=FILES, deadline=None, database=None)
@given(file=files())
def test_the_quick_look_passes_nothing_that_reads_otherwise_record_by_record(
    file: File, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Of a file that is only copied, COPY must make the lines that the careful reader finds."""
    folder = tmp_path_factory.mktemp("look")
    original = folder / "original"
    original.write_bytes(file.content)
    quick = prepare(original, "quick", feed(1), folder / "quick.csv")
    if quick.numbered:
        return
    careful = prepare_carefully(original, "careful", feed(1), folder / "careful.csv")
    body = Path(quick.path).read_bytes().split(b"\n", 1)[1]
    assert body == file.content.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[-1]
    assert careful.columns == quick.columns
    if not careful.rejected and quick.rows == careful.rows:
        assert replace(quick, path=careful.path, rejects=careful.rejects, numbered=True) == careful
