"""A table that the lake publishes, read by Spark out of its folder alone."""

from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from unittest import mock

import pytest

from common.warehouse import Warehouse
from lake.declaration import Table
from lake.publish import Lake, publish
from orchestrate import spark

pytestmark = pytest.mark.nightly
TABLE = Table(
    *("silver", "orders", "public", "orders", ()),
    partition_by=(("month", "to_char(day, 'YYYY-MM')"), ("country", "country")),
    order_by=(),
    exception="of a test",
)


def test_spark_reads_a_table_of_the_lake_by_its_path(
    cluster: dict[str, str], new_warehouse: Callable[..., Warehouse], tmp_path: Path
) -> None:
    warehouse, lake = new_warehouse(), Lake(str(tmp_path / "the lake"))

    def execute(sql: str) -> None:
        with closing(warehouse.connect()) as connection, connection, connection.cursor() as cursor:
            cursor.execute(sql)
        publish([TABLE], warehouse, lake)

    def asked(condition: str = "true") -> list[object]:
        with mock.patch.dict("os.environ", cluster):
            with spark.cursor() as cursor:
                cursor.execute(
                    "create or replace temporary view orders using iceberg "
                    f"options (path 'file://{lake.url}/silver/orders')"
                )
            question = "select count(*), sum(amount), max(day), min(month) from orders where "
            (row,) = spark.query(question + condition)[1]
        return list(row)

    execute(
        """
        create table orders as
        select
            n as id, (n * 1.01)::numeric(9, 2) as amount, date '2014-01-01' + n as day,
            case n % 3 when 0 then 'x' when 1 then 'a/b ü%2F' end as country
        from generate_series(1, 100) as n
        """
    )
    first = asked()
    assert first[:2] == [100, Decimal("5100.50")]
    assert [str(each) for each in first[2:]] == ["2014-04-11", "2014-01"]
    assert asked("country = 'a/b ü%2F' and month = '2014-02'")[0] == 10
    assert asked("country is null")[0] == 33
    execute("delete from orders where id <= 40")
    assert asked()[0] == 60
