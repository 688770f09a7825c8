"""Every metric is what SQL on the star says, to the last digit: `make metrics-test`.

The SQL is written on the facts and dimensions, not on what the metrics are made of.
"""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

Rows = list[tuple[Any, ...]]
Ask = Callable[..., Rows]
Query = Callable[[str], Rows]

# Metrics, as expressions on the rows below.
SALES = {
    "total_sales": "sum(line_total)",
    "total_due": "sum(total_due)",
    "orders": "count(distinct sales_order_id)",
    "units": "sum(order_qty)",
    "average_order_value": "sum(line_total) / count(distinct sales_order_id)",
    "cost_of_sales": "sum(cost)",
    "margin": "sum(line_total) filter (where cost is not null) - sum(cost)",
    "costed_sales": "sum(line_total) filter (where cost is not null)",
    "margin_rate": """
        (sum(line_total) filter (where cost is not null) - sum(cost))
        / sum(line_total) filter (where cost is not null)
    """,
    "active_customers": "count(distinct customer_id) filter (where customer_id != -1)",
}
LINES = """
    select sales.*, customers.customer_id, customers.customer_type,
        customers.territory_id, products.product_line, products.product_name,
        sales.order_qty * versions.standard_cost as cost
    from marts_sales.fact_sales as sales
    inner join marts_sales.dim_customer as customers using (customer_key)
    inner join marts_sales.dim_product as products using (product_key)
    left join marts_sales.dim_product_history as versions
        on versions.product_key = sales.product_key
        and sales.order_date >= versions.valid_from and sales.order_date < versions.valid_to
"""
NEW = {"new_customers": "count(*) filter (where customer_id != -1)"}
CUSTOMERS = """
    select customer_id, customer_type, territory_id, min(sales.order_date) as order_date
    from marts_sales.fact_sales as sales
    inner join marts_sales.dim_customer using (customer_key)
    group by customer_id, customer_type, territory_id
"""
CENSUS = {
    "census_responses": "count(*)",
    "classified_census_responses": "count(income_class)",
    "census_responses_above_50k": "count(*) filter (where income_class = '>50K')",
    "share_above_50k": "avg((income_class = '>50K')::int)",
    "classified_census_weight": "sum(fnlwgt) filter (where income_class is not null)",
    "census_weight_above_50k": "coalesce(sum(fnlwgt) filter (where income_class = '>50K'), 0)",
    "weighted_share_above_50k": """
        coalesce(sum(fnlwgt) filter (where income_class = '>50K'), 0) * 1.0
        / sum(fnlwgt) filter (where income_class is not null)
    """,
}
RESPONSES = "select * from marts_census.fact_census_response"
BREWERIES = {"breweries": "count(*)"}
LISTED = "select * from marts_breweries.dim_brewery"
# Against the year before, so not an expression on rows.
GROWTH = "sales_growth"

DAY = "order_date"
MONTH = "date_trunc('month', order_date)::date"
QUARTER = "date_trunc('quarter', order_date)::date"
YEAR = "date_trunc('year', order_date)::date"
# What to ask for, by what, and the same in SQL. Each takes MetricFlow some seconds to start.
QUESTIONS = [
    (SALES, LINES, "metric_time__day", DAY),
    (SALES, LINES, "metric_time__month", MONTH),
    (SALES, LINES, "metric_time__year", YEAR),
    (SALES, LINES, "customer__customer_type", "customer_type"),
    (SALES, LINES, "order_line__is_online_order", "is_online_order"),
    (SALES, LINES, "product__product_line,metric_time__quarter", f"product_line, {QUARTER}"),
    (NEW, CUSTOMERS, "metric_time__month", MONTH),
    (NEW, CUSTOMERS, "customer__territory_id", "territory_id"),
    (CENSUS, RESPONSES, "education__level", "coalesce(education, '(unknown)')"),
    (CENSUS, RESPONSES, "census_response__sex,census_response__age_band", "sex, age_band"),
    (
        BREWERIES,
        LISTED,
        "brewery__country,brewery__brewery_type,brewery__state_province",
        "country, brewery_type, state_province",
    ),
]


def value(text: str) -> Decimal | str | None:
    """Returns a value as both sides write it: a number, a day, a text, a flag or nothing.

    A ratio is a float to MetricFlow, so numbers are compared to nine digits after the point.
    """
    text = {"True": "t", "False": "f"}.get(text, text).removesuffix(" 00:00:00")
    text = text.removesuffix("T00:00:00")
    try:
        return round(Decimal(text), 9)
    except ArithmeticError:
        return text or None


def values(rows: Rows) -> list[tuple[Decimal | str | None, ...]]:
    return sorted((tuple(map(value, row)) for row in rows), key=repr)


@pytest.mark.parametrize(
    ("metrics", "rows", "group_by", "columns"),
    QUESTIONS,
    ids=[f"{next(iter(metrics))}-{group_by}" for metrics, _, group_by, _ in QUESTIONS],
)
def test_metrics_equal_sql(
    ask: Ask, query: Query, metrics: dict[str, str], rows: str, group_by: str, columns: str
) -> None:
    answer = ask(list(metrics), group_by)
    sums = ", ".join(metrics.values())
    expected = query(f"select {columns}, {sums} from ({rows}) as rows group by {columns}")
    assert len(expected) > 1
    assert values(answer) == values(expected)


def test_totals_equal_sql_with_a_filter_and_without(ask: Ask, query: Query) -> None:
    """One order has no header: its lines have no day, and are in the totals."""
    assert query("select count(*) > 0 from marts_sales.fact_sales where order_date is null") == [
        ("t",)
    ]
    total = f"select {', '.join(SALES.values())} from ({LINES}) as rows"
    assert values(ask(list(SALES))) == values(query(total))
    is_online = "{{ Dimension('order_line__is_online_order') }} = true"
    online = ask(list(SALES), "", "--where", is_online)
    assert values(online) == values(query(f"{total} where is_online_order"))


def test_growth_is_against_the_year_before(ask: Ask, query: Query) -> None:
    answer = ask([GROWTH], "metric_time__month")
    expected = query(
        f"""
        with months as (
            select date_trunc('month', order_date)::date as month, sum(line_total) as sales
            from ({LINES}) as rows group by 1
        )
        select months.month, months.sales / before.sales - 1
        from months inner join months as before on months.month = before.month + interval '1 year'
        """
    )
    assert len(expected) > 12
    assert values([row for row in answer if row[1]]) == values(expected)


def test_every_metric_is_tested(project: Path, ask: Ask) -> None:
    manifest = json.loads((project / "target" / "semantic_manifest.json").read_text())
    tested = {*SALES, *NEW, *CENSUS, *BREWERIES, GROWTH}
    assert {metric["name"] for metric in manifest["metrics"]} == tested


def test_every_metric_and_what_it_is_grouped_by_is_described(project: Path, ask: Ask) -> None:
    manifest = json.loads((project / "target" / "semantic_manifest.json").read_text())
    described = [*manifest["metrics"]]
    for model in manifest["semantic_models"]:
        described += [model, *model["dimensions"], *model["measures"]]
    assert [each["name"] for each in described if not (each["description"] or "").strip()] == []
