"""Change files are appended, replaced and retired, in whatever order they come in.

dbt finds the newest row of each key (tests/marts); here a query does, in the same order.
"""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from common.errors import LoadError
from common.warehouse import Warehouse
from extract.declaration import Source, read_sources
from extract.load import load

Query = Callable[[str], list[tuple[Any, ...]]]
Put = Callable[..., None]

DECLARATION = """
sources:
  shop:
    description: A shop
    feeds:
      items:
        file: items.csv
        changes: changes/*.csv
        key: [id]
        newest_by: changed
        columns: [id, name, changed]
        max_rejected: 50%
      log:
        changes: log/*.csv
        key: [id]
        newest_by: changed
        columns: [id, changed]
"""
ITEMS = """
    select distinct on (id) id, name from raw_shop.items
    order by id, changed::timestamp desc, _load_id desc, _file_id desc, _source_row desc
"""


@pytest.fixture
def source(tmp_path: Path) -> Source:
    path = tmp_path / "sources.yml"
    path.write_text(DECLARATION)
    return read_sources(path)["shop"]


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Put:
    """Writes a file of items into the bucket: id, name and time of each."""
    bucket = tmp_path / "bucket"
    bucket.mkdir()
    monkeypatch.setenv("SHOP_BUCKET_URL", str(bucket))

    def write(file: str, *rows: str, header: str = "id,name,changed") -> None:
        path = bucket / file
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join([header, *rows]) + "\n")

    return write


def test_new_and_changed_rows_apply_to_the_whole_table(
    source: Source, put: Put, warehouse: Warehouse, query: Query
) -> None:
    put("items.csv", "1,one,2024-01-01", "2,two,2024-01-01")
    load(source, warehouse)
    put("changes/a.csv", "2,TWO,2024-01-02", "3,three,2024-01-02")
    result = load(source, warehouse)
    assert [(file.file, file.rows) for file in result.files] == [
        ("items.csv", None),
        ("changes/a.csv", 2),
    ]
    assert query(ITEMS) == [("1", "one"), ("2", "TWO"), ("3", "three")]
    assert query(
        """
        select id, _source_file, _source_line, _load_id, _is_change from raw_shop.items
        order by id, _load_id
        """
    ) == [
        ("1", "items.csv", 2, 1, False),
        ("2", "items.csv", 3, 1, False),
        ("2", "changes/a.csv", 2, 2, True),
        ("3", "changes/a.csv", 3, 2, True),
    ]
    assert load(source, warehouse).rows == 0


def test_late_and_unordered_files_do_no_harm(
    source: Source, put: Put, warehouse: Warehouse, query: Query
) -> None:
    put("items.csv", "1,whole,2024-01-05")
    put("changes/z.csv", "1,older,2024-01-04", "2,newest,2024-01-09")
    put("changes/a.csv", "2,older,2024-01-08 23:59:00", "2,oldest,2024-01-01")
    load(source, warehouse)
    put("changes/late.csv", "2,late,2024-01-02")
    load(source, warehouse)
    assert query(ITEMS) == [("1", "whole"), ("2", "newest")]


def test_at_a_tie_the_later_file_wins_and_a_corrected_one_is_later(
    source: Source, put: Put, warehouse: Warehouse, query: Query
) -> None:
    put("items.csv", "1,whole,2024-01-01")
    load(source, warehouse)
    put("changes/a.csv", "1,wrong,2024-01-01")
    load(source, warehouse)
    put("changes/a.csv", "1,corrected,2024-01-01")
    load(source, warehouse)
    assert query(ITEMS) == [("1", "corrected")]
    put("changes/b.csv", "1,corrected,2024-01-01")
    assert load(source, warehouse).rows == 0, "the same bytes under another name change nothing"
    assert query("select file, status from audit.files order by file_id desc limit 1") == [
        ("changes/b.csv", "same")
    ]


def test_a_new_whole_table_replaces_the_changes_before_it(
    source: Source, put: Put, warehouse: Warehouse, query: Query
) -> None:
    put("items.csv", "1,one,2024-01-01")
    put("changes/a.csv", "1,ONE,2024-02-01", "2,two,2024-02-01")
    load(source, warehouse)
    put("items.csv", "1,uno,2024-01-15")
    load(source, warehouse)
    assert query(ITEMS) == [("1", "uno")]
    assert query(
        "select file, is_current, replaced_by_load_id from audit.files order by file_id"
    ) == [("items.csv", False, 2), ("changes/a.csv", False, 2), ("items.csv", True, None)]
    assert load(source, warehouse).rows == 0, "the change files that it took over are known"
    put("changes/b.csv", "2,dos,2024-03-01")
    load(source, warehouse)
    assert query(ITEMS) == [("1", "uno"), ("2", "dos")]


def test_rows_that_cannot_be_told_apart_are_rejected(
    source: Source, put: Put, warehouse: Warehouse, query: Query
) -> None:
    put("items.csv", "1,one,2024-01-01")
    put("changes/a.csv", "2,two,2024-02-01", ",none,2024-02-01", "4,four,yesterdayish")
    put("changes/b.csv", "5,five,2024-02-01")
    with pytest.raises(LoadError, match=r"changes/a\.csv: 2 of 3 records are broken"):
        load(source, warehouse)
    put("changes/a.csv", "2,two,2024-02-01", ",none,2024-02-01", "3,three,2024-02-01")
    load(source, warehouse)
    assert query(ITEMS) == [("1", "one"), ("2", "two"), ("3", "three"), ("5", "five")]
    assert query(
        """
        select file, line_number, reason from audit.rejected_rows
        inner join audit.files using (file_id, file) where is_current
        """
    ) == [("changes/a.csv", 3, "no value in the key id")]


def test_a_feed_of_changes_alone_is_there_before_its_first_file(
    source: Source, put: Put, warehouse: Warehouse, query: Query
) -> None:
    put("items.csv", "1,one,2024-01-01")
    load(source, warehouse)
    assert query("select id, changed, _load_id from raw_shop.log") == []
    put("log/1.csv", "7,2024-01-01,new", header="id,changed,extra")
    result = load(source, warehouse)
    assert [file.new_columns for file in result.files if file.rows] == [("extra",)]
    assert query("select id, extra from raw_shop.log") == [("7", "new")]


def test_a_corrected_change_file_replaces_what_its_former_version_brought(
    source: Source, put: Put, warehouse: Warehouse, query: Query
) -> None:
    put("items.csv", "1,one,2024-01-01", "2,two,2024-01-01")
    put("changes/a.csv", "1,wrong,2024-02-01", "2,TWO,2024-02-01")
    load(source, warehouse)
    assert query(ITEMS) == [("1", "wrong"), ("2", "TWO")]
    put("changes/a.csv", "2,TWO,2024-02-01")
    load(source, warehouse)
    assert query(ITEMS) == [("1", "one"), ("2", "TWO")]
    assert query("select count(*) from raw_shop.items where _is_change") == [(1,)]


@pytest.mark.parametrize("seed", range(3))
def test_any_sequence_of_files_shows_the_newest_rows(
    source: Source, put: Put, warehouse: Warehouse, query: Query, seed: int
) -> None:
    """Against a model in plain Python: whole tables by arrival, rows by their own time."""
    chance = random.Random(seed)  # noqa: S311
    shown: dict[str, tuple[str, str]] = {}
    for number in range(12):
        arrivals = [("items.csv", True)] if number == 0 or chance.random() < 0.2 else []
        arrivals += [(f"changes/{number}-{n}.csv", False) for n in range(chance.randint(0, 2))]
        for file, whole in arrivals:
            rows = {}
            for _ in range(chance.randint(5, 8) if whole else chance.randint(1, 4)):
                key, day = str(chance.randint(1, 9)), f"2024-01-{chance.randint(10, 28)}"
                rows[key] = (f"{file} {number}", day)
            put(file, *(f"{key},{name},{day}" for key, (name, day) in rows.items()))
            shown = {} if whole else shown
            for key, row in rows.items():
                if key not in shown or row[1] >= shown[key][1]:
                    shown[key] = row
        load(source, warehouse, accept_smaller=True)
        assert query(ITEMS) == sorted((key, name) for key, (name, _) in shown.items())
