"""Orders and their lines, written day by day in one pass that holds a few hundred rows.

Exact totals without memory: each quota (orders of a day, lines of an order, first orders of
customers) is drawn against what is left of it, so that the last one comes out even.
"""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from random import Random
from typing import ClassVar

from local.sample.catalog import (
    NO_DISCOUNT,
    SEASON_STARTS,
    TWO_DAYS_FIRST,
    TWO_DAYS_SECOND,
    TWO_DAYS_TIED,
    Deal,
    Product,
    promotions,
    volume_deals,
)
from local.sample.population import (
    FIRST_CUSTOMER_WITH_PERSON,
    FIRST_ORDER,
    MAX_LINES_PER_ORDER,
    Population,
    Scatter,
    territory,
)
from local.sample.raw_file import NULL, Guids, RawFile, money

ORDER_HEADER = (
    "SalesOrderID;RevisionNumber;OrderDate;DueDate;ShipDate;Status;OnlineOrderFlag;"
    "SalesOrderNumber;PurchaseOrderNumber;AccountNumber;CustomerID;SalesPersonID;TerritoryID;"
    "BillToAddressID;ShipToAddressID;ShipMethodID;CreditCardID;CreditCardApprovalCode;"
    "CurrencyRateID;SubTotal;TaxAmt;Freight;TotalDue;Comment;rowguid;ModifiedDate"
)
DETAIL_HEADER = (
    "SalesOrderID;SalesOrderDetailID;CarrierTrackingNumber;OrderQty;ProductID;SpecialOfferID;"
    "UnitPrice;UnitPriceDiscount;LineTotal;rowguid;ModifiedDate"
)

_FIRST_DAY = date(2011, 5, 31)
_LAST_DAY = date(2014, 6, 30)

# Online orders per month from May 2011 (one day of it) to June 2014: their shares.
_ONLINE_BY_MONTH = (
    *(5, 140, 160, 190, 240, 220, 200, 220),
    *(270, 215, 225, 230, 235, 270, 250, 240, 260, 245, 290, 310),
    *(330, 300, 330, 350, 370, 560, 1650, 1700, 1700, 1880, 2010, 1960),
    *(2050, 1700, 2220, 2300, 2310, 935),
)
# Stores order on the first day of a month, more from year to year.
_STORE_BY_YEAR = {2011: 75, 2012: 100, 2013: 115, 2014: 125}
_LAST_STORE_DAY = date(2014, 5, 1)

# Most lines of a store order, by season; the first season has few products.
_STORE_CAPS = (35, 60, MAX_LINES_PER_ORDER)
# In the first two seasons people bought one bicycle at a time.
_ONLINE_CAPS = (1, 1, MAX_LINES_PER_ORDER)

# Quantities of a store's line: shares of 256.
_QUANTITIES = [
    quantity
    for quantity, share in {
        1: 88, 2: 56, 3: 36, 4: 22, 5: 14, 6: 10, 7: 4, 8: 6, 9: 3, 10: 3, 11: 2, 12: 2, 13: 1,
        14: 1, 15: 1, 16: 1, 18: 1, 21: 1, 24: 1, 26: 1, 30: 1, 44: 1,
    }.items()
    for _ in range(share)
]  # fmt: skip

# Sales people of a territory, by their place among all of them.
_SELLERS = {
    1: (9, 6, 2), 2: (1,), 3: (1, 3), 4: (2, 3, 7), 5: (5, 1), 6: (8, 4), 7: (16,), 8: (14,),
    9: (12,), 10: (15,),
}  # fmt: skip

_ODD_STATUSES = ("1", "2", "3", "4", "6")
_SHIPPED = "5"
_ODD_STATUS_EVERY = 101

# What is left of a line of the detail file once order, product and quantity are known, and its
# LineTotal in 1/1,000,000.
_Line = tuple[str, int]


def write_orders(
    population: Population, products: list[Product], header: RawFile, detail: RawFile
) -> None:
    """Write both order files: stores' orders, then individuals' orders, day by day."""
    book = _OrderBook(population, header, detail)
    stores = _StoreOrders(population, products, book.random)
    individuals = _OnlineOrders(population, products, book.random)
    season = -1
    store_orders = _spread(_store_weights(), population.store_orders)
    online_orders = _spread(
        _online_weights(), population.orders - population.store_orders, touch_ends=True
    )
    for offset, (for_stores, online) in enumerate(zip(store_orders, online_orders, strict=True)):
        day = _FIRST_DAY + timedelta(days=offset)
        if season + 1 < len(SEASON_STARTS) and day.isoformat() >= SEASON_STARTS[season + 1]:
            season += 1
            stores.open_season(season)
            individuals.open_season(season)
        book.open_day(day)
        for _ in range(for_stores):
            stores.place(book)
        for _ in range(online):
            individuals.place(book)


def _online_weights() -> Iterator[int]:
    """Share of the online orders per day."""
    day = _FIRST_DAY
    while day <= _LAST_DAY:
        month = (day.year - _FIRST_DAY.year) * 12 + day.month - _FIRST_DAY.month
        next_month = date(day.year + day.month // 12, day.month % 12 + 1, 1)
        days = 1 if month == 0 else (next_month - day.replace(day=1)).days
        yield _ONLINE_BY_MONTH[month] * 1_000 // days
        day += timedelta(days=1)


def _store_weights() -> Iterator[int]:
    """Share of the stores' orders per day."""
    day = _FIRST_DAY
    while day <= _LAST_DAY:
        is_store_day = day == _FIRST_DAY or (day.day == 1 and day <= _LAST_STORE_DAY)
        yield _STORE_BY_YEAR[day.year] if is_store_day else 0
        day += timedelta(days=1)


def _spread(weights: Iterator[int], total: int, touch_ends: bool = False) -> Iterator[int]:
    """Split `total` over days by weight, exactly; with `touch_ends` first and last get some."""
    shares = list(weights)
    whole = sum(shares)
    done = given = 0
    for position, share in enumerate(shares):
        done += share
        due = total * done // whole
        if touch_ends and position < len(shares) - 1:
            due = max(min(due, total - 1), 1)
        due = min(due, total)
        yield due - given
        given = due


class _Buyers:
    """Whose order is next: every buyer orders at least once, some of them often."""

    def __init__(self, orders: int, buyers: int, random: Callable[[], float]) -> None:
        self._orders = orders
        self._buyers = buyers
        self._newcomers = min(orders, buyers)
        self._random = random
        self._scatter = Scatter.over(buyers)

    def next(self) -> int:
        """Number of the buyer, from 0."""
        random = self._random
        is_newcomer = random() * self._orders < self._newcomers
        self._orders -= 1
        if is_newcomer:
            self._newcomers -= 1
            return self._scatter(self._newcomers)
        position = int(random() * self._buyers)
        # A quarter of the repeat orders come from the most loyal sixteenth.
        return self._scatter(position // 16 if position % 4 == 0 else position)


class _LineQuota:
    """How many lines the next order has: few have many, and the total comes out exactly."""

    def __init__(self, orders: int, lines: int, random: Callable[[], float]) -> None:
        self._orders = orders
        self._lines = lines
        self._random = random

    def take(self, cap: int) -> int:
        """Lines of the next order, at most `cap` unless the total could not be met then."""
        draw = self._random()
        # 4u^3 has mean 1 and a long tail; it stretches the mean of what is left. (A product, not a
        # power: the same bits on every machine's C library.)
        surplus = (self._lines - self._orders) / self._orders
        count = 1 + int(4.0 * draw * draw * draw * surplus + self._random())
        if count > cap:  # mirrored, so that the cap itself is nothing special
            count = max(2 * cap - count, 1)
        self._orders -= 1
        count = max(count, self._lines - MAX_LINES_PER_ORDER * self._orders)
        count = min(count, self._lines - self._orders)
        self._lines -= count
        return count


class _OrderBook:
    """Formats orders and their lines, and writes them."""

    def __init__(self, population: Population, header: RawFile, detail: RawFile) -> None:
        self.random = Random(501).random
        self._population = population
        self._header = header
        self._detail = detail
        self._order_guids = Guids(502)
        self._line_guids = Guids(503)
        self._order_id = FIRST_ORDER
        self._line_id = 1
        self._day = self._due = self._shipped = ""

    def open_day(self, day: date) -> None:
        """Date the following orders."""
        self._day, self._due, self._shipped = (
            f"{day + timedelta(days=days)} 00:00:00.000" for days in (0, 12, 7)
        )

    def add(
        self,
        lines: list[_Line],
        *,
        online: bool,
        customer: int,
        account: str,
        seller: str,
        region: int,
        address: int,
    ) -> None:
        """Write one order of the open day."""
        order_id = self._order_id
        self._order_id = order_id + 1
        mixed = order_id * 2_654_435_761 & 0xFFFFFFFF
        number = order_id - FIRST_ORDER
        if online:
            flags, carrier, purchase, method = "1", NULL, NULL, "1"
        else:
            flags, purchase, method = "0", f"PO{mixed}", "5"
            code = f"{mixed:08X}"
            carrier = f"{code[:4]}-4{code[4:7]}-{code[6:]}"

        write_line = self._detail.write
        line_id = self._line_id
        heads, mask, factor = self._line_guids.heads, Guids.MASK, Guids.FACTOR
        tail = f";{self._day}\r\n"
        total = 0
        for line, line_total in lines:
            write_line(
                f"{order_id};{line_id};{carrier};{line}{heads[line_id & 255]}"
                f"{line_id * factor & mask:012X}{tail}"
            )
            total += line_total
            line_id += 1
        self._line_id = line_id

        # All rounded half up, in 1/10,000: SubTotal from millionths, 8% tax, 2.5% freight.
        sub_total = (total + 50) // 100
        tax = (sub_total * 8 + 50) // 100
        freight = (sub_total * 25 + 500) // 1_000
        status, shipped = _SHIPPED, self._shipped
        if number % _ODD_STATUS_EVERY == _ODD_STATUS_EVERY // 2:
            # Not sent (yet), so without a ShipDate.
            status, shipped = _ODD_STATUSES[number // _ODD_STATUS_EVERY % 5], NULL
        card = f"{customer - FIRST_CUSTOMER_WITH_PERSON + 1};{mixed >> 12}Vi{mixed % 99_991}"
        if mixed & 31 == 0:
            card = f"{NULL};{NULL}"
        # Territories 1-5 are in the United States, paid in the currency of the books.
        rate = NULL if region <= 5 else f"{number % 13_532 + 1}"
        self._header.write(
            f"{order_id};8;{self._day};{self._due};{shipped};{status};{flags};SO{order_id};"
            f"{purchase};{account};{customer};{seller};{region};{address};{address};{method};"
            f"{card};{rate};{money(sub_total)};{money(tax)};{money(freight)};"
            f"{money(sub_total + tax + freight)};NULL;{self._order_guids.of(order_id)};"
            f"{self._day if shipped == NULL else shipped}\r\n"
        )


class _OnlineOrders:
    """Individuals' orders: single pieces at the list price."""

    def __init__(
        self, population: Population, products: list[Product], random: Callable[[], float]
    ) -> None:
        orders = population.orders - population.store_orders
        self._random = random
        self._products = products
        self._first_customer = population.first_individual_customer
        self._buyers = _Buyers(orders, population.individuals, random)
        self._quota = _LineQuota(orders, population.lines - population.store_lines, random)
        self._cap = 1
        self._shelf: list[_Line] = []

    def open_season(self, season: int) -> None:
        """Change to the products that are sold in `season`."""
        self._cap = _ONLINE_CAPS[season]
        self._shelf = [
            line
            for product in self._products
            if season in product.seasons
            for line in [_line(product, 1, product.list_price, Deal(NO_DISCOUNT, 0))]
            for _ in range(product.online_weight)
        ]

    def place(self, book: _OrderBook) -> None:
        """Place the next order."""
        random = self._random
        shelf = self._shelf
        size = len(shelf)
        lines = [shelf[int(random() * size)]]
        for _ in range(self._quota.take(self._cap) - 1):
            line = shelf[int(random() * size)]
            while line in lines:
                line = shelf[int(random() * size)]
            lines.append(line)
        customer = self._first_customer + self._buyers.next()
        book.add(
            lines,
            online=True,
            customer=customer,
            account=f"10-4030-{customer:06d}",
            seller=NULL,
            region=territory(customer),
            address=customer + 2_735,
        )


class _StoreOrders:
    """Stores' orders, placed by their contacts: many lines, quantities, discounts."""

    # A tie that must hold at every scale cannot be left to chance, nor repaired in the end without
    # holding orders back. Frames of size 38, the only products that take two days, are therefore
    # sold only here, in fixed rotation: one of these entries per order of at least four lines, and
    # the two of the tied pair always together, in the same quantity.
    _ROTATION = ("first", "tied", "second", "tied", "first", "other", "second", "first")
    _ROTATION_QUANTITY: ClassVar[dict[str, int]] = {"first": 3, "second": 3, "tied": 1, "other": 1}
    _ROTATION_MIN_LINES = 4
    # What is offered in place of frames that are not on sale yet.
    _ROTATION_SUBSTITUTE: ClassVar[dict[str, str]] = {"tied": "second", "other": "first"}

    def __init__(
        self, population: Population, products: list[Product], random: Callable[[], float]
    ) -> None:
        self._random = random
        self._products = products
        self._population = population
        self._promotions = promotions(products)
        self._volume = volume_deals(products)
        self._buyers = _Buyers(population.store_orders, population.contacts, random)
        self._quota = _LineQuota(population.store_orders, population.store_lines, random)
        self._beat = 0
        self._cap = 1
        # Places in `_sales`, each as often as its share.
        self._shelf: list[int] = []
        self._sales: list[tuple[Product, Deal | None]] = []
        self._frames: dict[str, list[Product]] = {}

    def open_season(self, season: int) -> None:
        """Change to the products and promotions of `season`."""
        self._cap = _STORE_CAPS[season]
        on_sale = [product for product in self._products if season in product.seasons]
        self._sales = [
            (product, None) for product in on_sale if product.is_sold and product.days != 2
        ] + [
            (product, deal)
            for product, deal, start in self._promotions
            if season in product.seasons and start <= SEASON_STARTS[season]
        ]
        self._shelf = [
            position
            for position, (product, promotion) in enumerate(self._sales)
            for _ in range(-(-product.store_weight // 5) if promotion else product.store_weight)
        ]
        frames = {product.name: product for product in on_sale if product.days == 2}
        self._frames = {
            "first": [frames.pop(TWO_DAYS_FIRST)],
            "second": [frames.pop(TWO_DAYS_SECOND)],
            "tied": [frames.pop(name) for name in TWO_DAYS_TIED if name in frames],
            "other": list(frames.values()),
        }

    def place(self, book: _OrderBook) -> None:
        """Place the next order."""
        random = self._random
        shelf = self._shelf
        size = len(shelf)
        count = self._quota.take(self._cap)
        lines = self._two_day_frames() if count >= self._ROTATION_MIN_LINES else []
        taken: set[int] = set()
        for _ in range(count - len(lines)):
            entry = shelf[int(random() * size)]
            while entry in taken:
                entry = shelf[int(random() * size)]
            taken.add(entry)
            lines.append(self._sale(entry, _QUANTITIES[int(random() * 256)]))

        contact = self._buyers.next()
        region = territory(contact)
        sellers = _SELLERS[region]
        staff = self._population.sales_people
        seller = NULL
        if staff:
            place = sellers[contact % len(sellers)] % staff
            seller = f"{self._population.first_sales_person + place}"
        book.add(
            lines,
            online=False,
            customer=self._population.first_contact_customer + contact,
            account=f"10-4020-{contact + 1:06d}",
            seller=seller,
            region=region,
            address=contact + 400,
        )

    def _sale(self, place: int, quantity: int) -> _Line:
        """Line of a place in `_sales`, with the discount that applies to the quantity."""
        product, deal = self._sales[place]
        if deal is None:
            volume = self._volume.get(product.product_id, ())
            deals = (found for minimum, found in volume if quantity >= minimum)
            deal = next(deals, Deal(NO_DISCOUNT, 0))
        return _line(product, quantity, _store_price(product), deal)

    def _two_day_frames(self) -> list[_Line]:
        """The next turn of size 38 frames."""
        turn, place = divmod(self._beat, len(self._ROTATION))
        self._beat += 1
        name = self._ROTATION[place]
        if not self._frames[name]:
            name = self._ROTATION_SUBSTITUTE[name]
        frames = self._frames[name]
        if name == "other":
            frames = [frames[turn % len(frames)]]
        quantity = self._ROTATION_QUANTITY[name] * (1 + turn % 2)
        return [
            _line(frame, quantity, _store_price(frame), Deal(NO_DISCOUNT, 0)) for frame in frames
        ]


def _store_price(product: Product) -> int:
    """What stores pay, in 1/10,000: 60% of the list price, 57.69% for what is bought in."""
    return product.list_price * (6_000 if product.days else 5_769) // 10_000


def _line(product: Product, quantity: int, price: int, deal: Deal) -> _Line:
    """Fields OrderQty to LineTotal with the `;` after them, and the LineTotal in millionths."""
    total = price * (100 - deal.percent) * quantity
    fields = (
        f"{quantity};{product.product_id};{deal.offer};{money(price)};0,{deal.percent:02d};"
        f"{total // 1_000_000}.{total % 1_000_000:06d};"
    )
    return fields, total
