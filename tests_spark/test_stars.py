"""Two stars and what they are made of, built on Spark and on PostgreSQL, are equal."""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from common.lakehouse import Lakehouse
from common.warehouse import Warehouse
from extract.declaration import read_sources
from extract.load import load
from tests_spark import parity

LAKE = Lakehouse("", 0, "", "", "")
STARS = ("--select", "+agg_daily_sales", "+marts.condominium")
# What new files change: no seeds, and no views, which show them by themselves.
RENEWED = (
    *("--select", "+agg_daily_sales"),
    *("--exclude", "resource_type:seed", "config.materialized:view"),
)
WITHOUT_TESTS = ("--exclude-resource-type", "test", "unit_test")


def test_two_stars_equal_those_of_postgresql(
    cluster: dict[str, str],
    lakehouse_of_cluster: Lakehouse,
    new_warehouse: Callable[..., Warehouse],
    small_bucket: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a first build and after an increment."""
    bucket = tmp_path / "bucket"
    shutil.copytree(small_bucket, bucket)
    monkeypatch.setenv("BUCKET_URL", str(bucket))
    for name in ("SPARK_HOST", "SPARK_PORT"):
        monkeypatch.setenv(name, cluster[name])
    postgres = new_warehouse()
    engines = parity.both(postgres, lakehouse_of_cluster, tmp_path)
    files = parity.Files(bucket)
    begin = datetime.now(UTC)
    sources = read_sources()
    for selection, more_than in ((STARS, 20), (RENEWED, 4)):
        for engine in engines:
            for source in ("adventure_works", "condominium"):
                load(sources[source], engine.warehouse)
            engine.run(
                (*parity.DBT, "build", *WITHOUT_TESTS, *selection),
                {"DBT_LOG_LEVEL_FILE": "info", "DBT_CACHE_SELECTED_ONLY": "true"},
            )
        built = json.loads((engines[1].target / "run_results.json").read_text())["results"]
        names = [result["relation_name"] for result in built if result["relation_name"]]
        assert len(names) > more_than
        for name in names:
            difference = parity.compare(name, *engines, begin, None)
            assert difference.is_equal, difference
        files.increment()


def test_parity_sees_what_differs(tmp_path: Path) -> None:
    def engine(name: str, *rows: tuple[object, ...]) -> parity.Engine:
        return parity.Engine(name, LAKE, tmp_path, lambda _: (["id", "name"], list(rows)), "{}")

    one, other = (1, "a"), (Decimal("2.50"), None)
    first = engine("postgres", one, other)
    for second, is_equal, is_equal_answer in (
        (engine("spark", one, (Decimal("2.5"), None)), True, True),
        (engine("spark", other, one), True, False),
        (engine("spark", one), False, False),
        (engine("spark", one, other, other), False, False),
        (engine("spark", one, (Decimal("2.51"), None)), False, False),
        (engine("spark", one, (Decimal("2.5"), "")), False, False),
    ):
        begin = datetime.now(UTC)
        assert parity.compare("x", first, second, begin, None).is_equal == is_equal
        assert parity.compare("x", first, second, begin, ("", "")).is_equal == is_equal_answer
