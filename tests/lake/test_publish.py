"""What is in the lake is what is in the warehouse: every row, to the cent, in the same types."""

import json
import os
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from pyiceberg.expressions import EqualTo, IsNull

from common.errors import ConfigurationError, LoadError
from common.warehouse import Warehouse
from lake import files as files_module
from lake import snapshot as snapshot_module
from lake.declaration import Table, read_tables
from lake.publish import Lake, publish, published

from .conftest import Reader, declare, execute

Rows = list[tuple[Any, ...]]
RowsOf = Callable[[Warehouse, str], Rows]
Run = Callable[..., subprocess.CompletedProcess[str]]

# What DuckDB has to call the types of PostgreSQL; numeric(p,s) is DECIMAL(p,s).
TYPES = {
    "smallint": "SMALLINT",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "real": "FLOAT",
    "double precision": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "text": "VARCHAR",
    "timestamp without time zone": "TIMESTAMP",
    "timestamp with time zone": "TIMESTAMP WITH TIME ZONE",
}


def assert_same(reader: Reader, table: Table, warehouse: Warehouse, rows_of: RowsOf) -> None:
    """Compares a table of the lake with its relation: columns, types, and rows without order."""
    name = f"{table.schema}.{table.relation}"
    columns = rows_of(
        warehouse,
        f"""
        select attname, format_type(atttypid, atttypmod) from pg_attribute
        where attrelid = '{name}'::regclass and attnum > 0 and not attisdropped order by attnum
        """,
    )
    if table.columns:
        columns = [column for column in columns if column[0] in table.columns]
    computed = [each for each in table.partition_by if each[0] != each[1]]
    expected = [
        (column, TYPES.get(kind, kind.upper().replace("NUMERIC", "DECIMAL")))
        for column, kind in columns
    ] + [(column, "VARCHAR") for column, _ in computed]
    if table.partition_by:  # Iceberg knows no smaller integers.
        expected = [(column, kind.replace("SMALLINT", "INTEGER")) for column, kind in expected]
    described = reader.read(table, "describe select * from {}")
    assert [(column, kind) for column, kind, *_ in described] == expected
    selected = [column for column, _ in columns] + [f"({sql})::text" for _, sql in computed]
    rows = rows_of(warehouse, f"select {', '.join(selected)} from {name}")
    assert Counter(reader.read(table)) == Counter(rows)


ON_S3 = {"silver/sales", "gold/fact_sales", "gold/dim_person_masked"}


@pytest.mark.warehouse
@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_every_table_is_the_warehouses_own(
    kind: str,
    built_warehouse: Any,
    tmp_path: Path,
    s3_bucket: Callable[[Path], str],
    rows_of: RowsOf,
) -> None:
    warehouse = built_warehouse.warehouse
    url = str(tmp_path / "lake") if kind == "folder" else s3_bucket(tmp_path)
    reader = Reader(Lake(url), tmp_path / "copy")
    declared = read_tables()
    if kind == "s3":  # Of each layer one: the mock takes its time for the files of all.
        declared = [table for table in declared if str(table) in ON_S3]
    results = publish(declared, warehouse, reader.lake)
    tables = [result.table for result in results if result.rows is not None]
    assert set(map(str, tables)) >= ON_S3
    for table in tables:
        assert_same(reader, table, warehouse, rows_of)
    sales = next(table for table in tables if str(table) == "silver/sales")
    by_month = (
        "select strftime(order_date, '%Y-%m') = order_month, sum(line_total) from {} group by 1"
    )
    total = rows_of(warehouse, "select sum(line_total) from marts_sales.fact_sales")
    assert reader.read(sales, by_month) == [(True, total[0][0])]
    before = reader.objects()
    again = publish(declared, warehouse, reader.lake)
    assert [(result.written, result.removed) for result in again if result.rows is not None] == [
        (0, 0) for _ in tables
    ]
    assert reader.objects() == before


@pytest.mark.warehouse
def test_the_lake_holds_what_readers_may_read_and_nothing_personal(built_warehouse: Any) -> None:
    manifest = json.loads((built_warehouse.target_path / "manifest.json").read_text())
    models = {
        f"{node['schema']}.{node['alias']}": node
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model"
    }
    declared = {f"{table.schema}.{table.relation}": table for table in read_tables()}
    personal = [
        f"{relation}.{name}"
        for relation in declared.keys() & models.keys()
        for name, column in models[relation]["columns"].items()
        if column.get("config", {}).get("meta", {}).get("personal")
    ]
    assert personal == []
    readable = {
        relation
        for relation, model in models.items()
        if "reader" in (model["config"].get("grants") or {}).get("select", [])
        # A view is as of now (marts_operations), which a file cannot be.
        and model["config"]["materialized"] != "view"
    }
    gold = {f"{t.schema}.{t.relation}" for t in read_tables() if t.layer == "gold"}
    assert sorted(readable - gold) == []
    assert {t for t in declared if not declared[t].exception} <= readable


@pytest.mark.warehouse
def test_whoever_reads_the_lake_sees_no_more_than_a_reader(
    built_warehouse: Any, folder_lake: Reader, rows_of: RowsOf
) -> None:
    warehouse = built_warehouse.warehouse
    results = publish(read_tables(), warehouse, folder_lake.lake)
    readable = {
        f"{schema}.{relation}"
        for schema, relation in rows_of(
            warehouse,
            """
            select nspname, relname
            from pg_class inner join pg_namespace on pg_namespace.oid = relnamespace
            where
                has_schema_privilege('reader', relnamespace, 'usage')
                and has_table_privilege('reader', pg_class.oid, 'select')
            """,
        )
    }
    found = {"/".join(key.split("/")[:2]) for key in folder_lake.objects()}
    # The record of the raw brewery is declared as an exception, with its reason.
    assert found >= {"bronze/breweries", "gold/fact_sales"}
    assert [
        str(result.table)
        for result in results
        if str(result.table) in found
        and f"{result.table.schema}.{result.table.relation}" not in readable
    ] == ["bronze/breweries"]


@pytest.mark.parametrize("grant", ["schema", "table", "neither"])
def test_a_table_that_readers_may_not_read_is_not_published(
    grant: str, folder_lake: Reader, warehouse: Warehouse
) -> None:
    execute(warehouse, "create schema kept; create table kept.secret as select 1 as id")
    execute(warehouse, "revoke usage on schema public from public")
    if grant == "schema":
        execute(warehouse, "grant usage on schema kept to reader")
    if grant == "table":
        execute(warehouse, "grant select on kept.secret to reader")
    secret = replace(declare("secret", "gold"), schema="kept", exception="")
    (result,) = publish([secret], warehouse, folder_lake.lake)
    assert result.is_withheld
    assert folder_lake.objects() == {}
    execute(warehouse, "grant usage on schema kept to reader")
    execute(warehouse, "grant select on kept.secret to reader")
    (result,) = publish([secret], warehouse, folder_lake.lake)
    assert (result.is_withheld, result.rows) == (False, 1)


def test_a_table_that_readers_may_no_longer_read_is_withdrawn(
    reader: Reader, warehouse: Warehouse
) -> None:
    execute(
        warehouse,
        "create schema kept; create table kept.t as select n as id, n % 2 as part "
        "from generate_series(1, 4) as n;"
        "grant usage on schema kept to reader; grant select on kept.t to reader",
    )
    tables = [
        replace(table, schema="kept", exception="")
        for table in (declare("t", "gold"), declare("t", part="part"))
    ]
    publish(tables, warehouse, reader.lake)
    execute(warehouse, "revoke select on kept.t from reader")
    results = publish(tables, warehouse, reader.lake)
    assert [result.is_withheld for result in results] == [True, True]
    assert reader.objects() == {}


def test_the_command_names_what_it_withholds(
    warehouse: Warehouse, run_module: Run, tmp_path: Path
) -> None:
    execute(
        warehouse,
        "create schema marts_sales; create table marts_sales.dim_product as select 1 as product_id",
    )
    variables = {**warehouse.variables(), "LAKE_URL": str(tmp_path / "lake")}
    for arguments in ([], ["dim_product"]):
        done = run_module("lake", "publish", *arguments, **variables)
        assert done.returncode == 1
        assert "gold/dim_product: withheld: the role reader may not read marts_sales" in done.stderr
        assert "Traceback" not in done.stderr
    assert not list((tmp_path / "lake").rglob("*.parquet"))


def test_a_server_without_the_role_publishes_nothing(
    folder_lake: Reader, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(warehouse, "create table t as select 1 as id")
    monkeypatch.setattr(snapshot_module, "READER", "nobody_has_made_this_role")
    with pytest.raises(LoadError, match="no role nobody_has_made_this_role: `make roles`"):
        publish([declare("t", "gold")], warehouse, folder_lake.lake)


HOSTILE = [
    *("a/b", "a=b", "50%", "%2F", "..", ".", "a b+c", 'O\'Hara "x"', "[*]?", "#:;&{}^~|<>\\"),
    *("Österreich", "Päijät-Häme", "李", "🍺", "é", "line\nend", "NULL", "null", "2014-01-01"),
    *("1", "true", "__HIVE_DEFAULT_PARTITION__x", "md", "MD"),
]


def test_hostile_values_come_back_as_they_are(
    reader: Reader, warehouse: Warehouse, rows_of: RowsOf
) -> None:
    execute(warehouse, "create table hostile (id integer, country text, state text, comment text)")
    values = [value.replace("'", "''") for value in HOSTILE]
    pairs = [
        *((f"'{value}'", f"'{other}'") for value, other in pairwise(values)),
        ("null", "'x'"),
        ("'x'", "null"),
        ("null", "null"),
    ]
    rows = [f"({n}, {country}, {state}, {state})" for n, (country, state) in enumerate(pairs)] + [
        "(1000, '', 'x', ''), (1001, null, 'x', null)"
    ]
    execute(warehouse, f"insert into hostile values {', '.join(rows)}")
    table = declare("hostile", country="country", state="state")
    publish([table], warehouse, reader.lake)
    assert_same(reader, table, warehouse, rows_of)
    # Each partition is found by its values, and is one file.
    for country in {None, "", *HOSTILE}:
        condition = EqualTo("country", country) if country is not None else IsNull("country")
        scan = reader.iceberg(table).scan(condition)
        found = rows_of(
            warehouse,
            "select id from hostile where country "
            + ("is null" if country is None else f"= '{country.replace(chr(39), chr(39) * 2)}'"),
        )
        assert sorted((each,) for each in scan.to_arrow()["id"].to_pylist()) == sorted(found)
    pairs_of = rows_of(warehouse, "select country, state from hostile")
    assert len(reader.data_files(table)) == len(set(pairs_of))


@pytest.mark.parametrize("partition", ["", "c", "d", "f", "g", "i", "j"])
def test_types_and_extremes_are_kept(
    partition: str, folder_lake: Reader, warehouse: Warehouse, rows_of: RowsOf
) -> None:
    execute(
        warehouse,
        """
        create table typed (
            a smallint, b integer, c bigint, d numeric(19, 4), e numeric(38, 10), f boolean, g date,
            h timestamp, i timestamptz, j text, k real, l double precision, m numeric(3, 3)
        );
        insert into typed values
        (-32768, -2147483648, -9223372036854775808, -999999999999999.9999,
         -9999999999999999999999999999.9999999999, true, '0001-01-01', '2014-02-28 23:59:59.999999',
         '2014-03-30 02:30:00.000001+02', E'a,"b"\\r\\nc\\\\N\\tü', 0.5, 0.1, 0.001),
        (32767, 2147483647, 9223372036854775807, 0.0001, 0.0000000001, false, '9999-12-31',
         '1969-12-31', '1969-12-31 23:00-05', 'NULL', 1048576, 1e300, -0.999),
        (0, 0, 0, 0, 0, null, null, null, null, '', 'Infinity', '-Infinity', 0),
        (null, null, null, null, null, null, null, null, null, null, null, null, null);
        """,
    )
    table = declare("typed", **{partition: partition} if partition else {})
    publish([table], warehouse, folder_lake.lake)
    assert_same(folder_lake, table, warehouse, rows_of)
    ((amount, day, at),) = folder_lake.read(table, "select d, g, i from {} where a = -32768")
    assert amount == Decimal("-999999999999999.9999")
    assert day == date(1, 1, 1)
    assert at == datetime(2014, 3, 30, 0, 30, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("numeric", "1"),
        ("numeric(40, 2)", "1"),
        ("interval", "'1 day'"),
        ("integer[]", "'{1}'"),
        ("numeric(9, 2)", "'NaN'"),
        ("date", "'infinity'"),
        ("timestamp", "'-infinity'"),
        ("date", "'0044-03-15 BC'"),
    ],
)
def test_what_the_lake_cannot_hold_exactly_is_refused(
    folder_lake: Reader, warehouse: Warehouse, column: str, value: str
) -> None:
    execute(warehouse, f"create table good as select 1 as id; create table bad (x {column})")
    execute(warehouse, f"insert into bad values ({value})")
    with pytest.raises(LoadError, match="gold/bad: "):
        publish([declare("good", "gold"), declare("bad", "gold")], warehouse, folder_lake.lake)
    assert not Path(folder_lake.lake.url).exists()


def test_partitions_have_bounds(
    folder_lake: Reader, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(warehouse, "create table many as select n from generate_series(1, 11) as n")
    monkeypatch.setattr(files_module, "MAX_PARTITIONS", 10)
    with pytest.raises(LoadError, match="more than 10 partitions"):
        publish([declare("many", n="n")], warehouse, folder_lake.lake)
    with pytest.raises(LoadError, match="too long for the name of a folder: long=%C3"):
        publish([declare("many", long="repeat('ü', 130)")], warehouse, folder_lake.lake)
    assert not Path(folder_lake.lake.url).exists()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (declare("t", id="part"), "there already is a column id"),
        (declare("t", month="month"), "month"),
        (replace(declare("t"), columns=("id", "none")), "there is no none"),
    ],
)
def test_what_is_declared_and_is_not_there_is_said(
    table: Table, message: str, folder_lake: Reader, warehouse: Warehouse
) -> None:
    execute(warehouse, "create table t as select 1 as id, 2 as part")
    with pytest.raises(ConfigurationError, match=message):
        publish([table], warehouse, folder_lake.lake)


def test_row_groups_have_bounds_and_one_file_a_partition(
    folder_lake: Reader,
    warehouse: Warehouse,
    rows_of: RowsOf,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(files_module, "BLOCK_BYTES", 1 << 14)
    monkeypatch.setattr(files_module, "ROW_GROUP_ROWS", 1000)
    execute(
        warehouse,
        "create table large as "
        "select n, n % 2 as half, md5(n::text) as text from generate_series(1, 10001) as n",
    )
    table = declare("large", half="half")
    publish([table], warehouse, folder_lake.lake)
    files = [file.removeprefix("file://") for file in folder_lake.data_files(table)]
    assert len(files) == 2
    assert_same(folder_lake, table, warehouse, rows_of)
    for file in files:
        metadata = pyarrow.parquet.read_metadata(file)
        groups = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
        assert groups[:5] == [1000] * 5
        assert len(groups) <= 6


def test_only_what_changed_is_written(reader: Reader, warehouse: Warehouse) -> None:
    execute(
        warehouse,
        "create table months as "
        "select n as id, n % 6 as month, 1.5 as amount from generate_series(1, 60) as n;"
        "alter table months alter amount type numeric(9, 2)",
    )
    table = declare("months", month="month")
    (first,) = publish([table], warehouse, reader.lake)
    assert (first.files, first.written, first.removed) == (6, 6, 0)
    before = reader.data_files(table)
    # Moves the row to another place in the table, too.
    execute(warehouse, "update months set amount = 2 where id = 3")
    (second,) = publish([table], warehouse, reader.lake)
    assert (second.files, second.written, second.removed) == (6, 1, 1)
    assert len({*before, *reader.data_files(table)}) == 7
    assert reader.read(table, "select sum(amount) from {}") == [(Decimal("90.50"),)]
    execute(warehouse, "delete from months where month = 0")
    (third,) = publish([table], warehouse, reader.lake)
    assert (third.files, third.written, third.removed) == (5, 0, 1)


def test_a_table_without_rows_has_columns(reader: Reader, warehouse: Warehouse) -> None:
    execute(warehouse, "create table empty (id integer, part text, amount numeric(9, 2))")
    tables = [declare("empty", "gold"), declare("empty", part="part")]
    publish(tables, warehouse, reader.lake)
    for table in tables:
        described = reader.read(table, "describe select * from {}")
        assert [name for name, *_ in described] == ["id", "part", "amount"]
        assert reader.read(table) == []
    execute(warehouse, "insert into empty values (1, 'a', 1)")
    publish(tables, warehouse, reader.lake)
    for table in tables:
        assert reader.read(table) == [(1, "a", Decimal("1.00"))]


THIRDS = "create table t as select n as id, n % 3 as part from generate_series(1, 9) n"


def test_what_somebody_did_to_the_lake_is_put_right(
    reader: Reader, warehouse: Warehouse, rows_of: RowsOf
) -> None:
    execute(warehouse, THIRDS)
    tables = [declare("t", part="part"), declare("t", "gold")]
    publish(tables, warehouse, reader.lake)
    silver, gold = (reader.lake.layer(table.layer) for table in tables)
    lost, *_ = (item.key for item in silver.objects() if item.key.endswith(".parquet"))
    for key in (lost, "t/metadata/version-hint.text"):
        silver.delete(key)
    gold.put("t/t.parquet", b"of somebody else")
    publish(tables, warehouse, reader.lake)
    for table in tables:
        assert_same(reader, table, warehouse, rows_of)
    # What no version shows goes with the next; what is nobody's of ours stays.
    for key in ("data/part=9/0123456789abcdef.parquet", "metadata/killed.avro", "readme.txt"):
        silver.put(f"t/{key}", b"of somebody")
    execute(warehouse, "update t set id = 0 where id = 1")
    publish(tables, warehouse, reader.lake)
    assert_same(reader, tables[0], warehouse, rows_of)
    left = {item.key for item in silver.objects()}
    assert "t/readme.txt" in left
    assert not left & {"t/data/part=9/0123456789abcdef.parquet", "t/metadata/killed.avro"}


def test_what_is_young_may_be_another_publishs_own(
    folder_lake: Reader, warehouse: Warehouse
) -> None:
    """Which is about to show it, unless it died a day ago."""
    execute(warehouse, "create table t as select 1 as id, 2 as part")
    table = declare("t", part="part")
    publish([table], warehouse, folder_lake.lake)
    orphan = Path(folder_lake.lake.url, "silver/t/data/part=2/0123456789abcdef.parquet")
    orphan.write_bytes(b"")
    publish([table], warehouse, folder_lake.lake)
    assert orphan.exists()
    os.utime(orphan, (0, time.time() - 25 * 3600))
    publish([table], warehouse, folder_lake.lake)
    assert not orphan.exists()


def test_a_table_whose_metadata_was_damaged_is_named(
    folder_lake: Reader, warehouse: Warehouse
) -> None:
    execute(warehouse, "create table t as select 1 as id, 2 as part")
    table = declare("t", part="part")
    publish([table], warehouse, folder_lake.lake)
    metadata = Path(folder_lake.lake.url, "silver/t/metadata")
    for name in ("*.avro", "v1.metadata.json"):
        for path in metadata.glob(name):
            path.write_bytes(b"{")
        with pytest.raises(LoadError, match=r"silver/t: .*remove that folder, and publish again"):
            publish([table], warehouse, folder_lake.lake)


def test_a_former_version_is_read_until_its_time_is_over(
    folder_lake: Reader, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(warehouse, THIRDS)
    table = declare("t", part="part")
    ids = []
    for last in (7, 10, 11):
        execute(warehouse, f"update t set id = {last} where id in (7, 10)")
        publish([table], warehouse, folder_lake.lake)
        ids.append(folder_lake.iceberg(table).metadata.current_snapshot_id)
    count = "select sum(id) from {}"
    before = [folder_lake.read(table, count, each)[0] for each in ids]
    files = [key for key in folder_lake.objects() if key.endswith(".parquet")]
    assert (len(set(before)), len(files)) == (3, 5)
    # A version is old when the one that replaced it is: who reads it now may have begun just now.
    day = 24 * 3600
    now = time.time()
    monkeypatch.setenv("LAKE_HISTORY_DAYS", "2")
    for days, left in ((1.9, 3), (2.1, 1)):
        monkeypatch.setattr("lake.iceberg.time.time", lambda days=days: now + days * day)
        publish([table], warehouse, folder_lake.lake)
        shown = [each.snapshot_id for each in folder_lake.iceberg(table).snapshots()]
        assert shown == ids[-left:]
        assert [folder_lake.read(table, count, each)[0] for each in shown] == before[-left:]
    files = [key for key in folder_lake.objects() if key.endswith(".parquet")]
    assert len(files) == 3
    monkeypatch.setenv("LAKE_HISTORY_DAYS", "a week")
    with pytest.raises(ConfigurationError, match="LAKE_HISTORY_DAYS: expected days"):
        publish([table], warehouse, folder_lake.lake)


def test_columns_that_change_leave_former_versions_as_they_were(
    folder_lake: Reader, warehouse: Warehouse, rows_of: RowsOf
) -> None:
    execute(warehouse, THIRDS)
    table = declare("t", part="part")
    publish([table], warehouse, folder_lake.lake)
    first = folder_lake.iceberg(table).metadata.current_snapshot_id
    rows = Counter(folder_lake.read(table))
    for sql in (
        "alter table t add amount numeric(9, 2) default 1.5",
        "alter table t alter id type text",
        "alter table t drop amount",
        "alter table t rename to old_t; create table t as select part, id, 1 as one from old_t",
    ):
        execute(warehouse, sql)
        publish([table], warehouse, folder_lake.lake)
        assert_same(folder_lake, table, warehouse, rows_of)
        assert Counter(folder_lake.read(table, snapshot_id=first)) == rows
    assert len(folder_lake.iceberg(table).snapshots()) == 5


def test_a_declaration_that_changes_leaves_nothing_of_before(
    reader: Reader, warehouse: Warehouse, rows_of: RowsOf
) -> None:
    execute(warehouse, THIRDS)
    whole = declare("t")
    for table in (whole, declare("t", part="part"), declare("t", half="id % 2"), whole):
        publish([table], warehouse, reader.lake)
        assert_same(reader, table, warehouse, rows_of)
        if table.partition_by:
            assert len(reader.iceberg(table).snapshots()) == 1
            data = {key for key in reader.objects() if key.endswith(".parquet")}
            assert len(data) == len(reader.data_files(table))
    assert reader.objects().keys() == {"silver/t/t.parquet"}


def test_the_former_format_is_refused(folder_lake: Reader, warehouse: Warehouse) -> None:
    execute(warehouse, "create table t as select 1 as id")
    table = declare("t", id="id")
    folder_lake.lake.layer("silver").put("t/_manifest.json", b"{}")
    before = folder_lake.objects()
    with pytest.raises(LoadError, match=r"former format .*: silver/t; remove their folders"):
        publish([declare("t", "gold"), table], warehouse, folder_lake.lake)
    assert folder_lake.objects() == before


def test_a_column_alone_keeps_its_nulls(folder_lake: Reader, warehouse: Warehouse) -> None:
    execute(warehouse, "create table t (id text); insert into t values (null), (''), ('a')")
    publish([declare("t", "gold")], warehouse, folder_lake.lake)
    assert Counter(folder_lake.read(declare("t", "gold"))) == Counter([(None,), ("",), ("a",)])


def test_records_are_as_they_arrived(reader: Reader, warehouse: Warehouse, rows_of: RowsOf) -> None:
    execute(
        warehouse,
        """
        create table records (record text, _loaded_at timestamptz);
        insert into records values
        ('{"id": "1", "name": "Br\\u00e4u", "phone": null, "x": 1.10}', '2014-01-01 23:30-05'),
        (E'{\n "id": "2",\r\n "name": "李 \\\\n"}', '2014-01-03 00:00+00');
        """,
    )
    by_day = declare("records", "bronze", load_date="to_char(_loaded_at, 'YYYY-MM-DD')")
    table = replace(by_day, columns=("record",))
    publish([table], warehouse, reader.lake)
    records = [record for (record,) in rows_of(warehouse, "select record from records order by 1")]
    assert reader.read(table, "select * from {} order by 1") == [
        (records[0], "2014-01-03"),
        (records[1], "2014-01-02"),
    ]
    assert [Path(file).parent.name for file in sorted(reader.data_files(table))] == [
        "load_date=2014-01-02",
        "load_date=2014-01-03",
    ]


def test_the_status_tells_what_was_published(folder_lake: Reader, warehouse: Warehouse) -> None:
    execute(warehouse, "create table t as select n as id from generate_series(1, 9) n")
    tables = [declare("t", "gold"), declare("t", part="id % 2")]
    publish(tables, warehouse, folder_lake.lake)
    found = published([*tables, declare("other", "gold"), declare("u", a="a")], folder_lake.lake)
    assert [(entry.table, entry.rows, entry.files) for entry in found] == [
        (tables[0], 9, 1),
        (tables[1], 9, 2),
    ]


def test_the_command_says_what_it_did(
    warehouse: Warehouse, run_module: Run, tmp_path: Path
) -> None:
    execute(
        warehouse,
        "create schema marts_sales; create table marts_sales.dim_product as select 1 as product_id;"
        "grant usage on schema marts_sales to reader;"
        "grant select on marts_sales.dim_product to reader",
    )
    variables = {**warehouse.variables(), "LAKE_URL": str(tmp_path / "lake")}
    done = run_module("lake", "publish", **variables)
    assert done.returncode == 0, done.stderr
    assert "1 rows  gold/dim_product: 1 of 1 files written" in done.stdout
    assert "not built yet, so left alone: bronze/breweries, " in done.stdout
    done = run_module("lake", "publish", "dim_product", **variables)
    assert "gold/dim_product: unchanged" in done.stdout
    assert "gold/dim_product" in run_module("lake", "status", **variables).stdout


@pytest.mark.parametrize(
    ("arguments", "variables", "code", "message"),
    [
        (["publish", "nothing"], {}, 2, "nothing: no such table; declared: bronze/breweries"),
        (["publish"], {"LAKE_URL": "ftp://host/x"}, 2, "ftp: unknown kind of bucket"),
        (["publish", "gold/dim_date"], {}, 1, "the warehouse has no marts_sales.dim_date"),
        (["publish"], {"POSTGRES_PORT": "1"}, 1, "PostgreSQL at 127.0.0.1:1"),
        (["publish"], {"LAKE_HISTORY_DAYS": "-1"}, 2, "LAKE_HISTORY_DAYS: expected days"),
    ],
)
def test_what_goes_wrong_is_said(
    warehouse: Warehouse,
    run_module: Run,
    tmp_path: Path,
    arguments: list[str],
    variables: dict[str, str],
    code: int,
    message: str,
) -> None:
    settings = {**warehouse.variables(), "LAKE_URL": str(tmp_path / "lake"), **variables}
    done = run_module("lake", *arguments, **settings)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
