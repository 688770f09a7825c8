"""A sample bucket: the files of the sources, generated in their raw formats.

For machines without a bucket of their own (`make run` with nothing set), for tests and for
benchmarks at any size. The rows are invented; their number at scale 1, their format and their
awkward traits (stores without a person, homonyms, discounts, ties, names in other alphabets) are
those of the real sets.
"""

import shutil
import tempfile
from pathlib import Path

from local.sample.breweries import BREWERY_HEADER, brewery_rows
from local.sample.catalog import (
    OFFER_HEADER,
    PRODUCT_HEADER,
    catalogue,
    offer_rows,
    product_rows,
)
from local.sample.census import DATA_RECORDS, END, TEST_RECORDS, TEST_START, Census
from local.sample.condominium import write_condominiums
from local.sample.orders import DETAIL_HEADER, ORDER_HEADER, write_orders
from local.sample.people import CUSTOMER_HEADER, PERSON_HEADER, customer_rows, person_rows
from local.sample.population import Population
from local.sample.raw_file import RawFile, header

__all__ = ["FOLDERS", "generate"]

# One for each source, but for the breweries, whose file the local API serves.
FOLDERS = ("adventure_works", "breweries", "census", "condominium")


def generate(scale: float, out: Path) -> dict[str, int]:
    """Write the sample files, in a folder for each source, and return their numbers of rows.

    The same scale gives the same bytes, on any machine and Python version. Memory does not depend
    on the scale. The files appear under their names only when all are complete: an interrupted run
    leaves whatever was there before.

    Args:
        scale: multiple of the real sets' persons, customers, orders, order lines, census records
            and breweries (1 = their own 19,972, 19,820, 31,465, 121,317, 48,842 and 11,822);
            products and special offers do not scale, and of condominiums there are never fewer than
            in the real set.
        out: folder to write into; made if missing, and files of an earlier sample are replaced.

    Returns:
        Data rows (without header) per file, by path relative to `out`, with forward slashes.

    Raises:
        ValueError: the scale is not a number above 0, or so large that ids overflow an int.
        OSError: the folder cannot be written.
    """
    population = Population.at(scale)
    products = catalogue()

    out.mkdir(parents=True, exist_ok=True)
    # Beside the bucket folder, not in it (a loader may be listing it), and on the same file
    # system, so that replacing a file is an atomic rename.
    unfinished = Path(tempfile.mkdtemp(prefix=".sample-", dir=out))
    files: list[RawFile] = []

    def create(path: str, start: str = "", end: str = "") -> RawFile:
        files.append(RawFile(unfinished, path, start, end))
        return files[-1]

    def adventure_works(path: str, names: str) -> RawFile:
        return create(f"adventure_works/{path}", header(names))

    try:
        person = adventure_works("person/Person.Person.csv", PERSON_HEADER)
        person.write_all(person_rows(population))
        product = adventure_works("production/Production.Product.csv", PRODUCT_HEADER)
        product.write_all(product_rows(products))
        customer = adventure_works("sales/Sales.Customer.csv", CUSTOMER_HEADER)
        customer.write_all(customer_rows(population))
        offer = adventure_works("sales/Sales.SpecialOfferProduct.csv", OFFER_HEADER)
        offer.write_all(offer_rows(products))
        orders = adventure_works("sales/Sales.SalesOrderHeader.csv", ORDER_HEADER)
        lines = adventure_works("sales/Sales.SalesOrderDetail.csv", DETAIL_HEADER)
        write_orders(population, products, orders, lines)
        census = Census()
        data = create("census/Adult.data", end=END)
        data.write_all(census.rows(max(round(DATA_RECORDS * scale), 1)))
        test = create("census/Adult.test", start=TEST_START, end=END)
        test.write_all(census.rows(max(round(TEST_RECORDS * scale), 1), class_end="."))
        # Each of these records begins with a line end; after the last there is none.
        write_condominiums(scale, lambda name, names: create(f"condominium/{name}", start=names))
        breweries = create("breweries/breweries.csv", start=f"{BREWERY_HEADER}\n")
        breweries.write_all(brewery_rows(scale))
        for file in files:
            file.close()
        for file in files:
            target = out / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            (unfinished / file.path).replace(target)
    finally:
        for file in files:
            file.close()
        shutil.rmtree(unfinished, ignore_errors=True)
    return {file.path: file.rows for file in files}
