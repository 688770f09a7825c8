"""The answers to the five questions, against the same answers by plain Python over the raw files.

Nothing here is taken from the models: `csv` reads, `Decimal` adds.
"""

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from common.warehouse import Warehouse

from . import small_shop

Rows = list[tuple[Any, ...]]
Raw = dict[str, list[dict[str, str]]]
UNKNOWN = "(unknown)"


def read(folder: Path) -> Raw:
    """Returns the rows of each file by the last word of its name; NULL markers are empty."""
    raw = {}
    for path in folder.rglob("*.csv"):
        text = io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")
        raw[path.stem.rpartition(".")[2]] = [
            {name: value.strip() if value.strip() != "NULL" else "" for name, value in row.items()}
            for row in csv.DictReader(text, delimiter=";")
        ]
    return raw


def amount(text: str) -> Decimal:
    return Decimal(text.replace(",", "."))


def lines_per_order(raw: Raw) -> Rows:
    counts = Counter(int(line["SalesOrderID"]) for line in raw["SalesOrderDetail"])
    return sorted((order, count) for order, count in counts.items() if count >= 3)


def top_products(raw: Raw, by_offer_alone: bool = False) -> Rows:
    offered = [(row["SpecialOfferID"], row["ProductID"]) for row in raw["SpecialOfferProduct"]]
    products = {p["ProductID"]: p for p in raw["Product"]}
    sold: Counter[str] = Counter()
    for line in raw["SalesOrderDetail"]:
        for offer, product in offered:
            fits = by_offer_alone or product == line["ProductID"]
            if offer == line["SpecialOfferID"] and fits and line["ProductID"] in products:
                sold[line["ProductID"]] += int(line["OrderQty"])
    best = sorted(sold, key=lambda p: (-sold[p], products[p]["Name"]))
    days_of = {p: int(products[p]["DaysToManufacture"]) for p in best}
    scopes = [
        ("per days_to_manufacture", [p for p in best if days_of[p] == days])
        for days in sorted(set(days_of.values()))
    ]
    return [
        (scope, days_of[p], rank, products[p]["Name"], sold[p])
        for scope, ranked in [*scopes, ("overall", best)]
        for rank, p in enumerate(ranked[:3], start=1)
    ]


def orders_per_customer(raw: Raw) -> Rows:
    customer_of = {h["SalesOrderID"]: h["CustomerID"] for h in raw["SalesOrderHeader"]}
    customers = {c["CustomerID"]: c for c in raw["Customer"]}
    people = {p["BusinessEntityID"]: p for p in raw["Person"]}
    orders = {line["SalesOrderID"] for line in raw["SalesOrderDetail"]}
    counts = Counter(customer_of.get(order, "") for order in orders)
    rows: Rows = []
    strangers = 0
    for number, count in counts.items():
        customer = customers.get(number)
        if customer is None:
            strangers += count
            continue
        person = people.get(customer["PersonID"], {})
        names = [person.get(f"{which}Name", "") for which in ("First", "Middle", "Last")]
        store = f"Store {customer['StoreID']}" if customer["StoreID"] else None
        person_id = int(customer["PersonID"]) if customer["PersonID"] else None
        rows.append((person_id, " ".join(filter(None, names)) or store, count))
    rows.append((None, UNKNOWN, strangers))
    return sorted(rows, key=lambda r: (-r[2], r[1] is None, r[1] or "", r[0] is None, r[0] or 0))


def quantities(raw: Raw) -> Rows:
    date_of = {h["SalesOrderID"]: h["OrderDate"][:10] for h in raw["SalesOrderHeader"]}
    known = {p["ProductID"] for p in raw["Product"]}
    sold: defaultdict[tuple[int, str | None], int] = defaultdict(int)
    for line in raw["SalesOrderDetail"]:
        # The product of the unknown member is -1.
        product = int(line["ProductID"]) if line["ProductID"] in known else -1
        sold[product, date_of.get(line["SalesOrderID"])] += int(line["OrderQty"])
    rows = [(product, day, quantity) for (product, day), quantity in sold.items()]
    return sorted(rows, key=lambda r: (-r[2], r[1] is None, r[1] or "", r[0]))


def large_orders(raw: Raw) -> Rows:
    found = [
        (int(h["SalesOrderID"]), h["OrderDate"][:10], amount(h["TotalDue"]))
        for h in raw["SalesOrderHeader"]
        if h["OrderDate"].startswith("2011-09-") and amount(h["TotalDue"]) > 1000
    ]
    return sorted(found, key=lambda row: (-row[2], row[0]))


def test_the_small_shop_holds_the_traps(tmp_path: Path) -> None:
    """Else the answers could be right by chance."""
    small_shop.write(tmp_path)
    raw = read(tmp_path)
    assert top_products(raw) != top_products(raw, by_offer_alone=True)
    (first, second, third), fourth = top_products(raw)[:3], ("Bell", 60)
    assert (first[3], second[3], third[3:]) == ("Wheel", "Pump", ("Axle", fourth[1]))
    assert lines_per_order(raw)[0] == (102, 3)
    assert len(lines_per_order(raw)) < len(raw["SalesOrderHeader"])
    names = [name for _, name, _ in orders_per_customer(raw)]
    assert (names.count("Ana Lee"), names.count(None), names.count(UNKNOWN)) == (2, 1, 1)
    assert [order for order, *_ in large_orders(raw)] == [110, 103, 108, 109, 102]
    other = tmp_path / "other"
    small_shop.write(other, dotted=True)
    assert {path.read_bytes()[:3] == b"\xef\xbb\xbf" for path in other.rglob("*.csv")} == {False}
    # Plain Python reads both shapes as the same rows, amounts apart.
    assert [lines_per_order(read(other)), large_orders(read(other))] == [
        lines_per_order(raw),
        large_orders(raw),
    ]


@pytest.fixture
def answers(
    warehouse: Warehouse,
    run_module: Callable[..., Any],
    dbt: Callable[..., Path],
    query: Callable[[str], Rows],
) -> Callable[[Path], dict[str, Rows]]:
    """Loads and builds a bucket; returns what the analyses answer then."""
    queries: dict[str, str] = {}

    def answer(bucket: Path) -> dict[str, Rows]:
        settings = {"BUCKET_URL": str(bucket), **warehouse.variables()}
        loaded = run_module("extract", "load", "adventure_works", **settings)
        assert loaded.returncode == 0, loaded.stderr
        only = ("--exclude-resource-type", "test", "unit_test")
        dbt(warehouse, "build", "--select", "+exposure:business_answers", *only)
        if not queries:
            compiled = dbt(warehouse, "compile", "--select", "path:analyses/q*") / "compiled"
            for path in compiled.glob("*/analyses/q*.sql"):
                queries[path.stem.partition("_")[0]] = path.read_text()
        return {name: query(sql) for name, sql in queries.items()}

    return answer


def test_the_answers_are_those_of_plain_python(
    answers: Callable[[Path], dict[str, Rows]], tmp_path: Path
) -> None:
    # In the shape with BOM, CRLF, NULL and comma; then, in its place, with LF, empty and dot.
    for dotted in (False, True):
        bucket = tmp_path / "bucket"
        small_shop.write(bucket, dotted)
        raw, found = read(bucket), answers(bucket)
        assert found["q1"] == lines_per_order(raw)
        assert found["q2"] == top_products(raw)
        assert found["q3"] == orders_per_customer(raw)
        q4 = [(product, day and str(day), quantity) for product, day, quantity in found["q4"]]
        assert q4 == quantities(raw)
        assert [(order, str(day), due) for order, day, due in found["q5"]] == large_orders(raw)
