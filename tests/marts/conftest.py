"""A small shop whose files change at random, and dbt on a database of its own."""

import os
import random
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from dbt.cli.main import dbtRunner

from common.warehouse import Warehouse
from extract.declaration import Feed, Source

ROOT = Path(__file__).resolve().parent.parent.parent

Row = dict[str, str]
Dbt = tuple[Warehouse, Callable[..., Any]]

CUSTOMERS, PRODUCTS, ORDERS = range(1, 6), range(1, 5), range(1, 9)
# What a load may bring. Whole tables lose and regain rows; changes bring new and other ones.
CHANGES = ("customer", "product", "person", "headers", "lines", "some_headers", "some_lines")


class Shop:
    """The files of a small shop in a bucket, which change at random."""

    def __init__(self, source: Source, folder: Path, seed: int) -> None:
        self._feeds = {feed.name: feed for feed in source.feeds}
        self._folder = folder
        self._random = random.Random(seed)  # noqa: S311
        self._clock = 0
        for change in ("customer", "product", "person", "headers", "lines"):
            self.change(change)
        self.write("special_offer_product", [])

    def change(self, what: str) -> None:
        """Writes a new version of one file, or a new file of changes."""
        self._clock += 1
        some = self._some
        if what == "customer":
            rows = [
                {"CustomerID": str(c), "PersonID": str(self._random.randint(1, 3))}
                for c in some(CUSTOMERS)
            ]
            self.write("customer", rows)
        elif what == "product":
            self.write("product", [{"ProductID": str(p), "Name": f"P{p}"} for p in some(PRODUCTS)])
        elif what == "person":
            rows = [
                {
                    "BusinessEntityID": str(p),
                    "FirstName": f"P{self._random.randint(1, 3)}",
                    "EmailPromotion": self._random.choice(["0", "1", "many"]),
                }
                for p in some(range(1, 4))
            ]
            self.write("person", rows)
        elif what in ("headers", "some_headers"):
            rows = [self._header(order) for order in some(ORDERS)]
            self.write("sales_order_header", rows, changes=what == "some_headers")
        else:
            rows = [self._line(order, line) for order in some(ORDERS) for line in some(range(1, 4))]
            self.write("sales_order_detail", rows, changes=what == "some_lines")

    def _some(self, values: range) -> list[int]:
        return [value for value in values if self._random.random() < 0.7]

    def _header(self, order: int) -> Row:
        return {
            # One that does not cast is an order of its own.
            "SalesOrderID": str(order) if order > 1 else "one",
            "SalesOrderNumber": f"SO{order}",
            "OrderDate": "2014-01-01",
            "CustomerID": str(self._random.randint(1, 6)),
            "TaxAmt": str(self._random.randint(0, 100)),
            "TotalDue": str(self._random.randint(0, 1000)),
            "ModifiedDate": self._time(),
        }

    def _line(self, order: int, line: int) -> Row:
        return {
            "SalesOrderID": str(order) if order > 1 else "one",
            "SalesOrderDetailID": str(10 * order + line),
            "ProductID": str(self._random.randint(1, 5)),
            "OrderQty": "1",
            "LineTotal": str(self._random.randint(0, 50)),
            "ModifiedDate": self._time(),
        }

    def _time(self) -> str:
        """Mostly later than all before, sometimes late."""
        late = self._random.random() < 0.2
        return f"2014-01-01 00:{self._random.randint(0, self._clock) if late else self._clock:02}"

    def write(self, feed_name: str, rows: list[Row], changes: bool = False) -> None:
        """Writes a file of a feed: of these values, by column, and none in other columns."""
        feed = self._feeds[feed_name]
        file = feed.changes.replace("*", str(self._clock)) if changes else feed.files[0]
        path = self._folder / "adventure_works" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_text(feed, rows), encoding="utf-8")


def _text(feed: Feed, rows: list[Row]) -> str:
    lines = [feed.columns, *([row.get(name, "") for name in feed.columns] for row in rows)]
    return "".join(feed.format.delimiter.join(line) + "\n" for line in lines)


@pytest.fixture(scope="module")
def run_dbt(
    new_warehouse: Callable[[], Warehouse], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Warehouse, Callable[..., Any]]]:
    """Runs dbt in this process, parsed once, on a database of its own."""
    warehouse = new_warehouse()
    folder = tmp_path_factory.mktemp("dbt")
    variables = {
        **warehouse.variables(),
        "DBT_TARGET_PATH": str(folder / "target"),
        "DBT_LOG_PATH": str(folder / "logs"),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        always = ["--project-dir", str(ROOT), "--profiles-dir", str(ROOT)]
        parsed: Any = dbtRunner().invoke(["--quiet", "parse", *always])
        runner = dbtRunner(manifest=parsed.result)

        def run(*arguments: str) -> Any:
            for name, value in variables.items():
                os.environ[name] = value
            done: Any = runner.invoke(["--quiet", *arguments, *always])
            assert done.success, done.exception or [each.message for each in done.result]
            return done.result

        yield warehouse, run


def forget(warehouse: Warehouse) -> None:
    """Makes a database as if nothing had been loaded yet."""
    with closing(warehouse.connect()) as connection, connection, connection.cursor() as cursor:
        cursor.execute(
            "drop schema if exists audit, raw_adventure_works, raw_adventure_works_history, "
            "raw_adventure_works_landing cascade"
        )
