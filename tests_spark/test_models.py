"""How dbt builds on Spark: what Spark would get wrong in silence, a test each."""

import random
import re
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest

from common.errors import LoadError
from common.lakehouse import Lakehouse
from tests_spark.project import ROOT, Project

INCREMENTAL = """
{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='coalesce(id, 0)',
        on_schema_change='append_new_columns',
        post_hook="{{ delete_where('amount in (select 13)') }}",
    )
}}
"""
TABLE = "{{ config(materialized='table') }} "
CONTRACT = """
models:
  - name: contracted
    description: It's a table.
    config: {contract: {enforced: true}}
    columns:
      - {name: id, data_type: bigint, description: "The 'id'", constraints: [{type: not_null}]}
      - {name: amount, data_type: "numeric(19,4)"}
      - {name: name, data_type: text}
      - {name: seen_at, data_type: timestamp with time zone}
"""


@pytest.fixture(scope="module")
def project(cluster: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("project") / "small", cluster)


@pytest.fixture(autouse=True)
def empty(project: Project) -> Iterator[None]:
    yield
    for path in project.folder.glob("*/*"):
        if path.parent.name in ("models", "seeds", "snapshots"):
            path.unlink()


def test_a_replaced_view_is_replaced(project: Project) -> None:
    for value in (1, 2):
        project.write("models/replaced.sql", f"select {value} as a, 'it''s' || chr(10) as b")
        assert project.dbt("run") == []
        assert project.rows("select a from small.replaced") == [(value,)]
    # With other columns, too, and under a view that was there before.
    project.write("models/above.sql", "select * from {{ ref('replaced') }}")
    project.write("models/replaced.sql", "select 3 as c")
    assert project.dbt("run") == []
    assert project.rows("select * from small.above") == [(3,)]


def test_a_contract_casts_and_refuses_nulls(project: Project) -> None:
    project.write("models/contracted.yml", CONTRACT)
    query = "select {} as id, {} as amount, 'x' as name, current_timestamp() as seen_at"

    def write(number: str, amount: str) -> None:
        project.write("models/contracted.sql", TABLE + query.format(number, amount))

    write("1L", "cast('1.23456789' as decimal(38,8))")
    assert project.dbt("run") == []
    assert project.rows("select id, amount from small.contracted") == [(1, Decimal("1.2346"))]
    described = {row[0]: row[1:] for row in project.rows("describe extended small.contracted")}
    assert described["id"] == ("bigint", "The 'id'")
    assert described["amount"][0] == "decimal(19,4)"
    assert described["Comment"][0] == "It's a table."
    for values, message in (
        (("cast(null as bigint)", "cast(2 as decimal(38,8))"), "contracted.id is null"),
        # Spark would write a NULL.
        (("2L", "cast('1e20' as decimal(38,4))"), "NUMERIC_VALUE_OUT_OF_RANGE"),
        (("'2'", "cast(2 as decimal(38,8))"), "contract"),
    ):
        write(*values)
        (failure,) = project.dbt("run")
        assert message in failure
        assert project.rows("select id from small.contracted") == [(1,)]


def test_what_overflows_is_an_error(project: Project) -> None:
    for sql in (
        "select cast(3000000000 as int)",
        "select 2147483647 + id from values (1) as t (id)",
        "select cast('seven' as int)",
        "select sum(cast('9e37' as decimal(38,0))) from range(3)",
    ):
        with pytest.raises(LoadError):
            project.rows(sql)


def test_a_changed_incremental_model_is_one_new_version(project: Project) -> None:
    def build(values: str, columns: str = "id, amount", *options: str) -> None:
        query = f"select * from values {values} as t ({columns})"
        project.write("models/grown.sql", INCREMENTAL + query)
        assert project.dbt("run", *options) == []

    def versions() -> int:
        return len(project.rows("select * from small.grown.snapshots"))

    build("(1, 10), (2, 20), (2, 21), (null, 30), (4, 13)")
    before = versions()
    # Key 1 loses a row and gets two, no key is a key, and what the hook names goes.
    build("(1, 11), (1, 12), (null, 31), (5, 50)")
    assert versions() == before + 1
    rows = "select id, amount from small.grown order by id nulls first, amount"
    assert project.rows(rows) == [(None, 31), (1, 11), (1, 12), (2, 20), (2, 21), (5, 50)]
    assert [row[1] for row in project.rows("show tables in small")].count("grown__dbt_tmp") == 0
    build("(2, 22, 'new')", "id, amount, name")
    assert project.rows("select * from small.grown where id in (2, 5) order by id") == [
        (2, 22, "new"),
        (5, 50, None),
    ]
    build("(7, 70)", "id, amount", "--full-refresh")
    assert project.rows("select * from small.grown") == [(7, 70)]


@pytest.mark.parametrize("kind", ["table", "incremental"])
def test_a_full_refresh_that_fails_leaves_the_table(project: Project, kind: str) -> None:
    config = INCREMENTAL if kind == "incremental" else TABLE
    project.write("models/kept.sql", f"{config} select 1 as id, 2 as amount")
    assert project.dbt("run", "--full-refresh") == []
    project.write("models/kept.sql", f"{config} select 1 as id, 2 div id as amount from range(1)")
    assert len(project.dbt("run", "--full-refresh")) == 1
    assert project.rows("select * from small.kept") == [(1, 2)]


def test_seeds_are_loaded_as_they_are(project: Project) -> None:
    project.write("seeds/values.csv", "id,name,amount\n1,it's a \\t,1.50\n2,,2\n")
    project.write(
        "seeds/values.yml",
        "seeds: [{name: values, config: {column_types: {id: integer, name: text, "
        'amount: "numeric(5,2)"}}}]',
    )
    for _ in range(2):
        assert project.dbt("seed") == []
    assert project.rows("select * from small.values order by id") == [
        (1, "it's a \\t", Decimal("1.50")),
        (2, None, Decimal("2.00")),
    ]


def test_a_snapshot_keeps_versions(project: Project) -> None:
    project.write(
        "snapshots/history.yml",
        "snapshots: [{name: history, relation: ref('current'), config: {unique_key: id, "
        "strategy: check, check_cols: all, hard_deletes: invalidate}}]",
    )
    for values in ("(1, 'a'), (2, 'b'), (3, 'c')", "(1, 'a'), (2, 'B')", "(1, 'a'), (2, 'B')"):
        project.write("models/current.sql", f"select * from values {values} as t (id, name)")
        assert project.dbt("build") == []
    assert project.rows(
        "select id, name, dbt_valid_to is null from small.history order by id, dbt_valid_from"
    ) == [(1, "a", True), (2, "b", False), (2, "B", True), (3, "c", False)]


def test_shares_are_rounded_as_on_postgresql(project: Project) -> None:
    numbers = random.Random(1)  # noqa: S311
    cases = [("0.0001", "0.5", "1"), ("-0.0003", "0.5", "1"), ("0.0001", "-0.5", "1")]
    for _ in range(200):
        total = numbers.randint(1, 10 ** numbers.randint(1, 13))
        weight = numbers.randint(-total // 10, total)
        amount = numbers.randint(-(10**5), 10 ** numbers.randint(1, 12))
        units = ((amount, -4), (weight, -6), (total, -6))
        a, w, t = (str(Decimal(number).scaleb(power)) for number, power in units)
        cases.append((a, w, t))
    # As the fact calls it, the weights being sums of line totals.
    project.write(
        "models/shared.sql",
        TABLE + "select *, {{ rounded_share('amount', 'weight', 'total') }} as share "
        "from (select cast(a as numeric(19,4)) as amount, cast(w as decimal(29,6)) as weight, "
        "cast(t as decimal(29,6)) as total from values "
        + ", ".join(f"('{a}', '{w}', '{t}')" for a, w, t in cases)
        + " as t (a, w, t))",
    )
    assert project.dbt("run") == []
    rows = project.rows("select amount, weight, total, share from small.shared")
    assert len(rows) == len(cases)
    for amount, weight, total, share in rows:
        exact = Decimal(str(amount)) * Decimal(str(weight)) / Decimal(str(total))
        assert share == exact.quantize(Decimal("0.0001"), ROUND_HALF_UP), (amount, weight, total)


def test_no_view_names_a_window() -> None:
    """Iceberg keeps such a view and cannot read it."""
    config = re.compile(r"materialized='(table|incremental)'")
    for path in [*(ROOT / "models").glob("[si]*/*/*.sql")]:
        text = path.read_text()
        if not config.search(text):
            assert not re.search(r"^\s*window\b", text, re.MULTILINE), path


def test_python_and_spark_see_what_the_other_wrote(
    project: Project, lakehouse_of_cluster: Lakehouse
) -> None:
    import pyarrow as pa

    catalog = lakehouse_of_cluster.catalog()
    catalog.create_namespace_if_not_exists("small")
    rows = pa.table({"id": [1]})
    table = catalog.create_table("small.of_python", rows.schema)
    for count in (1, 2):
        table.append(rows)
        assert project.rows("select count(*) from small.of_python") == [(count,)]
    project.write("models/of_spark.sql", TABLE + "select 1 as id")
    assert project.dbt("run") == []
    assert catalog.load_table("small.of_spark").scan().to_arrow().num_rows == 1


def test_who_asks_for_what_is_not_there_is_told(project: Project, tmp_path: Path) -> None:
    from orchestrate.spark import NotThereError

    for sql in ("select 1 from nowhere.nothing", "select x from values (1) as t (id)"):
        with pytest.raises(NotThereError) as raised:
            project.rows(sql)
        assert "\tat " not in str(raised.value)
