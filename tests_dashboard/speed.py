"""How long pages take: `make dashboard-speed SCALE=10`. It fails where a limit is not kept.

Each page is opened several times in a new window, and again there, its filters chosen, and the
median taken: of the page until something is painted (the browser's first-contentful-paint) and
until its first figure is there, of the filter until the figure is another. A new window has
Streamlit's JavaScript yet to fetch, which one that saw a page before has kept. (The name of this
file keeps it out of `make dashboard-test`: it compares times, so it wants the machine for itself.)
"""

import time
from collections.abc import Callable, Iterator
from statistics import median

import pytest
from playwright.sync_api import Browser, Page, expect

from tests_dashboard.test_pages import PAGES, metric, settle, watched

ROUNDS = 5
PAINT_SECONDS = 2.0
AGAIN_SECONDS = 2.0
# Most of it is the browser's, for Streamlit's JavaScript.
NEW_SECONDS = 3.0
FILTER_SECONDS = 1.0
PAINTED = "performance.getEntriesByName('first-contentful-paint')[0].startTime / 1000"
FIGURE = "[data-testid=stMetricValue], [data-testid=stVegaLiteChart] canvas, table"


@pytest.fixture
def window(browser: Browser) -> Iterator[Callable[[], Page]]:
    """Opens windows, each as of somebody who was not here before."""
    wrong: list[str] = []
    opened = []

    def opens() -> Page:
        opened.append(watched(browser, wrong))
        return next(opened[-1])

    yield opens
    for each in opened:
        next(each, None)
    assert wrong == []


def test_pages(window: Callable[[], Page], address: str) -> None:
    # Pandas and Altair are imported by the first page of all.
    settle_at(window(), address)
    slow = []
    for name in PAGES:
        if name == "Condominiums":
            # Readers see none of it.
            continue
        path = "" if name == "Sales" else name.lower().split()[-1]
        painted: list[float] = []
        figures: tuple[list[float], list[float]] = ([], [])
        for _ in range(ROUNDS):
            page = window()
            for taken in figures:
                started = time.perf_counter()
                page.goto(f"{address}/{path}")
                page.wait_for_selector(FIGURE)
                taken.append(time.perf_counter() - started)
                if taken is figures[0]:
                    painted.append(page.evaluate(PAINTED))
                settle(page)
            page.context.close()
        slow += report(f"page {name}, first paint", painted, PAINT_SECONDS)
        slow += report(f"page {name}, first figure", figures[0], NEW_SECONDS)
        slow += report(f"page {name}, first figure when opened again", figures[1], AGAIN_SECONDS)
    assert slow == []


def test_filters(window: Callable[[], Page], address: str) -> None:
    page = window()
    settle_at(page, address)
    slow = []
    for filter_name, options in (
        ("Channel", ("Online", "Sales person", "Online", "Sales person", "Online")),
        ("Product line", ("Road", "Mountain", "Touring", "Standard", "No line")),
    ):
        taken = []
        for option in options:
            before = metric(page, "Sales")
            chooser = page.get_by_test_id("stSelectbox").filter(has_text=filter_name)
            chooser.get_by_role("combobox").click()
            choice = page.get_by_role("option", name=option, exact=True)
            expect(choice).to_be_visible()
            started = time.perf_counter()
            choice.click()
            expect(page.get_by_test_id("stMetricValue").first).not_to_have_text(before)
            taken.append(time.perf_counter() - started)
            settle(page)
        slow += report(f"filter {filter_name} of page Sales", taken, FILTER_SECONDS)
    assert slow == []


def settle_at(page: Page, address: str) -> None:
    page.goto(address)
    settle(page)


def report(what: str, taken: list[float], limit: float) -> list[str]:
    """Prints the median; returns the line if it is more than the limit."""
    line = f"{what}: {median(taken):.2f} s ({min(taken):.2f}-{max(taken):.2f}), limit {limit:g} s"
    print(f"\n{line}", end="")
    return [line] if median(taken) > limit else []
