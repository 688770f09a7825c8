"""The census, on the real files: the known totals, and the values that were rejected."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from common.warehouse import Warehouse
from extract.declaration import read_sources
from extract.load import load

from .conftest import Dbt

Rows = list[tuple[Any, ...]]
RowsOf = Callable[[Warehouse, str], Rows]

SOURCE = read_sources()["census"]


def test_the_real_files_have_the_known_totals(
    run_dbt: Dbt, rows_of: RowsOf, real_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse, dbt = run_dbt
    with closing(warehouse.connect()) as connection, connection:
        connection.cursor().execute("drop schema if exists raw_census cascade")
    monkeypatch.setenv("BUCKET_URL", str(real_data))
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
        from quality.dq_census_rejected_values
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
