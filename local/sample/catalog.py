"""Products and the special offers they are in: the part of the sample that does not scale.

The catalogue is declared as families (a bicycle in its colours and sizes) and expanded by rule to
504 products, 295 of which are sold.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from local.sample.raw_file import CRLF, NULL, Guids, money, text

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

_FIRST_COMPONENTS = 4  # component ids 1-4, the others from 316 on
_NEXT_COMPONENT = 316
_FIRST_SOLD = 705

# Frames of this size take two days to make, all others one.
_SLOW_SIZE = "38"
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


class _Family(NamedTuple):
    """Sold products that differ only in colour and size: `{color}`, `{size}` in the name."""

    name: str
    prefix: str
    price: int  # cents
    days: int
    subcategory: int
    line: str | None
    grade: str | None
    seasons: range
    store_weight: int
    online_weight: int
    colors: tuple[str | None, ...] = (None,)
    sizes: tuple[str | None, ...] = (None,)
    style: str | None = None
    grams: int | None = None


_ALL = range(3)
_FIRST = range(1)
_FIRST_TWO = range(2)
_SECOND = range(1, 2)
_LATE = range(1, 3)
_THIRD = range(2, 3)


def _bike(
    name: str,
    price: int,
    line: str,
    grade: str,
    seasons: range,
    colors: tuple[str, ...],
    sizes: str,
    online_weight: int,
) -> _Family:
    """A bicycle; its sizes are separated by spaces."""
    style = "W" if "-W" in name else "U"
    subcategory = {"M": 1, "R": 2, "T": 3}[line]
    return _Family(
        f"{name} {{color}}, {{size}}", "BK", price, 4, subcategory, line, grade, seasons,
        6, online_weight, colors, tuple(sizes.split()), style,
    )  # fmt: skip


def _frame(name: str, price: int, seasons: range, colors: tuple[str, ...], sizes: str) -> _Family:
    """A frame; sold to stores only."""
    line = {"Mountain": "M", "Road": "R", "Touring": "T"}[name.split()[1]]
    subcategory = {"M": 12, "R": 14, "T": 16}[line]
    style = "W" if "-W" in name else "U"
    return _Family(
        f"{name} - {{color}}, {{size}}", "FR", price, 1, subcategory, line, name[0], seasons,
        3, 0, colors, tuple(sizes.split()), style,
    )  # fmt: skip


def _parts(
    name: str,
    prefix: str,
    price: int,
    subcategory: int,
    grades: str,
    line: str | None = None,
    grams: int | None = None,
) -> list[_Family]:
    """One family per grade (`L`, `M`, `H`: cheap to dear), made in a day, for stores."""
    return [
        _Family(
            f"{grade}L {name}", prefix, price * factor, 1, subcategory, line, grade, _LATE,
            2, 0, grams=grams,
        )
        for grade, factor in (("L", 1), ("M", 2), ("H", 3))
        if grade in grades
    ]  # fmt: skip


def _goods(
    name: str,
    prefix: str,
    price: int,
    subcategory: int,
    seasons: range,
    weights: tuple[int, int],
    line: str | None = "S",
    colors: tuple[str | None, ...] = (None,),
    sizes: str = "",
    style: str | None = None,
) -> _Family:
    """Clothing or an accessory: bought in, so no day to manufacture; `weights`: stores, online."""
    return _Family(
        name, prefix, price, 0, subcategory, line, None, seasons, *weights, colors,
        tuple(sizes.split()) or (None,), style,
    )  # fmt: skip


_BLACK, _WHITE, _YELLOW, _MULTI = ("Black",), ("White",), ("Yellow",), ("Multi",)
_HELMETS = ("Blue", "Red", "Black")
_S_L = "S M L"
_S_XL = "S M L XL"

_SOLD: tuple[_Family, ...] = (
    # Accessories and clothing, 64 products.
    _goods("AWC Logo Cap", "CA", 899, 19, _ALL, (80, 80), colors=_MULTI, style="U"),
    _goods("Sport-100 Helmet, {color}", "HL", 3499, 31, _ALL, (15, 70), colors=_HELMETS),
    _goods("Mountain Bike Socks, {size}", "SO", 950, 23, _FIRST, (50, 0), "M", _WHITE, "M L", "U"),
    _goods("Long-Sleeve Logo Jersey, {size}", "LJ", 4999, 21, _ALL, (28, 16),
           "S", _MULTI, _S_XL, "U"),
    _goods("Men's Sports Shorts, {size}", "SH", 5999, 22, _SECOND, (10, 0),
           "S", _BLACK, _S_XL, "M"),
    _goods("Women's Tights, {size}", "TG", 7499, 24, _SECOND, (16, 0), "S", _BLACK, _S_L, "W"),
    _goods("Men's Bib-Shorts, {size}", "SB", 8999, 18, _SECOND, (12, 0), "S", _MULTI, _S_L, "M"),
    _goods("Half-Finger Gloves, {size}", "GL", 2449, 20, _LATE, (14, 18), "S", _BLACK, _S_L, "U"),
    _goods("Full-Finger Gloves, {size}", "GL", 3799, 20, _SECOND, (18, 0), "M", _BLACK, _S_L, "U"),
    _goods("Headlights - Dual-Beam", "LT", 3499, 33, _SECOND, (4, 0), "R"),
    _goods("Headlights - Weatherproof", "LT", 4499, 33, _SECOND, (4, 0), "R"),
    _goods("Taillights - Battery-Powered", "LT", 1399, 33, _SECOND, (4, 0), "R"),
    _goods("Cable Lock", "LO", 2500, 34, _SECOND, (8, 0)),
    _goods("Minipump", "PU", 1999, 36, _SECOND, (8, 0)),
    _goods("Mountain Pump", "PU", 2499, 36, _SECOND, (4, 0), "M"),
    _goods("Touring-Panniers, Large", "PA", 12500, 35, _SECOND, (4, 0), "T", ("Grey",)),
    _goods("Racing Socks, {size}", "SO", 899, 23, _THIRD, (20, 16), "R", _WHITE, "M L", "U"),
    _goods("Short-Sleeve Jersey, {size}", "SJ", 5399, 21, _THIRD, (26, 16),
           "S", _YELLOW, _S_XL, "U"),
    _goods("Women's Shorts, {size}", "SH", 6999, 22, _THIRD, (22, 12), "M", _BLACK, _S_L, "W"),
    _goods("Classic Vest, {size}", "VE", 6350, 25, _THIRD, (22, 6), "S", ("Blue",), _S_L, "U"),
    _goods("Hitch Rack - 4-Bike", "RA", 12000, 26, _THIRD, (14, 10)),
    _goods('Hydration Pack "Trail", 70 oz.', "HY", 5499, 32, _THIRD, (14, 24), sizes="70"),
    _goods("Bike Wash - Dissolver", "CL", 795, 29, _THIRD, (16, 28)),
    _goods("All-Purpose Bike Stand", "ST", 15900, 27, _THIRD, (0, 8), "M"),
    _goods("Fender Set - Mountain", "FE", 2198, 30, _THIRD, (0, 66), "M"),
    _goods("Patch Kit/8 Patches", "PK", 229, 37, _THIRD, (14, 98)),
    _goods("Water Bottle - 30 oz.", "WB", 499, 28, _THIRD, (145, 150)),
    _goods("Mountain Bottle Cage", "BC", 999, 28, _THIRD, (0, 64), "M"),
    _goods("Road Bottle Cage", "BC", 899, 28, _THIRD, (0, 54), "R"),
    _goods("Mountain Tire Tube", "TT", 499, 37, _THIRD, (0, 96), "M"),
    _goods("Road Tire Tube", "TT", 399, 37, _THIRD, (0, 74), "R"),
    _goods("Touring Tire Tube", "TT", 499, 37, _THIRD, (0, 46), "T"),
    _goods('LL Mountain Tire, 26"', "TI", 2499, 37, _THIRD, (0, 28), "M"),
    _goods('ML Mountain Tire, 26"', "TI", 2999, 37, _THIRD, (0, 36), "M"),
    _goods('HL Mountain Tire, 26"', "TI", 3500, 37, _THIRD, (0, 44), "M"),
    _goods('LL Road Tire, 28"', "TI", 2149, 37, _THIRD, (0, 32), "R"),
    _goods('ML Road Tire, 28"', "TI", 2499, 37, _THIRD, (0, 28), "R"),
    _goods('HL Road Tire, 28"', "TI", 3260, 37, _THIRD, (0, 26), "R"),
    _goods('Touring Tire, 28"', "TI", 2899, 37, _THIRD, (0, 30), "T"),
    # Frames, 79 products.
    _frame("HL Road Frame", 143150, _ALL, ("Black", "Red"), "44 48 52 56 58 62"),
    _frame("LL Road Frame", 33722, _FIRST_TWO, ("Black", "Red"), "44 48 52 58 60 62"),
    _frame("ML Road Frame", 59483, _FIRST, ("Red",), "44 48 52 58 60"),
    _frame("HL Mountain Frame", 136450, _ALL, ("Silver", "Black"), "38 42 44 46 48"),
    _frame("ML Road Frame-W", 59483, _LATE, ("Yellow",), "38 40 42 44 48"),
    _frame("ML Mountain Frame", 34876, _LATE, ("Black",), "38 40 44 48"),
    _frame("ML Mountain Frame-W", 36409, _THIRD, ("Silver",), "38 40 42 46"),
    _frame("LL Mountain Frame", 26405, _THIRD, ("Silver",), "38 40 44 48 52"),
    _frame("LL Mountain Frame", 24979, _THIRD, ("Black",), "38 44 48 52"),
    _frame("LL Touring Frame", 33342, _THIRD, ("Blue", "Yellow"), "44 50 54 58 62"),
    _frame("HL Touring Frame", 100391, _THIRD, ("Blue", "Yellow"), "46 50 54 60"),
    # Bicycles, 97 products.
    _bike("Road-150", 357827, "R", "H", _FIRST, ("Red",), "44 48 52 56 62", 90),
    _bike("Road-450", 145799, "R", "M", _FIRST, ("Red",), "44 48 52 58 60", 0),
    _bike("Road-650", 78299, "R", "L", _FIRST_TWO, ("Red", "Black"), "44 48 52 58 60 62", 6),
    _bike("Mountain-100", 339999, "M", "H", _FIRST_TWO, ("Silver", "Black"), "38 42 44 48", 12),
    _bike("Mountain-200", 231999, "M", "H", _LATE, ("Silver", "Black"), "38 42 46", 17),
    _bike("Mountain-300", 107999, "M", "M", _SECOND, ("Black",), "38 40 44 48", 0),
    _bike("Road-250", 244335, "R", "H", _LATE, ("Red", "Black"), "44 48 52 58", 10),
    _bike("Road-550-W", 112049, "R", "M", _LATE, ("Yellow",), "38 40 42 44 48", 10),
    _bike("Touring-1000", 238407, "T", "H", _THIRD, ("Blue", "Yellow"), "46 50 54 60", 7),
    _bike("Touring-2000", 121485, "T", "M", _THIRD, ("Blue",), "46 50 54 60", 5),
    _bike("Touring-3000", 74235, "T", "L", _THIRD, ("Blue", "Yellow"), "44 50 54 58 62", 4),
    _bike("Road-350-W", 170099, "R", "M", _THIRD, ("Yellow",), "40 42 44 48", 9),
    _bike("Mountain-400-W", 76949, "M", "M", _THIRD, ("Silver",), "38 40 42 46", 7),
    _bike("Mountain-500", 56499, "M", "L", _THIRD, ("Silver", "Black"), "40 42 44 48 52", 3),
    _bike("Road-750", 53999, "R", "L", _THIRD, ("Black",), "44 48 52 58", 13),
    # Parts, 55 products.
    *_parts("Mountain Handlebars", "HB", 4454, 4, "LMH", "M"),
    *_parts("Road Handlebars", "HB", 4012, 4, "LMH", "R"),
    *_parts("Touring Handlebars", "HB", 4609, 4, "LH", "T"),
    *_parts("Headset", "HS", 3420, 11, "LMH"),
    *_parts("Bottom Bracket", "BB", 5399, 5, "LMH", grams=223),
    *_parts("Crankset", "CS", 17549, 8, "LMH", grams=600),
    *_parts("Fork", "FK", 14822, 10, "LMH"),
    *_parts("Mountain Front Wheel", "FW", 6079, 17, "LMH", "M"),
    *_parts("Mountain Rear Wheel", "RW", 8775, 17, "LMH", "M"),
    *_parts("Road Front Wheel", "FW", 8557, 17, "LMH", "R", grams=900),
    *_parts("Road Rear Wheel", "RW", 11257, 17, "LMH", "R", grams=1050),
    *_parts("Mountain Seat/Saddle", "SE", 2712, 15, "LMH", "M"),
    *_parts("Road Seat/Saddle", "SE", 2712, 15, "LMH", "R"),
    *_parts("Touring Seat/Saddle", "SE", 2712, 15, "LMH", "T"),
    *_parts("Mountain Pedal", "PD", 4049, 13, "LMH", "M", grams=218),
    *_parts("Road Pedal", "PD", 4049, 13, "LMH", "R", grams=189),
    *(
        _Family(name, prefix, price, 1, subcategory, line, None, _THIRD, 3, 0, ("Silver",))
        for name, prefix, price, subcategory, line in (
            ("Touring Front Wheel", "FW", 21801, 17, "T"),
            ("Touring Rear Wheel", "RW", 24501, 17, "T"),
            ("Touring Pedal", "PD", 8099, 13, "T"),
            ("Front Derailleur", "FD", 9149, 9, None),
            ("Rear Derailleur", "RD", 12146, 9, None),
            ("Front Brakes", "FB", 10650, 6, None),
            ("Rear Brakes", "RB", 10650, 6, None),
            ("Chain", "CH", 2024, 7, None),
        )
    ),
)  # fmt: skip

# Components, 209 products: name, days to manufacture; a number makes `name 1` .. `name n`.
_COMPONENTS: tuple[tuple[str, int, int], ...] = (
    *((name, 0, 0) for name in ("Adjustable Race", "Bearing Ball")),
    ("BB Ball Bearing", 1, 0),
    ("Headset Ball Bearings", 0, 0),
    *(
        (name, 1, 0)
        for name in (
            "Blade", "Chain Stays", "Down Tube", "Fork Crown", "Fork End", "Handlebar Tube",
            "Head Tube", "HL Hub", "LL Hub", "Mountain End Caps", "Road End Caps",
            "Touring End Caps", "Seat Stays", "Seat Tube", "Steerer", "Stem", "Top Tube",
            "LL Mountain Seat Assembly", "ML Mountain Seat Assembly", "HL Mountain Seat Assembly",
            "LL Road Seat Assembly", "ML Road Seat Assembly", "HL Road Seat Assembly",
            "LL Touring Seat Assembly", "ML Touring Seat Assembly", "HL Touring Seat Assembly",
        )
    ),
    *(
        (name, 0, 0)
        for name in (
            "LL Crankarm", "ML Crankarm", "HL Crankarm", "Chainring Bolts", "Chainring Nut",
            "Chainring", "Crown Race", "Cone-Shaped Race", "Cup-Shaped Race", "Freewheel",
            "Front Derailleur Cage", "Front Derailleur Linkage", "Guide Pulley", "LL Grip Tape",
            "ML Grip Tape", "HL Grip Tape", "Keyed Washer", "Lower Head Race", "Lock Ring",
            "Metal Angle", "Metal Tread Plate", "LL Nipple", "HL Nipple", "Paint - Black",
            "Paint - Blue", "Paint - Red", "Paint - Silver", "Paint - Yellow", "Pinch Bolt",
            "Rear Derailleur Cage", "Reflector", "LL Mountain Rim", "ML Mountain Rim",
            "HL Mountain Rim", "LL Road Rim", "ML Road Rim", "HL Road Rim", "Touring Rim",
            "Seat Lug", 'Seat Post, 27.2 mm (1 1/16")', "LL Shell", "HL Shell",
            "LL Spindle/Axle", "HL Spindle/Axle", "Spokes", "Tension Pulley",
        )
    ),
    ("Decal", 0, 2),
    ("Flat Washer", 0, 9),
    ("Hex Nut", 0, 23),
    ("Thin-Jam Hex Nut", 0, 16),
    ("External Lock Washer", 0, 9),
    ("Internal Lock Washer", 0, 10),
    ("Thin-Jam Lock Nut", 0, 16),
    ("Lock Nut", 0, 23),
    ("Lock Washer", 0, 13),
    ("Metal Bar", 0, 2),
    ("Metal Plate", 0, 3),
    ("Metal Sheet", 0, 7),
)  # fmt: skip


def catalogue() -> list[Product]:
    """All 504 products, by ProductID."""
    names = [
        (f"{name} {number}" if count else name, days)
        for name, days, count in _COMPONENTS
        for number in range(1, max(count, 1) + 1)
    ]
    products = [
        _component(
            1 + position
            if position < _FIRST_COMPONENTS
            else _NEXT_COMPONENT + position - _FIRST_COMPONENTS,
            name,
            days,
        )
        for position, (name, days) in enumerate(names)
    ]
    sold_id = _FIRST_SOLD
    for model, family in enumerate(_SOLD, start=1):
        for color in family.colors:
            for position, size in enumerate(family.sizes):
                products.append(_sold(sold_id, model, family, color, size, position))
                sold_id += 1
    return products


def _component(product_id: int, name: str, days: int) -> Product:
    """A product that is only built into others: no price, no subcategory."""
    grade = name[0] if name[:3] in ("LL ", "ML ", "HL ") else None
    return Product(
        product_id=product_id,
        name=name,
        prefix=name[:2].upper(),
        color=name.removeprefix("Paint - ") if name.startswith("Paint") else None,
        size=None,
        weight=("G  ", f"{400 + product_id % 7 * 5}.00") if name.endswith("Rim") else None,
        standard_cost=0,
        list_price=0,
        days=days,
        line=None,
        grade=grade,
        style=None,
        subcategory=None,
        model=None,
        seasons=_ALL,
        store_weight=0,
        online_weight=0,
    )


def _sold(
    product_id: int, model: int, family: _Family, color: str | None, size: str | None, position: int
) -> Product:
    """One colour and size of a family; `position` is the size's place in its row of sizes."""
    weight = None
    if family.grams is not None:
        weight = ("G  ", f"{family.grams}.00")
    elif family.prefix in ("BK", "FR"):
        # Hundredths of a pound: dearer ones are lighter, larger sizes heavier.
        base = 1_377 if family.prefix == "BK" else 212
        base += {"H": 0, "M": 400, "L": 800}[family.grade or "M"] * base // 1_377
        base += position * base // 60
        weight = ("LB ", f"{base // 100}.{base % 100:02d}")
    list_price = family.price * 100
    return Product(
        product_id=product_id,
        name=family.name.format(color=color, size=size),
        prefix=family.prefix,
        color=color,
        size=size,
        weight=weight,
        # 60.68% or 37.4% of the price: made in house or bought in.
        standard_cost=list_price * (6_068 if family.days else 3_740) // 10_000,
        list_price=list_price,
        days=2 if family.days == 1 and size == _SLOW_SIZE else family.days,
        line=family.line,
        grade=family.grade,
        style=family.style,
        subcategory=family.subcategory,
        model=model,
        seasons=family.seasons,
        store_weight=family.store_weight,
        online_weight=family.online_weight,
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
