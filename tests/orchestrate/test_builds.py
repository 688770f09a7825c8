"""Runs after runs: nothing new, what is red, builds side by side, answers for whom they are."""

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from common.warehouse import Warehouse
from local.postgres import make_roles
from orchestrate.builds import locked
from orchestrate.errors import DbtError

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]
Query = Callable[[str], list[tuple[Any, ...]]]
LOCK = "select pg_advisory_lock(hashtext('orchestrate: build'))"
PRODUCTS = "adventure_works/production/Production.Product.csv"


@pytest.fixture
def bucket(small_bucket: Path, tmp_path: Path) -> Path:
    """A sample bucket that the test may change."""
    shutil.copytree(small_bucket, tmp_path / "bucket")
    return tmp_path / "bucket"


@pytest.fixture
def orchestrate(run_module: Run, warehouse: Warehouse, bucket: Path) -> Run:
    """Runs `python -m orchestrate` on the test's warehouse and bucket."""

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        settings = {**warehouse.variables(), "BUCKET_URL": str(bucket), **variables}
        return run_module("orchestrate", *arguments, **settings)

    return run


def test_a_run_builds_what_is_new_and_tells_what_stays_red(
    orchestrate: Run,
    bucket: Path,
    query: Query,
    warehouse: Warehouse,
    environment: dict[str, str],
) -> None:
    first = orchestrate("run", "adventure_works")
    assert (first.returncode, first.stderr) == (0, "")

    # Nothing new: neither dbt nor dlt is so much as imported.
    idle = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "orchestrate", "run", "adventure_works"],
        cwd=ROOT,
        env={**environment, **warehouse.variables(), "BUCKET_URL": str(bucket)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert idle.returncode == 0
    assert "nothing new since build 1" in idle.stdout
    assert "q1_lines_per_order" in idle.stdout
    assert "psycopg2" in idle.stderr
    imported = {line.split("|")[-1].strip() for line in idle.stderr.splitlines()}
    assert not imported & {"dbt", "dbt.cli", "dbt.cli.main", "dlt"}
    assert query("select count(*) from audit.builds") == [(1,)]

    # New products: tables and tests, but no view that shows them by itself.
    views = "select oid, relname from pg_class where relname like 'stg%' and relkind = 'v'"
    before = query(f"{views} and relname like '%product'")
    path = bucket / PRODUCTS
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"AWC Logo Cap", b"Logo Cap"))
    news = orchestrate("run", "adventure_works")
    assert (news.returncode, news.stderr) == (0, "")
    assert query(
        "select count(*) from marts_sales.dim_product where product_name = 'Logo Cap'"
    ) == [(1,)]
    assert query(f"{views} and relname like '%product'") == before
    assert "tests passed" in news.stdout

    # A doubled key: red, and red again though nothing is new, until it is mended. The star stays.
    good = path.read_bytes()
    star = "select count(*), sum(order_qty), sum(total_due) from marts_sales.fact_sales"
    before = query(star)
    path.write_bytes(good + good.split(b"\r\n")[-2] + b"\r\n")
    for _ in range(2):
        red = orchestrate("run", "adventure_works")
        assert red.returncode == 1
        assert "unique_stg_adventure_works__product" in red.stderr
        assert "Answers" not in red.stdout
        assert query(star) == before
    path.write_bytes(good)
    mended = orchestrate("run", "adventure_works")
    assert (mended.returncode, mended.stderr) == (0, "")
    assert query("select status, red from audit.builds order by build_id desc limit 1") == [
        ("good", {})
    ]
    statuses = query("select status from audit.builds order by build_id")
    assert [status for (status,) in statuses] == ["good", "good", "failed", "failed", "good"]

    # A source that cannot be loaded leaves the star as it is, and keeps no other from being built.
    path.write_bytes(good.replace(b"ListPrice", b"Price"))
    failed = orchestrate("run", "adventure_works")
    assert failed.returncode == 1
    assert "Build and test" not in failed.stdout
    others = orchestrate("run", "adventure_works", "condominium")
    assert others.returncode == 1
    for done in (failed, others):
        assert "adventure_works: not loaded" in done.stdout
        assert "ListPrice is missing" in done.stderr.splitlines()[-1]
    assert f"condominium: {bucket} (BUCKET_URL)" in others.stdout
    assert "condominium_totals_by_condominium" in others.stdout
    paid = "select count(*), sum(amount) from marts_condominium.fact_transaction"
    ((count, _),) = before_loss = query(paid)
    assert count > 0
    assert query(star) == before

    # What is gone is built again, though nothing is new; --full builds and tests all.
    with closing(warehouse.connect()) as connection, connection:
        connection.cursor().execute("drop table marts_condominium.fact_transaction cascade")
    assert orchestrate("run", "condominium").returncode == 0
    assert query(paid) == before_loss
    full = orchestrate("run", "condominium", "--full")
    assert (full.returncode, full.stderr) == (0, "")
    assert query("select is_full from audit.builds order by build_id") == [(False,)] * 7 + [(True,)]


def test_one_build_runs_at_a_time(
    warehouse: Warehouse, bucket: Path, environment: dict[str, str], query: Query
) -> None:
    variables = {**environment, **warehouse.variables(), "BUCKET_URL": str(bucket)}
    with closing(warehouse.connect()) as other:
        other.cursor().execute(LOCK)
        run = subprocess.Popen(
            [sys.executable, "-u", "-m", "orchestrate", "run", "condominium"],
            cwd=ROOT,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert run.stderr is not None
        assert "Another build is running; waiting up to 60 s for it." in run.stderr.readline()
        time.sleep(1)
        assert query("select to_regnamespace('marts_condominium') is null") == [(True,)]
    output, errors = run.communicate(timeout=300)
    assert (run.returncode, errors) == (0, ""), output
    assert query("select status from audit.builds") == [("good",)]


def test_a_build_that_waits_too_long_refuses(
    warehouse: Warehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        locked(warehouse),
        pytest.raises(DbtError, match="another build of this warehouse is running"),
        locked(warehouse, wait=0.3),
    ):
        raise AssertionError("two at once")
    assert capsys.readouterr().err.count("waiting") == 1
    with locked(warehouse, wait=0):
        pass


def test_answers_say_in_one_line_what_is_missing(
    orchestrate: Run, run_module: Run, warehouse: Warehouse, bucket: Path
) -> None:
    never = orchestrate("answers")
    assert never.returncode == 1
    run_module("extract", "load", "condominium", BUCKET_URL=str(bucket), **warehouse.variables())
    unbuilt = orchestrate("answers")
    assert unbuilt.returncode == 1
    for done in (never, unbuilt):
        assert "Traceback" not in done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert "make run" in done.stderr
    assert unbuilt.stderr.startswith("not built yet: breweries_by_type_and_country, ")


def test_a_reader_gets_the_answers_that_a_reader_may_see(
    orchestrate: Run, warehouse: Warehouse
) -> None:
    make_roles(warehouse.variables())
    name = f"{warehouse.database}_anna"
    with closing(warehouse.connect()) as connection, connection, connection.cursor() as cursor:
        cursor.execute(f"create role {name} login password 'secret' in role reader")
    assert orchestrate("run", "census", "condominium").returncode == 0
    reader = replace(warehouse, user=name, password="secret")
    done = orchestrate("answers", **reader.variables())
    assert done.returncode == 0
    assert "census_income_by_education: " in done.stdout
    assert "condominium" not in done.stdout
    unbuilt, secret = done.stderr.splitlines()
    assert unbuilt.startswith("not built yet: breweries_by_type_and_country")
    assert secret.startswith(f"not for {name} to read: condominium_daily_totals_by_property_type")


def test_answers_wait_for_a_view_that_a_build_replaces(
    warehouse: Warehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    from rich.console import Console

    from orchestrate.answers import print_answers
    from orchestrate.project import Answer

    def make() -> None:
        time.sleep(0.4)
        with closing(warehouse.connect()) as connection, connection:
            connection.cursor().execute("create view late as select 42 as number")

    maker = threading.Thread(target=make)
    maker.start()
    try:
        answer = Answer("late", "What is late?", "select * from late", ())
        assert print_answers(warehouse, [answer], Console())
    finally:
        maker.join()
    said = capsys.readouterr()
    assert "42" in said.out
    assert said.err == ""
