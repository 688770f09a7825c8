"""Sales: per day, year over year, in parts, the best products and customers, and single orders."""

from typing import Any

import altair as alt
import streamlit as st

from dashboard import show
from dashboard.warehouse import Result, ask, where

SOURCE = "adventure_works"
AVERAGES = {"7 days": 7, "28 days": 28, "91 days": 91}
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


class Choice:
    """What is chosen, as conditions in SQL and their parameters."""

    def __init__(self, year: str, line: str, territory: str, channel: str) -> None:
        self.year = None if year == show.ALL else int(year)
        self.line = None if line == show.ALL else line
        self.parameters: dict[str, Any] = {}
        self._places: list[str] = []
        self._channels: list[str] = []
        if self.line:
            self.parameters["line"] = next(
                code for code, name in show.PRODUCT_LINES.items() if name == line
            )
        if territory != show.ALL:
            self.parameters["territory"] = int(territory.rsplit(maxsplit=1)[-1])
            self._places.append("territory_id = %(territory)s")
        if channel != show.ALL:
            self.parameters["is_online"] = channel == show.channel(True)
            self._channels.append("is_online_order = %(is_online)s")

    def where(self, *, years: bool = True) -> str:
        """Returns the conditions on the parts of days."""
        conditions = [*self._places, *self._channels]
        if self.line:
            conditions.append("product_line = %(line)s")
        return where(conditions + (self.in_year("order_date") if years else []))

    def where_lines(self) -> str:
        """Returns the conditions on the lines of the star, by the keys of its dimensions."""
        conditions = ["order_date is not null", *self._channels, *self.in_year("order_date")]
        if self.line:
            conditions.append(
                "product_key in (select product_key from marts_sales.dim_product"
                " where coalesce(product_line, '(none)') = %(line)s)"
            )
        if self._places:
            conditions.append(
                "customer_key in (select customer_key from marts_sales.dim_customer_masked"
                f" {where(self._places)})"
            )
        return where(conditions)

    def in_year(self, day: str) -> list[str]:
        """Returns the condition that a column of days lies in the year; none for all years."""
        return [f"{day} between '{self.year}-01-01' and '{self.year}-12-31'"] if self.year else []

    @property
    def orders(self) -> str:
        """How orders are counted: an order that has several product lines has several rows."""
        return "sum(order_count)" if self.line else "sum(whole_order_count)"


def filters() -> Choice:
    """Shows the filters; what is chosen is in the URL."""
    years, lines, territories, channels = st.columns(4)
    with years:
        found = show.first_of(
            """
            select distinct cast(extract(year from order_date) as integer) as year
            from marts_sales.agg_daily_sales
            order by year desc
            """
        )
        year = show.choose("Year", "year", [str(each) for each in found])
    with lines:
        line = show.choose("Product line", "line", list(show.PRODUCT_LINES.values()))
    with territories:
        known = show.first_of(
            """
            select distinct territory_id
            from marts_sales.agg_daily_sales_by_product_line
            where territory_id is not null
            order by territory_id
            """
        )
        territory = show.choose("Territory", "territory", [show.territory(each) for each in known])
    with channels:
        channel = show.choose("Channel", "channel", [show.channel(True), show.channel(False)])
    return Choice(year, line, territory, channel)


def totals(choice: Choice) -> None:
    """Shows the sums of what is chosen."""
    found = ask(
        f"""
        select
            sum(line_total) as sales,
            sum(total_due) as total_due,
            {choice.orders} as orders,
            sum(unit_count) as units,
            sum(line_total) / nullif({choice.orders}, 0) as sales_per_order
        from marts_sales.agg_daily_sales_by_product_line
        {choice.where()}
        """,
        **choice.parameters,
    )
    row = found.first
    shown = {
        "Sales": (show.money(row["sales"]), "In US dollars, before tax and freight."),
        "Orders": (show.count(row["orders"]), "Orders with at least one such line."),
        "Units": (show.count(row["units"]), "Pieces ordered."),
        "Sales per order": (show.money(row["sales_per_order"]), "Sales divided by orders."),
        "Total due": (show.money(row["total_due"]), "Sales, tax and freight, in US dollars."),
    }
    for column, (name, (value, explained)) in zip(st.columns(5), shown.items(), strict=True):
        column.metric(name, value, help=explained)
    show.sql("totals", found)


def per_day(choice: Choice) -> None:
    """Shows the sales of each day, with a moving average."""
    title, chooser = st.columns([3, 1], vertical_alignment="bottom")
    title.subheader("Sales per day")
    with chooser:
        span = AVERAGES[show.choose("Moving average", "average", list(AVERAGES), "28 days")]
    bounds = choice.where(years=False)
    found = ask(
        f"""
        with daily as (
            select order_date, sum(line_total) as sales
            from marts_sales.agg_daily_sales_by_product_line
            {bounds}
            group by order_date
        ),

        -- Days without orders count in the average, too.
        days as (
            select dates.date_day as day, coalesce(daily.sales, 0) as sales
            from marts_sales.dim_date as dates
            left join daily on dates.date_day = daily.order_date
            where dates.date_day between
                (select min(order_date) from marts_sales.agg_daily_sales)
                and (select max(order_date) from marts_sales.agg_daily_sales)
        ),

        averaged as (
            select
                day,
                sales,
                avg(sales) over recent as average,
                count(*) over recent as day_count
            from days
            window recent as (order by day rows between {span - 1} preceding and current row)
        )

        select day, sales, case when day_count = {span} then round(average, 2) end as average
        from averaged
        {where(choice.in_year("day"))}
        order by day
        """,
        **choice.parameters,
    )
    rows = show.values(found.rows, sales=show.money, average=show.money)
    x = alt.X("day:T", title=None)
    tooltip = [
        alt.Tooltip("day:T", title="Day", format="%Y-%m-%d"),
        alt.Tooltip("sales_shown:N", title="Sales"),
        alt.Tooltip("average_shown:N", title=f"Mean of {span} days"),
    ]
    base = alt.Chart(alt.InlineData(values=rows)).encode(x=x, tooltip=tooltip)
    days = base.mark_area(opacity=0.45, interpolate="step").encode(
        y=alt.Y("sales:Q", title="US dollars", axis=alt.Axis(format="~s"))
    )
    average = base.mark_line(strokeWidth=2.5).encode(y="average:Q")
    show.chart(
        (days + average).properties(height=280),
        f"Sales of each day in US dollars, and their mean over {span} days.",
    )
    show.sql("sales per day", found)


def by_year(choice: Choice) -> None:
    """Shows the months of each year beside each other, and how each year compares."""
    st.subheader("Year over year")
    monthly = ask(
        f"""
        select
            cast(extract(year from order_date) as integer) as year,
            cast(extract(month from order_date) as integer) as month,
            sum(line_total) as sales
        from marts_sales.agg_daily_sales_by_product_line
        {choice.where(years=False)}
        group by year, month
        order by year, month
        """,
        **choice.parameters,
    )
    yearly = ask(
        f"""
        with daily as (
            select
                order_date,
                sum(line_total) as sales,
                {choice.orders} as orders
            from marts_sales.agg_daily_sales_by_product_line
            {choice.where(years=False)}
            group by order_date
        ),

        years as (
            select
                cast(extract(year from order_date) as integer) as year,
                sum(sales) as sales,
                sum(orders) as orders,
                min(order_date) as since,
                max(order_date) as until
            from daily
            group by year
        ),

        -- The same days of the year before: a year that has only begun is compared with its like.
        before as (
            select years.year, sum(daily.sales) as sales, sum(daily.orders) as orders
            from years
            inner join daily
                on daily.order_date between years.since - interval '1 year'
                and years.until - interval '1 year'
            group by years.year
        )

        select
            years.year,
            years.since,
            years.until,
            years.sales,
            years.orders,
            years.sales / nullif(before.sales, 0) - 1 as sales_change,
            years.orders / nullif(before.orders, 0) - 1 as orders_change
        from years
        left join before on years.year = before.year
        order by year
        """,
        **choice.parameters,
    )
    left, right = st.columns([2, 3])
    with left:
        rows = show.values(monthly.rows, sales=show.money)
        for row in rows:
            row |= {"month": MONTHS[row["month"] - 1], "year": str(row["year"])}
        drawing = (
            alt.Chart(alt.InlineData(values=rows))
            .mark_line(point=True)
            .encode(
                x=alt.X("month:N", sort=MONTHS, title=None, axis=alt.Axis(labelAngle=0)),
                y=alt.Y("sales:Q", title="US dollars", axis=alt.Axis(format="~s")),
                color=alt.Color("year:N", title=None, legend=alt.Legend(orient="top")),
                tooltip=[
                    alt.Tooltip("year:N", title="Year"),
                    alt.Tooltip("month:N", title="Month"),
                    alt.Tooltip("sales_shown:N", title="Sales"),
                ],
            )
            .properties(height=260)
        )
        show.chart(drawing, "Sales of each month, a line per year.")
    with right:
        show.table(
            "Years, each against the same days of the year before",
            yearly.rows,
            {
                "year": ("Year", show.text),
                "since": ("From", show.day),
                "until": ("Until", show.day),
                "sales": ("Sales", show.money),
                "sales_change": ("Change", show.change),
                "orders": ("Orders", show.count),
                "orders_change": ("Change", show.change),
            },
        )
    show.sql("year over year", monthly, yearly)


def parts(choice: Choice) -> None:
    """Shows sales by product line, territory and channel."""
    st.subheader("Where sales come from")
    wanted: dict[str, tuple[str, show.Format]] = {
        "product_line": ("By product line", show.line),
        "territory_id": ("By territory of the customer", show.territory),
        "is_online_order": ("By channel", show.channel),
    }
    results: list[Result] = []
    for place, (column, (title, named)) in zip(st.columns(3), wanted.items(), strict=True):
        found = ask(
            f"""
            select {column}, sum(line_total) as sales, sum(unit_count) as units
            from marts_sales.agg_daily_sales_by_product_line
            {choice.where()}
            group by {column}
            order by sales desc nulls last
            """,
            **choice.parameters,
        )
        results.append(found)
        with place:
            st.markdown(f"**{title}**")
            rows = show.values(found.rows, sales=show.money, **{column: named})
            show.chart(
                show.bars(rows, f"{column}_shown", "sales", "US dollars"),
                f"Sales {title.lower()}, the highest first.",
            )
    show.sql("where sales come from", *results)


def best(choice: Choice) -> None:
    """Shows the products and the customers with the highest sales."""
    left, right = st.columns(2)
    with left:
        st.subheader("Top products")
        products = ask(
            f"""
            with best as (
                select
                    product_key,
                    sum(line_total) as sales,
                    sum(order_qty) as units
                from marts_sales.fact_sales
                {choice.where_lines()}
                group by product_key
                order by sales desc nulls last, product_key
                limit 10
            )

            select
                products.product_name,
                products.product_number,
                best.sales,
                best.units
            from best
            inner join marts_sales.dim_product as products
                on best.product_key = products.product_key
            order by best.sales desc nulls last, best.product_key
            """,
            **choice.parameters,
        )
        show.table(
            "The ten with the highest sales",
            products.rows,
            {
                "product_name": ("Product", show.text),
                "product_number": ("Number", show.text),
                "sales": ("Sales", show.money),
                "units": ("Units", show.count),
            },
        )
        show.sql("top products", products)
    with right:
        st.subheader("Top customers")
        customers = ask(
            f"""
            with chosen as not materialized (
                select customer_key, sales_order_id, line_total
                from marts_sales.fact_sales
                {choice.where_lines()}
            ),

            best as (
                select customer_key, sum(line_total) as sales
                from chosen
                group by customer_key
                order by sales desc nulls last, customer_key
                limit 10
            ),

            -- Only of those ten: orders of all customers would have to be sorted.
            counted as (
                select customer_key, count(distinct sales_order_id) as orders
                from chosen
                where customer_key in (select customer_key from best)
                group by customer_key
            )

            select
                customers.account_number,
                customers.masked_name,
                customers.customer_type,
                best.sales,
                counted.orders
            from best
            inner join counted on best.customer_key = counted.customer_key
            inner join marts_sales.dim_customer_masked as customers
                on best.customer_key = customers.customer_key
            order by best.sales desc nulls last, customers.customer_key
            """,
            **choice.parameters,
        )
        show.table(
            "The ten with the highest sales; of persons, their initials",
            customers.rows,
            {
                "account_number": ("Account", show.text),
                "masked_name": ("Customer", show.text),
                "customer_type": ("Kind", show.text),
                "sales": ("Sales", show.money),
                "orders": ("Orders", show.count),
            },
        )
        show.sql("top customers", customers)


def order() -> None:
    """Shows an order by its number, with its lines."""
    st.subheader("An order")
    asked = st.text_input(
        "Order number", placeholder="SO43659 or 43659", key="order", bind="query-params"
    ).strip()
    if not asked:
        return
    number = asked.upper().removeprefix("SO")
    if not number.isdecimal() or len(number) > 9:
        st.warning("An order number is SO and digits, such as SO43659.")
        return
    lines = ask(
        """
        select
            sales.sales_order_detail_id,
            products.product_name,
            products.product_number,
            sales.order_qty,
            sales.unit_price,
            sales.unit_price_discount,
            sales.line_total
        from marts_sales.fact_sales as sales
        inner join marts_sales.dim_product as products
            on sales.product_key = products.product_key
        where sales.sales_order_id = %(number)s
        order by sales.sales_order_detail_id
        """,
        number=int(number),
    )
    whole = ask(
        """
        select
            sales.sales_order_number,
            sales.order_date,
            sales.ship_date,
            sales.order_status,
            sales.is_online_order,
            customers.account_number,
            customers.masked_name,
            sum(sales.line_total) as sales,
            sum(sales.tax_amount) as tax,
            sum(sales.freight_amount) as freight,
            sum(sales.total_due) as total_due
        from marts_sales.fact_sales as sales
        inner join marts_sales.dim_customer_masked as customers
            on sales.customer_key = customers.customer_key
        where sales.sales_order_id = %(number)s
        group by
            sales.sales_order_number,
            sales.order_date,
            sales.ship_date,
            sales.order_status,
            sales.is_online_order,
            customers.account_number,
            customers.masked_name
        """,
        number=int(number),
    )
    if not lines.rows:
        st.warning(f"There is no order {number}.")
        return
    show.table(
        f"Order {number}",
        whole.rows,
        {
            "order_date": ("Ordered", show.day),
            "ship_date": ("Shipped", show.day),
            "order_status": ("Status", show.text),
            "is_online_order": ("Channel", show.channel),
            "account_number": ("Account", show.text),
            "masked_name": ("Customer", show.text),
            "sales": ("Sales", show.money),
            "tax": ("Tax", show.money),
            "freight": ("Freight", show.money),
            "total_due": ("Total due", show.money),
        },
    )
    show.table(
        "Its lines",
        lines.rows,
        {
            "sales_order_detail_id": ("Line", show.text),
            "product_name": ("Product", show.text),
            "product_number": ("Number", show.text),
            "order_qty": ("Units", show.count),
            "unit_price": ("Unit price", show.money),
            "unit_price_discount": ("Discount", show.percent),
            "line_total": ("Sales", show.money),
        },
        limit=500,
    )
    show.sql("an order", whole, lines)


show.head("Sales", "What customers ordered, in US dollars before tax and freight.", [SOURCE])
with show.told():
    chosen = filters()
    totals(chosen)
    per_day(chosen)
    by_year(chosen)
    parts(chosen)
    best(chosen)
    order()
