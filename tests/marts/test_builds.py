"""What builds leave behind: the past in snapshots, and whole tables before every reader's eyes."""

import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from common.warehouse import Warehouse
from extract.declaration import Source, read_sources
from extract.load import load

from .conftest import Dbt, Shop, forget

RowsOf = Callable[[Warehouse, str], list[tuple[Any, ...]]]
MARTS = ("fact_sales", "dim_customer", "dim_product", "dim_person", "agg_daily_sales")


@pytest.fixture
def shop(run_dbt: Dbt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A shop, loaded and built."""
    warehouse, dbt = run_dbt
    forget(warehouse)
    monkeypatch.setenv("BUCKET_URL", str(tmp_path))
    source = read_sources()["adventure_works"]
    shop = Shop(source, tmp_path, 1)
    load(source, warehouse)
    dbt("seed")
    dbt("run", "--select", "@source:adventure_works", "--full-refresh")
    return shop


@pytest.fixture
def source() -> Source:
    return read_sources()["adventure_works"]


def test_snapshots_keep_what_changed_and_what_went(
    run_dbt: Dbt, shop: Shop, source: Source, rows_of: RowsOf
) -> None:
    warehouse, dbt = run_dbt
    history = """
        select list_price::text, dbt_valid_to is null
        from snapshots.products_history where product_id = 7 order by dbt_valid_from
    """

    def arrive(*rows: dict[str, str]) -> None:
        shop.write("product", list(rows))
        load(source, warehouse, accept_smaller=True)
        dbt("run", "--select", "dim_product")
        dbt("snapshot")

    other = {"ProductID": "8"}
    arrive({"ProductID": "7", "ListPrice": "10"}, other)
    arrive({"ProductID": "7", "ListPrice": "10"}, other, {"ProductID": "9"})
    assert rows_of(warehouse, history) == [("10.0000", True)]
    arrive({"ProductID": "7", "ListPrice": "12,5"}, other)
    assert rows_of(warehouse, history) == [("10.0000", False), ("12.5000", True)]
    arrive(other)
    assert rows_of(warehouse, history) == [("10.0000", False), ("12.5000", False)]
    shop.write("customer", [{"CustomerID": "1", "TerritoryID": "1"}])
    load(source, warehouse, accept_smaller=True)
    dbt("snapshot")
    shop.write("customer", [{"CustomerID": "1", "TerritoryID": "2"}])
    load(source, warehouse)
    dbt("snapshot")
    assert rows_of(
        warehouse,
        """
        select customer_id, territory_id, dbt_valid_to is null
        from snapshots.customers_history where territory_id is not null order by dbt_valid_from
        """,
    ) == [(1, 1, False), (1, 2, True)]


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
            dbt("run", "--select", "marts.sales", *arguments)
    finally:
        stop.set()
        reader.join()
    assert wrong == []
    assert looks > 100
