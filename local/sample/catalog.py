"""Products and the special offers they are in: the part of the sample that does not scale.

Its 504 products, 295 of which are sold, are in data/products.csv.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from local.sample.raw_file import CRLF, NULL, Guids, money, text

PRODUCTS_FILE = Path(__file__).with_name("data") / "products.csv"
PRODUCT_HEADER = (
    "ProductID;Name;ProductNumber;MakeFlag;FinishedGoodsFlag;Color;SafetyStockLevel;ReorderPoint;"
    "StandardCost;ListPrice;Size;SizeUnitMeasureCode;WeightUnitMeasureCode;Weight;"
    "DaysToManufacture;ProductLine;Class;Style;ProductSubcategoryID;ProductModelID;SellStartDate;"
    "SellEndDate;DiscontinuedDate;rowguid;ModifiedDate"
)
OFFER_HEADER = "SpecialOfferID;ProductID;rowguid;ModifiedDate"

# The catalogue changes twice: a product is sold from the start of one season to the end of one.
SEASON_STARTS = ("2011-05-31", "2012-05-30", "2013-05-30")
_SEASON_ENDS = ("2012-05-29", "2013-05-29")
_ON_SALE = 2  # last season of a product that is still sold

# The three products that lead the two-day group and the one that ties with the third: see orders.
TWO_DAYS_FIRST = "HL Mountain Frame - Silver, 38"
TWO_DAYS_SECOND = "HL Mountain Frame - Black, 38"
TWO_DAYS_TIED = ("ML Road Frame-W - Yellow, 38", "ML Mountain Frame - Black, 38")


@dataclass(frozen=True)
class Product:
    """One product; prices in 1/10000, `store_weight` and `online_weight` are shares of sales."""

    product_id: int
    name: str
    prefix: str
    color: str | None
    size: str | None
    weight: tuple[str, str] | None  # unit code as stored, number
    standard_cost: int
    list_price: int
    days: int
    line: str | None
    grade: str | None
    style: str | None
    subcategory: int | None
    model: int | None
    seasons: range
    store_weight: int
    online_weight: int

    @property
    def is_sold(self) -> bool:
        """Whether customers can buy it (components are only built in)."""
        return self.subcategory is not None


def catalogue() -> list[Product]:
    """All 504 products, by ProductID."""
    with PRODUCTS_FILE.open(encoding="utf-8", newline="") as file:
        return [_product(row) for row in csv.DictReader(file)]


def _product(row: dict[str, str]) -> Product:
    return Product(
        product_id=int(row["product_id"]),
        name=row["name"],
        prefix=row["prefix"],
        color=row["color"] or None,
        size=row["size"] or None,
        # Padded, as it is stored.
        weight=(f"{row['weight_unit']:3}", row["weight"]) if row["weight"] else None,
        standard_cost=int(row["standard_cost"]),
        list_price=int(row["list_price"]),
        days=int(row["days"]),
        line=row["line"] or None,
        grade=row["grade"] or None,
        style=row["style"] or None,
        subcategory=int(row["subcategory"]) if row["subcategory"] else None,
        model=int(row["model"]) if row["model"] else None,
        seasons=range(int(row["first_season"]), int(row["last_season"]) + 1),
        store_weight=int(row["store_weight"]),
        online_weight=int(row["online_weight"]),
    )


def product_rows(products: list[Product]) -> Iterator[str]:
    """Lines of Production.Product.csv."""
    guids = Guids(301)
    for product in products:
        last = product.seasons[-1]
        if not product.is_sold:
            start, end = "2008-04-30 00:00:00.000", NULL
        else:
            start = f"{SEASON_STARTS[product.seasons[0]]} 00:00:00.000"
            end = NULL if last == _ON_SALE else f"{_SEASON_ENDS[last]} 00:00:00.000"
        unit, weight = product.weight or (None, NULL)
        centimetres = '"CM "' if product.prefix in ("BK", "FR") else NULL
        stock = 1_000 if not product.is_sold else 4 if product.days == 0 else 500
        stock = 100 if product.days == 4 else stock
        number = f"{product.prefix}-{product.product_id * 7_919 % 9_000 + 1_000}"
        yield (
            f"{product.product_id};{text(product.name)};{number};"
            f"{int(product.days > 0)};{int(product.is_sold)};{text(product.color)};"
            f"{stock};{stock * 3 // 4};{money(product.standard_cost)};{money(product.list_price)};"
            f"{text(product.size)};{centimetres};{text(unit)};{weight};"
            f"{product.days};{_code(product.line)};{_code(product.grade)};{_code(product.style)};"
            f"{product.subcategory or NULL};{product.model or NULL};{start};{end};NULL;"
            f"{guids.of(product.product_id)};2014-02-08 10:01:36.827{CRLF}"
        )


def _code(letter: str | None) -> str:
    """A one-letter code as the real file writes it: padded to two characters, so quoted."""
    return NULL if letter is None else f'"{letter} "'


class _Promotion(NamedTuple):
    """A special offer on the first `size` products whose name holds `name`."""

    offer: int
    percent: int
    name: str
    size: int
    date: str


# Volume discounts: offer, per cent, quantity from which it applies, number of products in it.
_VOLUME = ((5, 15, 41, 2), (4, 10, 25, 17), (3, 5, 15, 55), (2, 2, 11, 111))
_PROMOTIONS = (
    _Promotion(7, 35, "Mountain-100", 8, "2012-03-14"),
    _Promotion(8, 10, "Sport-100 Helmet", 3, "2012-04-30"),
    _Promotion(9, 30, "Road-650 Black, 62", 1, "2012-04-30"),
    _Promotion(10, 50, "Mountain Tire,", 3, "2013-04-14"),
    _Promotion(11, 15, "Sport-100 Helmet", 3, "2013-04-30"),
    _Promotion(12, 35, "HL Road Frame", 12, "2013-04-30"),
    _Promotion(13, 15, "Touring-3000", 10, "2013-04-30"),
    _Promotion(14, 20, "Touring-2000", 4, "2013-04-30"),
    _Promotion(15, 50, "Pedal", 7, "2013-05-14"),
    _Promotion(16, 40, "Mountain-500", 7, "2013-05-30"),
)
NO_DISCOUNT = 1


class Deal(NamedTuple):
    """A way to sell a product: the offer, its discount in per cent."""

    offer: int
    percent: int


def promotions(products: list[Product]) -> list[tuple[Product, Deal, str]]:
    """Products in promotions, with the offer and the date it starts."""
    return [
        (product, Deal(promotion.offer, promotion.percent), promotion.date)
        for promotion in _PROMOTIONS
        for product in [p for p in products if promotion.name in p.name][: promotion.size]
    ]


def volume_deals(products: list[Product]) -> dict[int, list[tuple[int, Deal]]]:
    """Volume discounts by ProductID: smallest quantity and deal, the largest quantity first."""
    ranked = sorted(
        (product for product in products if product.is_sold),
        key=lambda product: (-product.store_weight, product.product_id),
    )
    deals: dict[int, list[tuple[int, Deal]]] = {}
    for offer, percent, quantity, count in _VOLUME:
        for product in ranked[:count]:
            deals.setdefault(product.product_id, []).append((quantity, Deal(offer, percent)))
    return deals


def offer_rows(products: list[Product]) -> Iterator[str]:
    """Lines of Sales.SpecialOfferProduct.csv, by SpecialOfferID and ProductID."""
    pairs = [
        (NO_DISCOUNT, product.product_id, "2011-04-01") for product in products if product.is_sold
    ]
    for product_id, deals in volume_deals(products).items():
        pairs += [(deal.offer, product_id, "2011-05-01") for _, deal in deals]
    for product, deal, date in promotions(products):
        pairs.append((deal.offer, product.product_id, date))
    guids = Guids(401)
    for number, (offer, product_id, date) in enumerate(sorted(pairs), start=1):
        yield f"{offer};{product_id};{guids.of(number)};{date} 00:00:00.000{CRLF}"
