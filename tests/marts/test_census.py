"""The census: any sequence of ticks and new files ends in what a full refresh makes of raw.

Raw is filled in here as the loader does: records of one file and load never change, a file can come
in several loads, and one that is replaced is another load. SEQUENCES=N tries more of them.
"""

import os
import random
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from extract.prepare import raw_names
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from common.warehouse import Warehouse
from extract.declaration import read_sources
from extract.load import load

from .conftest import Dbt

Rows = list[tuple[Any, ...]]
RowsOf = Callable[[Warehouse, str], Rows]

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


class RawCensus:
    """The raw table, as loads leave it behind."""

    def __init__(self, warehouse: Warehouse, seed: int) -> None:
        self._warehouse = warehouse
        self._random = random.Random(seed)  # noqa: S311
        self._load_id = 0
        self._rows = dict.fromkeys(FILES, 0)
        self._execute("drop schema if exists raw_census cascade")
        self._execute("create schema raw_census")
        self._execute(
            f"""
            create table raw_census.adult (
                {"".join(f"{name} text, " for name in COLUMNS)}
                _source_file text, _source_line bigint, _source_row bigint,
                _load_id bigint, _loaded_at timestamptz default now()
            )
            """
        )

    def act(self, action: str) -> None:
        """Does what one load may do."""
        self._load_id += 1
        first, second = FILES
        if action == "tick":
            # The last records of one file and the first of the next come in one load.
            self._append(first, self._random.randint(0, 5))
            self._append(second, self._random.randint(0, 5))
        elif action == "replace_first":
            self._replace(first, self._random.randint(1, 6))
        elif action == "replace_second":
            self._replace(second, self._random.randint(1, 6))
        elif action == "empty_first":
            self._replace(first, 0)

    def _replace(self, file: str, count: int) -> None:
        self._execute("delete from raw_census.adult where _source_file = %s", file)
        self._rows[file] = 0
        self._append(file, count)

    def _append(self, file: str, count: int) -> None:
        names = (*VALUES, "_source_file", "_source_line", "_source_row", "_load_id")
        for _ in range(count):
            self._rows[file] += 1
            row = self._rows[file]
            line = row + 1 if file == FILES[1] else row
            values = [self._random.choice(each) for each in VALUES.values()]
            self._execute(
                f"insert into raw_census.adult ({', '.join(names)}) "
                f"values ({', '.join(['%s'] * len(names))})",
                *values, file, line, row, self._load_id,
            )  # fmt: skip

    def _execute(self, sql: str, *values: object) -> None:
        with closing(self._warehouse.connect()) as connection, connection:
            connection.cursor().execute(sql, values)


@dataclass(frozen=True)
class Model:
    """An incremental model: its table, its columns, and its query over everything."""

    table: str
    columns: str
    everything: str


def differences(warehouse: Warehouse, rows_of: RowsOf, models: Sequence[Model]) -> Rows:
    """Returns rows that a model's table or its query over everything has and the other has not."""
    found: Rows = []
    for model in models:
        built = f"select {model.columns} from {model.table}"
        everything = f"select {model.columns} from ({model.everything}) as model_query"
        for first, second in ((built, everything), (everything, built)):
            found += rows_of(warehouse, f"{first} except all {second}")
    return found


@settings(
    max_examples=SEQUENCES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    database=None,
    print_blob=True,
)
# What repeated a record that is gone repeats none any more.
@example(seed=1, runs=[["tick", "tick", "tick"], ["empty_first"]])
@given(
    seed=st.integers(0, 1 << 30),
    # Several loads may come between two runs of dbt.
    runs=st.lists(
        st.lists(st.sampled_from(ACTIONS), min_size=1, max_size=3), min_size=2, max_size=5
    ),
)
def test_incremental_equals_full_refresh(
    run_dbt: Dbt, rows_of: RowsOf, seed: int, runs: list[list[str]]
) -> None:
    warehouse, dbt = run_dbt
    raw = RawCensus(warehouse, seed)
    raw.act("tick")
    dbt("seed", "--select", "@source:census")
    dbt("run", "--select", "@source:census", "--full-refresh")
    models = [
        Model(each.node.relation_name, ", ".join(each.node.columns), each.node.compiled_code)
        for each in dbt("compile", "--select", *INCREMENTAL, "--full-refresh")
        if each.node.name in INCREMENTAL
    ]
    assert len(models) == len(INCREMENTAL)
    for actions in runs:
        for action in actions:
            raw.act(action)
        dbt("run", "--select", *INCREMENTAL, *QUICKLY)
        assert differences(warehouse, rows_of, models) == []
    dbt("test", "--select", "assert_fact_census_response_reconciles_with_raw")


def test_the_real_files_have_the_known_totals(
    real_data: Path, run_dbt: Dbt, rows_of: RowsOf, monkeypatch: pytest.MonkeyPatch
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
