"""The lake's tables in deploy/template.yaml: not stale, and what is really published."""

from pathlib import Path
from typing import Any

import pytest

from common.errors import ConfigurationError
from lake import catalog
from lake.declaration import Table, read_tables

TEMPLATE = Path(__file__).parents[2] / "deploy" / "template.yaml"


def test_the_template_is_not_stale(tmp_path: Path) -> None:
    copy = tmp_path / "template.yaml"
    copy.write_text(TEMPLATE.read_text(encoding="utf-8"), encoding="utf-8")
    catalog.write(read_tables(), copy)
    assert copy.read_text(encoding="utf-8") == TEMPLATE.read_text(encoding="utf-8"), (
        "the lake's tables changed: run make deploy-tables"
    )


@pytest.mark.warehouse
@pytest.mark.parametrize("table", read_tables(), ids=str)
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
    if not table.record:
        kinds = [(name, kind.removesuffix(" without time zone")) for name, kind in found]
        assert catalog.columns(table) == kinds
    assert set(catalog.columns(table)) <= {
        (name, kind.removesuffix(" without time zone")) for name, kind in found
    }


def test_what_glue_has_no_type_for_is_refused() -> None:
    assert catalog.glue_type("numeric(19,4)") == "decimal(19,4)"
    with pytest.raises(ConfigurationError, match="type numeric: the lake has no such type"):
        catalog.glue_type("numeric")


def test_a_template_without_the_mark_is_refused(tmp_path: Path) -> None:
    (tmp_path / "template.yaml").write_text("Resources: {}\n")
    with pytest.raises(ConfigurationError, match="expected the line"):
        catalog.write(read_tables(), tmp_path / "template.yaml")
