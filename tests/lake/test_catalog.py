"""The lake's tables in deploy/template.yaml: not stale, and what is really published."""

import re
from pathlib import Path
from typing import Any

import pytest
import sqlglot

from common.errors import ConfigurationError
from lake import catalog
from lake.declaration import Table, read_tables
from lake.glue import glue_name

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "deploy" / "template.yaml"
REDSHIFT = ROOT / "deploy" / "redshift.sql"


def test_the_template_is_not_stale(tmp_path: Path) -> None:
    copy = tmp_path / "template.yaml"
    copy.write_text(TEMPLATE.read_text(encoding="utf-8"), encoding="utf-8")
    catalog.write(read_tables(), copy)
    assert copy.read_text(encoding="utf-8") == TEMPLATE.read_text(encoding="utf-8"), (
        "the lake's tables changed: run make deploy-tables"
    )


@pytest.mark.warehouse
@pytest.mark.parametrize("table", [t for t in read_tables() if not t.partition_by], ids=str)
def test_the_catalog_has_the_columns_of_the_warehouse(
    table: Table, built_warehouse: Any, rows_of: Any
) -> None:
    found = rows_of(
        built_warehouse.warehouse,
        f"""
        select attname, format_type(atttypid, atttypmod) from pg_attribute
        where attrelid = '{table.schema}.{table.relation}'::regclass
            and attnum > 0 and not attisdropped
        order by attnum
        """,
    )
    kinds = [(name, kind.removesuffix(" without time zone")) for name, kind in found]
    assert catalog.columns(table) == kinds


def test_what_glue_has_no_type_for_is_refused() -> None:
    assert catalog.glue_type("numeric(19,4)") == "decimal(19,4)"
    with pytest.raises(ConfigurationError, match="type numeric: the lake has no such type"):
        catalog.glue_type("numeric")


def test_a_template_without_the_mark_is_refused(tmp_path: Path) -> None:
    (tmp_path / "template.yaml").write_text("Resources: {}\n")
    with pytest.raises(ConfigurationError, match="expected the line"):
        catalog.write(read_tables(), tmp_path / "template.yaml")


def test_redshift_has_a_view_for_each_mart_of_the_lake_and_for_what_the_questions_read() -> None:
    statements = sqlglot.parse(REDSHIFT.read_text(encoding="utf-8"), dialect="redshift")
    views = {}
    for statement in statements:
        if isinstance(statement, sqlglot.exp.Create) and statement.kind == "VIEW":
            (origin,) = statement.expression.find_all(sqlglot.exp.Table)
            views[statement.this.sql()] = origin.sql()
    gold = [table for table in read_tables() if table.layer == "gold"]
    assert views == {
        f"{table.schema}.{table.relation}": f"lake.{glue_name(table)}" for table in gold
    }
    # What is no Redshift SQL that sqlglot knows becomes a Command: the external schema alone.
    commands = [each for each in statements if isinstance(each, sqlglot.exp.Command)]
    assert [each.sql(comments=False)[:22].lower() for each in commands] == [
        "create external schema"
    ]
    for question in sorted((ROOT / "analyses").glob("q[1245]_*.sql")):
        read = set(re.findall(r"ref\('(\w+)'\)", question.read_text(encoding="utf-8")))
        assert read <= {view.partition(".")[2] for view in views}, question.name
