"""Persons and customers."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

from local.sample.population import Population, Scatter, territory
from local.sample.raw_file import CRLF, NULL, Guids

PERSON_HEADER = (
    "BusinessEntityID;PersonType;NameStyle;Title;FirstName;MiddleName;LastName;Suffix;"
    "EmailPromotion;AdditionalContactInfo;Demographics;rowguid;ModifiedDate"
)
CUSTOMER_HEADER = "CustomerID;PersonID;StoreID;TerritoryID;AccountNumber;rowguid;ModifiedDate"

_SURVEY = (
    '"<IndividualSurvey xmlns=""http://schemas.microsoft.com/sqlserver/2004/07/'
    'adventure-works/IndividualSurvey""><TotalPurchaseYTD>'
)
_SURVEY_END = '</IndividualSurvey>"'
_NO_SURVEY = f"{_SURVEY}0</TotalPurchaseYTD>{_SURVEY_END}"

# In 25 neighbouring persons, the last three share one full name: customers must be told apart by
# id, and at small scales chance alone would make no homonyms.
_HOMONYM_CYCLE = 25
_HOMONYMS = (23, 24)


_DATA = Path(__file__).with_name("data")
_FIRST_NAMES = (_DATA / "first_names.txt").read_text(encoding="utf-8").splitlines()
_LAST_NAMES = (_DATA / "last_names.txt").read_text(encoding="utf-8").splitlines()
_MIDDLE_NAMES = (*"ABCDEFGHJKLMNPRSTVW", "Lee", "Ann", "J.", *[NULL] * 10)
_INDIVIDUAL_TITLES = (*[NULL] * 62, "Mr.", "Ms.")
_OTHER_TITLES = (*[NULL] * 24, *["Mr."] * 22, *["Ms."] * 18)
_SUFFIXES = (*[NULL] * 122, "Jr.", "Jr.", "Sr.", "II", "III", "PhD")
_PROMOTIONS = ("0", "0", "0", "0", "1", "1", "2", "2")

_INCOMES = ("0-25000", "25001-50000", "50001-75000", "75001-100000", "greater than 100000")
_EDUCATIONS = (
    "Bachelors",
    "Partial College",
    "High School",
    "Graduate Degree",
    "Partial High School",
)
_OCCUPATIONS = ("Professional", "Skilled Manual", "Clerical", "Management", "Manual")
_COMMUTES = ("0-1 Miles", "1-2 Miles", "2-5 Miles", "5-10 Miles", "10+ Miles")


def person_rows(population: Population) -> Iterator[str]:
    """Lines of Person.Person.csv, by BusinessEntityID."""
    random = Random(101)
    bits = random.getrandbits
    guids = Guids(102)
    full_name = ""
    number = 0
    for person_type, first_id, step, count in (
        ("EM", 1, 1, population.employees),
        ("SP", population.first_sales_person, 1, population.sales_people),
        ("SC", population.first_contact, 2, population.contacts + population.spare_contacts),
        ("VC", population.first_vendor, 1, population.vendors),
        ("GC", population.first_vendor + population.vendors, 1, population.general),
        ("IN", population.first_individual, 1, population.individuals),
    ):
        individual = person_type == "IN"
        titles = _INDIVIDUAL_TITLES if individual else _OTHER_TITLES
        for position in range(count):
            # One draw of many bits, cut into fields, instead of a draw per field.
            draw = bits(128)
            person_id = first_id + position * step
            if position % _HOMONYM_CYCLE not in _HOMONYMS:
                full_name = (
                    f"{_FIRST_NAMES[(draw & 0xFFFF) % len(_FIRST_NAMES)]};"
                    f"{_MIDDLE_NAMES[(draw >> 16 & 0xFF) & 31]};"
                    f"{_LAST_NAMES[(draw >> 24 & 0xFFFF) % len(_LAST_NAMES)]};"
                    f"{_SUFFIXES[draw >> 40 & 127]}"
                )
            number += 1
            yield (
                f"{person_id};{person_type};0;{titles[draw >> 47 & 63]};{full_name};"
                f"{_PROMOTIONS[draw >> 53 & 7]};NULL;"
                f"{_survey(draw >> 56) if individual else _NO_SURVEY};"
                f"{guids.of(number)};"
                f"{2011 + (draw >> 120) % 3}-{1 + (draw >> 116 & 15) % 12:02d}-"
                f"{1 + (draw >> 108) % 28:02d} 00:00:00.000\r\n"
            )


def _survey(draw: int) -> str:
    """Quoted survey XML of an individual, from at least 60 random bits."""
    children = (draw >> 14 & 7) % 6
    total = (draw >> 17 & 0xFFFFF) - 200_000
    sign = "-" if total < 0 else ""
    total = abs(total)
    return (
        f"{_SURVEY}{sign}{total // 100}.{total % 100:02d}</TotalPurchaseYTD>"
        f"<DateFirstPurchase>{2001 + (draw & 3)}-{1 + (draw >> 2 & 15) % 12:02d}-"
        f"{1 + (draw >> 6 & 31) % 28:02d}Z</DateFirstPurchase>"
        f"<BirthDate>{1925 + (draw >> 37 & 63) % 60}-{1 + (draw >> 43 & 15) % 12:02d}-"
        f"{1 + (draw >> 47 & 31) % 28:02d}Z</BirthDate>"
        f"<MaritalStatus>{'MS'[draw >> 11 & 1]}</MaritalStatus>"
        f"<YearlyIncome>{_INCOMES[(draw >> 52 & 63) % 5]}</YearlyIncome>"
        f"<Gender>{'FM'[draw >> 12 & 1]}</Gender>"
        f"<TotalChildren>{children}</TotalChildren>"
        f"<NumberChildrenAtHome>{(draw >> 20 & 7) % (children + 1)}</NumberChildrenAtHome>"
        f"<Education>{_EDUCATIONS[(draw >> 23 & 63) % 5]}</Education>"
        f"<Occupation>{_OCCUPATIONS[(draw >> 29 & 63) % 5]}</Occupation>"
        f"<HomeOwnerFlag>{draw >> 13 & 1}</HomeOwnerFlag>"
        f"<NumberCarsOwned>{(draw >> 35 & 7) % 5}</NumberCarsOwned>"
        f"<CommuteDistance>{_COMMUTES[(draw >> 41 & 63) % 5]}</CommuteDistance>{_SURVEY_END}"
    )


def customer_rows(population: Population) -> Iterator[str]:
    """Lines of Sales.Customer.csv, by CustomerID: stores, individuals, store contacts."""
    guids = Guids(201)
    tail = f"2014-09-12 11:15:07.263{CRLF}"
    scatter_stores = Scatter.over(population.stores)
    for position in range(population.stores):
        store = scatter_stores(position)
        customer = 1 + position
        yield (
            f"{customer};NULL;{population.store_id(store)};{territory(store)};"
            f"AW{customer:08d};{guids.of(customer)};{tail}"
        )
    scatter_persons = Scatter.over(population.individuals)
    first_person = population.first_individual
    first_customer = population.first_individual_customer
    for position in range(population.individuals):
        customer = first_customer + position
        yield (
            f"{customer};{first_person + scatter_persons(position)};NULL;{territory(customer)};"
            f"AW{customer:08d};{guids.of(customer)};{tail}"
        )
    first_customer = population.first_contact_customer
    for contact in range(population.contacts):
        customer = first_customer + contact
        yield (
            f"{customer};{population.first_contact + 2 * contact};{population.store_id(contact)};"
            f"{territory(contact)};AW{customer:08d};{guids.of(customer)};{tail}"
        )
