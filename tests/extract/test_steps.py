"""Files that are loaded so many records at a time: every record once, whatever comes in between."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from common.errors import ConfigurationError, FileError, LoadError
from common.storage import FolderBucket
from common.warehouse import Warehouse
from extract import publish
from extract.__main__ import main as extract
from extract.declaration import Source, read_sources
from extract.load import WORK, load
from extract.steps import MicroBatches
from tests.leftovers import unpublished

Query = Callable[[str], list[tuple[Any, ...]]]
Start = Callable[[int], MicroBatches]

DECLARATION = """
sources:
  survey:
    description: A survey, in two files without a header
    format:
      header: false
      comment: "|"
    feeds:
      answers:
        file: [one.data, two.data]
        columns: [person, answer]
        max_rejected: 25%
"""
ONE = [f"a{number}, yes" for number in range(1, 8)]
TWO = [f"b{number},no" for number in range(1, 6)]
SHOWN = "select person, _source_file, _source_row from raw_survey.answers order by 2, 3"


@pytest.fixture
def source(tmp_path: Path) -> Source:
    path = tmp_path / "sources.yml"
    path.write_text(DECLARATION)
    return read_sources(path)["survey"]


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two files of seven and five records."""
    folder = tmp_path / "bucket"
    folder.mkdir()
    monkeypatch.setenv("SURVEY_BUCKET_URL", str(folder))
    write(folder / "one.data", ONE)
    write(folder / "two.data", TWO)
    return folder


@pytest.fixture
def start(source: Source, bucket: Path, warehouse: Warehouse) -> Iterator[Start]:
    """Begins, or goes on, as a process of its own would."""
    started: list[MicroBatches] = []

    def start(size: int) -> MicroBatches:
        started.append(MicroBatches(source, warehouse, size))
        return started[-1]

    yield start
    for steps in started:
        steps.close()
    assert list(WORK.glob("survey.*")) == []


def write(path: Path, lines: Sequence[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines))


def touch(path: Path) -> None:
    """Puts the same bytes there anew."""
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    os.utime(path, (1e9, 1e9))


def taken(steps: MicroBatches) -> list[tuple[str, int | None, int]]:
    return [(file.file, file.rows, file.rejected) for file in steps.load_next().files]


def server_is_away(*_: object) -> None:
    """In place of the last thing that happens in the transaction which publishes."""
    raise LoadError("the server is away")


def all_records() -> list[tuple[str, str, int]]:
    """What a reader sees when everything is there."""
    return [
        (line.split(",")[0], file, row)
        for file, lines in (("one.data", ONE), ("two.data", TWO))
        for row, line in enumerate(lines, start=1)
    ]


def test_each_step_takes_the_next_records_across_the_files(start: Start, query: Query) -> None:
    steps = start(4)
    assert taken(steps) == [("one.data", 4, 0)]
    assert query(SHOWN) == all_records()[:4]
    assert taken(steps) == [("one.data", 3, 0), ("two.data", 1, 0)]
    assert query(SHOWN) == all_records()[:8]
    progress = "select file, is_complete, row_count from audit.files order by file_id"
    assert query(progress) == [("one.data", True, 7), ("two.data", False, 1)]
    assert taken(steps) == [("two.data", 4, 0)]
    assert query(SHOWN) == all_records()
    assert taken(steps) == []
    assert query(
        """
        select load_id, file, is_complete, row_count, rejected_count, status, is_current
        from audit.files order by file_id
        """
    ) == [
        (2, "one.data", True, 7, 0, "complete", True),
        (3, "two.data", True, 5, 0, "complete", True),
    ]
    assert query(
        "select distinct _source_file, _load_id from raw_survey.answers order by 1, 2"
    ) == [
        ("one.data", 1),
        ("one.data", 2),
        ("two.data", 2),
        ("two.data", 3),
    ]
    assert query("select load_id, status, row_count from audit.loads order by 1") == [
        (1, "complete", 4),
        (2, "complete", 4),
        (3, "complete", 4),
    ]


def test_steps_show_what_a_load_would(
    start: Start,
    source: Source,
    bucket: Path,
    query: Query,
    new_warehouse: Callable[[], Warehouse],
    rows_of: Callable[[Warehouse, str], list[tuple[Any, ...]]],
) -> None:
    write(bucket / "one.data", ["|comment", 'a1,"two\nlines, and ""quotes"""', "", "a2,", 'a3,""'])
    write(bucket / "two.data", ["b1,ž\t", "", "|", "b2, \\N", "b3,\\.", "torn"])
    steps = start(1)
    while steps.load_next().files:
        pass
    other = new_warehouse()
    load(source, other)
    shown = """
        select person, answer, _source_file, _source_line, _source_row
        from raw_survey.answers order by _source_file, _source_row
    """
    assert query(shown) == rows_of(other, shown)
    first = """
        select person, _source_line, _source_row
        from raw_survey.answers where _source_file = 'one.data' order by _source_row
    """
    assert query(first) == [
        ("a1", 2, 1),
        ("a2", 5, 2),
        ("a3", 6, 3),
    ]
    rejected = "select file, line_number, content, reason from audit.rejected_rows"
    assert query(rejected) == rows_of(other, rejected)


def test_rejected_records_count_as_taken(start: Start, bucket: Path, query: Query) -> None:
    write(bucket / "one.data", [*ONE[:2], "torn", *ONE[3:]])
    steps = start(4)
    assert taken(steps) == [("one.data", 3, 1)]
    assert taken(steps) == [("one.data", 3, 0), ("two.data", 1, 0)]
    assert query(SHOWN) == [row for row in all_records()[:8] if row[0] != "a3"]
    assert query(
        """
        select line_number, content, row_count, rejected_count
        from audit.rejected_rows inner join audit.files using (file_id)
        """
    ) == [(3, "torn", 7, 1)]


def test_too_many_rejected_records_fail_a_step_and_change_nothing(
    start: Start, bucket: Path, query: Query
) -> None:
    write(bucket / "one.data", [*ONE[:5], "torn", "torn too"])  # 2 of 7, where 25% may be
    steps = start(4)
    steps.load_next()
    current = "select * from audit.files where is_current"
    before = query(current)
    for _ in range(2):
        with pytest.raises(FileError, match=r"one\.data: 2 of 7 records are .* line 6"):
            steps.load_next()
        assert query(SHOWN) == all_records()[:4]
        assert query(current) == before
        assert query("select * from audit.rejected_rows") == []
    assert query("select distinct file, status from audit.files where not is_current") == [
        ("two.data", "failed"),
    ]
    assert query(
        "select count(*) from audit.loads where error like '%2 of 7%line 7: 1 fields%'"
    ) == [(2,)]
    assert query(unpublished("survey")) == []


def test_what_a_step_rejected_is_there_once_whatever_comes_in_between(
    start: Start, bucket: Path, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(bucket / "one.data", [*ONE[:5], "torn", ONE[6]])
    steps = start(4)
    steps.load_next()
    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(publish, "_complete", server_is_away)
            with pytest.raises(LoadError, match="away"):
                steps.load_next()
        assert query("select * from audit.rejected_rows") == []
    steps.load_next()
    assert query("select line_number, content from audit.rejected_rows") == [(6, "torn")]
    assert query("select row_count, rejected_count from audit.files where is_complete") == [(7, 1)]


def test_whoever_starts_anew_goes_on_where_it_was(start: Start, query: Query) -> None:
    for count, size in ((3, 3), (4, 1), (9, 5), (12, 5)):
        start(size).load_next()
        assert query(SHOWN) == all_records()[:count]
    assert start(5).load_next().files == ()


def test_two_that_take_turns_take_each_record_once(start: Start, query: Query) -> None:
    one, other = start(2), start(1)
    for steps in (one, other, other, one, other, one, one, one):
        steps.load_next()
    assert query(SHOWN) == all_records()


@pytest.mark.parametrize("anew", [False, True])
def test_the_same_bytes_touched_go_on(start: Start, bucket: Path, query: Query, anew: bool) -> None:
    steps = start(5)
    for _ in range(4):
        touch(bucket / "one.data")
        touch(bucket / "two.data")
        (steps if not anew else start(5)).load_next()
    assert query(SHOWN) == all_records()
    assert query("select count(*) from audit.loads") == [(3,)]


@pytest.mark.parametrize("anew", [False, True])
def test_other_bytes_are_refused_until_the_file_is_loaded_whole(
    start: Start, source: Source, warehouse: Warehouse, bucket: Path, query: Query, anew: bool
) -> None:
    steps = start(5)
    steps.load_next()
    write(bucket / "one.data", ["x1,yes", *ONE[1:]])
    steps = start(5) if anew else steps
    for _ in range(2):
        with pytest.raises(LoadError, match=r"one\.data: is another file.* load it whole"):
            steps.load_next()
        assert query(SHOWN) == all_records()[:5]
    load(source, warehouse)
    assert query(SHOWN) == [("x1", "one.data", 1), *all_records()[1:]]
    assert taken(steps) == []


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_load_in_between_takes_every_record_once(
    start: Start, source: Source, warehouse: Warehouse, query: Query, count: int
) -> None:
    steps = start(4)
    for _ in range(count):
        steps.load_next()
    result = load(source, warehouse)
    # What was there to its last record is not read again.
    whole = {1: [7, 5], 2: [None, 5], 3: [None, None]}
    assert [file.rows for file in result.files] == whole[count]
    assert query(SHOWN) == all_records()
    assert taken(steps) == []
    assert not load(source, warehouse).is_news
    assert query(SHOWN) == all_records()


@pytest.mark.postgres
def test_of_what_a_load_replaced_nothing_is_kept_for_ever(
    start: Start, source: Source, warehouse: Warehouse, bucket: Path, query: Query
) -> None:
    steps = start(6)
    steps.load_next()
    for answer in "abcd":
        write(bucket / "one.data", [*ONE, f"new,{answer}"])
        load(source, warehouse)
    assert query("select distinct _file_id from raw_survey.answers order by 1") == query(
        "select file_id from audit.files where is_current order by 1"
    )
    partitions = """
        select count(*) from pg_class
        where relnamespace = 'raw_survey_files'::regnamespace and relkind in ('r', 'S')
    """
    assert query(partitions) == [(2,)]
    assert query(SHOWN) == [*all_records()[:7], ("new", "one.data", 8), *all_records()[7:]]


@pytest.mark.parametrize("size", [12, 13, 1000])
def test_one_step_may_take_everything(start: Start, query: Query, size: int) -> None:
    steps = start(size)
    assert taken(steps) == [("one.data", 7, 0), ("two.data", 5, 0)]
    assert query(SHOWN) == all_records()
    assert taken(steps) == []
    assert query("select file, is_complete from audit.files order by 1") == [
        ("one.data", True),
        ("two.data", True),
    ]


def test_a_step_that_ends_with_a_file_does_not_begin_the_next(start: Start, query: Query) -> None:
    steps = start(7)
    assert taken(steps) == [("one.data", 7, 0)]
    assert query("select file, is_complete from audit.files") == [("one.data", True)]
    assert taken(steps) == [("two.data", 5, 0)]
    assert query(SHOWN) == all_records()


def test_a_file_without_records_is_taken_too(start: Start, bucket: Path, query: Query) -> None:
    write(bucket / "one.data", ["|nothing", "", ""])
    steps = start(3)
    assert taken(steps) == [("one.data", 0, 0), ("two.data", 3, 0)]
    assert taken(steps) == [("two.data", 2, 0)]
    assert query(SHOWN) == all_records()[7:]


def test_a_file_that_is_no_data_at_all_is_named(start: Start, bucket: Path, query: Query) -> None:
    (bucket / "one.data").write_bytes(b"")
    with pytest.raises(FileError, match=r"one\.data: is empty"):
        start(3).load_next()
    (bucket / "one.data").unlink()
    with pytest.raises(LoadError, match=r"one\.data not found in"):
        start(3).load_next()
    assert query("select to_regnamespace('raw_survey')") == [(None,)]


def test_a_step_that_fails_at_the_end_is_taken_again(
    start: Start, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = start(5)
    steps.load_next()
    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(publish, "_complete", server_is_away)
            with pytest.raises(LoadError, match="away"):
                steps.load_next()
        assert query(SHOWN) == all_records()[:5]
    assert taken(steps) == [("one.data", 2, 0), ("two.data", 3, 0)]
    assert query(SHOWN) == all_records()[:10]


def test_files_are_downloaded_once(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    keys: list[str] = []
    download = FolderBucket.download

    def count(*arguments: Any) -> Any:
        keys.append(arguments[1].key)
        return download(*arguments)

    monkeypatch.setattr(FolderBucket, "download", count)
    steps = start(3)
    for _ in range(6):
        steps.load_next()
    assert keys == ["one.data", "two.data"]


@pytest.mark.postgres
def test_nobody_who_reads_holds_up_a_step_or_a_load(
    start: Start, source: Source, warehouse: Warehouse, query: Query
) -> None:
    steps = start(5)
    steps.load_next()
    with closing(warehouse.connect()) as reader, reader.cursor() as cursor:
        cursor.execute("set lock_timeout = '1s'; begin; select count(*) from raw_survey.answers")
        steps.load_next()
        assert query("select count(*) from raw_survey.answers") == [(10,)]
        cursor.execute("select count(*) from raw_survey.answers")
        assert cursor.fetchall() == [(10,)]


def test_the_steps_of_a_file_are_one_line_of_the_status(
    start: Start, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    steps = start(5)
    steps.load_next()
    steps.load_next()
    for name, value in warehouse.variables().items():
        monkeypatch.setenv(name, value)
    assert extract(["status"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if ".data" in line]
    assert [line.replace("│", " ").split()[:4] for line in lines] == [
        ["survey", "one.data", "7", "0"],
        ["survey", "two.data", "3", "0"],
    ]


def test_what_cannot_be_taken_in_steps_is_wrong_usage(
    source: Source, bucket: Path, warehouse: Warehouse
) -> None:
    with pytest.raises(ConfigurationError, match="at least one record"):
        MicroBatches(source, warehouse, 0)
    for name, reason in (("adventure_works", "files of changes"), ("open_brewery", "is an API")):
        with pytest.raises(ConfigurationError, match=reason):
            MicroBatches(read_sources()[name], warehouse, 5)
