"""Loads into a real PostgreSQL: what arrives, what is refused, and that nothing is lost by it."""

import re
import shutil
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from common.errors import ConfigurationError, LoadError
from common.warehouse import Warehouse
from extract.declaration import Source, read_sources
from extract.ledger import locked_ledger
from extract.load import load
from tests.leftovers import unpublished

Query = Callable[[str], list[tuple[Any, ...]]]
ORDERS = "adventure_works/sales/Sales.SalesOrderHeader.csv"
LINES = "adventure_works/sales/Sales.SalesOrderDetail.csv"
PERSONS = "adventure_works/person/Person.Person.csv"


@pytest.fixture
def source() -> Source:
    return read_sources()["adventure_works"]


@pytest.fixture
def bucket(small_bucket: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sample bucket that the test may change."""
    folder = tmp_path / "bucket"
    shutil.copytree(small_bucket, folder)
    monkeypatch.setenv("BUCKET_URL", str(folder))
    return folder


def edit(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


def replace_line(path: Path, number: int, line: bytes) -> None:
    """Puts `line` in place of the line with this number, counted from 1 as editors do."""
    lines = path.read_bytes().split(b"\r\n")
    lines[number - 1] = line
    path.write_bytes(b"\r\n".join(lines))


@pytest.mark.postgres
def test_every_row_arrives_as_text_with_its_lineage(
    bucket: Path, source: Source, warehouse: Warehouse, query: Query
) -> None:
    result = load(source, warehouse)
    assert [(file.feed, file.rows) for file in result.files] == [
        (feed.name, (bucket / "adventure_works" / feed.files[0]).read_bytes().count(b"\r\n") - 1)
        for feed in source.feeds
    ]
    types = query(
        """
        select distinct data_type from information_schema.columns
        where
            table_schema = 'raw_adventure_works'
            and left(table_name, 1) <> '_'
            and left(column_name, 1) <> '_'
        """
    )
    assert types == [("text",)]
    second = (bucket / LINES).read_text(encoding="utf-8-sig").splitlines()[2].split(";")
    assert query(
        """
        select unit_price, modified_date, _source_file, _load_id
        from raw_adventure_works.sales_order_detail where _source_line = 3
        """
    ) == [(second[6], second[10], "sales/Sales.SalesOrderDetail.csv", 1)]


def test_non_ascii_quotes_and_padding_survive(
    bucket: Path, source: Source, warehouse: Warehouse, query: Query
) -> None:
    fields = (bucket / PERSONS).read_bytes().split(b"\r\n")[1].split(b";")
    fields[3] = '"žá ""李""; "'.encode()
    replace_line(bucket / PERSONS, 2, b";".join(fields))
    load(source, warehouse)
    assert query("select title from raw_adventure_works.person where _source_line = 2") == [
        ('žá "李"; ',)
    ]


@pytest.mark.postgres
def test_both_shapes_of_the_files_give_the_same_staging_rows(
    bucket: Path,
    source: Source,
    new_warehouse: Callable[..., Warehouse],
    own_name: str,
    dbt: Callable[..., Path],
    rows_of: Callable[[Warehouse, str], list[tuple[Any, ...]]],
) -> None:
    """No BOM, LF, empty for NULL and a decimal dot, as seen in public copies."""

    def staged() -> dict[str, list[tuple[Any, ...]]]:
        warehouse = new_warehouse(name=own_name)
        load(source, warehouse)
        dbt(warehouse, "run", "--select", "staging.adventure_works", "seeds")
        sql = "select (to_jsonb(stg) - '_loaded_at')::text from staging.{} as stg order by 1"
        return {
            feed.name: rows_of(warehouse, sql.format(f"stg_adventure_works__{feed.name}"))
            for feed in source.feeds
        }

    expected = staged()
    assert all(expected.values())
    for path in bucket.rglob("*.csv"):
        edit(path, _other_shape)
    assert staged() == expected


def _other_shape(data: bytes) -> bytes:
    text = data.decode("utf-8-sig").replace("\r\n", "\n")
    text = re.sub(r"(?<=[;\n])NULL(?=[;\n])", "", text)
    # Money alone has a comma between digits with none around: names and XML have others.
    text = re.sub(r"(?<=;)(-?\d+),(\d+)(?=[;\n])", r"\1.\2", text)
    return text.encode()


def test_unchanged_files_are_not_read_again(
    bucket: Path, source: Source, warehouse: Warehouse, query: Query
) -> None:
    load(source, warehouse)
    again = load(source, warehouse)
    assert again.rows == 0
    assert [file.rows for file in again.files] == [None] * 6
    assert query("select count(*) from audit.loads") == [(1,)]


def test_a_changed_file_replaces_its_rows_and_leaves_the_others(
    bucket: Path, source: Source, warehouse: Warehouse, query: Query
) -> None:
    load(source, warehouse)
    before = query("select count(*) from raw_adventure_works.sales_order_detail")[0][0]
    edit(bucket / LINES, lambda data: data[: data.rstrip().rindex(b"\r\n") + 2])
    result = load(source, warehouse)
    assert [file.feed for file in result.files if file.rows is not None] == ["sales_order_detail"]
    assert query(
        "select count(*), min(_load_id), max(_load_id) from raw_adventure_works.sales_order_detail"
    ) == [(before - 1, 2, 2)]
    assert query("select distinct _load_id from raw_adventure_works.person") == [(1,)]


@pytest.mark.postgres
def test_replaced_versions_of_a_file_are_dropped_and_stay_in_the_ledger(
    bucket: Path, source: Source, warehouse: Warehouse, query: Query
) -> None:
    for _ in range(3):
        load(source, warehouse)
        edit(bucket / LINES, lambda data: data[: data.rstrip().rindex(b"\r\n") + 2])
    tables = """
        select count(*) from pg_class
        where
            relnamespace = 'raw_adventure_works_files'::regnamespace
            and relname ~ 'sales_order_detail_[0-9]+$'
    """
    assert query(tables) == [(1,)]
    assert query(
        """
        select load_id, is_current, replaced_by_load_id from audit.files
        where feed = 'sales_order_detail' order by file_id
        """
    ) == [(1, False, 2), (2, False, 3), (3, True, None)]


@pytest.mark.parametrize(
    ("file", "change", "reason"),
    [
        (PERSONS, lambda data: data.replace(b";LastName;", b";Name;", 1), "LastName is missing"),
        (PERSONS, lambda data: data.replace(b";Suffix;", b";LastName;", 1), "Suffix is missing"),
        (
            PERSONS,
            lambda data: data.replace(b"ModifiedDate", b"ModifiedDate;LastName", 1),
            "column LastName is duplicated",
        ),
        (
            PERSONS,
            lambda data: data.replace(b"ModifiedDate", b"ModifiedDate;last_name", 1),
            "column last_name is duplicated (as LastName too)",
        ),
        (PERSONS, lambda data: data.decode("utf-8-sig").encode("utf-16"), "is utf-16"),
        (PERSONS, lambda data: data.replace(b";EM;", b";\xe9;", 1), "is not utf-8 (byte 0xe9)"),
        (ORDERS, lambda data: data + b"1;2;3\r\n", "3 fields instead of 26"),
        (ORDERS, lambda data: data + b'1;"2;3\r\n', "a quote is not closed"),
        (ORDERS, lambda data: data.replace(b"SO43659", b"SO\x0043659"), "0x00"),
        (ORDERS, lambda _: b"", "is empty"),
        (ORDERS, None, "not found"),
    ],
)
def test_a_broken_file_is_named_and_changes_nothing(
    bucket: Path,
    source: Source,
    warehouse: Warehouse,
    query: Query,
    file: str,
    change: Callable[[bytes], bytes] | None,
    reason: str,
) -> None:
    load(source, warehouse)
    snapshot = "select sum(total_due_cents), count(*) from (select length(total_due) as "
    snapshot += "total_due_cents from raw_adventure_works.sales_order_header) as orders"
    persons = "select count(*), max(_load_id) from raw_adventure_works.person"
    before = query(snapshot), query(persons)
    # Another file changes too: it must not become visible without the broken one.
    edit(bucket / LINES, lambda data: data[: data.rstrip().rindex(b"\r\n") + 2])
    path = bucket / file
    if change is None:
        path.unlink()
    else:
        edit(path, change)
    with pytest.raises(LoadError) as raised:
        load(source, warehouse)
    assert reason in str(raised.value)
    assert path.name in str(raised.value)
    assert (query(snapshot), query(persons)) == before
    assert query("select distinct _load_id from raw_adventure_works.sales_order_detail") == [(1,)]
    assert query(unpublished("adventure_works")) == []


def test_the_line_of_a_broken_record_is_named(
    bucket: Path, source: Source, warehouse: Warehouse
) -> None:
    replace_line(bucket / ORDERS, 7, b"43659;8")
    with pytest.raises(LoadError, match=r"SalesOrderHeader\.csv: 1 of .*: line 7: .*'43659;8'"):
        load(source, warehouse)


def test_a_new_column_is_landed_and_reported(
    bucket: Path, source: Source, warehouse: Warehouse, query: Query
) -> None:
    load(source, warehouse)
    edit(
        bucket / ORDERS,
        lambda data: data.replace(b"\r\n", b";x\r\n").replace(b";x", b";Channel", 1),
    )
    result = load(source, warehouse)
    assert [file.new_columns for file in result.files if file.new_columns] == [("Channel",)]
    assert query("select distinct channel from raw_adventure_works.sales_order_header") == [("x",)]


def test_reordered_columns_change_nothing(
    bucket: Path, source: Source, warehouse: Warehouse, query: Query
) -> None:
    sql = "select person_id, store_id from raw_adventure_works.customer order by _source_line"
    load(source, warehouse)
    before = query(sql)
    edit(
        bucket / "adventure_works/sales/Sales.Customer.csv",
        lambda data: b"".join(
            b";".join(reversed(line.split(b";"))) + b"\r\n"
            for line in data.decode("utf-8-sig").encode().splitlines()
        ),
    )
    load(source, warehouse)
    assert query(sql) == before


def test_a_second_load_of_the_source_is_refused_while_one_runs(
    bucket: Path, source: Source, warehouse: Warehouse
) -> None:
    with (
        locked_ledger(source, warehouse),
        pytest.raises(LoadError, match="another load of it is running"),
    ):
        load(source, warehouse)
    assert load(source, warehouse).rows > 0


@pytest.mark.postgres
def test_a_load_that_was_killed_is_cleaned_up_by_the_next(
    bucket: Path, source: Source, warehouse: Warehouse, query: Query
) -> None:
    load(source, warehouse)
    with closing(warehouse.connect()) as connection, connection.cursor() as cursor:
        # What a killed load leaves: a row in the ledger, and rows that nothing shows.
        cursor.execute("insert into audit.loads (source) values ('adventure_works')")
        cursor.execute("create table raw_adventure_works_files.customer_77 (customer_id text)")
        connection.commit()
    load(source, warehouse)
    assert query("select status, error from audit.loads where load_id = 2") == [
        ("failed", "interrupted")
    ]
    assert query(unpublished("adventure_works")) == []


@pytest.mark.postgres
def test_s3_and_a_folder_give_the_same_rows(
    small_bucket: Path,
    source: Source,
    warehouse: Warehouse,
    new_warehouse: Callable[[], Warehouse],
    rows_of: Callable[[Warehouse, str], list[tuple[Any, ...]]],
    s3_bucket: Callable[[Path], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sql = "select md5(string_agg(line::text, '|' order by line::text)) from ("
    sql += "select to_jsonb(raw) - '_load_id' - '_loaded_at' as line from "
    sql += "raw_adventure_works.{} as raw) as lines"
    monkeypatch.setenv("BUCKET_URL", str(small_bucket))
    load(source, warehouse)
    monkeypatch.setenv("BUCKET_URL", s3_bucket(small_bucket))
    assert load(source, warehouse).rows == 0, "the same bytes from elsewhere change nothing"
    other = new_warehouse()
    assert load(source, other).rows > 0
    for feed in source.feeds:
        assert rows_of(other, sql.format(feed.name)) == rows_of(warehouse, sql.format(feed.name))


def test_the_command_reports_and_exits(
    bucket: Path,
    warehouse: Warehouse,
    run_module: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    variables = {"BUCKET_URL": str(bucket), **warehouse.variables()}
    done = run_module("extract", "load", **variables)
    assert (done.returncode, done.stderr) == (0, "")
    assert "rows of adventure_works loaded" in done.stdout
    status = run_module("extract", "status", **variables)
    assert "sales/Sales.SalesOrderHeader.csv" in status.stdout
    (bucket / ORDERS).unlink()
    failed = run_module("extract", "load", **variables)
    assert failed.returncode == 1
    assert "sales/Sales.SalesOrderHeader.csv not found" in failed.stderr
    assert run_module("extract", "load", "no_such", **variables).returncode == 2


def test_a_wrong_password_is_not_echoed(warehouse: Warehouse) -> None:
    secret = "s3cret-of-the-test"
    wrong = Warehouse(warehouse.host, warehouse.port, warehouse.user, warehouse.database, secret)
    with pytest.raises(LoadError) as raised:
        wrong.connect()
    assert secret not in str(raised.value) + repr(wrong)


def test_a_warehouse_without_a_host_is_wrong_configuration() -> None:
    from common.warehouse import find_warehouse

    with pytest.raises(ConfigurationError, match="POSTGRES_HOST is not set"):
        find_warehouse()
