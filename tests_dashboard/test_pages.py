"""Chromium goes through every page: figures, filters, errors, requests, pictures."""

import csv
import os
import re
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlparse

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, ViewportSize, expect

Query = Callable[..., list[tuple[Any, ...]]]
Serve = Callable[..., Any]

PAGES = ("Sales", "Breweries", "Census", "Condominiums", "The five questions", "Operations")
SIZE = ViewportSize(width=1280, height=900)
# Where pictures go: `make screenshots` says docs/img.
PICTURES = os.environ.get("SCREENSHOTS")
# A page below / looks for its server there first, and finds it at / then.
LOOKS_FOR_ITS_SERVER = re.compile(r"/\w+/_stcore/(health|host-config)$")


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A window on the dashboard; the test fails if a page erred, or asked others for anything."""
    wrong: list[str] = []
    yield from watched(browser, wrong)
    assert wrong == []


def watched(browser: Browser, wrong: list[str]) -> Iterator[Page]:
    """Gives a window, and notes what went wrong in it."""
    context = browser.new_context(viewport=SIZE, locale="en-GB")
    page = context.new_page()

    def on_console(message: ConsoleMessage) -> None:
        where = message.location.get("url", "")
        if message.type == "error" and not LOOKS_FOR_ITS_SERVER.search(where):
            wrong.append(f"console: {message.text} ({where})")

    def on_request(url: str) -> None:
        parts = urlparse(url)
        if parts.scheme not in ("data", "blob") and parts.hostname != "127.0.0.1":
            wrong.append(f"request: {url}")

    page.on("console", on_console)
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("request", lambda request: on_request(request.url))
    page.on("websocket", lambda socket: on_request(socket.url))
    page.set_default_timeout(30_000)
    expect.set_options(timeout=30_000)
    yield page
    context.close()


def settle(page: Page) -> None:
    """Waits until the script of the page has run, and what it drew is there."""
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    page.wait_for_selector("h1")
    expect(page.locator("[data-testid=stSkeleton]")).to_have_count(0)


def goto(page: Page, address: str, name: str) -> None:
    """Opens a page as people do: by its name in the list of pages."""
    if not page.url.startswith(address):
        page.goto(address)
        settle(page)
    page.get_by_test_id("stSidebarNav").get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("heading", level=1, name=name)).to_be_visible()
    settle(page)


def metric(page: Page, name: str) -> str:
    """Returns the number under a name."""
    found = page.get_by_test_id("stMetric").filter(has=page.get_by_text(name, exact=True))
    return found.get_by_test_id("stMetricValue").inner_text()


def table(page: Page, caption: str) -> list[list[str]]:
    """Returns the cells of a table's body, as they are shown."""
    found = page.get_by_role("table", name=caption, exact=True)
    expect(found).to_be_visible()
    rows: list[list[str]] = found.evaluate(
        "table => [...table.tBodies[0].rows].map(row => [...row.cells].map(c => c.innerText))"
    )
    return rows


def picture(page: Page, name: str) -> None:
    """Takes a picture of the page, if pictures are wanted."""
    if PICTURES:
        page.set_viewport_size({"width": 1280, "height": 1240})
        # What waits to be seen is drawn now.
        page.wait_for_timeout(1500)
        page.screenshot(path=Path(PICTURES) / f"dashboard-{name}.png", animations="disabled")
        page.set_viewport_size(SIZE)


def test_every_page_opens_and_says_of_when_it_is(page: Page, address: str) -> None:
    for name in PAGES:
        goto(page, address, name)
        expect(page.get_by_text(re.compile(r"^As of 20\d\d-\d\d-\d\d"))).to_be_visible()
        expect(page.get_by_test_id("stException")).to_have_count(0)
        expect(page.get_by_test_id("stAlertContentError")).to_have_count(0)
        picture(page, re.sub(r"\W+", "-", name.lower()))


def test_a_filter_is_in_the_url_and_every_figure_follows_it(
    page: Page, address: str, query: Query
) -> None:
    page.goto(f"{address}/?year=2011&line=Road")
    settle(page)
    page.get_by_test_id("stSelectbox").filter(has_text="Channel").get_by_role("combobox").click()
    page.get_by_role("option", name="Sales person").click()
    page.wait_for_url(re.compile("channel=Sales"))
    chosen = {"year": "2011", "line": "Road", "channel": "Sales person"}
    ((sales,),) = query(f"select to_char(sum(line_total), '{MONEY}') {of_star(chosen)}")
    expect(page.get_by_test_id("stMetricValue").first).to_have_text(sales)
    settle(page)
    assert "year=2011" in page.url
    assert_sales_are_those_of_the_star(page, query, chosen)


@pytest.mark.parametrize(
    "chosen",
    [
        {},
        {"year": "2011"},
        {"line": "Mountain", "average": "7 days"},
        {"year": "2011", "territory": "Territory 4", "line": "Road"},
        # Of AdventureWorks' own orders of 2011, none has such a product.
        {"line": "No line"},
        {"territory": "Territory 1", "channel": "Online", "average": "91 days"},
    ],
    ids=lambda chosen: " ".join(chosen.values()) or "all",
)
def test_every_figure_of_sales_is_that_of_the_star(
    page: Page, address: str, query: Query, chosen: dict[str, str]
) -> None:
    page.goto(f"{address}/?{urlencode(chosen)}")
    settle(page)
    assert_sales_are_those_of_the_star(page, query, chosen)


MONEY = "FM$999,999,999,990.00"
COUNT = "FM999,999,990"
LINES = {"Road": "R", "Mountain": "M", "Touring": "T", "Standard": "S", "No line": None}


def of_star(chosen: dict[str, str], years: bool = True) -> str:
    """Returns the end of a query on the lines that filters choose, of all years or of theirs."""
    conditions = ["order_date is not null"]
    if years and "year" in chosen:
        conditions.append(f"extract(year from order_date) = {chosen['year']}")
    if "line" in chosen:
        code = LINES[chosen["line"]]
        conditions.append(f"product_line = '{code}'" if code else "product_line is null")
    if "territory" in chosen:
        conditions.append(f"territory_id = {chosen['territory'].split()[1]}")
    if "channel" in chosen:
        conditions.append(f"is_online_order = {chosen['channel'] == 'Online'}")
    return f"""
        from marts_sales.fact_sales
        inner join marts_sales.dim_product using (product_key)
        inner join marts_sales.dim_customer using (customer_key)
        where {" and ".join(conditions)}
        """


def shown_sql(page: Page, what: str) -> list[str]:
    """Returns the statements that are shown for a figure."""
    expander = page.get_by_test_id("stExpander").filter(
        has=page.get_by_text(f"SQL: {what}", exact=True)
    )
    expander.locator("summary").click()
    codes = expander.get_by_test_id("stCode").locator("code")
    expect(codes.first).to_be_visible()
    return codes.all_inner_texts()


def cents(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.01"), ROUND_HALF_UP)


def changed(now: Decimal | int, before: Decimal | int | None) -> str:
    """Returns how a number is said to have changed."""
    if not before:
        return "-"
    share = ((Decimal(now) / Decimal(before) - 1) * 100).quantize(Decimal("0.1"), ROUND_HALF_UP)
    return f"{share:+,} %"


def test_a_filter_in_the_url_that_is_none_is_named(page: Page, address: str) -> None:
    page.goto(f"{address}/?line=Rowd&channel=Online")
    settle(page)
    expect(page.get_by_role("alert")).to_have_text("No product line is called Rowd: this is All.")
    assert "channel=Online" in page.url
    assert "Rowd" not in page.url


def assert_sales_are_those_of_the_star(page: Page, query: Query, chosen: dict[str, str]) -> None:
    """Compares all that the page Sales shows with SQL on fact_sales and its dimensions."""
    lines, all_years = of_star(chosen), of_star(chosen, years=False)
    summed = f"""
        to_char(sum(line_total), '{MONEY}'),
        to_char(nullif(count(distinct sales_order_id), 0), '{COUNT}'),
        to_char(sum(order_qty), '{COUNT}'),
        to_char(sum(line_total) / nullif(count(distinct sales_order_id), 0), '{MONEY}'),
        to_char(sum(total_due), '{MONEY}')
        """
    names = ("Sales", "Orders", "Units", "Sales per order", "Total due")
    (totals,) = query(f"select {summed} {lines}")
    assert [metric(page, name) for name in names] == [total or "-" for total in totals]

    # Each day, also without sales, and the mean of the last days.
    sales: dict[date, Decimal] = dict(
        query(f"select order_date, sum(line_total) {all_years} group by 1")
    )
    ((first, last),) = query("select min(order_date), max(order_date) from marts_sales.fact_sales")
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    span = int(chosen.get("average", "28 days").split()[0])
    each = [sales.get(day, Decimal(0)) for day in days]
    means = [
        cents(sum(each[place - span + 1 : place + 1], Decimal(0)) / span)
        if place + 1 >= span
        else None
        for place in range(len(days))
    ]
    drawn = [
        (day, value, mean)
        for day, value, mean in zip(days, each, means, strict=True)
        if chosen.get("year", str(day.year)) == str(day.year)
    ]
    (daily,) = shown_sql(page, "sales per day")
    assert query(daily) == drawn

    monthly, _ = shown_sql(page, "year over year")
    assert query(monthly) == query(
        "select extract(year from order_date)::int, extract(month from order_date)::int, "
        f"sum(line_total) {all_years} group by 1, 2 order by 1, 2"
    )
    orders: dict[date, int] = dict(
        query(f"select order_date, count(distinct sales_order_id) {all_years} group by 1")
    )
    years = []
    for year in sorted({day.year for day in sales}):
        own = [day for day in sales if day.year == year]
        since, until = min(own), max(own)
        before = [day for day in sales if a_year_before(since) <= day <= a_year_before(until)]
        sold = sum((sales[day] for day in own), Decimal(0))
        ordered = sum(orders[day] for day in own)
        years.append(
            [
                *(str(year), str(since), str(until), f"${cents(sold):,}"),
                changed(sold, sum(sales[day] for day in before)),
                f"{ordered:,}",
                changed(ordered, sum(orders[day] for day in before)),
            ]
        )
    assert table(page, "Years, each against the same days of the year before") == years

    # The bars have their numbers as text: people and screen readers read the same.
    texts = page.locator("[data-testid=stVegaLiteChart] svg text").all_text_contents()
    wanted = ("coalesce(product_line, '(none)')", "territory_id", "is_online_order")
    for column, statement in zip(wanted, shown_sql(page, "where sales come from"), strict=True):
        parts = query(f"select {column}, sum(line_total), sum(order_qty) {lines} group by 1")
        assert sorted(query(statement), key=str) == sorted(parts, key=str)
        assert {f"${cents(part):,}" for _, part, _ in parts} <= set(texts)

    assert [tuple(row) for row in table(page, "The ten with the highest sales")] == query(
        f"""
        select
            product_name,
            product_number,
            to_char(sum(line_total), '{MONEY}'),
            to_char(sum(order_qty), '{COUNT}')
        {lines}
        group by product_key, product_name, product_number
        order by sum(line_total) desc, product_key limit 10
        """
    )
    best = table(page, "The ten with the highest sales; of persons, their initials")
    assert [(row[0], *row[3:]) for row in best] == query(
        f"""
        select
            account_number,
            to_char(sum(line_total), '{MONEY}'),
            to_char(count(distinct sales_order_id), '{COUNT}')
        {lines}
        group by customer_key, account_number
        order by sum(line_total) desc, customer_key limit 10
        """
    )


def a_year_before(day: date) -> date:
    """Returns the same day of the year before, as PostgreSQL has it: of 29 February, the 28th."""
    leap = (day.month, day.day) == (2, 29)
    return day.replace(year=day.year - 1, day=28 if leap else day.day)


def test_an_order_is_found_by_its_number(page: Page, address: str, query: Query) -> None:
    goto(page, address, "Sales")
    box = page.get_by_label("Order number")
    box.fill("SO43659")
    box.press("Enter")
    ((total, count),) = query(
        "select to_char(sum(total_due), 'FM$999,999,990.00'), count(*) "
        "from marts_sales.fact_sales where sales_order_id = 43659"
    )
    assert table(page, "Order 43659")[0][-1] == total
    assert len(table(page, "Its lines")) == count
    page.wait_for_url(re.compile("order=SO43659"))
    box.fill("SO1'; drop table x; --")
    box.press("Enter")
    expect(page.get_by_text("An order number is SO and digits")).to_be_visible()
    box.fill("1")
    box.press("Enter")
    expect(page.get_by_text("There is no order 1.")).to_be_visible()


def test_the_sql_of_a_figure_is_shown_and_runs_as_it_stands(
    page: Page, address: str, query: Query
) -> None:
    page.goto(f"{address}/?year=2011&territory=Territory%201")
    settle(page)
    summary = page.get_by_text("SQL: totals", exact=True)
    summary.click()
    code = page.get_by_test_id("stExpander").filter(has=summary).get_by_test_id("stCode")
    sql = code.locator("code").inner_text()
    ((sales, *_),) = query(sql)
    assert metric(page, "Sales") == f"${sales:,.2f}"


def test_breweries_are_counted_by_type_country_and_state(
    page: Page, address: str, query: Query
) -> None:
    goto(page, address, "Breweries")
    counted = "select {0}, to_char(count(*), 'FM999,990') from marts_breweries.dim_brewery {1} "
    ordered = "group by 1 order by count(*) desc, 1"
    assert table(page, "All of them") == [
        list(row) for row in query(counted.format("brewery_type", "") + ordered)
    ]
    assert table(page, "Places with the most") == [
        list(row) for row in query(counted.format("country", "") + ordered + " limit 25")
    ]
    page.goto(f"{address}/breweries?country=Germany")
    settle(page)
    expect(page.get_by_role("heading", name="Types by state of Germany")).to_be_visible()
    assert table(page, "Places with the most") == [
        list(row)
        for row in query(counted.format("state_province", "where country = 'Germany'") + ordered)
    ]


def test_incomes_are_those_of_the_census_weighted_or_not(
    page: Page, address: str, query: Query
) -> None:
    goto(page, address, "Census")
    shares = """
        select
            {0},
            to_char(100 * {1}, 'FM990.0') || ' %'
        from marts_census.fact_census_response where is_above_50k is not null
        group by 1 order by 1
    """
    plain = "avg(is_above_50k::int)"
    weighted = "sum(fnlwgt * is_above_50k::int)::numeric / sum(fnlwgt)"
    shown = table(page, "People who answered")
    assert sorted(row[:2] for row in shown) == [
        list(row) for row in query(shares.format("coalesce(education, '(unknown)')", plain))
    ]
    page.goto(f"{address}/census?by=Age&counted=Weighted+to+the+population")
    settle(page)
    assert [row[:2] for row in table(page, "Weighted to the population")] == [
        list(row) for row in query(shares.format("coalesce(age_band, '(unknown)')", weighted))
    ]
    page.goto(f"{address}/census?by=Sex")
    settle(page)
    assert [row[:2] for row in table(page, "People who answered")] == [
        list(row) for row in query(shares.format("coalesce(sex, '(unknown)')", plain))
    ]


def test_readers_are_told_that_condominiums_are_not_for_them(page: Page, address: str) -> None:
    goto(page, address, "Condominiums")
    expect(page.get_by_text("are not open to the role reader")).to_be_visible()
    expect(page.get_by_test_id("stMetric")).to_have_count(0)


def test_who_may_sees_the_condominiums(
    browser: Browser, serve: Serve, built: dict[str, str], query: Query
) -> None:
    wrong: list[str] = []
    with serve({**built, "DASHBOARD_ROLE": "transformer"}) as address:
        for page in watched(browser, wrong):
            goto(page, address, "Condominiums")
            ((count, paid),) = query(
                "select count(*)::text, to_char(sum(amount), 'FMR$ 999,999,990.00') "
                "from marts_condominium.fact_transaction"
            )
            assert metric(page, "Transactions") == count
            assert metric(page, "Paid") == paid
            assert len(table(page, "Days and types")) > 1
            assert [row[0] for row in table(page, "Condominiums")] == [
                name
                for (name,) in query(
                    "select condominium_name from marts_condominium.agg_transactions_by_condominium"
                    " order by total_amount desc nulls last, condominium_id"
                )
            ]
    assert wrong == []


def test_each_question_has_its_answer_its_sql_and_a_file(
    page: Page, address: str, query: Query
) -> None:
    goto(page, address, "The five questions")
    for number in range(1, 6):
        page.get_by_role("tab", name=f"Question {number}").click()
        settle(page)
        panel = page.get_by_role("tabpanel", name=f"Question {number}")
        panel.get_by_text(f"SQL: question {number}").click()
        sql = panel.get_by_test_id("stCode").locator("code").inner_text().rstrip(";\n")
        rows = query(sql)
        if number == 3:
            # It has names.
            expect(
                panel.get_by_text("names persons, whom the role reader may not see")
            ).to_be_visible()
            expect(panel.get_by_test_id("stDownloadButton")).to_have_count(0)
            continue
        with page.expect_download() as download:
            panel.get_by_role("button", name=re.compile(r"Download all")).click()
        with download.value.path().open(encoding="utf-8", newline="") as file:
            _, *lines = csv.reader(file)
        assert len(lines) == len(rows)
        assert lines[0] == ["" if value is None else str(value) for value in rows[0]]


@pytest.mark.skipif(bool(os.environ.get("REAL_DATA")), reason="the sample has what is rejected")
def test_operations_say_where_what_was_rejected_but_not_what_it_says(
    page: Page, address: str, query: Query
) -> None:
    goto(page, address, "Operations")
    sources = table(page, "How each source is now")
    assert {row[4] for row in sources} == {"-"}
    assert {row[0]: row[6] for row in sources} == dict(
        query(
            "select source, to_char(row_count, 'FM999,990') from marts_operations.agg_source_health"
        )
    )
    rejected = table(page, "Rows of current files that no load could take")
    ((line,),) = query("select to_char(line_number, 'FM999,990') from audit.rejected_rows")
    assert [row[1:3] for row in rejected] == [["sales/Sales.SalesOrderDetail.csv", line]]
    values = table(page, "Values that are not of their type (NULL in the marts)")
    ((count,),) = query("select count(*) from quality.dq_census_rejected_values")
    assert len([row for row in values if row[0] == "census"]) == count > 0
    assert "somebody called Ada" not in page.content()
    warned = {name for name, *_ in table(page, "What did not end well when it last ran")}
    assert "no_census_value_was_rejected" in warned
    assert len(table(page, "The last runs")) >= 1
    assert len(table(page, "The fifteen slowest, in the mean")) == 15


def test_operations_say_what_status_says_and_list_what_is_there(
    browser: Browser,
    serve: Serve,
    built: dict[str, str],
    query: Query,
    status: Callable[[], str],
) -> None:
    """One feed of several brought nothing for long; and somebody added a source."""
    query(
        """
        update audit.files set ended_at = ended_at - interval '400 days'
        where feed in ('person', 'special_offer_product', 'condominios');
        create table quality.dq_shop_rejected_values as
        select 'shop' as source, 'till.csv' as source_file, 7::bigint as source_line,
            'till' as feed, 'price' as column_name, 'integer' as expected_type, 'Ada' as value;
        grant select (source, source_file, source_line, feed, column_name, expected_type)
            on quality.dq_shop_rejected_values to reader
        """
    )
    try:
        wrong: list[str] = []
        with serve(built) as address:
            for page in watched(browser, wrong):
                goto(page, address, "Operations")
                sources = table(page, "How each source is now")
                values = table(page, "Values that are not of their type (NULL in the marts)")
        said = dict(re.findall(r"WRONG  stale (\w+): no news of (.*) for longer", status()))
        assert said == {
            "adventure_works": "person, special_offer_product",
            "condominium": "condominios",
        }
        assert {row[0]: row[4] for row in sources if row[4] != "-"} == said
        assert {row[0] for row in sources if row[1] == "✗ stale"} == set(said)
        assert ["shop", "till.csv", "7", "till", "price", "integer"] in values
        assert wrong == []
    finally:
        query(
            """
            update audit.files set ended_at = ended_at + interval '400 days'
            where feed in ('person', 'special_offer_product', 'condominios');
            drop table quality.dq_shop_rejected_values
            """
        )


def test_no_page_has_a_secret_or_a_name(
    page: Page, address: str, built: dict[str, str], query: Query
) -> None:
    names = [
        name
        for (name,) in query(
            "select distinct full_name from marts_sales.dim_person "
            "where full_name not like '(%' and length(full_name) > 8"
        )
    ]
    assert names
    for name in PAGES:
        goto(page, address, name)
        text = page.content()
        assert built["POSTGRES_PASSWORD"] not in text
        assert [each for each in names if each in text] == []


def test_dark_is_dark_and_light_is_light(page: Page, address: str) -> None:
    def background() -> int:
        color = page.get_by_test_id("stApp").evaluate("e => getComputedStyle(e).backgroundColor")
        return sum(int(part) for part in re.findall(r"\d+", color)[:3])

    page.emulate_media(color_scheme="dark")
    goto(page, address, "Sales")
    assert background() < 150
    picture(page, "sales-dark")
    page.emulate_media(color_scheme="light")
    page.reload()
    settle(page)
    assert background() > 600


def test_people_without_a_mouse_or_eyes_get_along(page: Page, address: str) -> None:
    goto(page, address, "Sales")
    assert page.get_by_test_id("stVegaLiteChart").count() == 5
    for chart in page.locator("[data-testid=stVegaLiteChart][role=graphics-document]").all():
        assert chart.get_attribute("aria-label")
    for box in page.get_by_role("combobox").all():
        assert box.get_attribute("aria-label") or box.get_attribute("aria-labelledby")
    assert page.locator("table:not(:has(caption))").count() == 0
    assert page.locator("html").get_attribute("lang") == "en"
    year = page.get_by_test_id("stSelectbox").filter(has_text="Year").get_by_role("combobox")
    year.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"year=20\d\d"))


def test_an_empty_warehouse_says_what_to_do(
    browser: Browser, serve: Serve, variables: dict[str, str], query: Query, server: dict[str, str]
) -> None:
    wrong: list[str] = []
    empty = {**variables, "POSTGRES_DB": "postgres"}
    with serve(empty) as address:
        for page in watched(browser, wrong):
            for name in ("Sales", "The five questions", "Operations"):
                goto(page, address, name)
                expect(page.get_by_text("make run").first).to_be_visible()
    with serve({**empty, "POSTGRES_PORT": "1"}) as address:
        for page in watched(browser, wrong):
            page.goto(address)
            expect(page.get_by_text("does not answer").first).to_be_visible()
            assert variables["POSTGRES_PASSWORD"] not in page.content()
    assert wrong == []
