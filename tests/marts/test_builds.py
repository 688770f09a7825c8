"""What builds leave behind: the past in snapshots, and whole tables before every reader's eyes."""

import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from common.warehouse import Warehouse

from .conftest import Dbt, Shop

RowsOf = Callable[[Warehouse, str], list[tuple[Any, ...]]]
WITHOUT_TESTS = ("--exclude-resource-type", "test", "unit_test")
MARTS = ("fact_sales", "dim_customer", "dim_product", "dim_person", "agg_daily_sales")


@pytest.fixture
def shop(run_dbt: Dbt) -> Shop:
    """A shop, loaded and built."""
    warehouse, dbt = run_dbt
    shop = Shop(warehouse, 1)
    dbt("seed")
    dbt("build", "--select", "@source:adventure_works", "--full-refresh", *WITHOUT_TESTS)
    return shop


def test_snapshots_keep_what_changed_and_what_went(
    run_dbt: Dbt, shop: Shop, rows_of: RowsOf
) -> None:
    warehouse, dbt = run_dbt
    history = """
        select list_price::text, dbt_valid_to is null
        from snapshots.products_history where product_id = 7 order by dbt_valid_from
    """

    def arrive(*rows: dict[str, str]) -> None:
        shop.write("product", list(rows))
        shop.load()
        dbt("run", "--select", "dim_product")
        dbt("snapshot")

    other = {"product_id": "8"}
    arrive({"product_id": "7", "list_price": "10"}, other)
    arrive({"product_id": "7", "list_price": "10"}, other, {"product_id": "9"})
    assert rows_of(warehouse, history) == [("10.0000", True)]
    arrive({"product_id": "7", "list_price": "12,5"}, other)
    assert rows_of(warehouse, history) == [("10.0000", False), ("12.5000", True)]
    arrive(other)
    assert rows_of(warehouse, history) == [("10.0000", False), ("12.5000", False)]
    shop.write("customer", [{"customer_id": "1", "territory_id": "1"}])
    shop.load()
    dbt("snapshot")
    shop.write("customer", [{"customer_id": "1", "territory_id": "2"}])
    shop.load()
    dbt("snapshot")
    assert rows_of(
        warehouse,
        """
        select customer_id, territory_id, dbt_valid_to is null
        from snapshots.customers_history where territory_id is not null order by dbt_valid_from
        """,
    ) == [(1, 1, False), (1, 2, True)]
    dbt("run", "--select", "dim_product_history", "dim_customer_history")
    assert rows_of(
        warehouse,
        """
        select list_price::text, valid_from = '1900-01-01', valid_to = '9999-12-31', is_current
        from marts_sales.dim_product_history where product_id in (7, 8) order by 1, 2 desc
        """,
    ) == [
        ("10.0000", True, False, False),
        ("12.5000", False, False, False),
        (None, True, True, True),
    ]
    assert rows_of(
        warehouse,
        """
        select territory_id, is_current
        from marts_sales.dim_customer_history where customer_id = 1 and territory_id is not null
        order by valid_from
        """,
    ) == [(1, False), (2, True)]
    dbt("test", "--select", "assert_history_has_one_version_at_a_time")


def test_readers_see_whole_tables_while_they_are_built(
    run_dbt: Dbt, shop: Shop, rows_of: RowsOf
) -> None:
    warehouse, dbt = run_dbt
    query = " union all ".join(f"select count(*) from marts_sales.{table}" for table in MARTS)
    expected = rows_of(warehouse, query)
    assert all(count > 0 for (count,) in expected)
    wrong: list[Any] = []
    looks = 0
    stop = threading.Event()

    def look() -> None:
        nonlocal looks
        with closing(warehouse.connect()) as connection:
            connection.autocommit = True
            while not stop.wait(0.002):
                with connection.cursor() as cursor:
                    try:
                        cursor.execute(query)
                        seen = cursor.fetchall()
                    except psycopg2.Error as error:
                        wrong.append(str(error))
                    else:
                        wrong.extend([seen] if seen != expected else [])
                looks += 1

    reader = threading.Thread(target=look)
    reader.start()
    try:
        for arguments in ((), ("--full-refresh",), ()):
            dbt("build", "--select", "marts.sales", *arguments, *WITHOUT_TESTS)
    finally:
        stop.set()
        reader.join()
    assert wrong == []
    assert looks > 100
