"""After any sequence of loads, the fact holds what a full refresh would make of it.

Files change at random, change rows are late or spelt in another way, and corrected files take rows
back; after each build the fact is compared, row for row, with its own query over everything.
SEQUENCES=N tries more of them.
"""

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from common.warehouse import Warehouse

from .conftest import CHANGES, Dbt, Shop

SEQUENCES = int(os.environ.get("SEQUENCES", "4"))


# A load that brings change rows, which a later one takes back, and rows that came late.
BACK_AND_FORTH = [[["some_lines", "some_headers"]], [["corrected", "corrected"]], [["corrected"]]]


@settings(
    max_examples=SEQUENCES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    # To make a failing sequence smaller takes many runs of it, each several seconds.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    database=None,
    print_blob=True,
)
@example(seed=1, runs=BACK_AND_FORTH)
@given(
    seed=st.integers(0, 1 << 30),
    # Several loads may come between two runs of dbt, and several changes in one load.
    runs=st.lists(
        st.lists(
            st.lists(st.sampled_from(CHANGES), min_size=1, max_size=3), min_size=1, max_size=2
        ),
        min_size=1,
        max_size=6,
    ),
)
def test_incremental_equals_full_refresh(
    run_dbt: Dbt,
    rows_of: Callable[[Warehouse, str], list[tuple[Any, ...]]],
    seed: int,
    runs: list[list[list[str]]],
) -> None:
    warehouse, dbt = run_dbt
    shop = Shop(warehouse, seed)
    dbt("seed")
    dbt("run", "--select", "+fact_sales", "--full-refresh")
    compiled = dbt("compile", "--select", "fact_sales", "--full-refresh")
    queries = {result.node.name: result.node.compiled_code for result in compiled}
    everything = queries["fact_sales"]
    built = "table marts_sales.fact_sales"
    for loads in runs:
        for changes in loads:
            for change in changes:
                shop.change(change)
            shop.load()
        dbt("run", "--select", "+fact_sales,config.materialized:table", "fact_sales")
        for first, second, what in (
            (built, everything, "too many"),
            (everything, built, "missing"),
        ):
            found = rows_of(
                warehouse, f"select * from (({first}) except all ({second})) as difference"
            )
            assert found == [], what
