"""After any sequence of loads, incremental models hold what a full refresh would make of them.

Files are changed at random, loaded by the real loader and built by dbt; each model is then
compared, row for row, with its own query over everything. SEQUENCES=N tries more of them.
"""

import os
import shutil
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from common.warehouse import Warehouse
from extract.declaration import read_sources
from extract.load import load

from .conftest import CHANGES, Dbt, Shop, forget

MODELS = {
    "stg_adventure_works__checked_values": "staging",
    "dim_person": "marts_sales",
    "dim_customer": "marts_sales",
    "fact_sales": "marts_sales",
}
SEQUENCES = int(os.environ.get("SEQUENCES", "4"))


@settings(
    max_examples=SEQUENCES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    # To make a failing sequence smaller takes many runs of it, each several seconds.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    database=None,
    print_blob=True,
)
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
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    runs: list[list[list[str]]],
) -> None:
    warehouse, dbt = run_dbt
    forget(warehouse)
    bucket = tmp_path_factory.mktemp("shop")
    source = read_sources()["adventure_works"]
    shop = Shop(source, bucket, seed)
    os.environ["BUCKET_URL"] = str(bucket)
    load(source, warehouse, accept_smaller=True)
    dbt("seed")
    dbt("run", "--select", "+fact_sales", *MODELS, "--full-refresh")
    compiled = dbt("compile", "--select", *MODELS, "--full-refresh")
    everything = {each.node.name: each.node.compiled_code for each in compiled}
    for loads in runs:
        for changes in loads:
            for change in changes:
                shop.change(change)
            load(source, warehouse, accept_smaller=True)
        dbt("run", "--select", "dim_product", *MODELS)
        for model, schema in MODELS.items():
            table, query = f"table {schema}.{model}", everything[model]
            if model.endswith("__checked_values"):
                # Up to where a feed was checked is not known any more once it is empty.
                found_values = "select * from ({}) as checked where column_name is not null"
                table, query = found_values.format(table), found_values.format(query)
            for first, second, what in ((table, query, "too many"), (query, table, "missing")):
                found = rows_of(
                    warehouse, f"select * from (({first}) except all ({second})) as difference"
                )
                assert found == [], f"{model}: {what}"
    shutil.rmtree(bucket)
