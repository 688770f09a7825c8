"""What a mart says otherwise than raw turns `dbt test` red; late lines do not."""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from common.warehouse import Warehouse

from .conftest import Dbt
from .raw import File, Raw, Row

RowsOf = Callable[[Warehouse, str], list[tuple[Any, ...]]]

MODIFIED = {"modified_date": "2014-01-01 00:00:00"}
HEADERS = "assert_orders_agree_with_headers"
LINES = "assert_fact_sales_reconciles_with_raw"
DIMENSIONS = "assert_dimensions_hold_staging_and_one_unknown"
KEYS = "assert_staging_has_every_raw_key"
DAYS = "assert_daily_sales_add_up_to_fact"
TABLES = ("fact_sales", "dim_product", "dim_customer", "agg_daily_sales")
LINE = {"order_qty": "2", "unit_price": "5", "line_total": "10"}
FIRST_LOAD = (
    File("person", "p.csv", [{"business_entity_id": p, "first_name": p} for p in "12"]),
    File("customer", "c.csv", [{"customer_id": c, "person_id": c} for c in "12"]),
    File("product", "pr.csv", [{"product_id": p, "list_price": p} for p in "12"]),
    File("special_offer_product", "s.csv", [{"special_offer_id": "1", "product_id": "1"}]),
)


def headers(*order_ids: str, **values: str) -> list[Row]:
    """Returns headers of customer 1, of 10.00 each."""
    common = {
        **MODIFIED,
        "order_date": "2014-01-01",
        "customer_id": "1",
        "total_due": "10",
        "tax_amt": "1",
        **values,
    }
    return [{**common, "sales_order_id": order} for order in order_ids]


def lines(*order_ids: str, **values: str) -> list[Row]:
    """Returns two lines of each order, of product 1."""
    common = {**MODIFIED, **LINE, "product_id": "1", "special_offer_id": "1", **values}
    return [
        {**common, "sales_order_id": order, "sales_order_detail_id": f"{order.strip()}{line}"}
        for order in order_ids
        for line in "12"
    ]


@pytest.fixture(scope="module")
def shop(run_dbt: Dbt) -> Raw:
    """Orders 1 and 2, loaded and built."""
    warehouse, dbt = run_dbt
    raw = Raw(warehouse, "adventure_works")
    raw.load(
        *FIRST_LOAD,
        File("sales_order_header", "h.csv", headers("1", "2")),
        File("sales_order_detail", "d.csv", lines("1", "2")),
    )
    dbt("seed")
    without_tests = ("--exclude-resource-type", "test", "unit_test")
    dbt("build", "--select", "@source:adventure_works", *without_tests)
    return raw


@pytest.fixture
def execute(run_dbt: Dbt) -> Iterator[Callable[[str], None]]:
    """Changes tables of the marts by hand; afterwards they are as they were."""
    warehouse, _ = run_dbt
    with closing(warehouse.connect()) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("set search_path = marts_sales, quality")
        for table in TABLES:
            cursor.execute(f"create temporary table saved_{table} as table {table}")

        yield cursor.execute

        for table in TABLES:
            cursor.execute(f"truncate {table}")
            cursor.execute(f"insert into {table} table saved_{table}")


def red(dbt: Callable[..., Any], *tests: str) -> set[str]:
    """Returns those of the tests (by default of all on the sales star) that fail."""
    selected = tests or ("@source:adventure_works",)
    arguments = ("--exclude-resource-type", "unit_test")
    results = dbt("test", "--select", *selected, *arguments, may_fail=True)
    assert results
    assert not [result.message for result in results if result.status == "error"]
    return {result.node.name for result in results if result.status == "fail"}


def test_an_untouched_star_is_green(run_dbt: Dbt, shop: Raw) -> None:
    assert red(run_dbt[1]) == set()


@pytest.mark.parametrize(
    ("tampering", "test"),
    [
        # A surrogate key is the md5 of the natural one.
        ("update fact_sales set customer_key = md5('2') where sales_order_id = 1", HEADERS),
        ("update fact_sales set person_key = 'unknown' where sales_order_detail_id = 11", HEADERS),
        ("update fact_sales set order_date = order_date + 1", HEADERS),
        ("update fact_sales set total_due = 1 where sales_order_detail_id = 11", HEADERS),
        ("update fact_sales set product_key = md5('2') where sales_order_detail_id = 11", LINES),
        ("update fact_sales set unit_price = unit_price + 0.0001", LINES),
        ("delete from fact_sales where sales_order_detail_id = 11", LINES),
        ("update dim_product set list_price = 9 where product_id = 1", DIMENSIONS),
        ("update dim_customer set territory_id = 9 where customer_id = 1", DIMENSIONS),
        ("update agg_daily_sales set order_date = order_date + 1", DAYS),
    ],
)
def test_what_a_mart_says_otherwise_than_raw_is_red(
    run_dbt: Dbt, shop: Raw, execute: Callable[[str], None], tampering: str, test: str
) -> None:
    execute(tampering)
    assert red(run_dbt[1], test) == {test}


def test_an_order_without_lines_is_listed_with_its_money(
    run_dbt: Dbt, shop: Raw, rows_of: RowsOf
) -> None:
    warehouse, dbt = run_dbt

    def execute(sql: str) -> None:
        with closing(warehouse.connect()) as connection, connection:
            connection.cursor().execute(sql)

    shop.load(File("sales_order_header", "late.csv", headers("3", total_due="7.5"), is_change=True))
    results = dbt(
        "build", "--select", "@source:adventure_works", "--exclude-resource-type", "unit_test"
    )
    assert "no_order_without_lines" in {r.node.name for r in results if r.status == "warn"}
    assert rows_of(
        warehouse, "select sales_order_id, total_due::text from quality.dq_orders_without_lines"
    ) == [(3, "7.5000")]
    execute("update quality.dq_orders_without_lines set total_due = 7")
    assert red(dbt, HEADERS) == {HEADERS}
    execute("truncate quality.dq_orders_without_lines")
    assert red(dbt, HEADERS) == {HEADERS}
    # Its lines come: it is an order like others.
    shop.load(File("sales_order_detail", "late.csv", lines(" 3"), is_change=True))
    dbt("run", "--select", "@source:adventure_works")
    assert rows_of(warehouse, "select * from quality.dq_orders_without_lines") == []
    assert red(dbt, HEADERS, LINES, KEYS) == set()


def test_show_prints_rows_when_nothing_is_new(run_dbt: Dbt, shop: Raw) -> None:
    _, dbt = run_dbt
    dbt("run", "--select", "fact_sales")
    (shown,) = [r for r in dbt("show", "--select", "fact_sales") if r.node.name == "fact_sales"]
    assert len(shown.agate_table.rows) >= 4


def test_tests_can_look_at_new_rows_alone(
    run_dbt: Dbt, shop: Raw, execute: Callable[[str], None], rows_of: RowsOf
) -> None:
    warehouse, dbt = run_dbt
    ((tested,),) = rows_of(warehouse, "select max(load_id) from audit.loads")
    tests = ("fact_sales", "stg_adventure_works__sales_order_detail")
    only_new = (*tests, "--vars", f"{{tested_loads: {{adventure_works: {tested}}}}}")
    shop.load(
        File("sales_order_header", "new.csv", headers("4"), is_change=True),
        File("sales_order_detail", "new.csv", lines("4"), is_change=True),
    )
    dbt("run", "--select", "@source:adventure_works")
    assert red(dbt, *only_new) == red(dbt, *tests) == set()
    # A fault that old rows alone have is for a test of everything.
    execute("update fact_sales set product_key = 'gone', unit_price = 1 where sales_order_id = 1")
    product = "relationships_fact_sales_product_key__product_key__ref_dim_product_"
    assert red(dbt, *only_new) == set()
    assert {product, LINES} <= red(dbt, *tests)
    # New rows that break the reference, the sums, and the uniqueness of an old row.
    execute(
        "update fact_sales set product_key = 'gone', sales_key = (select sales_key from "
        "fact_sales where sales_order_detail_id = 21), unit_price = 1 "
        "where sales_order_detail_id = 41"
    )
    assert {product, LINES, "unique_fact_sales_sales_key"} <= red(dbt, *only_new)


def test_rejected_values_are_listed_while_their_rows_count(
    run_dbt: Dbt, shop: Raw, rows_of: RowsOf
) -> None:
    warehouse, dbt = run_dbt
    listed = """
        select column_name, value, record_key from quality.dq_adventure_works_rejected_values
        order by value
    """

    def change(name: str, **values: str) -> None:
        rows = lines("5", modified_date="2014-02-01 00:00:00", **values)[:1]
        shop.load(File("sales_order_detail", f"{name}.csv", rows, is_change=True))

    def list_values() -> list[tuple[Any, ...]]:
        dbt("run", "--select", "+dq_adventure_works_rejected_values")
        return rows_of(warehouse, listed)

    of_line = "sales_order_id=5, sales_order_detail_id=51"
    change("wrong", order_qty="two", unit_price="much")
    wrong = [("unit_price", "much", of_line), ("order_qty", "two", of_line)]
    assert list_values() == wrong
    shop.load(File("product", "pr.csv", [{"product_id": "1"}, {"product_id": "2"}]))
    assert list_values() == wrong
    # A change row without fault, and newer, takes the place of the wrong one.
    change("right")
    assert list_values() == []
    # Taken back, it lets the wrong one show again.
    shop.load(File("sales_order_detail", "right.csv", [], is_change=True))
    assert list_values() == wrong
