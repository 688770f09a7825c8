"""A sample bucket: the files of the sources, generated in their raw formats.

For machines without a bucket of their own (`make run` with nothing set), for tests and for
benchmarks at any size. The rows are invented; their number at scale 1, their format and their
awkward traits (stores without a person, homonyms, discounts, ties, names in other alphabets,
spellings, coordinates the wrong way round) are those of the real sets.
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
from local.sample.orders import DETAIL_HEADER, ORDER_HEADER, write_orders
from local.sample.people import CUSTOMER_HEADER, PERSON_HEADER, customer_rows, person_rows
from local.sample.population import Population
from local.sample.raw_file import RawFile

__all__ = ["FOLDERS", "generate"]

SOURCE = "adventure_works"
FOLDERS = (SOURCE, "breweries")


def generate(scale: float, out: Path) -> dict[str, int]:
    """Write the sample files below `out` and return their numbers of rows.

    `adventure_works` has six; `breweries` one, which the local brewery API serves. The same scale
    gives the same bytes, on any machine and Python version. Memory does not depend on the scale.
    The files appear under their names only when all are complete: an interrupted run leaves
    whatever was there before.

    Args:
        scale: multiple of the real set's persons, customers, orders and order lines (1 = its own
            19,972, 19,820, 31,465 and 121,317; 11,822 breweries); products and special offers do
            not scale.
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

    def create(path: str, header: str) -> RawFile:
        files.append(RawFile(unfinished, f"{SOURCE}/{path}", header))
        return files[-1]

    try:
        person = create("person/Person.Person.csv", PERSON_HEADER)
        person.write_all(person_rows(population))
        product = create("production/Production.Product.csv", PRODUCT_HEADER)
        product.write_all(product_rows(products))
        customer = create("sales/Sales.Customer.csv", CUSTOMER_HEADER)
        customer.write_all(customer_rows(population))
        offer = create("sales/Sales.SpecialOfferProduct.csv", OFFER_HEADER)
        offer.write_all(offer_rows(products))
        header = create("sales/Sales.SalesOrderHeader.csv", ORDER_HEADER)
        detail = create("sales/Sales.SalesOrderDetail.csv", DETAIL_HEADER)
        write_orders(population, products, header, detail)
        breweries = RawFile(unfinished, "breweries/breweries.csv", BREWERY_HEADER, plain=True)
        files.append(breweries)
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
