"""Whole runs, from files to answers, as users start them."""

import csv
import shutil
import subprocess
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from common.warehouse import Warehouse
from local.sample import generate

Run = Callable[..., subprocess.CompletedProcess[str]]
Query = Callable[[str], list[tuple[Any, ...]]]

PRODUCTS = "adventure_works/production/Production.Product.csv"
LINES = "adventure_works/sales/Sales.SalesOrderDetail.csv"
HEADERS = "adventure_works/sales/Sales.SalesOrderHeader.csv"


@pytest.fixture
def bucket(small_bucket: Path, tmp_path: Path) -> Path:
    """A sample bucket that the test may change."""
    shutil.copytree(small_bucket, tmp_path / "bucket")
    return tmp_path / "bucket"


@pytest.fixture
def run(run_module: Run, warehouse: Warehouse) -> Run:
    """Runs `python -m orchestrate run` on the test's warehouse."""

    def run(*sources: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return run_module("orchestrate", "run", *sources, **warehouse.variables(), **variables)

    return run


def fields(path: Path, number: int) -> list[str]:
    return path.read_text(encoding="utf-8-sig").splitlines()[number - 1].split(";")


def change(path: Path, before: str, after: str) -> None:
    data = path.read_bytes()
    assert before.encode() in data
    path.write_bytes(data.replace(before.encode(), after.encode(), 1))


@pytest.fixture
def expected(real_data: Path) -> Callable[[str], list[tuple[str, ...]]]:
    """Reads the known answer with this file name."""

    def read(name: str) -> list[tuple[str, ...]]:
        path = real_data / "adventure_works" / "expected" / name
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [tuple(row) for row in list(csv.reader(file))[1:]]

    return read


def as_text(rows: list[tuple[Any, ...]]) -> list[tuple[str, ...]]:
    """Writes values as the expected files do."""
    return [tuple("" if value is None else str(value) for value in row) for row in rows]


def test_the_answers_on_the_real_files_are_the_known_ones(
    real_data: Path,
    expected: Callable[[str], list[tuple[str, ...]]],
    run: Run,
    warehouse: Warehouse,
    query: Query,
    dbt: Callable[..., Path],
    s3: dict[str, str],
    s3_bucket: Callable[[Path], str],
) -> None:
    done = run("adventure_works", BUCKET_URL=s3_bucket(real_data), **s3)
    assert (done.returncode, done.stderr) == (0, "")
    compiled = dbt(warehouse, "compile", "--select", "resource_type:analysis") / "compiled"
    answers = {
        path.stem.split("_")[0]: query(path.read_text())
        for path in compiled.glob("elt_warehouse/analyses/q*.sql")
    }
    assert as_text(answers["q1"]) == expected("q1_lines_per_order.csv")
    per_days = [row for row in answers["q2"] if row[0] != "overall"]
    overall = [row for row in answers["q2"] if row[0] == "overall"]
    assert as_text([row[1:] for row in per_days]) == expected("q2_top3_per_days_to_manufacture.csv")
    assert as_text([(row[3], row[4], row[1]) for row in overall]) == expected("q2_top3_overall.csv")
    assert sorted(as_text(answers["q3"])) == sorted(expected("q3_orders_per_customer.csv"))
    assert sorted(as_text(answers["q4"])) == sorted(expected("q4_quantity_per_product_and_day.csv"))
    assert as_text(answers["q5"]) == expected("q5_september_2011_over_1000.csv")


@pytest.mark.nightly
def test_nothing_is_lost_or_doubled_at_full_scale(run: Run, query: Query, tmp_path: Path) -> None:
    generate(1, tmp_path)
    done = run("adventure_works", BUCKET_URL=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    with (tmp_path / HEADERS).open(encoding="utf-8-sig", newline="") as file:
        headers = list(csv.DictReader(file, delimiter=";"))
    total_due = sum(Decimal(row["TotalDue"].replace(",", ".")) for row in headers)
    assert query("select count(*), sum(total_due) from marts_sales.fact_sales") == [
        (121_317, total_due)
    ]
    assert query("select count(*) from raw_adventure_works.sales_order_detail") == [(121_317,)]
    # Each dimension has its unknown member besides.
    for dimension, rows in (("customer", 19_820), ("person", 19_972), ("product", 504)):
        assert query(f"select count(*) from marts_sales.dim_{dimension}") == [(rows + 1,)]
    assert query("select sum(order_count), sum(total_due) from marts_sales.agg_daily_sales") == [
        (31_465, total_due)
    ]


def test_a_run_says_what_it_did_and_what_was_dirty_and_loses_no_line(
    run: Run, bucket: Path, query: Query
) -> None:
    # A product that was sold is gone, and the quantity of a line has a letter in it.
    sold = fields(bucket / LINES, 2)[4]
    path = bucket / PRODUCTS
    lines = path.read_bytes().split(b"\r\n")
    path.write_bytes(b"\r\n".join(line for line in lines if line.split(b";")[0] != sold.encode()))
    rows = (bucket / LINES).read_bytes().count(b"\r\n") - 1
    line = fields(bucket / LINES, 3)
    change(bucket / LINES, ";".join(line[:4]), ";".join([*line[:3], "l2"]))
    done = run(BUCKET_URL=str(bucket))
    assert (done.returncode, done.stderr) == (0, "")
    for source in ("adventure_works", "census"):
        assert f"rows of {source} loaded in" in done.stdout
    for text in ("built", "tests passed in", "q1_", "q5_", "census_income_by_education"):
        assert text in done.stdout
    # Nothing that moves or colours reaches a pipe.
    assert "\x1b" not in done.stdout
    assert query("select count(*) from marts_sales.fact_sales") == [(rows,)]

    # The orphan goes to the unknown member.
    assert "warning: fact_sales_products_are_known" in done.stdout
    unknown = query(
        """
        select count(*) from marts_sales.fact_sales
        inner join marts_sales.dim_product using (product_key) where product_id = -1
        """
    )
    assert unknown[0][0] > 0

    # The letter is listed with its place.
    assert "rejected" in done.stdout
    assert query(
        f"select order_qty from marts_sales.fact_sales where sales_order_detail_id = {line[1]}"
    ) == [(None,)]
    assert query(
        """
        select source_file, source_line, column_name, value
        from quality.dq_adventure_works_rejected_values
        """
    ) == [("sales/Sales.SalesOrderDetail.csv", 3, "order_qty", "l2")]


def test_an_unknown_source_is_wrong_usage(run: Run) -> None:
    done = run("no_such_source")
    assert done.returncode == 2
    assert "no_such_source: no such source; declared: adventure_works" in done.stderr
