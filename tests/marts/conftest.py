"""A small shop whose files change at random, and dbt on a database of its own."""

import os
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dbt.cli.main import dbtRunner
from dbt_common.behavior_flags import BehaviorFlagRendered

from common.warehouse import Warehouse

from .raw import File, Raw, Row

ROOT = Path(__file__).resolve().parent.parent.parent

Dbt = tuple[Warehouse, Callable[..., Any]]

CUSTOMERS, PRODUCTS, ORDERS = range(1, 6), range(1, 5), range(1, 9)
# What a load may bring. Whole tables lose and regain rows; changes bring new and other ones, and a
# corrected file of changes takes some of them back.
CHANGES = (
    "customer",
    "product",
    "person",
    "headers",
    "lines",
    "some_headers",
    "some_lines",
    "corrected",
)


class Shop:
    """A small shop, whose files change at random, as raw shows them after each load."""

    def __init__(self, warehouse: Warehouse, seed: int, keep_ledger: bool = False) -> None:
        self._raw = Raw(warehouse, "adventure_works", keep_ledger)
        self._random = random.Random(seed)  # noqa: S311
        self._clock = 0
        self._files: dict[tuple[str, str], File] = {}
        self._changes: list[File] = []
        for change in ("customer", "product", "person", "headers", "lines"):
            self.change(change)
        self.write("special_offer_product", [])
        self.load()

    def load(self) -> int:
        """Loads what was written since the last load, and returns the load's id."""
        files, self._files = list(self._files.values()), {}
        return self._raw.load(*files)

    def change(self, what: str) -> None:
        """Writes a new version of one file, a new file of changes, or another version of one."""
        self._clock += 1
        some = self._some
        rows: list[Row]
        if what == "customer":
            rows = [
                {"customer_id": str(c), "person_id": str(self._random.randint(1, 3))}
                for c in some(CUSTOMERS)
            ]
            self.write("customer", rows)
        elif what == "product":
            self.write("product", [{"product_id": str(p), "name": f"P{p}"} for p in some(PRODUCTS)])
        elif what == "person":
            rows = [
                {
                    "business_entity_id": str(p),
                    "first_name": f"P{self._random.randint(1, 3)}",
                    "email_promotion": self._random.choice(["0", "1", "many"]),
                }
                for p in some(range(1, 4))
            ]
            self.write("person", rows)
        elif what == "corrected":
            if self._changes:
                file = self._random.choice(self._changes)
                kept = [row for row in file.rows if self._random.random() < 0.5]
                self._put(replace(file, rows=kept))
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
            "sales_order_id": self._order_id(order),
            "sales_order_number": f"SO{order}",
            "order_date": "2014-01-01",
            "customer_id": str(self._random.randint(1, 6)),
            "tax_amt": str(self._random.randint(0, 100)),
            "total_due": str(self._random.randint(0, 1000)),
            "modified_date": self._time(),
        }

    def _line(self, order: int, line: int) -> Row:
        return {
            "sales_order_id": self._order_id(order),
            "sales_order_detail_id": str(10 * order + line),
            "product_id": str(self._random.randint(1, 5)),
            "order_qty": self._random.choice(["1", "1", "two"]),
            "line_total": str(self._random.randint(0, 50)),
            "modified_date": self._time(),
        }

    def _order_id(self, order: int) -> str:
        """One that does not cast is an order of its own; others are spelt in several ways."""
        return "one" if order == 1 else self._random.choice([f"{order}", f" {order}", f"0{order}"])

    def _time(self) -> str:
        """Mostly later than all before, sometimes late."""
        late = self._random.random() < 0.2
        minute = self._random.randint(0, self._clock) if late else self._clock
        return f"2014-01-01 00:{minute:02}:00"

    def write(self, feed: str, rows: Sequence[Row], changes: bool = False) -> None:
        """Writes a file of a feed: of these values, by raw column, and none in other columns."""
        if changes:
            self._put(File(feed, f"changes/{feed}.{self._clock}.csv", rows, is_change=True))
        else:
            # A whole table replaces the changes that came before it.
            self._changes = [file for file in self._changes if file.feed != feed]
            self._files = {k: f for k, f in self._files.items() if k[0] != feed}
            self._put(File(feed, f"{feed}.csv", rows))

    def _put(self, file: File) -> None:
        self._files[file.feed, file.name] = file
        if file.is_change:
            self._changes = [f for f in self._changes if f.name != file.name] + [file]


@pytest.fixture(scope="module")
def run_dbt(
    new_warehouse: Callable[..., Warehouse], own_name: str, environment: dict[str, str]
) -> Iterator[tuple[Warehouse, Callable[..., Any]]]:
    """Runs dbt in this process, parsed once, on a database of its own."""
    warehouse = new_warehouse(name=own_name)
    of_dbt = {name: value for name, value in environment.items() if name.startswith("DBT_")}
    variables = {**of_dbt, **warehouse.variables()}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        # At each start, dbt asks the stack for the module that it is in: pytest's stack is deep.
        patch.setattr(BehaviorFlagRendered, "_default_source", lambda _: "dbt.adapters")
        always = ["--project-dir", str(ROOT), "--profiles-dir", str(ROOT)]
        parsed: Any = dbtRunner().invoke(["--quiet", "parse", *always])
        runner = dbtRunner(manifest=parsed.result)

        def run(*arguments: str, may_fail: bool = False) -> Any:
            for name, value in variables.items():
                os.environ[name] = value
            done: Any = runner.invoke(["--quiet", *arguments, *always])
            assert done.exception is None, done.exception
            assert done.success or may_fail, [each.message for each in done.result]
            return done.result

        yield warehouse, run
