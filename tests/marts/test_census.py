"""The census: any sequence of ticks and new files ends in what a full refresh makes of raw.

Raw is filled in here as the loader does: records of one file and load never change, a file can come
in several loads, and one that is replaced is another load. SEQUENCES=N tries more of them.
"""

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from common.warehouse import Warehouse
from extract.declaration import read_sources
from extract.load import load
from extract.prepare import raw_names

from .conftest import Dbt

Rows = list[tuple[Any, ...]]
RowsOf = Callable[[Warehouse, str], Rows]

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_real_files = pytest.mark.skipif(
    not (SHARED / "census").is_dir(), reason="the real files are not on this machine"
)
SEQUENCES = int(os.environ.get("SEQUENCES", "3"))
SOURCE = read_sources()["census"]
COLUMNS = raw_names(SOURCE.feeds[0].columns)
FILES = SOURCE.feeds[0].files
INCREMENTAL = ("fact_census_response", "stg_census__checked_values")
# What dbt writes and looks up around a build takes longer than the build itself.
QUICKLY = ("--no-write-json", "--cache-selected-only", "--log-level-file", "none")
ACTIONS = ("tick", "tick", "tick", "replace_first", "replace_second", "empty_first", "nothing")

# Few values, so that many records say the same; some do not cast, some are missing.
VALUES = {
    "age": ["34", "?", "A"],
    "education": [" Masters", " Kindergarten"],
    "fnlwgt": [" 3000000000", " C"],
    "income_class": [" >50K", " >50K.", " <=50K."],
}


@needs_real_files
def test_the_real_files_have_the_known_totals(
    run_dbt: Dbt, rows_of: RowsOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse, dbt = run_dbt
    with closing(warehouse.connect()) as connection, connection:
        connection.cursor().execute("drop schema if exists raw_census cascade")
    monkeypatch.setenv("BUCKET_URL", str(SHARED))
    assert load(SOURCE, warehouse).rows == 48_842
    arguments = ("--full-refresh", "--exclude-resource-type", "unit_test")
    dbt("build", "--select", "@source:census", *arguments)
    assert rows_of(
        warehouse,
        """
        select
            count(*),
            count(*) filter (where is_above_50k),
            count(*) filter (where is_duplicate),
            sum(fnlwgt),
            count(distinct income_class)
        from marts_census.fact_census_response
        """,
    ) == [(48_842, 11_687, 52, 9_263_496_214, 2)]
    assert rows_of(
        warehouse,
        """
        select source_file, source_line, column_name, trim(value)
        from staging.stg_census__rejected_values
        order by source_file, source_line
        """,
    ) == [
        ("Adult.data", 49, "capital_gain", "A"),
        ("Adult.data", 22_198, "age", "B"),
        ("Adult.data", 22_819, "fnlwgt", "C"),
        ("Adult.data", 32_541, "age", "D"),
        ("Adult.test", 31, "hours_per_week", "E"),
    ]
    assert rows_of(
        warehouse,
        """
        select sex, response_count, distinct_response_count, above_50k_count, weight_total
        from marts_census.agg_income_by_sex
        order by sex
        """,
    ) == [
        ("Female", 16_192, 16_176, 1_769, 3_003_608_958),
        ("Male", 32_650, 32_614, 9_918, 6_259_887_256),
    ]
