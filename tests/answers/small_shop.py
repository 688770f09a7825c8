"""A few dozen orders with the traps that have caught answers to the five questions before.

Written as raw files, in either of the two shapes that AdventureWorks comes in.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from extract.declaration import read_sources

Value = str | int | None

# Number, first, middle and last name, suffix.
PEOPLE = [
    # Two people with one name.
    (1, "Ana", None, "Lee", None),
    (2, "Ana", None, "Lee", None),
    (3, "Bo", "Q.", 'de "la" Cruz; sr', "Jr."),
    (4, "Zoë", None, "Åström", None),
]
# Number, person, store: a store, a contact of a store, one whose person is not there and one
# without orders. Customer 8 has orders and is not there.
CUSTOMERS = [
    *((1, 1, None), (2, 2, None), (3, 3, None)),
    *((4, None, 900), (5, 4, 901), (6, 99, None), (7, 1, None)),
]
# Number, name, days to manufacture, class: padded to two characters, and so quoted.
PRODUCTS = [
    *((11, "Wheel", 0, "H "), (12, "Bell", 0, "H "), (13, "Axle", 0, "L "), (14, "Pump", 0, None)),
    *((21, "Frame", 1, "M "), (22, "Fork", 1, "M "), (31, "Bike", 4, "H ")),
]
# Offer, product: by the offer alone, a line of offer 1 counts eight times. Product 22 is not in
# offer 2, and is sold in it once; product 77 is not there.
OFFERED = [*((1, product) for product, *_ in PRODUCTS), (2, 11), (2, 31), (1, 77)]


@dataclass(frozen=True)
class Order:
    """An order header and its lines: (product, quantity, offer, line total)."""

    number: int
    at: str
    customer: int
    total_due: str
    lines: Sequence[tuple[int, int, int, str]]


def orders() -> Iterator[Order]:
    """Yields the orders, the particular ones first."""
    few, three = (
        [(21, 1, 1, "10.5")],
        [(21, 1, 1, "10.5"), (22, 2, 1, "0"), (31, 1, 2, "99.999999")],
    )
    # The edges of September 2011, and of 1,000.
    yield Order(101, "2011-08-31 23:59:59.997", 1, "5000", few)
    yield Order(102, "2011-09-01 00:00:00.000", 1, "1000.0001", three)
    yield Order(103, "2011-09-30 23:59:59.997", 2, "2000.5", few)
    yield Order(104, "2011-10-01 00:00:00.000", 2, "5000", few)
    yield Order(105, "2011-09-15 00:00:00.000", 3, "1000", three)
    yield Order(106, "2011-09-15 12:00:00.000", 3, "999.9999", few)
    yield Order(107, "2012-09-15 00:00:00.000", 3, "7000", few)
    # The same total twice; and an order whose lines cost nothing has something to pay.
    yield Order(109, "2011-09-02 00:00:00.000", 4, "1500.3333", three)
    yield Order(108, "2011-09-03 00:00:00.000", 5, "1500.3333", three)
    yield Order(110, "2011-09-04 00:00:00.000", 6, "3000.0001", [(31, 1, 1, "0"), (31, 1, 2, "0")])
    # The customer of the one and a product of the other are not there.
    yield Order(111, "2011-07-01 00:00:00.000", 8, "12.3456", few)
    yield Order(112, "2011-07-01 00:00:00.000", 1, "12.3456", [(77, 9, 1, "1"), (22, 50, 2, "1")])
    # Wheels sell most. Bells and axles sell alike at the third place: axles come first by name.
    for number in range(24):
        lines = [(11, 9, 1 + number % 2, "8.1"), (14, 8, 1, "3.3")]
        lines += [(12, 5, 1, "1.25"), (13, 5, 1, "7")] if number % 2 else []
        yield Order(
            200 + number, f"2013-0{1 + number % 6}-11 00:00:00.000", 1 + number % 6, "20.1", lines
        )


WITHOUT_HEADER = Order(999, "", 0, "", [(31, 1, 1, "1")] * 3)


def write(folder: Path, dotted: bool = False) -> None:
    """Writes the source's files: with BOM, CRLF, NULL and decimal comma, or without any of them."""
    rows = {
        "person": _rows("BusinessEntityID FirstName MiddleName LastName Suffix", PEOPLE),
        "customer": _rows("CustomerID PersonID StoreID", CUSTOMERS),
        "product": _rows("ProductID Name DaysToManufacture Class", PRODUCTS),
        "special_offer_product": _rows("SpecialOfferID ProductID", OFFERED),
        "sales_order_header": _rows(
            "SalesOrderID OrderDate CustomerID TotalDue",
            (
                (o.number, o.at, o.customer, o.total_due.replace(".", "." if dotted else ","))
                for o in orders()
            ),
        ),
        "sales_order_detail": _rows(
            "SalesOrderID SalesOrderDetailID ProductID OrderQty SpecialOfferID LineTotal",
            (
                # A padded number, which staging trims. LineTotal has a dot in both shapes.
                (f" {o.number}" if o.number == 102 else o.number, 1000 * o.number + line, *values)
                for o in [*orders(), WITHOUT_HEADER]
                for line, values in enumerate(o.lines)
            ),
        ),
    }
    null, end, encoding = ("", "\n", "utf-8") if dotted else ("NULL", "\r\n", "utf-8-sig")
    for feed in read_sources()["adventure_works"].feeds:
        lines = [";".join(feed.columns)]
        for row in rows[feed.name]:
            values = {"ModifiedDate": "2014-01-01 00:00:00.000", **row}
            lines.append(";".join(_field(values.get(name), null) for name in feed.columns))
        path = folder / "adventure_works" / feed.files[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes("".join(line + end for line in lines).encode(encoding))


def _rows(names: str, rows: Iterable[tuple[Value, ...]]) -> list[dict[str, Value]]:
    return [dict(zip(names.split(), row, strict=True)) for row in rows]


def _field(value: Value, null: str) -> str:
    text = null if value is None else str(value)
    is_quoted = ";" in text or text.endswith(" ")
    return '"' + text.replace('"', '""') + '"' if is_quoted else text
