"""How many of what at a scale, and which id belongs to whom.

Ids are computed, never stored: any file can name a customer, a person or a store without holding
them, so memory stays flat at any scale.
"""

import math
from dataclasses import dataclass

# The real set's counts.
PERSONS = 19_972
CUSTOMERS = 19_820
STORES = 701  # customers that are a store without a person
CONTACTS = 635  # customers with both a person and a store
ORDERS = 31_465
LINES = 121_317
STORE_ORDERS = 3_806
STORE_LINES = 60_919

FIRST_CUSTOMER_WITH_PERSON = 11_000
FIRST_ORDER = 43_659
MAX_LINES_PER_ORDER = 72
_INT_MAX = 2**31 - 1

# Persons who are no customers' persons, by type, in the real set: sales people, store contacts
# without a customer, vendor contacts, general contacts, employees.
_SP, _SC, _VC, _GC, _EM = 17, 118, 156, 289, 273
_NO_CUSTOMER = _SP + _SC + _VC + _GC + _EM

# Territory of a customer, by a hash of its number: 9 (Australia) and 4 (Southwest) lead.
_TERRITORIES = [
    territory
    for territory, share in zip(
        (9, 4, 1, 10, 6, 7, 8, 5, 2, 3), (26, 28, 22, 13, 12, 9, 9, 4, 3, 2), strict=True
    )
    for _ in range(share)
]


@dataclass(frozen=True)
class Scatter:
    """A fixed permutation of 0..size-1, computed element by element."""

    size: int
    step: int

    @classmethod
    def over(cls, size: int) -> "Scatter":
        """Return the permutation of 0..size-1; neighbours land 0.62 of the range apart."""
        step = max(size * 618 // 1000, 1)
        while math.gcd(step, size) != 1:
            step += 1
        return cls(size, step)

    def __call__(self, position: int) -> int:
        """Element at `position`."""
        return (position * self.step + self.size // 3) % self.size


@dataclass(frozen=True)
class Population:
    """Row counts at one scale and the layout of ids that follows from them."""

    persons: int
    customers: int
    orders: int
    lines: int
    stores: int
    contacts: int
    individuals: int
    employees: int
    sales_people: int
    spare_contacts: int
    vendors: int
    general: int
    store_orders: int
    store_lines: int

    @classmethod
    def at(cls, scale: float) -> "Population":
        """Return the counts at `scale`; ValueError where there can be none."""
        if not (math.isfinite(scale) and scale > 0):
            raise ValueError(f"scale must be a number above 0, got {scale}")
        if scale * LINES > _INT_MAX:
            raise ValueError(
                f"scale must be at most {_INT_MAX // LINES} (order line ids are integers), "
                f"got {scale}"
            )
        persons = max(round(PERSONS * scale), 1)
        customers = max(round(CUSTOMERS * scale), 1)
        orders = max(round(ORDERS * scale), 1)
        lines = max(round(LINES * scale), orders)
        # Never more customers with a person than persons, however small the scale.
        stores = max(round(STORES * scale), customers - persons)
        contacts = min(round(CONTACTS * scale), stores)
        individuals = customers - stores - contacts

        others = left = persons - individuals - contacts
        shares = []
        for share in (_SP, _SC, _VC, _EM):
            # Rounded up, so that small samples still have some of each type.
            shares.append(min(-(-others * share // _NO_CUSTOMER), left))
            left -= shares[-1]
        sales_people, spare_contacts, vendors, employees = shares

        store_orders = orders * STORE_ORDERS // ORDERS if contacts else 0
        return cls(
            persons=persons,
            customers=customers,
            orders=orders,
            lines=lines,
            stores=stores,
            contacts=contacts,
            individuals=individuals,
            employees=employees,
            sales_people=sales_people,
            spare_contacts=spare_contacts,
            vendors=vendors,
            general=left,
            store_orders=store_orders,
            store_lines=store_orders * STORE_LINES // STORE_ORDERS,
        )

    # Business entity ids, as in the real set: employees, sales people, then store contacts on
    # every other id with their store on the next one, vendors, general contacts, individuals.

    @property
    def first_sales_person(self) -> int:
        """Person id of the first sales person."""
        return self.employees + 1

    @property
    def first_contact(self) -> int:
        """Person id of store contact 0; contact n is 2n further, its store one after it."""
        return self.first_sales_person + self.sales_people

    @property
    def first_vendor(self) -> int:
        """Person id of the first vendor contact; general contacts follow the vendors."""
        return self.first_contact + 2 * max(self.contacts + self.spare_contacts, self.stores)

    @property
    def first_individual(self) -> int:
        """Person id of the first individual."""
        return self.first_vendor + self.vendors + self.general

    def store_id(self, store: int) -> int:
        """StoreID of store 0..stores-1 (contact n works for store n)."""
        return self.first_contact + 2 * store + 1

    # Customer ids: stores without a person from 1, individuals from 11,000, then contacts.

    @property
    def first_individual_customer(self) -> int:
        """Customer id of individual customer 0."""
        return max(FIRST_CUSTOMER_WITH_PERSON, self.stores + 1)

    @property
    def first_contact_customer(self) -> int:
        """Customer id of contact customer 0."""
        return self.first_individual_customer + self.individuals


def territory(number: int) -> int:
    """Territory (1-10) of a customer or store number."""
    return _TERRITORIES[(number * 2_654_435_761 & 0xFFFFFFFF) >> 25]
